"""What users of other Wyoming servers complain about, and what the port refuses."""

import asyncio
import re

import httpx
import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.e2e import home_assistant as ha
from tests.e2e.conftest import echo_env
from tests.e2e.live import metric
from tests.e2e.realtime import eventually
from tests.e2e.wyoming_port import RATE, joined, serving_wyoming, spoken, text_stream, utterance, utterance_of
from tests.fakes.babble import babble
from tests.fuzz.leaving import is_busy, is_idle
from tests.http.conftest import wav

pytestmark = pytest.mark.unhurried

SENTENCES = ("The light is on. ", "It is warm today! ", "Is the door open? ", "Nobody is there.")
TEXT = "".join(SENTENCES)
SECRET = "the safe is behind the picture"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server on the echo engines, with a voice that was made there: `made`."""
    with serving_wyoming(tmp_path_factory.mktemp("home"), **echo_env()) as server:
        server.made = made_voice(server.url)
        yield server


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    """A server whose engines fail in each call, and quote their input in the exception."""
    env = echo_env(stt={"fail": True}, tts={"fail": True})
    with serving_wyoming(tmp_path_factory.mktemp("home"), **env) as server:
        yield server


def made_voice(url):
    """Make a custom voice; return its id."""
    sound = ("a.wav", wav(1.5))
    consent = httpx.post(
        f"{url}/v1/audio/voice_consents",
        data={"name": "Anna", "language": "en"},
        files={"recording": sound},
        timeout=30,
    ).json()
    made = httpx.post(
        f"{url}/v1/audio/voices",
        data={"name": "Anna", "consent": consent["id"]},
        files={"audio_sample": sound},
        timeout=30,
    )
    return made.json()["id"]


def over_http(server, text, response_format="wav"):
    """Ask for the same over HTTP."""
    body = {"input": text, "response_format": response_format, "model": "echo-tts"}
    return httpx.post(f"{server.url}/v1/audio/speech", json=body, timeout=30)


def listed_voices(server):
    """Return the ids of the voices that HTTP lists."""
    return [voice["id"] for voice in httpx.get(f"{server.url}/v1/audio/voices").json()["voices"]]


def requests(server, path, since=0):
    """Return the log lines of utterances (``wyoming/stt``) or speeches (``wyoming/tts``)."""
    return [it for it in server.logged("request") if it.get("path") == path][since:]


def answered(server, route):
    """Return how many utterances or speeches were counted as answered."""
    return metric(server, "speechhub_http_requests_total", route=route, status="200")


async def next_request(server, path, since):
    """Return the one line that came since there were so many."""
    [line] = await eventually(lambda: requests(server, path, since), f"a line for {path}")
    return line


# ── Complaints ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", [TEXT, "", "…", "👍"])
@pytest.mark.scenario("wyoming-no-words")
async def test_complaint_audio_comes_only_when_the_server_is_stopped(server, text):
    """wyoming_openai#19: the end of a streamed speech was never told, so the client read on for ever."""
    async with joined(server.wyoming_port) as visitor:
        await visitor.send(*text_stream(text))
        events = await visitor.until("synthesize-stopped")

        assert (len(spoken(events).samples) > 0) == (text == TEXT)
        assert (await visitor.info()).tts, "the connection serves on"


@pytest.mark.scenario("wyoming-failure")
async def test_complaint_audio_comes_only_when_the_server_is_stopped_after_a_failure(failing):
    """The same after a failure that is not the client's: the connection ends, so no client reads on."""
    async with joined(failing.wyoming_port) as visitor:
        await visitor.send(*text_stream(TEXT))

        assert (await visitor.refused()).text


@pytest.mark.parametrize("way", ["hear", "speak", "stream"])
@pytest.mark.scenario("wyoming-failure")
async def test_complaint_stt_stream_failed_with_nothing_in_the_log(failing, way):
    """core#134241: each failure names its cause to the client, and to the operator in one line."""
    path = "wyoming/stt" if way == "hear" else "wyoming/tts"
    since = len(requests(failing, path))
    sent = {
        "hear": utterance(babble(1, RATE)),
        "speak": [Synthesize(text=SECRET)],
        "stream": text_stream(SECRET),
    }[way]
    async with joined(failing.wyoming_port) as visitor:
        await visitor.send(*sent)
        error = await visitor.refused()

    line = await next_request(failing, path, since)
    assert "echo" in error.text or "engine" in error.text.lower()
    assert error.code
    assert SECRET not in error.text
    assert line["status"] >= 500
    assert line["error"]
    assert SECRET not in failing.log_text()


