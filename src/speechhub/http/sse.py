"""Server-sent events, as OpenAI sends them: one ``data:`` line each, no names, ``[DONE]`` at the end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final

import msgspec
import structlog
from litestar.response import Stream
from litestar.types import Scope

from speechhub.errors import SpeechhubError
from speechhub.http.errors import ErrorBody, error_object, internal_error

log = structlog.get_logger()

PING_S: Final = 15.0
"""Silence after which a comment is sent, so that proxies keep the connection."""


def event_stream(events: AsyncIterable[msgspec.Struct], scope: Scope) -> Stream:
    """Return a response that sends *events* as they come; a failure among them is its last event."""
    return Stream(
        _lines(events, scope),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def _lines(events: AsyncIterable[msgspec.Struct], scope: Scope) -> AsyncGenerator[bytes, None]:
    try:
        async for event in _with_pings(events):
            yield b": ping\n\n" if event is None else _data(event)
    except SpeechhubError as error:
        log.error("event stream broke off", error=type(error).__name__, reason=str(error))
        yield _data(ErrorBody(error=error_object(error, scope)))
        return
    except Exception as error:
        log.exception("event stream failed", error=type(error).__name__)
        yield _data(ErrorBody(error=internal_error()))
        return
    yield b"data: [DONE]\n\n"


def _data(event: msgspec.Struct) -> bytes:
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


async def _with_pings(
    events: AsyncIterable[msgspec.Struct],
) -> AsyncGenerator[msgspec.Struct | None, None]:
    """Yield the events, and None whenever there was none for a while."""
    source = aiter(events)
    coming: asyncio.Future[msgspec.Struct] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait({coming}, timeout=PING_S)
            if not done:
                yield None
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield event
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
