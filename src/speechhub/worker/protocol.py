"""Frames between hub and worker: a small JSON header, then raw payload.

On the wire a frame is ``<u32 header_len><u32 payload_len><header><payload>``, little-endian. The payload is
one or more parts in sequence; the header has their lengths, so that each part is received into its own buffer
and audio is never copied or joined on the way.

Standard library only: both sides import this module, the worker in any Python environment.
"""

import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from speechhub.errors import EngineProtocolError

PREFIX: Final = struct.Struct("<II")
"""Lengths of header and payload, in bytes."""
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_PAYLOAD_TO_HUB_BYTES: Final = 64 * 1024**2
"""Limit so that a worker cannot fill the hub's memory with one frame."""
MAX_PAYLOAD_TO_WORKER_BYTES: Final = 1024**3
"""Limit for a batch of recordings: 1 GiB is 4.6 hours at 16 kHz."""

Buffer = bytes | bytearray | memoryview
Parts = tuple[Buffer, ...]


class Kind(StrEnum):
    """Kind of a frame; → from the hub to the worker, ← from the worker to the hub."""

    HELLO = "hello"
    """← The first frame, sent before any engine code is imported: pid, python, api_version."""
    PREPARE = "prepare"
    """→ Import the factory, create the engine, read the model's files ahead; touch no device. Before LOAD."""
    LOAD = "load"
    """→ Do what PREPARE does, unless that was done, and load the model. Sets the worker's epoch."""
    READY = "ready"
    """← Answer to PREPARE or LOAD: import_s, load_s and remarks, and the voices as payload."""
    RUN = "run"
    """→ One call: ``op`` names the operation of the engine's slot; requests as payload."""
    CHUNK = "chunk"
    """← A piece of the answer to a RUN: text, or audio."""
    RESULT = "result"
    """← The end of the answer to a RUN, or the whole answer if there are no chunks. ``work_s`` is how long
    the engine worked, ``memory`` its device memory: allocated and reserved bytes, or null."""
    ERROR = "error"
    """← LOAD or RUN failed, or was cancelled; ends the answer like RESULT, and for a RUN has the same fields.
    The payload is the traceback, if the worker was started with that option."""
    PROGRESS = "progress"
    """← Fraction of a RUN that is done."""
    CANCEL = "cancel"
    """→ No request waits for the call any more; it is still answered, with RESULT or ERROR."""
    PING = "ping"
    """→ Asks for a sign of life."""
    PONG = "pong"
    """← Answer to PING, even while an engine is working."""
    STOP = "stop"
    """→ Cancel the running call, close the engine, exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message."""

    kind: Kind
    call: int = 0
    """Number of the PREPARE, LOAD, RUN or PING that the frame belongs to; 0 if it belongs to none."""
    epoch: int = 0
    """Number of the worker, 0 before it has one; frames with another number break the protocol."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """Small JSON values; values that grow with the input belong in the payload."""
    parts: Parts = ()
    """The payload, part by part."""


def encode(frame: Frame, *, max_payload_bytes: int) -> list[Buffer]:
    """Return the buffers to write, in order: first the prefix and header, then each part as it is.

    Raises:
        EngineProtocolError: The frame is larger than the other side accepts.
    """
    lengths = [memoryview(part).nbytes for part in frame.parts]
    header = json.dumps(
        [frame.kind, frame.call, frame.epoch, frame.fields, lengths], separators=(",", ":")
    ).encode()
    check_lengths(len(header), sum(lengths), max_payload_bytes=max_payload_bytes)
    # Empty parts have nothing to send, and a careless loop would mistake them for a closed socket.
    return [PREFIX.pack(len(header), sum(lengths)) + header, *(part for part in frame.parts if len(part))]


def check_lengths(header_bytes: int, payload_bytes: int, *, max_payload_bytes: int) -> None:
    """Refuse a frame by its prefix, before a buffer for it is allocated.

    Raises:
        EngineProtocolError: Header or payload is larger than allowed.
    """
    if header_bytes > MAX_HEADER_BYTES:
        raise EngineProtocolError(f"Frame header of {header_bytes} bytes; the limit is {MAX_HEADER_BYTES}.")
    if payload_bytes > max_payload_bytes:
        raise EngineProtocolError(
            f"Frame payload of {payload_bytes} bytes; the limit is {max_payload_bytes}."
        )


def parse(header: Buffer, payload_bytes: int) -> tuple[Frame, list[bytearray]]:
    """Parse a header; return its frame, and the buffers of its parts, which the caller fills.

    Raises:
        EngineProtocolError: The header is not valid.
    """
    try:
        kind, call, epoch, fields, lengths = json.loads(bytes(header))
        frame_kind = Kind(kind)
        ok = isinstance(fields, dict) and all(type(n) is int and n >= 0 for n in (call, epoch, *lengths))
        if not ok or sum(lengths) != payload_bytes:
            raise ValueError  # noqa: TRY301  # one message for every fault
    except (ValueError, TypeError, RecursionError) as error:
        raise EngineProtocolError("The worker channel carries something that is not a frame.") from error
    parts = [bytearray(n) for n in lengths]
    return Frame(kind=frame_kind, call=call, epoch=epoch, fields=fields, parts=tuple(parts)), parts


def write_frame(sock: socket.socket, frame: Frame, *, max_payload_bytes: int) -> None:
    """Send *frame* on a blocking socket.

    Raises:
        EngineProtocolError: The frame is larger than the other side accepts; nothing was sent.
        OSError: The other side is gone.
    """
    for buffer in encode(frame, max_payload_bytes=max_payload_bytes):
        sock.sendall(buffer)


def read_frame(sock: socket.socket, *, max_payload_bytes: int) -> Frame | None:
    """Receive one frame from a blocking socket; None if the other side closed it between two frames.

    Raises:
        EngineProtocolError: The data is not a frame, is too large, or ends within the frame.
        OSError: The socket is broken.
    """
    prefix = bytearray(PREFIX.size)
    received = _fill(sock, prefix)
    if received == 0:
        return None
    _require(received, prefix)
    header_bytes, payload_bytes = PREFIX.unpack(prefix)
    check_lengths(header_bytes, payload_bytes, max_payload_bytes=max_payload_bytes)
    header = bytearray(header_bytes)
    _require(_fill(sock, header), header)
    frame, buffers = parse(header, payload_bytes)
    for buffer in buffers:
        _require(_fill(sock, buffer), buffer)
    return frame


def _fill(sock: socket.socket, buffer: bytearray) -> int:
    """Receive until *buffer* is full or the other side closes; return the number of bytes received."""
    view, received = memoryview(buffer), 0
    while received < len(buffer):
        count = sock.recv_into(view[received:])
        if count == 0:
            break
        received += count
    return received


def _require(received: int, buffer: bytearray) -> None:
    if received < len(buffer):
        raise EngineProtocolError("The worker channel closed in the middle of a frame.")
