"""Utterances: audio in whatever format becomes what an upload of it would, and its transcript events."""

import asyncio
import errno
import io
import wave
from dataclasses import replace

import numpy as np
import pytest

from speechhub.errors import (
    AudioTooLongError,
    EngineCrashedError,
    EngineLoadError,
    InvalidLanguageError,
    InvalidValueError,
    ModelNotFoundError,
    ServerFullError,
    UnsupportedAudioError,
)
from speechhub.services.account import PLACES
from speechhub.services.transcription import TranscriptionJob
from speechhub.wyoming.client_events import AudioChunk, Transcribe
from speechhub.wyoming.directory import Directory
from speechhub.wyoming.recording import UtteranceTooLongError
from speechhub.wyoming.utterance import MAX_HOTWORDS, HeardUtterance
from tests.fakes.babble import babble
from tests.fakes.runner import FakeRunner, transcript_of
from tests.fakes.wyoming_jobs import MODELS, Client, hub_of

TONE_HZ = 440
START, TEXT, STOP = "transcript-start", "transcript", "transcript-stop"


@pytest.fixture
async def runner():
    return FakeRunner(MODELS)


@pytest.fixture
async def hub(tmp_path, runner):
    async with hub_of(tmp_path, runner) as hub:
        yield hub


@pytest.fixture
def begin(hub):
    """Return what begins an utterance; all are closed at the end."""
    begun = []

    def begin(**wanted):
        begun.append(HeardUtterance(hub, Directory(hub), Transcribe(**wanted)))
        return begun[-1]

    yield begin
    for utterance in begun:
        utterance.close()


def tone(seconds, rate, hz=TONE_HZ):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def pcm(samples, width, channels=1):
    """Return *samples* as PCM, alike in all channels."""
    data = np.repeat(samples, channels)
    if width == 1:
        return np.round(data * 127 + 128).astype(np.uint8).tobytes()
    whole = np.round(data * (2.0 ** (8 * width - 1) - 1)).astype("<i4")
    return whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width].tobytes()


def chunks(payload, rate=16_000, width=2, channels=1, size=2048):
    for start in range(0, len(payload), size):
        yield AudioChunk(rate=rate, width=width, channels=channels, payload=payload[start : start + size])


async def say(utterance, payload, **shape):
    for chunk in chunks(payload, **shape):
        await utterance.add(chunk)


async def answered(utterance, client=None):
    client, notes = client or Client(), {}
    await utterance.answer(client.send, notes)
    return client, notes


def pitch_hz(audio):
    """Return the loudest frequency of some audio."""
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return np.argmax(spectrum) * audio.sample_rate / len(audio.samples)


async def test_the_events_of_a_transcript(begin, runner):
    """The pieces join to the text; the text leaves together with the end, for clients that hang up then."""
    utterance = begin(language="en-US")
    await say(utterance, pcm(tone(1, 16_000), 2))

    client, notes = await answered(utterance)

    assert client.types == [START, "transcript-chunk", TEXT, STOP]
    text = client.of(TEXT)[0].data["text"]
    assert text == "Good morning, dear world."
    assert "".join(event.data["text"] for event in client.of("transcript-chunk")) == text
    assert len(client.of("transcript-chunk")) == 4
    assert [event.type for event in client.sends[-1]] == [TEXT, STOP]
    assert [client.of(kind)[0].data["language"] for kind in (START, TEXT)] == ["en", "en"]
    assert notes == {"model": "ears", "audio_s": 1.0, "chars": len(text)}


@pytest.mark.parametrize("language", [None, "auto", ""])
async def test_without_a_language_it_is_detected(begin, runner, language):
    """The language comes with the text, and not before."""
    utterance = begin(language=language)
    await say(utterance, pcm(tone(1, 16_000), 2))

    client, _ = await answered(utterance)

    assert runner.requests[0][1].language is None
    assert client.of(START)[0].data == {}
    assert client.of(TEXT)[0].data["language"] == "en"


@pytest.mark.parametrize("model", ["ears", "bare-ears"])
@pytest.mark.parametrize("seconds", [1.0, 7.3])
async def test_the_text_is_that_of_an_upload(begin, hub, runner, model, seconds):
    """The engine hears the same samples, passage by passage."""
    payload = pcm(babble(seconds), 2)
    runner.hear = counted
    utterance = begin(name=model)
    await say(utterance, payload)
    client, _ = await answered(utterance)
    heard, runner.requests = runner.requests, []
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(payload)

    transcript = await hub.transcription.transcribe(file, TranscriptionJob(model=model))

    assert client.of(TEXT)[0].data["text"] == transcript.text != ""
    assert len(heard) == len(runner.requests) > 0
    for (_, one), (_, other) in zip(heard, runner.requests, strict=True):
        assert np.array_equal(one.audio.samples, other.audio.samples)


