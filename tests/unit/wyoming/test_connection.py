"""A client's connection: its states, its errors, its end."""

import asyncio
import errno

import pytest
from structlog.testing import capture_logs

from speechhub.errors import EngineCrashedError, InvalidValueError, ModelFilesError, QueueFullError
from speechhub.wyoming.connection import FIRST_S, QUIET_S
from speechhub.wyoming.wire import PARTING_S
from tests.fakes.virtual_time import in_virtual_time
from tests.fakes.wyoming import Conversation, chunk, event

START = event("audio-start", {"rate": 16_000, "width": 2, "channels": 1})
STOP = event("audio-stop", {"timestamp": None})
TEXT = event("synthesize-start", {"voice": {"name": "joe"}})
PIECES = [event("synthesize-chunk", {"text": text}) for text in ("Good ", "morning.")]
WHOLE = event("synthesize", {"text": "Good morning."})
END = event("synthesize-stop")
DESCRIBE = event("describe")
BEGUN = ([START], [START, chunk(), STOP], [TEXT, PIECES[0]], [WHOLE], [TEXT, END])
"""Requests in each state of the work."""
SPOKEN = ["audio-start", "audio-chunk", "audio-stop"]
STREAMED = ["audio-start", "audio-chunk", "audio-chunk", "audio-stop", "synthesize-stopped"]


def run(script, **behaviour):
    """Play *script* with a new conversation, in virtual time; return the conversation and the log."""

    async def play():
        nonlocal played
        # Nothing that a task raised may go unseen.
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
        played = Conversation(**behaviour)
        await script(played)
        played.reader.feed_eof()
        await asyncio.wait_for(played.serving, 1000)
        assert played.pipe.closed
        assert len(asyncio.all_tasks()) == 1, "a task is left"

    played, unseen = None, []
    with capture_logs() as log:
        in_virtual_time(play())
    assert not unseen
    assert all(it.closed == 1 for it in (*played.utterances, *played.speeches))
    return played, log


def requests(log):
    """Return path and status of each line about work."""
    return [(line["path"], line["status"]) for line in log if line["event"] == "request"]


def says(*sent):
    """A script: the client sends all of it at once, and leaves when it has its answers."""

    async def script(talk):
        await talk.say(*sent)

    return script


def test_an_utterance():
    """The wish, the audio and its end make a transcript."""
    wish = event("transcribe", {"language": "de", "transcript_names": ["Jutta"]})

    talk, log = run(says(wish, START, chunk(), chunk(), STOP))

    assert talk.pipe.events() == [("transcript", {"text": "640 bytes"}, b""), ("transcript-stop", {}, b"")]
    assert talk.utterances[0].wanted.language == "de"
    assert talk.utterances[0].wanted.transcript_names == ["Jutta"]
    assert requests(log) == [("wyoming/stt", 200)]
    assert log[-1]["model"] == "fake"
    assert log[-1]["method"] == "WYOMING"


def test_audio_without_a_start_begins_an_utterance():
    """Some clients send none."""
    assert run(says(chunk(), STOP))[0].types == ["transcript", "transcript-stop"]


@pytest.mark.scenario("wyoming-no-audio")
def test_an_utterance_without_audio():
    """It has an answer."""
    assert run(says(START, STOP))[0].pipe.events()[0][1] == {"text": "0 bytes"}


def test_a_wish_holds_until_the_next():
    """One that comes during an utterance counts for the next."""
    utterance = [START, STOP]

    async def script(talk):
        for sent in ([event("transcribe", {"language": "de"})], utterance, utterance):
            await talk.say(*sent)
        await talk.say(event("transcribe", {"name": "whisper"}), *utterance)

    talk, _ = run(script)

    assert [it.wanted.language for it in talk.utterances] == ["de", "de", None]
    assert talk.utterances[2].wanted.name == "whisper"


def test_a_whole_text():
    """It is spoken, and the connection can be used again."""
    talk, log = run(says(event("synthesize", {"text": "a", "voice": {"name": "joe", "speaker": "1"}})))

    assert talk.types == SPOKEN
    assert talk.speeches[0].wish.name == "joe"
    assert talk.speeches[0].wish.speaker == "1"
    assert not talk.speeches[0].streamed
    assert requests(log) == [("wyoming/tts", 200)]