@pytest.mark.scenario("wyoming-no-audio")
async def test_complaint_a_crash_on_zero_length_audio(server):
    """AlexxIT/StreamAssist#4: an utterance without a chunk, or with one that is empty or very short."""
    shape = {"rate": RATE, "width": 2, "channels": 1}
    none, short = bytes(0), bytes(100)
    async with joined(server.wyoming_port) as visitor:
        assert await visitor.hear(AudioStart(**shape), AudioStop()) == ""
        for audio in (none, short):
            assert (
                await visitor.hear(AudioStart(**shape), AudioChunk(audio=audio, **shape), AudioStop()) == ""
            )

        assert await visitor.hear(*utterance(babble(1, RATE))), "the connection serves on"


async def test_complaint_streamed_sentences_are_buffered_until_the_end(server):
    """wyoming_openai#32: the first sentence sounds before the end of the text is sent."""
    async with joined(server.wyoming_port) as visitor:
        await visitor.send(SynthesizeStart(), *(SynthesizeChunk(text=it) for it in SENTENCES[:2]))
        events = await visitor.until("audio-chunk")

        await visitor.send(*(SynthesizeChunk(text=it) for it in SENTENCES[2:]), SynthesizeStop())
        events += await visitor.until("synthesize-stopped")
        whole = await visitor.speak(TEXT)

    assert spoken(events).duration_s == pytest.approx(whole.duration_s, abs=0.02)


@pytest.mark.parametrize("voice", [None, "high"])
async def test_complaint_the_pause_between_sentences_vanished_with_streaming(server, voice):
    """core#156447: a streamed text is as long as the same text whole, however it was cut."""
    cuts = {"sentences": SENTENCES, "words": re.findall(r"\S+\s*", TEXT), "letters": TEXT, "whole": [TEXT]}
    async with joined(server.wyoming_port) as visitor:
        whole = await visitor.speak(TEXT, voice)
        lengths_s = {}
        for name, texts in cuts.items():
            await visitor.send(*text_stream(*texts, voice=voice))
            lengths_s[name] = spoken(await visitor.until("synthesize-stopped")).duration_s

    assert lengths_s == pytest.approx(dict.fromkeys(cuts, whole.duration_s), abs=0.02)


async def test_complaint_static_at_the_end_and_a_cut_last_syllable(server):
    """core#150397, #156603: the samples are those that HTTP sends: no header, and none is missing."""
    async with joined(server.wyoming_port) as visitor:
        speech = await visitor.speak(SENTENCES[0])  # `spoken` refuses headers and half samples

    assert speech.samples.tobytes() == over_http(server, SENTENCES[0], "pcm").content


@pytest.mark.parametrize("rate", [8_000, 48_000])
async def test_complaint_a_wrong_rate_makes_chipmunks_or_noise(server, tmp_path, rate):
    """wyoming_openai#72: the rate that is told is that of the samples, whatever the engine's is."""
    async with joined(server.wyoming_port) as visitor:
        usual = await visitor.speak(TEXT)
    with serving_wyoming(tmp_path, **echo_env(tts={"sample_rate": rate})) as other:
        async with joined(other.wyoming_port) as visitor:
            odd = await visitor.speak(TEXT)

    assert odd.duration_s == pytest.approx(usual.duration_s, rel=0.02)
    assert tone_hz(odd) == pytest.approx(tone_hz(usual), rel=0.02)


def tone_hz(speech):
    """Return the strongest tone of a speech."""
    power = np.abs(np.fft.rfft(speech.samples.astype(float)))
    power[0] = 0
    return float(np.fft.rfftfreq(len(speech.samples), 1 / speech.rate)[power.argmax()])


async def test_complaint_a_custom_voice_is_not_offered(server):
    """core#178560: each voice that HTTP lists has a language in `info` within half a minute, and speaks."""
    names = set()
    async with asyncio.timeout(30):
        while not any("anna" in name.lower() or server.made in name for name in names):
            await asyncio.sleep(0.2)
            async with joined(server.wyoming_port) as visitor:
                voices = ha.tts_voices(await visitor.info())
            names = {voice.voice_id for found in voices.values() for voice in found}

    assert set(listed_voices(server)) <= {name.rpartition("/")[2] for name in names}
    async with joined(server.wyoming_port) as visitor:
        for name in sorted(names):
            assert (await visitor.speak("Yes.", name)).duration_s > 0