def counted(request):
    """Return a transcript that says how long its audio is."""
    return replace(transcript_of(request), text=f"{len(request.audio.samples)} samples.", segments=())


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
async def test_every_format_is_heard_at_its_pitch(begin, runner, rate, width, channels):
    """And as loud, and as long."""
    utterance = begin()
    await say(utterance, pcm(tone(1, rate), width, channels), rate=rate, width=width, channels=channels)

    await answered(utterance)

    audio = runner.requests[0][1].audio
    assert audio.sample_rate == 16_000
    assert audio.duration_s == pytest.approx(1, abs=0.01)
    assert pitch_hz(audio) == pytest.approx(TONE_HZ, abs=2)
    assert np.abs(audio.samples).max() == pytest.approx(0.5, abs=0.05)
    assert abs(float(audio.samples.mean())) < 0.01


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7])
async def test_channels_of_an_array_are_heard(begin, runner, channels):
    """As in an upload with so many."""
    utterance = begin()
    await say(utterance, pcm(tone(1, 16_000), 2, channels), channels=channels)

    await answered(utterance)

    assert pitch_hz(runner.requests[0][1].audio) == pytest.approx(TONE_HZ, abs=2)


async def test_the_format_may_change(begin, runner):
    """Every chunk says its own; what the start said does not matter."""
    shapes = [(16_000, 2, 1), (44_100, 2, 2), (8000, 1, 1), (16_000, 2, 1), (192_000, 4, 1), (16_000, 3, 2)]
    utterance = begin()
    for rate, width, channels in shapes:
        payload = pcm(tone(0.5, rate), width, channels)
        await say(utterance, payload, rate=rate, width=width, channels=channels)

    _, notes = await answered(utterance)

    audio = runner.requests[0][1].audio
    assert notes["audio_s"] == 3.0
    assert audio.duration_s == pytest.approx(3, abs=0.02)
    for part in range(6):
        some = audio.slice_s(part / 2 + 0.05, part / 2 + 0.45)
        assert pitch_hz(some) == pytest.approx(TONE_HZ, abs=3)
        assert np.abs(some.samples).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("width", "channels", "size"), [(2, 1, 333), (4, 2, 1001), (3, 1, 1), (1, 3, 100)])
async def test_a_sample_may_be_cut_in_two(begin, runner, width, channels, size):
    """It goes on with the next chunk; what is left at the end is dropped."""
    utterance = begin()
    payload = pcm(tone(0.25, 16_000), width, channels) + b"\1" * (width * channels - 1)
    await say(utterance, payload, width=width, channels=channels, size=size)

    await answered(utterance)

    audio = runner.requests[0][1].audio
    assert audio.duration_s == pytest.approx(0.25, abs=0.001)
    assert pitch_hz(audio) == pytest.approx(TONE_HZ, abs=4)


async def test_part_of_a_sample_ends_with_its_format(begin, runner):
    """It does not become the beginning of the next format's samples."""
    utterance = begin()
    await utterance.add(AudioChunk(rate=16_000, width=4, channels=2, payload=b"\x7f"))
    await say(utterance, pcm(tone(0.5, 16_000), 2))
    await utterance.add(AudioChunk(rate=8000, width=4, channels=2, payload=b"\x7f" * 7))

    await answered(utterance)

    audio = runner.requests[0][1].audio
    assert len(audio.samples) == 8000
    assert np.abs(audio.samples).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.scenario("wyoming-odd-audio")
@pytest.mark.parametrize(
    ("shape", "param"),
    [
        ((16_000, 0, 1), "width"),
        ((16_000, 5, 1), "width"),
        ((16_000, -2, 1), "width"),
        ((16_000, 2, 0), "channels"),
        ((16_000, 2, 9), "channels"),
        ((0, 2, 1), "rate"),
        ((-16_000, 2, 1), "rate"),
        ((10**12, 2, 1), "rate"),
    ],
)
async def test_a_format_that_cannot_be_read_is_refused_and_harms_nothing(begin, runner, shape, param):
    """The error names the wrong value; the audio so far is kept."""
    utterance = begin()
    await say(utterance, pcm(tone(1, 16_000), 2))
    rate, width, channels = shape

    with pytest.raises(UnsupportedAudioError) as refused:
        await utterance.add(AudioChunk(rate=rate, width=width, channels=channels, payload=b"\0" * 8))

    assert refused.value.param == param
    await answered(utterance)
    assert runner.requests[0][1].audio.duration_s == 1.0


