"""Speeches: one format from beginning to end, sound before the text ends, and an end that always comes."""

import asyncio

import numpy as np
import pytest

from speechhub.codecs.encode import OUTPUT_RATE
from speechhub.engine import Audio
from speechhub.errors import EngineCrashedError, InvalidValueError, UnsupportedValueError
from speechhub.services.account import PLACES
from speechhub.wyoming.client_events import VoiceWish
from speechhub.wyoming.directory import Directory
from speechhub.wyoming.speech import MAX_PAYLOAD_BYTES, Speech
from tests.fakes.humming import QUIET_S, SOUND_S, Humming, pauses_s
from tests.fakes.runner import FakeRunner
from tests.fakes.wyoming_jobs import MODELS, Client, hub_of

START, CHUNK, STOP, STOPPED = "audio-start", "audio-chunk", "audio-stop", "synthesize-stopped"
ONCE_S = SOUND_S + 2 * QUIET_S


@pytest.fixture
async def runner():
    return Humming(MODELS)


@pytest.fixture
async def hub(tmp_path, runner):
    async with hub_of(tmp_path, runner) as hub:
        yield hub


@pytest.fixture
async def begin(hub):
    """Return what opens a speech; all are closed at the end."""
    begun = []

    async def begin(wish=None, *, text_format=None, streamed=True):
        speech = await Speech.open(hub, Directory(hub), wish, text_format=text_format, streamed=streamed)
        begun.append(speech)
        return speech

    yield begin
    for speech in begun:
        await speech.aclose()


async def answered(speech, *texts, client=None):
    """Write the texts, end the speech, and return what the client got, and the notes."""
    client, notes = client or Client(), {}
    for text in texts:
        await speech.write(text)
    speech.end()
    await speech.answer(client.send, notes)
    return client, notes


async def until(condition):
    while not condition():  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.001)


def heard(client):
    """Return what is heard; float32 in [-1, 1]."""
    data = b"".join(event.payload for event in client.of(CHUNK))
    return np.frombuffer(data, "<i2").astype(np.float32) / 32767


def held(hub):
    return [hub.account.held(place) for place in PLACES]


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_events_of_a_speech(begin, streamed):
    """One start, the sound, one end; a client that streamed its text waits for one event more."""
    client, notes = await answered(await begin(streamed=streamed), "Here is one. And here is two.")

    assert client.types == [START, CHUNK, STOP, *([STOPPED] if streamed else [])]
    assert [len(client.of(kind)) for kind in (START, STOP)] == [1, 1]
    assert {(it.data["rate"], it.data["width"], it.data["channels"]) for it in client.of(CHUNK)} == {
        (OUTPUT_RATE, 2, 1)
    }
    assert client.of(START)[0].data == {"rate": OUTPUT_RATE, "width": 2, "channels": 1, "timestamp": 0}
    samples = len(heard(client))
    assert notes.pop("first_audio_ms") >= 0
    assert notes == {"model": "mouth", "chars": 29, "audio_s": pytest.approx(samples / OUTPUT_RATE, abs=0.01)}


async def test_payloads_are_short_and_whole(begin):
    """Whole samples, without a header; the times of the events are those of the sound."""
    client, _ = await answered(await begin(), "Here is one. And here is two.")

    place = 0
    for event in client.of(CHUNK):
        assert 0 < len(event.payload) <= MAX_PAYLOAD_BYTES
        assert len(event.payload) % 2 == 0
        assert event.data["timestamp"] == place * 1000 // (2 * OUTPUT_RATE)
        place += len(event.payload)
    assert not client.of(CHUNK)[0].payload.startswith(b"RIFF")


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
async def test_the_rate_of_the_start_is_that_of_the_samples(tmp_path, rate):
    """Whatever rate the engine has."""
    runner = FakeRunner(MODELS)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    runner.pieces = [Audio(samples=tone.astype(np.float32), sample_rate=rate)]

    async with hub_of(tmp_path, runner) as hub:
        speech = await Speech.open(hub, Directory(hub), None, text_format=None, streamed=False)
        client, _ = await answered(speech, "Hello.")
        await speech.aclose()

    sound = heard(client)
    assert len(sound) / client.of(START)[0].data["rate"] == pytest.approx(1, abs=0.01)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert np.argmax(spectrum) * OUTPUT_RATE / len(sound) == pytest.approx(440, abs=2)


async def test_a_streamed_text_has_the_pauses_of_a_whole_one(begin):
    """However it is cut."""
    text = "Here is one. Here is two.\n\nA paragraph. It ends"
    whole, _ = await answered(await begin(streamed=False), text)
    letters, _ = await answered(await begin(streamed=True), *text)

    pauses = pauses_s(heard(whole))
    assert len(pauses) == 3
    assert pauses_s(heard(letters)) == [pytest.approx(pause, abs=0.02) for pause in pauses]
    assert abs(len(heard(whole)) - len(heard(letters))) <= 0.02 * OUTPUT_RATE


async def test_sound_leaves_before_the_text_ends(begin):
    """Once the second sentence has begun."""
    speech, client, notes = await begin(), Client(), {}
    answer = asyncio.create_task(speech.answer(client.send, notes))
    await speech.write("Here is one. And ")

    await until(lambda: len(heard(client)) > (QUIET_S + SOUND_S) * OUTPUT_RATE)
    assert client.types == [START, CHUNK]

    await speech.write("then two.")
    speech.end()
    await answer
    assert client.types == [START, CHUNK, STOP, STOPPED]
    assert len(heard(client)) > 2 * SOUND_S * OUTPUT_RATE