def test_a_streamed_text_is_said_once():
    """Home Assistant repeats the text within the stream, for servers that do not know streams."""
    talk, _ = run(says(TEXT, *PIECES, WHOLE, END))

    assert talk.types == STREAMED
    assert talk.speeches[0].said == ["Good ", "morning."]
    assert talk.speeches[0].wish.name == "joe"
    assert len(talk.speeches) == 1


def test_sound_comes_before_the_text_ends():
    """What is there is spoken."""

    async def script(talk):
        await talk.say(TEXT, PIECES[0])
        assert talk.types == STREAMED[:2]
        await talk.say(PIECES[1], END)

    assert run(script)[0].types == STREAMED


@pytest.mark.parametrize(
    "sent",
    [STOP, END, *PIECES, event("select-program", {"name": "x"}), event("intent", {"text": 7}), STOP * 9],
)
def test_what_has_no_meaning_now_is_ignored(sent):
    """It is no error: other versions of clients and servers send more than this one needs."""
    talk, _ = run(says(sent, event("ping", {"text": "a"})))

    assert talk.pipe.events() == [("pong", {"text": "a"}, b"")]
    assert not talk.utterances
    assert not talk.speeches


@pytest.mark.parametrize("begun", [*BEGUN, [TEXT]])
def test_questions_are_answered_whatever_runs(begun):
    """Home Assistant treats a server that does not answer as unavailable."""

    async def script(talk):
        await talk.say(*begun)
        before = len(talk.types)
        await talk.say(DESCRIBE, event("ping"))
        assert talk.types[before:] == ["info", "pong"]
        assert talk.connection.busy

    run(script, hold=asyncio.Event())


@pytest.mark.scenario("wyoming-leaves")
@pytest.mark.parametrize(
    ("begun", "following"),
    [
        (begun, following)
        for begun in BEGUN
        for following in ([START, STOP], [chunk(), STOP], [WHOLE], [TEXT, *PIECES, END])
        # These go on with what was begun.
        if (begun, following) not in (([START], [chunk(), STOP]), ([TEXT, PIECES[0]], [WHOLE]))
    ],
)
def test_something_new_gives_up_what_was_begun(begun, following):
    """A client does one thing at a time; what it gives up is freed before the next begins."""

    async def script(talk):
        await talk.say(*begun)
        first = [*talk.utterances, *talk.speeches][0]
        assert not first.closed
        talk.behaviour.clear()
        before = len(talk.types)
        await talk.say(*following)
        assert first.closed == 1
        assert talk.types[before:][-1] in ("transcript-stop", "audio-stop", "synthesize-stopped")

    _, log = run(script, hold=asyncio.Event())

    assert [status for _, status in requests(log)] == [499, 200]


@pytest.mark.scenario("wyoming-leaves")
@pytest.mark.parametrize("begun", BEGUN)
@pytest.mark.parametrize("how", ["end", "reset", "half an event"])
def test_a_client_that_leaves(begun, how):
    """Its work is given up at once, and no error is logged."""

    async def script(talk):
        await talk.say(*begun)
        before = len(talk.types)
        if how == "half an event":
            talk.reader.feed_data(chunk()[:20])
        if how == "reset":
            talk.reader.set_exception(ConnectionResetError())
        else:
            talk.reader.feed_eof()
        began = asyncio.get_running_loop().time()
        await talk.serving
        assert asyncio.get_running_loop().time() == began
        assert len(talk.types) == before

    _, log = run(script, hold=asyncio.Event())

    assert [status for _, status in requests(log)] == [499]


@pytest.mark.parametrize("begun", [[START, STOP], [WHOLE], [TEXT, END]])
def test_a_client_that_has_its_answer_may_leave(begun):
    """Home Assistant hangs up at the transcript, while the rest is still to be sent: that is no failure."""

    async def script(talk):
        send, talk.connection._wire.send = talk.connection._wire.send, None

        async def send_and_hang_up(sent):
            if sent.type in ("transcript-stop", "synthesize-stopped"):
                talk.reader.feed_eof()
                await asyncio.get_running_loop().create_future()
            await send(sent)
            if sent.type == "audio-stop" and not talk.speeches[0].streamed:
                talk.reader.feed_eof()

        talk.connection._wire.send = send_and_hang_up
        await talk.say(*begun)
        await talk.serving

    _, log = run(script)

    assert [status for _, status in requests(log)] == [200]


