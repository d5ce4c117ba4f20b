"""Wire: reads and writes events over one connection, within limits of size and time.

An event is a line of JSON, then bytes of JSON that are merged over the line's ``data``, then a payload.
Source: ``wyoming.event`` of the package ``wyoming`` 1.10.2, which has no limits and treats every error as the
end of the connection.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_write_event

from speechhub.errors import AnswerUnreadError, RequestCancelledError, RequestError
from speechhub.services.account import Account, Holding

MAX_LINE_BYTES: Final = 64 * 1024
MAX_DATA_BYTES: Final = 1024 * 1024
MAX_PAYLOAD_BYTES: Final = 1024 * 1024
"""Half a minute of 16-bit audio at 16 kHz in one chunk; clients send a hundredth of it."""
DRAIN_S: Final = 30.0
"""How long the client may read nothing while the server has something to send."""
PARTING_S: Final = 2.0
"""How long the client may take to read the last event, and what is queued at the end."""
_DISCARDED_BYTES: Final = 64 * 1024

T = TypeVar("T")


class UnreadableEventError(RequestError):
    """What the client sent is not an event, or is too large; where the next one begins is unknown."""

    code = "bad_request"


class RawEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it came; `client_events` knows what it means."""

    type: str
    data: bytes = b"{}"
    """A JSON value that was not looked at further."""
    payload: bytes = b""


class _Head(msgspec.Struct, frozen=True):
    """The line; fields that it does not have are ignored."""

    type: str
    data: msgspec.Raw = msgspec.Raw(b"{}")
    data_length: Annotated[int, Meta(ge=0, le=MAX_DATA_BYTES)] | None = None
    payload_length: Annotated[int, Meta(ge=0, le=MAX_PAYLOAD_BYTES)] | None = None


class WyomingWire:
    """One client's connection; one task reads from it, and any may send."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, holding: Holding | None = None
    ) -> None:
        """Take over a connection.

        Args:
            reader: Its limit is MAX_LINE_BYTES.
            writer: Closed by `close`.
            holding: Takes the bytes of a large event while it arrives; closed by `close`.
        """
        self._holding = holding or Account().open()
        self._reader = reader
        self._writer = writer
        self._sending = asyncio.Lock()

    async def read(self) -> RawEvent | None:
        """Return the next event; None once the client has left, even in the middle of one.

        Raises:
            UnreadableEventError: What came is not an event; nothing more can be read.
            ServerFullError: A large event has no room, because others hold all the memory; neither.
        """
        try:
            line = await self._reader.readuntil(b"\n")
            head = decoded(line, _Head)
            with self._accounted((head.data_length or 0) + (head.payload_length or 0)):
                data = bytes(head.data)
                if head.data_length:
                    data = _merged(data, await self._reader.readexactly(head.data_length))
                payload = await self._reader.readexactly(head.payload_length or 0)
        except asyncio.LimitOverrunError:
            raise UnreadableEventError(
                f"The line of an event has more than {MAX_LINE_BYTES} bytes. Send longer data after the "
                "line, with data_length."
            ) from None
        except (asyncio.IncompleteReadError, OSError):
            return None
        return RawEvent(type=head.type, data=data, payload=payload)

    @contextlib.contextmanager
    def _accounted(self, size: int) -> Iterator[None]:
        """Hold memory for what is read in the block; events as small as a line are not worth it."""
        size = size if size > MAX_LINE_BYTES else 0
        self._holding.take("memory", size)
        try:
            yield
        finally:
            self._holding.free("memory", size)

    async def send(self, *events: Event | Eventable) -> None:
        """Send events, whole and in this order; return when little of them waits to be read.

        A call that is cancelled never leaves part of an event behind.

        Raises:
            AnswerUnreadError: The client read nothing for DRAIN_S.
            RequestCancelledError: It has left.
        """
        async with self._sending:
            for event in events:
                self._check_open()
                try:
                    async with asyncio.timeout(DRAIN_S):
                        await async_write_event(
                            event if isinstance(event, Event) else event.event(), self._writer
                        )
                except TimeoutError:
                    raise AnswerUnreadError(DRAIN_S) from None
                except OSError:
                    raise RequestCancelledError("The client has left.") from None

    async def farewell(self, error: Error) -> None:
        """Send the last event, and throw away what the client still sends, for PARTING_S at most.

        Unread input at the end would have the system reset the connection, and the event might be lost.
        """
        with contextlib.suppress(OSError, RequestCancelledError):  # a TimeoutError, too
            async with asyncio.timeout(PARTING_S):
                await self.send(error)
                self._check_open()
                self._writer.write_eof()
                while await self._reader.read(_DISCARDED_BYTES):
                    pass

    def _check_open(self) -> None:
        """Raise RequestCancelledError once the client has left; uvloop would raise RuntimeError."""
        if self._writer.is_closing():
            raise RequestCancelledError("The client has left.")

    async def close(self) -> None:
        """Close the connection; what is still queued has PARTING_S to be sent."""
        try:
            self._writer.close()
            async with asyncio.timeout(PARTING_S):
                await self._writer.wait_closed()
        except OSError:  # it was reset, or the client does not read
            pass
        finally:
            self._writer.transport.abort()
            self._holding.close()


def decoded(data: bytes, kind: type[T]) -> T:
    """Return JSON as a struct.

    Raises:
        UnreadableEventError: It is not JSON, or lacks what *kind* has.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise UnreadableEventError(f"An event does not have the fields of its type: {error}.") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableEventError(
            "This is not an event of Home Assistant's protocol, Wyoming: a line of JSON that says how many "
            "bytes of data and of payload follow it. HTTP has a port of its own."
        ) from error


def _merged(inline: bytes, behind: bytes) -> bytes:
    """Return two JSON objects as one; the second counts where both have a field."""
    if inline in (b"{}", b"null"):
        return behind
    fields = dict[str, msgspec.Raw]
    return msgspec.json.encode({**decoded(inline, fields), **decoded(behind, fields)})
