"""The framing of events: what is read, what is refused, and clients that do not read."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wyoming.error import Error
from wyoming.ping import Pong

from speechhub.errors import AnswerUnreadError, RequestCancelledError
from speechhub.wyoming.client_events import AudioChunk, ReceivedEvent, Synthesize, Transcribe, read_event
from speechhub.wyoming.wire import (
    DRAIN_S,
    MAX_DATA_BYTES,
    MAX_LINE_BYTES,
    MAX_PAYLOAD_BYTES,
    PARTING_S,
    UnreadableEventError,
    WyomingWire,
)
from tests.fakes.virtual_time import in_virtual_time
from tests.fakes.wyoming import Pipe, chunk, event
from tests.generated import examples


def frames(*sent, pieces=None):
    """Return what is read from bytes that arrive at once or in *pieces*, until the client leaves."""

    async def read():
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        wire = WyomingWire(reader, Pipe())

        async def feed():
            data = b"".join(sent)
            for start in range(0, len(data), pieces or len(data) or 1):
                reader.feed_data(data[start : start + (pieces or len(data))])
                await asyncio.sleep(0)
            reader.feed_eof()

        feeding = asyncio.create_task(feed())
        found = []
        try:
            while (frame := await wire.read()) is not None:
                found.append(frame)
        finally:
            await feeding
        return found

    return in_virtual_time(read())


def events(*sent):
    return [read_event(frame) for frame in frames(*sent)]


def test_data_stands_in_the_line_or_behind_it_or_in_both():
    """All three are read alike; behind the line counts where both have a field, as in the library."""
    both = json.dumps(
        {"type": "synthesize", "data": {"text": "a", "voice": {"name": "x"}}, "data_length": 12}
    )

    found = events(
        event("synthesize", {"text": "a"}),
        event("synthesize", {"text": "a"}, inline=True),
        both.encode() + b"\n" + b'{"text":"b"}',
    )

    assert [it.text for it in found] == ["a", "a", "b"]
    assert found[2].voice.name == "x"


def test_bytes_that_come_one_at_a_time():
    """Where the network cuts the bytes does not matter."""
    sent = event("transcribe", {"language": "en"}) + chunk(b"\n{}\n") + event("audio-stop")

    assert frames(sent, pieces=1) == frames(sent)
    assert frames(sent)[1].payload == b"\n{}\n"


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (event("transcribe"), Transcribe),
        (event("transcribe", None, inline=True), Transcribe),
        (b'{"type":"transcribe","data":null,"data_length":null,"payload_length":null}\n', Transcribe),
        (event("transcribe", {"language": None, "context": 7, "vad_sensitivity": {}}), Transcribe),
        (event("synthesize", {"text": "", "voice": {"name": "a", "style": 1}, "x": [1]}), Synthesize),
        (chunk(), AudioChunk),
    ],
)
def test_what_is_absent_unknown_or_unused_is_no_fault(sent, kind):
    """Fields of newer clients are ignored, of whatever type they are."""
    assert [type(it) for it in events(sent)] == [kind]


def test_unknown_types_are_skipped_with_all_that_belongs_to_them():
    """What follows an event of another version is read."""
    assert events(event("wake-word", {"x": 1}, b"123"), event("ping", {"text": "a"}))[0] is None


@pytest.mark.parametrize("length", ["-1", "1e99", "1.5", "true", '"7"', "[]", str(10**400), str(2**20 + 1)])
@pytest.mark.parametrize("field", ["data_length", "payload_length"])
def test_a_length_out_of_range_is_refused(field, length):
    """They are refused before anything is waited for."""
    with pytest.raises(UnreadableEventError):
        frames(b'{"type":"ping","%s":%s}\n' % (field.encode(), length.encode()))


@pytest.mark.scenario("wyoming-unreadable")
@pytest.mark.parametrize(
    "sent",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\n",
        b"[]\n",
        b"{}\n",
        b'{"type":7}\n',
        b'{"type":"ping"\n',
        b'{"type":"ping","data":[1]}\n',
        b'{"type":"\xff"}\n',
        b'{"type":"ping","x":' + b"[" * 60_000 + b"}\n",
        b'{"type":"ping","data":{"text":' + b"[" * 60_000 + b"}}\n",
        event("ping", {"text": 7}),
        event("synthesize", {}),
        event("synthesize", {"text": "a", "voice": "x"}),
        event("transcribe", {"language": ["en"]}),
        event("transcribe", {"transcript_names": [1]}),
        event("audio-chunk", {}, b"12"),
        event("audio-chunk", {"rate": 0, "width": 2, "channels": 1}, b"12"),
        event("audio-chunk", {"rate": 16000, "width": -1, "channels": 1}, b"12"),
        b'{"type":"ping","data_length":3}\n{"a',
        b'{"type":"ping","data":{"text":"a"},"data_length":2}\n[]',
        b'{"type":"ping","x":"' + b"a" * MAX_LINE_BYTES + b'"}\n',
        b"x" * (3 * MAX_LINE_BYTES),
    ],
)
def test_bytes_that_are_not_an_event_are_refused(sent):
    """The error differs from that of a client that has left."""
    with pytest.raises(UnreadableEventError):
        events(sent)


def test_the_largest_event_is_read():
    """A line, data and a payload, each as large as allowed."""
    data = {"text": "a" * (MAX_DATA_BYTES - 12)}

    (found,) = frames(event("synthesize", data, bytes(MAX_PAYLOAD_BYTES)))

    assert (len(found.data), len(found.payload)) == (MAX_DATA_BYTES, MAX_PAYLOAD_BYTES)


@pytest.mark.parametrize("cut", range(1, len(chunk(b"12345678"))))
def test_a_client_that_leaves_within_an_event_has_left(cut):
    """Wherever it broke off."""
    assert frames(chunk(b"12345678")[:cut]) == []


@settings(max_examples=examples(400))
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.sampled_from([event("ping"), chunk(), event("synthesize", {"text": "a"})]),
            st.dictionaries(
                st.sampled_from(["type", "data", "data_length", "payload_length"]),
                st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4),
            ).map(lambda it: json.dumps(it).encode() + b"\n"),
        ),
        max_size=5,
    )
)
def test_any_bytes_are_events_or_the_client_s_fault(sent):
    """Whatever arrives is events, or the client's fault."""
    with contextlib.suppress(UnreadableEventError):
        assert all(it is None or isinstance(it, ReceivedEvent) for it in events(*sent))