@pytest.mark.scenario("wyoming-no-words")
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("texts", [[], [""], [" \n"], ["🎉"], ["...", " – ", "?!"]])
@pytest.mark.parametrize("voice", ["anna", "unread-mouth"])
async def test_a_text_without_words_is_a_start_and_an_end(begin, runner, streamed, texts, voice):
    """No engine is asked or loaded, and nothing failed."""
    speech = await begin(VoiceWish(name=voice), streamed=streamed)
    client, notes = await answered(speech, *texts)

    assert client.types == [START, STOP, *([STOPPED] if streamed else [])]
    assert not runner.requests
    assert not runner.switched
    assert notes["audio_s"] == 0
    assert notes["chars"] == sum(map(len, texts))


async def test_what_precedes_the_first_word_is_kept(begin, runner):
    """Markup that comes in parts is read as in the whole text."""
    await answered(await begin(), "*", "*", "Hello", "** there.")

    assert runner.texts == ["Hello there."]


@pytest.mark.parametrize(
    ("text_format", "said"), [("ssml", "One and two."), ("text", "<speak>One &amp; two. </speak>")]
)
async def test_ssml_is_read_where_the_client_says_so(tmp_path, runner, text_format, said):
    """Even if the server's setting is that texts are spoken as they are."""
    async with hub_of(tmp_path, runner, text_normalization="none") as hub:
        speech = await Speech.open(hub, Directory(hub), None, text_format=text_format, streamed=False)
        await answered(speech, "<speak>One &amp; two.</speak>")
        await speech.aclose()

    assert " ".join(" ".join(runner.texts).split()) == said


async def test_the_voice_that_is_wanted_speaks(begin, runner):
    """In its model; without a wish, the default one."""
    for wish in (VoiceWish(name="bert"), VoiceWish(name="mouth/bert", language="en"), None):
        await answered(await begin(wish), "Hello.")

    assert [(model, request.voice) for model, request in runner.requests] == [
        ("mouth", "bert"),
        ("mouth", "bert"),
        ("mouth", "anna"),
    ]


@pytest.mark.scenario("wyoming-no-voice")
@pytest.mark.parametrize(
    ("wish", "error"),
    [
        (VoiceWish(name="nobody/anna"), InvalidValueError),
        (VoiceWish(name="mouth/cat"), InvalidValueError),
        (VoiceWish(name="mouth/anna", language="de"), UnsupportedValueError),
    ],
)
async def test_an_unknown_voice_is_refused_before_any_text(begin, hub, wish, error):
    """And nothing is held."""
    with pytest.raises(error):
        await begin(wish)
    assert held(hub) == [0, 0]


async def test_the_text_may_be_as_long_as_over_http(begin):
    """In all its parts together."""
    speech = await begin()
    await speech.write("x" * 200)

    with pytest.raises(InvalidValueError, match="200") as refused:
        await speech.write("y")

    assert refused.value.param == "text"


async def test_text_after_the_end_is_dropped(begin, runner):
    """And so is a second end."""
    speech = await begin()
    await speech.write("Hello.")
    speech.end()
    speech.end()
    await speech.write("x" * 500)
    speech.end()

    client, notes = await answered(speech)

    assert runner.texts == ["Hello."]
    assert notes["chars"] == 6
    assert client.types == [START, CHUNK, STOP, STOPPED]


async def test_a_failure_before_the_first_sound_leaves_nothing(begin, runner, hub):
    """The connection sends the error."""
    runner.error = EngineCrashedError("crash")
    runner.requests.append(("before", None))  # `Humming` fails from its second call on
    speech, client = await begin(), Client()

    with pytest.raises(EngineCrashedError):
        await answered(speech, "Hello.", client=client)

    assert client.events == []
    await speech.aclose()
    assert held(hub) == [0, 0]


async def test_a_failure_in_the_middle_breaks_the_sound(begin, runner):
    """The sound so far was sent, without an end, and the log has its length."""
    runner.error = EngineCrashedError("crash")
    speech, client, notes = await begin(), Client(), {}
    for text in ("Here is one. ", "Here is two."):
        await speech.write(text)
    speech.end()

    with pytest.raises(EngineCrashedError):
        await speech.answer(client.send, notes)

    assert client.types == [START, CHUNK]
    assert notes["audio_s"] == pytest.approx(len(heard(client)) / OUTPUT_RATE, abs=0.01)
    assert notes["chars"] == 25


@pytest.mark.scenario("wyoming-leaves")
@pytest.mark.parametrize("state", ["no text", "no words", "a word", "at work", "ended", "answered"])
async def test_leaving_frees_the_engine_at_once(begin, hub, runner, state):
    """Whatever the client was about; what comes later is dropped."""
    runner.wait_before = 1 if state != "answered" else None
    speech, client = await begin(), Client()
    if state != "no text":
        await speech.write("..." if state == "no words" else "Hello")
    if state in ("at work", "ended", "answered"):
        await speech.write(" there. And ")
    if state in ("ended", "answered"):
        speech.end()
    answer = asyncio.create_task(speech.answer(client.send, {}))
    if state in ("at work", "ended"):
        await runner.waiting.wait()
    elif state == "answered":
        await answer
    else:
        await asyncio.sleep(0)
    answer.cancel()
    await asyncio.wait([answer])

    await speech.aclose()
    await speech.aclose()
    await speech.write("more")
    speech.end()

    assert runner.running == 0
    assert held(hub) == [0, 0]


async def test_a_client_whose_connection_breaks_frees_the_engine(begin, hub, runner):
    """The failure to send is raised as it is."""
    speech, client = await begin(), Client()
    client.failure = ConnectionResetError()

    with pytest.raises(ConnectionResetError):
        await answered(speech, "Here is one. Here is two. Here is three.", client=client)
    await speech.aclose()

    assert runner.running == 0
    assert held(hub) == [0, 0]
