"""Frames: what is written is read back, and what is not a frame is refused before memory is spent on it."""

import json
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.errors import EngineProtocolError
from speechhub.worker.protocol import (
    MAX_HEADER_BYTES,
    PREFIX,
    Frame,
    Kind,
    encode,
    parse,
    read_frame,
    write_frame,
)

LIMIT = 1 << 20
SMALL_JSON = st.dictionaries(
    st.text(max_size=10), st.none() | st.integers() | st.text(max_size=20), max_size=4
)


@pytest.fixture
def pair():
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)
    with near, far:
        yield near, far


@given(
    kind=st.sampled_from(Kind),
    call=st.integers(0, 2**40),
    epoch=st.integers(0, 2**40),
    fields=SMALL_JSON,
    parts=st.lists(st.binary(max_size=100), max_size=4).map(tuple),
)
def test_frame_is_read_as_it_was_written(kind, call, epoch, fields, parts):
    """Kind, numbers, fields and every part come back, empty parts included."""
    frame = Frame(kind=kind, call=call, epoch=epoch, fields=fields, parts=parts)
    near, far = socket.socketpair()
    with near, far:
        write_frame(near, frame, max_payload_bytes=LIMIT)
        assert read_frame(far, max_payload_bytes=LIMIT) == frame


def test_payload_is_never_joined_to_the_header():
    """The very buffers of the caller are written: two megabytes of audio are not copied."""
    part = memoryview(bytearray(100))

    first, second = encode(Frame(kind=Kind.RUN, parts=(part,)), max_payload_bytes=LIMIT)

    assert second is part
    assert len(first) < 100


def test_frame_larger_than_the_socket_buffer_arrives_whole(pair):
    """The reader puts a frame together from many small receives."""
    near, far = pair
    part = bytes(range(256)) * 20_000
    writer = threading.Thread(
        target=write_frame,
        args=(near, Frame(kind=Kind.RUN, parts=(part,))),
        kwargs={"max_payload_bytes": 1 << 30},
    )
    writer.start()

    frame = read_frame(far, max_payload_bytes=1 << 30)
    writer.join(10)

    assert frame.parts == (part,)


def test_end_of_file_between_frames_is_no_error(pair):
    near, far = pair
    near.close()

    assert read_frame(far, max_payload_bytes=LIMIT) is None


@pytest.mark.parametrize("kept", [1, PREFIX.size, PREFIX.size + 5, -1])
def test_half_a_frame_is_an_error(pair, kept):
    """A worker that dies while it writes leaves a frame that nobody may take for whole."""
    near, far = pair
    near.sendall(b"".join(encode(Frame(kind=Kind.RUN, parts=(b"payload",)), max_payload_bytes=LIMIT))[:kept])
    near.close()

    with pytest.raises(EngineProtocolError, match="middle"):
        read_frame(far, max_payload_bytes=LIMIT)


@pytest.mark.parametrize(("header", "payload"), [(MAX_HEADER_BYTES + 1, 0), (10, LIMIT + 1), (2**32 - 1, 0)])
def test_frame_over_the_limit_is_refused_by_its_prefix(pair, header, payload):
    """No buffer is made for a length that somebody else claims."""
    near, far = pair
    near.sendall(PREFIX.pack(header, payload))

    with pytest.raises(EngineProtocolError, match="limit"):
        read_frame(far, max_payload_bytes=LIMIT)


def test_sender_refuses_what_the_other_side_would_not_take():
    with pytest.raises(EngineProtocolError, match="payload"):
        encode(Frame(kind=Kind.RUN, parts=(b"12345",)), max_payload_bytes=4)
    with pytest.raises(EngineProtocolError, match="header"):
        encode(Frame(kind=Kind.RUN, fields={"text": "x" * MAX_HEADER_BYTES}), max_payload_bytes=4)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b"[" * 20_000,
        json.dumps(["run", 0, 0, {}]).encode(),
        json.dumps(["jump", 0, 0, {}, []]).encode(),
        json.dumps(["run", -1, 0, {}, []]).encode(),
        json.dumps(["run", True, 0, {}, []]).encode(),
        json.dumps(["run", 0, 0, [], []]).encode(),
        json.dumps(["run", 0, 0, {}, [-5, 5]]).encode(),
        json.dumps(["run", 0, 0, {}, [1.5]]).encode(),
        json.dumps(["run", 0, 0, {}, [7]]).encode(),
        json.dumps(["run", 0, 0, {}, ["a"]]).encode(),
        json.dumps([["run"], 0, 0, {}, []]).encode(),
    ],
)
def test_header_that_is_not_ours_is_refused(header):
    """Whatever a broken worker sends, it is one kind of error."""
    with pytest.raises(EngineProtocolError):
        parse(header, 0)


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_read_but_never_crashes(data):
    near, far = socket.socketpair()
    with near, far:
        near.sendall(data)
        near.close()
        try:
            frame = read_frame(far, max_payload_bytes=LIMIT)
        except EngineProtocolError:
            return
        assert frame is None