@pytest.mark.scenario("wyoming-failure")
@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (InvalidValueError("No such voice."), "invalid_value", 400),
        (QueueFullError("Too many wait."), "server_is_overloaded", 503),
        (EngineCrashedError("The engine crashed."), "engine_crashed", 500),
        (KeyError("a bug"), "server_error", 500),
        (OSError(errno.EIO, "a bug"), "server_error", 500),
        (OSError(errno.EMFILE, "no descriptors"), "server_is_overloaded", 503),
        (OSError(errno.ENOSPC, "no space"), "disk_full", 503),
    ],
)
@pytest.mark.parametrize(
    ("sent", "at"),
    [
        *(([START, chunk(), STOP], at) for at in ("open", "add", "answer")),
        *(([WHOLE], at) for at in ("open", "write", "answer")),
        *(([TEXT, *PIECES, END], at) for at in ("open", "write", "answer")),
    ],
)
def test_every_failure_is_told_and_logged(sent, fault, code, status, at):
    """The client gets an event, the connection is closed, and the log has a line."""

    async def script(talk):
        await talk.say(*sent)
        talk.reader.feed_eof()
        await talk.serving

    talk, log = run(script, fault=fault, at=at)

    kind, data, _ = talk.pipe.events()[-1]
    assert (kind, data["code"]) == ("error", code)
    assert data["text"]
    assert "a bug" not in data["text"]
    assert [line["status"] for line in log if line["event"] == "request"] == [status]
    assert len([line for line in log if line["event"] == "unexpected error"]) == (code == "server_error")


@pytest.mark.scenario("wyoming-failure")
def test_the_client_is_told_what_callers_may_know():
    """Folders and the like stand in the log alone."""
    folder = "/srv/a-folder-of-the-operator"
    talk, log = run(says(WHOLE), fault=ModelFilesError(f"{folder} does not exist."))

    assert talk.pipe.events()[-1][1]["code"] == "model_files_unavailable"
    assert folder not in talk.pipe.events()[-1][1]["text"]
    assert [folder in line["reason"] for line in log if line["event"] == "request"] == [True]


def test_work_is_counted_by_its_route_and_nothing_that_a_client_sent():
    """Labels that a client chooses would grow the metrics for ever."""
    wish = event("transcribe", {"name": "a-model", "language": "tlh"})
    talk, _ = run(says(wish, START, chunk(), STOP, WHOLE, TEXT, *PIECES, END))

    counted = [
        line
        for line in talk.hub.metrics.text().decode().splitlines()
        if line.startswith("speechhub_http_requests_total{")
    ]
    assert counted == [
        'speechhub_http_requests_total{method="WYOMING",route="wyoming/stt",status="200"} 1.0',
        'speechhub_http_requests_total{method="WYOMING",route="wyoming/tts",status="200"} 2.0',
    ]


@pytest.mark.scenario("wyoming-caller")
def test_too_many_requests_of_a_caller():
    """The limits are those of HTTP."""
    talk, log = run(says(WHOLE, WHOLE), per_minute=1)

    assert talk.pipe.events()[-1][1]["code"] == "rate_limit_exceeded"
    assert requests(log)[-1] == ("wyoming/tts", 429)


def test_more_than_one_connection_of_a_caller():
    """Work that runs is counted until it is over."""

    async def script(talk):
        with talk.hub.callers.running("192.0.2.7"):
            await talk.say(WHOLE)

    assert run(script)[0].pipe.events()[-1][1]["code"] == "rate_limit_exceeded"