# ── Formats ──────────────────────────────────────────────────────────────────

SHAPES = [(8_000, 1, 1), (16_000, 2, 2), (44_100, 2, 1), (48_000, 4, 2), (22_050, 2, 2)]


@pytest.mark.parametrize(("rate", "width", "channels"), SHAPES)
async def test_every_format_of_a_satellite_is_heard(server, rate, width, channels):
    """A word for each half second: an utterance of two seconds has four, whatever its format."""
    silent = bytes([128]) if width == 1 else bytes(width)
    pcm = silent * (2 * rate * channels)
    noise = np.random.default_rng(1).integers(0, 256, len(pcm), np.uint8).tobytes()
    async with joined(server.wyoming_port) as visitor:
        text = await visitor.hear(*utterance_of(noise, rate=rate, width=width, channels=channels))

    assert len(text.split()) == 4


# ── What is logged and counted ───────────────────────────────────────────────


async def test_each_utterance_has_a_line_and_is_counted(server):
    since, counted = len(requests(server, "wyoming/stt")), answered(server, "wyoming/stt")
    async with joined(server.wyoming_port) as visitor:
        await visitor.hear(*utterance(babble(2, RATE)), language="en")

    line = await next_request(server, "wyoming/stt", since)
    assert (line["method"], line["status"], line["model"]) == ("WYOMING", 200, "echo-stt")
    assert line["audio_s"] == pytest.approx(2, abs=0.1)
    assert line["request_id"]
    assert line["ms"] >= 0
    assert answered(server, "wyoming/stt") == counted + 1


async def test_each_speech_has_a_line_and_is_counted_without_its_text(server):
    since, counted = len(requests(server, "wyoming/tts")), answered(server, "wyoming/tts")
    async with joined(server.wyoming_port) as visitor:
        await visitor.speak(SECRET)

    line = await next_request(server, "wyoming/tts", since)
    assert (line["method"], line["status"], line["model"]) == ("WYOMING", 200, "echo-tts")
    assert line["chars"] == len(SECRET)
    assert line["first_audio_ms"] >= 0
    assert answered(server, "wyoming/tts") == counted + 1
    assert SECRET not in server.log_text()


async def test_an_answer_whose_client_hangs_up_with_it_is_logged_as_answered(server):
    """Home Assistant hangs up as soon as it has what it waits for; that is not a client that left."""
    entry = ha.Entry("127.0.0.1", server.wyoming_port)
    counted = {path: len(requests(server, path)) for path in ("wyoming/stt", "wyoming/tts")}

    async def several(*parts):
        for part in parts:
            yield part

    for _ in range(10):
        await entry.hear(several(bytes(2 * RATE), bytes(RATE)), "en")
        await entry.speak(TEXT)
        [it async for it in entry.stream(several(*SENTENCES))]

    for path, number in {"wyoming/stt": 10, "wyoming/tts": 20}.items():
        lines = await eventually(
            lambda path=path, number=number: (
                (found := requests(server, path, counted[path]))[number - 1 :] and found
            ),
            f"{number} lines for {path}",
        )
        assert {line["status"] for line in lines} == {200}


async def test_open_connections_are_counted(server):
    before = metric(server, "speechhub_wyoming_connections")
    async with joined(server.wyoming_port), joined(server.wyoming_port):
        await eventually(lambda: metric(server, "speechhub_wyoming_connections") == before + 2, "two more")
    await eventually(lambda: metric(server, "speechhub_wyoming_connections") == before, "as before")


# ── Limits ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "rubbish",
    [
        pytest.param(b'{"type": "describe", "data": {"a": "' + b"x" * 2**17, id="long line"),
        pytest.param(b'{"type": "describe", "data_length": 2000000}\n', id="long data"),
        pytest.param(b'{"type": "audio-chunk", "payload_length": 2000000}\n', id="long payload"),
        pytest.param(b'{"type": "describe", "data_length": -1}\n', id="negative length"),
        pytest.param(b'{"type": "describe", "payload_length": 1e300}\n', id="length that is no integer"),
        pytest.param(b'{"type": "describe", "data_length": 5}\nxxxxx', id="data that is no JSON"),
        pytest.param(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", id="TLS"),
        pytest.param(b'["describe"]\n', id="no object"),
        pytest.param(b'{"type": 3}\n', id="type that is no string"),
        pytest.param(b'{"type": "transcribe", "data": {"language": 3}}\n', id="field of another type"),
        pytest.param(
            b'{"type": "audio-chunk", "data": {"rate": 0, "width": 2, "channels": 1}}\n', id="no rate"
        ),
    ],
)
@pytest.mark.scenario("wyoming-unreadable")
async def test_what_cannot_be_read_is_told_and_ends_the_connection(server, rubbish):
    async with joined(server.wyoming_port) as visitor:
        await visitor.write(rubbish)
        error = await visitor.refused()

    assert error.code
    assert len(error.text) < 400
    async with joined(server.wyoming_port) as other:
        assert (await other.info()).asr, "others are served"