@pytest.mark.scenario("wyoming-no-audio")
@pytest.mark.parametrize("samples", [0, 1, 1599])
async def test_next_to_no_audio_has_no_text(begin, hub, runner, samples):
    """And no engine is asked, nor a decoder."""
    utterance = begin(language="de")
    if samples:
        await say(utterance, pcm(tone(samples / 16_000, 16_000), 2))

    client, notes = await answered(utterance)

    assert client.types == [START, TEXT, STOP]
    assert client.of(TEXT)[0].data == {"text": "", "language": "de"}
    assert not runner.requests
    assert notes["chars"] == 0


async def test_silence_is_answered_as_in_an_upload(begin, runner):
    """The engine decides."""
    runner.hear = lambda request: counted(request).__class__(
        text="", language=None, duration_s=request.audio.duration_s
    )
    utterance = begin()
    await say(utterance, bytes(32_000))

    client, _ = await answered(utterance)

    assert client.types == [START, TEXT, STOP]
    assert client.of(TEXT)[0].data == {"text": ""}


@pytest.mark.scenario("wyoming-long-utterance")
async def test_audio_that_is_too_long_is_refused_as_it_comes(begin, hub):
    """Nothing more is kept."""
    utterance = begin()
    await say(utterance, bytes(20 * 32_000), size=32_000)
    held = sum(map(hub.account.held, PLACES))

    for _ in range(2):
        with pytest.raises(UtteranceTooLongError, match="max_audio_s") as refused:
            await utterance.add(AudioChunk(rate=16_000, width=2, channels=1, payload=bytes(32_000)))

    assert refused.value.code == "audio_too_long"
    assert isinstance(refused.value, AudioTooLongError)
    assert sum(map(hub.account.held, PLACES)) == held


async def test_many_channels_hold_no_more_than_an_upload(tmp_path, runner):
    """Seconds alone would let a client fill the disk."""
    async with hub_of(tmp_path, runner, max_upload_bytes=100_000) as hub:
        utterance = HeardUtterance(hub, Directory(hub), Transcribe())
        with pytest.raises(UtteranceTooLongError, match="max_upload_bytes"):
            await say(utterance, bytes(128_000), rate=192_000, width=4, channels=8)
        assert sum(map(hub.account.held, PLACES)) <= 100_000
        utterance.close()


async def test_a_long_one_goes_to_disk_and_is_accounted_for(begin, hub, runner):
    """Until it is closed."""
    utterance = begin()
    await say(utterance, pcm(tone(15, 48_000), 2, 2), rate=48_000, channels=2, size=100_000)
    assert hub.account.held("disk") > 2_800_000
    assert hub.account.held("memory") == 0

    await answered(utterance)
    utterance.close()

    assert runner.requests[0][1].audio.duration_s == pytest.approx(15, abs=0.01)
    assert [hub.account.held(place) for place in PLACES] == [0, 0]


async def test_a_server_that_is_full_refuses(tmp_path, runner):
    """As it refuses uploads."""
    async with hub_of(tmp_path, runner, max_held_bytes=1_000_000, max_spool_bytes=1_000_000) as hub:
        other = hub.account.open()
        other.take("disk", 1_000_000)
        utterance = HeardUtterance(hub, Directory(hub), Transcribe())
        with pytest.raises(ServerFullError):
            await say(utterance, bytes(2_000_000), rate=192_000, size=500_000)
        utterance.close()
        other.close()
        assert [hub.account.held(place) for place in PLACES] == [0, 0]


