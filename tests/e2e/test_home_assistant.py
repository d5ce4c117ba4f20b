"""Home Assistant at the Wyoming port: it hears, speaks, streams, and changes its mind."""

import asyncio
import contextlib
import io
import re
import struct
import wave

import httpx
import numpy as np
import pytest
from wyoming.tts import Synthesize

from speechhub.codecs.encode import wav_header
from tests.e2e import home_assistant as ha
from tests.e2e.conftest import echo_env
from tests.e2e.realtime import eventually
from tests.e2e.test_round_trip import word_error_rate
from tests.e2e.wyoming_port import RATE, joined, serving_wyoming
from tests.fakes.babble import babble
from tests.fuzz.leaving import is_busy, is_idle

pytest.importorskip("speechhub_whisper", reason="the CPU engines are not installed")
pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")

pytestmark = pytest.mark.unhurried

ANSWER = (
    "The light in the kitchen is now on. It will be sunny and warm in the afternoon. "
    "Your next meeting begins at ten in the morning."
)
COMMAND = "Please turn off the lights in the living room."
LONG = " ".join(f"This is sentence number {number}." for number in range(40))
PIECE_BYTES = 1024
"""How much a satellite sends at a time."""


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A server that speaks with Piper, always the same, and hears with Whisper; both are loaded."""
    env = {
        "SPEECHHUB_STT_MODEL": "whisper-base",
        "SPEECHHUB_TTS_MODEL": "piper-en-us-joe",
        "SPEECHHUB_ENGINES": '{"piper": {"noise_scale": 0, "noise_w_scale": 0}}',
        "SPEECHHUB_PRELOAD": "whisper-base,piper-en-us-joe",
        "SPEECHHUB_OFFLINE": "true",
    }
    with serving_wyoming(tmp_path_factory.mktemp("home"), **env) as server:
        yield server


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A server whose engines take far longer than any test waits, and that hears five seconds at most."""
    env = echo_env(stt={"work_s": 60}, tts={"work_s": 60}) | {"SPEECHHUB_MAX_AUDIO_S": "5"}
    with serving_wyoming(tmp_path_factory.mktemp("home"), **env) as server:
        yield server


def entry(server):
    """Return the config entry of a server."""
    return ha.Entry("127.0.0.1", server.wyoming_port)


async def pieces(pcm):
    for at in range(0, len(pcm), PIECE_BYTES):
        yield pcm[at : at + PIECE_BYTES]


async def words(text, *, pause_s=0.0):
    """Give a text as a language model does: word by word."""
    for word in re.findall(r"\S+\s*", text):
        yield word
        await asyncio.sleep(pause_s)


def heard(server, wav):
    """Return what the hub's Whisper hears in a recording."""
    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        files={"file": ("speech.wav", wav)},
        data={"model": "whisper-base", "language": "en"},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["text"]


def check_said_once(server, text, wav):
    """Fail unless the recording says the text, and says it once: said twice has twice the words."""
    text_heard = heard(server, wav)
    assert word_error_rate(text, text_heard) <= 0.1, text_heard


def frames(wav):
    """Return the rate and the samples of a WAV file."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getsampwidth(), file.getnchannels()) == (2, 1)
        return file.getframerate(), file.readframes(file.getnframes())


def finished(parts):
    """Return streamed parts, a header without a length and PCM, as a WAV file with one."""
    header, pcm = parts[0], b"".join(parts[1:])
    assert (header[:4], len(header)) == (b"RIFF", 44)
    return header[:4] + struct.pack("<I", 36 + len(pcm)) + header[8:40] + struct.pack("<I", len(pcm)) + pcm


# ── What the entities show ───────────────────────────────────────────────────


async def test_the_config_flow_finds_both_entities(real):
    """One entry by host and port has an STT and a TTS entity, with a name that does not change."""
    info = await entry(real).info()

    assert ha.platforms(info) == ["stt", "tts"]
    assert ha.title(info)
    assert ha.unique_id("speechhub-host._wyoming._tcp.local.", info) == ha.unique_id(
        "speechhub-host._wyoming._tcp.local.", await entry(real).info()
    )


async def test_the_entities_have_languages_and_voices(real):
    """HA refuses a language that is not in the list, and offers voices by language."""
    info = await entry(real).info()

    assert {"en", "de", "zh"} <= ha.stt_languages(info)
    assert all(re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", code) for code in ha.stt_languages(info))
    voices = ha.tts_voices(info)
    assert ha.default_language(voices) in voices
    assert "joe" in {voice.voice_id for voice in voices["en"]}
    assert ha.streams(info)
    assert ha.needs_external_vad(info), "the server does not find the end of an utterance"


# ── Speech to text ───────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def command(real):
    """A spoken command as a satellite's microphone gives it: PCM16 at 16 kHz, mono."""
    rate, pcm = frames(asyncio.run(entry(real).speak(COMMAND)))
    samples = np.frombuffer(pcm, "<i2").astype(float)
    times = np.arange(0, len(samples), rate / RATE)
    return np.interp(times, np.arange(len(samples)), samples).astype("<i2").tobytes()


@pytest.mark.parametrize("language", ["en", "en-US"])
async def test_a_command_is_heard(real, command, language):
    text = await entry(real).hear(pieces(command), language)

    assert word_error_rate(COMMAND, text) <= 0.1


async def test_a_command_is_heard_as_over_http(real, command):
    """The same recording has the same text, whichever way it comes."""
    recording = wav_header(len(command), RATE) + command

    assert await entry(real).hear(pieces(command), "en") == heard(real, recording)