@pytest.mark.scenario("wyoming-unknown")
async def test_what_is_unknown_is_ignored(server):
    """wyoming_openai#19: a bridge broke on the day that Home Assistant sent an event that it did not know."""
    async with joined(server.wyoming_port) as visitor:
        await visitor.write(b'{"type": "detect", "data": {"names": ["ok"]}, "version": "99.0", "new": [1]}\n')
        await visitor.write(b'{"type": "describe", "data": {"new": 1}, "version": "99.0"}\n')

        assert [event.type for event in await visitor.until("info")] == ["info"]


async def test_a_ping_is_answered_while_an_engine_works(tmp_path):
    with serving_wyoming(tmp_path, **echo_env(tts={"work_s": 60})) as server:
        async with joined(server.wyoming_port) as visitor:
            await visitor.send(Synthesize(text=TEXT))
            await eventually(lambda: is_busy(server, "echo-tts"), "the engine works")

            await visitor.send(Ping(text="still there?"))

            assert (await visitor.until("pong"))[-1].data == {"text": "still there?"}
        await eventually(lambda: is_idle(server), "the engine is free")


@pytest.mark.scenario("wyoming-full")
async def test_too_many_connections_are_refused_and_the_others_are_served(server):
    """The 65th learns what there is, but nothing is done for it; as soon as one has left, there is room."""
    visitors = [joined(server.wyoming_port) for _ in range(64)]
    open_ = [await it.__aenter__() for it in visitors]
    try:
        await eventually(lambda: metric(server, "speechhub_wyoming_connections") == 64, "64 are open")
        async with joined(server.wyoming_port) as one_too_many:
            assert (await one_too_many.info()).asr
            await one_too_many.send(Synthesize(text="One."))
            [error] = await one_too_many.rest()

        assert (error.type, error.data["code"]) == ("error", "too_many_connections")
        assert (await open_[0].info()).asr
    finally:
        for visitor in visitors:
            await visitor.__aexit__(None, None, None)
    await eventually(lambda: metric(server, "speechhub_wyoming_connections") == 0, "all have left")
    async with joined(server.wyoming_port) as visitor:
        assert (await visitor.info()).asr


@pytest.mark.scenario("wyoming-caller")
async def test_a_caller_has_the_limits_that_it_has_over_http(tmp_path):
    """Requests a minute; `describe` is none."""
    with serving_wyoming(tmp_path, **echo_env(), SPEECHHUB_RATE_LIMIT_PER_MINUTE="2") as server:
        async with joined(server.wyoming_port) as visitor:
            await visitor.speak("One.")
            await visitor.hear(*utterance(babble(1, RATE)))
            for _ in range(5):
                await visitor.info()
            await visitor.send(Synthesize(text="Two."))
            error = await visitor.refused()

        refused_over_http = over_http(server, "Three.").status_code
        line = await next_request(server, "wyoming/tts", 1)
    assert error.code == "rate_limit_exceeded"
    assert line["status"] == 429
    assert refused_over_http == 429, "it is the same caller"


@pytest.mark.scenario("wyoming-open")
def test_keys_do_not_close_the_port_and_the_operator_is_warned(tmp_path):
    """The protocol has no keys. On an address of the network, that is told at the start."""
    keys = {"SPEECHHUB_API_KEYS": "a-key", **echo_env()}

    def warnings(**env):
        with serving_wyoming(tmp_path, **keys, **env) as server:

            async def info():
                async with joined(server.wyoming_port) as visitor:
                    return await visitor.info()

            assert asyncio.run(info()).asr
            return [it for it in server.lines() if it.get("level") == "warning" and "yoming" in str(it)]

    assert not warnings(SPEECHHUB_WYOMING_HOST="127.0.0.1")
    [warning] = warnings(SPEECHHUB_WYOMING_HOST="0.0.0.0")
    assert warning["event"] == "open to the network without keys"
    assert warning["subject"] == "wyoming_host"