async def test_a_full_disk_is_reported(begin, monkeypatch):
    """With the message that an upload gets."""
    utterance = begin()

    def write(data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(utterance._spool, "write", write)
    with pytest.raises(OSError, match="No space left"):
        await say(utterance, bytes(32_000))


async def test_a_disk_that_is_full_when_an_utterance_goes_there_holds_nothing(begin, hub, monkeypatch):
    """What was counted for the disk and for memory is free again when the utterance ends."""
    utterance = begin()

    def rollover():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(utterance._spool._spooled, "rollover", rollover)
    with pytest.raises(OSError, match="No space left"):
        await say(utterance, bytes(2_000_000), rate=192_000, size=500_000)
    utterance.close()

    assert [hub.account.held(place) for place in PLACES] == [0, 0]


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"name": "nobody"}, ModelNotFoundError),
        ({"language": "klingonese"}, InvalidLanguageError),
        ({"name": "ears", "language": "fr"}, InvalidValueError),
    ],
)
async def test_what_cannot_be_done_is_refused_before_any_audio(begin, hub, wanted, error):
    """With the messages of HTTP."""
    with pytest.raises(error):
        begin(**wanted)
    assert [hub.account.held(place) for place in PLACES] == [0, 0]


async def test_names_are_expected_before_terms(begin, runner):
    """Each once; what is blank or too long is left out, and so is what is too much."""
    utterance = begin(
        transcript_names=["Kitchen light", " Anna ", "", "x" * 257],
        transcript_terms=["Anna", "dim", *map(str, range(2000))],
    )
    await say(utterance, pcm(tone(1, 16_000), 2))
    await answered(utterance)

    words = runner.requests[0][1].hotwords
    assert words[:4] == ("Kitchen light", "Anna", "dim", "0")
    assert len(words) == MAX_HOTWORDS


async def test_a_model_is_asked_for_while_the_client_speaks(begin, runner):
    """Once; a model that is ready is not."""
    begin()
    runner.away = {"ears"}
    begin()
    await asyncio.sleep(0)

    assert runner.switched == ["ears"]


async def test_a_load_for_an_utterance_is_withdrawn_at_its_end(begin, runner):
    """At the end, whatever was said."""
    runner.away = {"ears"}
    runner.gate.clear()
    utterance = begin()
    await asyncio.sleep(0)
    utterance.close()
    async with asyncio.timeout(10):
        await runner.cancelled.wait()


@pytest.mark.parametrize("error", [EngineLoadError("no"), RuntimeError("no")])
async def test_a_model_that_cannot_be_loaded_is_told_by_the_transcription(begin, runner, error):
    """Once, and by nothing else."""
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    runner.away, runner.error = {"ears"}, error
    utterance = begin()
    await asyncio.sleep(0)
    await say(utterance, pcm(tone(1, 16_000), 2))
    client = Client()

    with pytest.raises(type(error)):
        await answered(utterance, client)

    utterance.close()
    await asyncio.sleep(0)
    del utterance
    assert client.events == []
    assert failures == []


async def test_an_engine_that_fails_later_breaks_the_answer(begin, runner):
    """The connection sends the error; the transcript neither comes nor ends."""
    runner.error_after_first = EngineCrashedError("crash")
    utterance = begin()
    await say(utterance, pcm(tone(1, 16_000), 2))
    client = Client()

    with pytest.raises(EngineCrashedError):
        await answered(utterance, client)

    assert client.types == [START, "transcript-chunk"]


@pytest.mark.scenario("wyoming-leaves")
@pytest.mark.parametrize("leaves", ["while the engine works", "while text is sent"])
async def test_a_client_that_leaves_frees_the_engine(begin, hub, runner, leaves):
    """At once, and nothing is held."""
    utterance, client = begin(), Client()
    await say(utterance, pcm(tone(1, 16_000), 2))
    if leaves == "while text is sent":
        client.failure = ConnectionResetError()
        with pytest.raises(ConnectionResetError):
            await answered(utterance, client)
    else:
        runner.gate.clear()
        task = asyncio.create_task(answered(utterance, client))
        while not runner.running:  # noqa: ASYNC110  # the fake has no event for it
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert runner.cancelled.is_set()
    utterance.close()

    assert runner.running == 0
    assert [hub.account.held(place) for place in PLACES] == [0, 0]


async def test_formats_may_change_with_every_chunk(begin, runner):
    """No sample is lost by it."""
    utterance = begin()
    for number in range(200):
        rate, channels = (16_000, 1) if number % 2 else (8000, 2)
        await utterance.add(AudioChunk(rate=rate, width=2, channels=channels, payload=b"\0\1" * 160))

    _, notes = await answered(utterance)

    assert notes["audio_s"] == 2.0
    assert runner.requests[0][1].audio.duration_s == pytest.approx(2, abs=0.02)