async def test_silence_is_heard_as_nothing(real):
    """Somebody pressed the button by accident; an error would be spoken as one."""
    assert await entry(real).hear(pieces(bytes(2 * RATE)), "en") == ""


@pytest.mark.scenario("wyoming-long-utterance")
async def test_an_early_end_stops_the_upload(slow):
    """A microphone that never stops: the answer comes while it is still sending, and HA hangs up."""
    sent = 0

    async def microphone():
        nonlocal sent
        while True:
            sent += PIECE_BYTES
            yield bytes(PIECE_BYTES)
            await asyncio.sleep(0.001)

    with pytest.raises(ha.ServiceError, match="5"):
        await entry(slow).hear(microphone(), "en")

    assert sent >= 5 * 2 * RATE
    await eventually(lambda: is_idle(slow), "nothing runs")


@pytest.mark.scenario("wyoming-leaves")
async def test_a_cancelled_utterance_frees_the_engine(slow):
    """The pipeline is stopped while the engine works: HA just hangs up."""
    pcm = (babble(1, RATE) * 32767).astype("<i2").tobytes()
    hearing = asyncio.create_task(entry(slow).hear(pieces(pcm), "en"))
    await eventually(lambda: is_busy(slow, "echo-stt"), "the engine works")

    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)

    await eventually(lambda: is_idle(slow), "the engine is free")


# ── Text to speech ───────────────────────────────────────────────────────────


async def test_a_whole_text_is_said_once(real):
    check_said_once(real, ANSWER, await entry(real).speak(ANSWER))


async def test_a_streamed_text_is_said_once(real):
    """The whole text comes once more at the end of the stream, for servers that cannot stream."""
    parts = [part async for part in entry(real).stream(words(ANSWER), "joe")]

    check_said_once(real, ANSWER, finished(parts))


@pytest.mark.parametrize("pause_s", [0.0, 0.1], ids=["at once", "as it is written"])
async def test_a_streamed_text_is_as_long_as_a_whole_one(real, pause_s):
    """core#156447: the pauses between the sentences of streamed speech were gone."""
    rate, whole = frames(await entry(real).speak(ANSWER, "joe"))
    texts = words(ANSWER, pause_s=pause_s)
    streamed_rate, streamed = frames(finished([it async for it in entry(real).stream(texts, "joe")]))

    assert streamed_rate == rate
    assert len(streamed) / 2 / rate == pytest.approx(len(whole) / 2 / rate, abs=0.02)


async def test_the_first_sentence_sounds_before_the_last_word_is_known(real):
    """wyoming_openai#32: streamed sentences were held back until the text had ended."""
    heard_first = asyncio.Event()

    async def answer():
        async for word in words("The light in the kitchen is now on. "):
            yield word
        yield "It "
        async with asyncio.timeout(30):
            await heard_first.wait()
        async for word in words("will be sunny and warm in the afternoon."):
            yield word

    parts = []
    async for part in entry(real).stream(answer(), "joe"):
        parts.append(part)
        if len(parts) > 1:
            heard_first.set()

    assert heard_first.is_set()
    check_said_once(
        real,
        "The light in the kitchen is now on. It will be sunny and warm in the afternoon.",
        finished(parts),
    )


@pytest.mark.parametrize("text", ["", " ", "…", "👍", "!?"])
@pytest.mark.scenario("wyoming-no-words")
async def test_a_text_without_words_is_silence(real, text):
    """Language models answer with an emoji at times. HA takes silence, and shows an error as an error."""
    await entry(real).speak(text)
    parts = [part async for part in entry(real).stream(words(text))]

    assert len(parts[1:]) == 0


@pytest.mark.scenario("wyoming-no-voice")
async def test_an_unknown_voice_is_told(real):
    """A pipeline stores a voice; the user sees what became of it."""
    with pytest.raises(ha.ServiceError, match="no-such-voice"):
        await entry(real).speak(ANSWER, "no-such-voice")
    with pytest.raises(ha.ServiceError, match="no-such-voice"):
        async for _ in entry(real).stream(words(ANSWER), "no-such-voice"):
            pass


@pytest.mark.scenario("wyoming-leaves")
async def test_a_cancelled_speech_frees_the_engine(slow):
    speaking = asyncio.create_task(entry(slow).speak(LONG))
    await eventually(lambda: is_busy(slow, "echo-tts"), "the engine works")

    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)

    await eventually(lambda: is_idle(slow), "the engine is free")


async def test_a_cancelled_streamed_speech_frees_the_engine(slow):
    """HA closes the iterator; its other task finds that out when it writes."""

    async def listen():
        async with contextlib.aclosing(entry(slow).stream(words(LONG))) as speech:
            async for _ in speech:
                pass

    speaking = asyncio.create_task(listen())
    await eventually(lambda: is_busy(slow, "echo-tts"), "the engine works")

    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)

    await eventually(lambda: is_idle(slow), "the engine is free")


async def test_what_was_cancelled_does_not_hold_up_what_comes_next(real):
    """A user who interrupts the answer hears the next one."""
    async with contextlib.aclosing(entry(real).stream(words(LONG), "joe")) as speech:
        async for part in speech:
            if part[:4] != b"RIFF":
                break

    check_said_once(real, COMMAND, await entry(real).speak(COMMAND))


async def test_info_comes_in_one_attempt_while_the_engines_work(slow):
    """The coordinator asks every 30 s, once; without an answer, the entities become unavailable."""
    async with joined(slow.wyoming_port) as other:
        await other.send(Synthesize(text=LONG))
        await eventually(lambda: is_busy(slow, "echo-tts"), "the engine works")

        assert ha.platforms(await entry(slow).info()) == ["stt", "tts"]
    await eventually(lambda: is_idle(slow), "the engine is free")