def test_a_client_that_does_not_read_is_given_up():
    """It holds no sender longer than the limit, and no other sender waits longer."""

    async def converse():
        pipe = Pipe()
        pipe.stalled = True
        began = asyncio.get_running_loop().time()
        with pytest.raises(AnswerUnreadError):
            await WyomingWire(asyncio.StreamReader(), pipe).send(Pong())
        return asyncio.get_running_loop().time() - began

    assert in_virtual_time(converse()) == pytest.approx(DRAIN_S)


def test_a_client_that_was_reset_has_left():
    """It is not an error of the server."""

    async def converse():
        pipe = Pipe()

        async def drain():
            raise ConnectionResetError

        pipe.drain = drain
        with pytest.raises(RequestCancelledError):
            await WyomingWire(asyncio.StreamReader(), pipe).send(Pong())

    in_virtual_time(converse())


def test_a_connection_that_is_gone_is_not_written_to():
    """Neither an answer nor the last error: uvloop would raise an error of its own."""

    async def converse():
        pipe, reader = Pipe(), asyncio.StreamReader()
        pipe.aborted = True
        reader.set_exception(ConnectionResetError())
        wire = WyomingWire(reader, pipe)
        with pytest.raises(RequestCancelledError):
            await wire.send(Pong())
        await wire.farewell(Error(text="a"))
        await wire.close()

    in_virtual_time(converse())


def test_a_sender_that_is_cancelled_leaves_whole_events():
    """What others send afterwards can be read."""

    async def converse():
        pipe = Pipe()
        pipe.stalled = True
        wire = WyomingWire(asyncio.StreamReader(), pipe)
        sending = asyncio.create_task(wire.send(Pong(text="a"), Pong(text="b")))
        await asyncio.sleep(1)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        pipe.stalled = False
        await wire.send(Pong(text="c"))
        return [data["text"] for _, data, _ in pipe.events()]

    assert in_virtual_time(converse()) == ["a", "c"]


@pytest.mark.parametrize("still_sends", [True, False])
def test_farewell_discards_what_the_client_still_sends(still_sends):
    """For a moment only: a client that sends for ever is closed, too."""

    async def converse():
        pipe, reader = Pipe(), asyncio.StreamReader()
        wire = WyomingWire(reader, pipe)
        began = asyncio.get_running_loop().time()
        reader.feed_data(bytes(100_000))
        if not still_sends:
            reader.feed_eof()
        await wire.farewell(Error(text="a", code="b"))
        await wire.close()
        assert pipe.events() == [("error", {"text": "a", "code": "b"}, b"")]
        assert pipe.ended
        assert pipe.closed
        return asyncio.get_running_loop().time() - began

    assert in_virtual_time(converse()) == pytest.approx(PARTING_S if still_sends else 0)
