"""Uploads that stop arriving."""

import asyncio

import pytest

from speechhub.errors import UploadStalledError
from speechhub.http.edges.uploads import uploads_bounded
from tests.fakes.virtual_time import VirtualTimeLoop

IDLE_S = 30.0
MIN_BYTES_PER_S = 1000


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def body(data, *, more=True):
    return {"type": "http.request", "body": data, "more_body": more}


async def read(messages, pause_s=0.0, after=None, got=None):
    """Read a body whose messages come after *pause_s* each, and then stops; return what was read."""
    incoming = iter(messages)
    got = [] if got is None else got

    async def receive():
        message = next(incoming, None)
        await (asyncio.sleep(pause_s) if message else asyncio.Event().wait())
        return message

    async def app(scope, receive, send):
        while True:
            got.append(await receive())
            if after and len(got) == len(messages):
                await after(receive)
                return

    wrapped = uploads_bounded(app, idle_timeout_s=IDLE_S, min_bytes_per_s=MIN_BYTES_PER_S)
    await wrapped({"type": "http"}, receive, None)
    return got


@pytest.mark.parametrize("messages", [[], [body(b"x")], [body(b"x" * 5000)]])
async def test_an_upload_that_stands_still_is_given_up(messages):
    """Whether nothing, a little or much has come: an end to it."""
    with pytest.raises(UploadStalledError, match="30 seconds"):
        await read(messages)


async def test_a_drip_is_not_a_flow():
    """One byte now and then does not keep an upload alive."""
    got = []

    with pytest.raises(UploadStalledError):
        await read([body(b"x")] * 100, pause_s=IDLE_S / 5, got=got)

    assert len(got) <= 5


async def test_a_slow_flow_is_read_to_its_end():
    """An upload may take many times the limit, as long as its average is kept."""
    messages = [body(b"x" * 15_000)] * 8 + [body(b"", more=False)]

    async def nothing(receive):
        pass

    assert len(await read(messages, pause_s=IDLE_S / 2, after=nothing)) == 9


async def test_a_slow_average_is_given_up():
    """A kilobyte now and then kept a connection for hours: pauses may be long, but not all of it."""
    got = []

    with pytest.raises(UploadStalledError, match="1000 bytes a second"):
        await read([body(b"x" * 1024)] * 100, pause_s=IDLE_S / 3, got=got)

    assert len(got) <= 4


async def test_what_came_fast_saves_no_more_than_one_pause():
    """Ten megabytes at once are no right to be silent for hours."""
    with pytest.raises(UploadStalledError):
        async with asyncio.timeout(IDLE_S * 1.5):
            await read([body(b"x" * 10_000_000)])


async def test_after_the_end_nobody_is_hurried():
    """Once the body is there, waiting for the client's leaving has no limit."""

    async def wait(receive):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(IDLE_S * 3):
                await receive()

    await read([body(b"x", more=False)], after=wait)


async def test_a_reader_may_take_its_time():
    """The time that the reader spends between two reads is not the client's."""

    async def slowly(receive):
        await asyncio.sleep(IDLE_S * 2)
        with pytest.raises(UploadStalledError):
            await receive()

    await read([body(b"x")], after=slowly)