@pytest.mark.scenario("wyoming-unreadable")
@pytest.mark.parametrize("begun", [[], [START], [TEXT], [WHOLE]])
def test_what_cannot_be_read_ends_the_connection(begun):
    """With an error, and after a moment in which the rest of it is thrown away."""

    async def script(talk):
        await talk.say(*begun)
        began = asyncio.get_running_loop().time()
        await talk.say(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await talk.serving
        assert asyncio.get_running_loop().time() - began == pytest.approx(PARTING_S)

    talk, log = run(script, hold=asyncio.Event())

    assert talk.pipe.events()[-1][1]["code"] == "bad_request"
    assert [status for _, status in requests(log)] == [400] * bool(begun)
    assert any(line["event"] == "event cannot be read" for line in log)


@pytest.mark.scenario("wyoming-silent")
@pytest.mark.parametrize(
    ("begun", "limit_s", "code"),
    [
        ([], FIRST_S, None),
        ([START[:9]], FIRST_S, None),
        ([DESCRIBE], QUIET_S, None),
        ([WHOLE], QUIET_S, None),
        ([START, chunk(), chunk()[:30]], QUIET_S, "request_timeout"),
        ([TEXT, PIECES[0]], QUIET_S, "request_timeout"),
    ],
)
def test_a_client_that_sends_nothing_is_disconnected(begun, limit_s, code):
    """The server waits for it, but not for ever."""

    async def script(talk):
        await talk.say(*begun)
        await asyncio.sleep(limit_s - 0.1)
        assert not talk.pipe.closed
        await asyncio.sleep(0.2 + PARTING_S)
        assert talk.pipe.closed

    talk, _ = run(script)

    assert [data["code"] for kind, data, _ in talk.pipe.events() if kind == "error"] == [code] * bool(code)


def test_a_client_may_wait_for_its_answer_as_long_as_it_takes():
    """Afterwards it has the whole time again to send more."""
    hold = asyncio.Event()

    async def script(talk):
        await talk.say(WHOLE)
        await asyncio.sleep(1000)
        hold.set()
        await asyncio.sleep(QUIET_S - 1)
        assert talk.types == SPOKEN
        assert not talk.pipe.closed
        await asyncio.sleep(2)
        assert talk.pipe.closed

    run(script, hold=hold)


@pytest.mark.scenario("wyoming-unread")
def test_a_client_that_does_not_read_is_cut_off():
    """It keeps no engine: work ends with the limit for sending."""

    async def script(talk):
        talk.pipe.stalled = True
        await talk.say(WHOLE)
        await talk.serving
        assert talk.pipe.aborted

    _, log = run(script)

    assert requests(log) == [("wyoming/tts", 499)]


def test_the_end_of_the_server_closes_idle_connections():
    """They get no error."""

    async def script(talk):
        await talk.say(DESCRIBE)
        talk.connection.finish()
        await talk.serving

    assert run(script)[0].types == ["info"]


@pytest.mark.scenario("wyoming-stopping")
def test_the_end_of_the_server_lets_an_answer_be_finished():
    """The connection is closed after it."""
    hold = asyncio.Event()

    async def script(talk):
        await talk.say(WHOLE)
        talk.connection.finish()
        await talk.say(DESCRIBE)
        assert not talk.pipe.closed
        hold.set()
        await talk.serving

    assert run(script, hold=hold)[0].types == ["audio-start", "audio-chunk", "info", "audio-stop"]


@pytest.mark.scenario("wyoming-stopping")
@pytest.mark.parametrize(
    ("begun", "cut"),
    [([START, chunk()], False), ([TEXT], False), ([WHOLE], True), ([TEXT, PIECES[0]], True)],
)
def test_the_end_of_the_server_is_told_to_those_that_wait(begun, cut):
    """An utterance that is not complete, a speech without text, and whatever is not done in time."""

    async def script(talk):
        await talk.say(*begun)
        talk.connection.finish()
        if cut:
            await talk.settle()
            assert "error" not in talk.types
            talk.connection.cut_off()
        await talk.serving

    talk, log = run(script, hold=asyncio.Event())

    assert talk.pipe.events()[-1][1]["code"] == "server_shutting_down"
    assert [status for _, status in requests(log)] == [503]


def test_nothing_begins_while_the_server_stops():
    """A connection that begins work meanwhile gets an error."""

    async def script(talk):
        talk.hub.stopping = True
        await talk.say(START)

    assert run(script)[0].pipe.events()[-1][1]["code"] == "server_shutting_down"


def test_bytes_that_come_one_at_a_time():
    """The states depend on the events alone."""
    sent = DESCRIBE + START + chunk() + STOP

    async def script(talk):
        for number in range(len(sent)):
            await talk.say(sent[number : number + 1])

    assert run(script)[0].types == ["info", "transcript", "transcript-stop"]


def test_a_thousand_questions_at_once_hold_up_no_other_client():
    """Others have their turn after each of them."""

    async def script(talk):
        turns = 0
        talk.reader.feed_data(event("ping") * 1000)
        while len(talk.types) < 1000:
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 1000

    run(script)
