"""The library of custom voices behind a real server: killed at bad moments, and used by a real engine."""

import base64
import itertools
import signal
import threading

import httpx
import numpy as np
import pytest

from speechhub.voices import VoiceLibrary
from tests.e2e.conftest import ECHO, echo_env
from tests.e2e.server import serving, until
from tests.unit.voices.conftest import tone, wav

pytestmark = pytest.mark.unhurried

HERTZ = 180.0
KILLS = 3


def consent(client):
    files = {"recording": wav(tone(1.2))}
    form = {"name": "them", "language": "en"}
    return client.post("/v1/audio/voice_consents", data=form, files=files).json()["id"]


def upload(client, name, agreed, seconds=1.2):
    files = {"audio_sample": wav(tone(seconds, hertz=HERTZ))}
    return client.post("/v1/audio/voices", data={"name": name, "consent": agreed}, files=files)


def spoken(client, **fields):
    """Return 24 kHz samples of speech, as float32."""
    body = {"model": "echo-clone", "input": "word", "response_format": "pcm"} | fields
    answer = client.post("/v1/audio/speech", json=body)
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<i2").astype(np.float32)


def pitch_hz(samples):
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.fft.rfftfreq(len(samples), 1 / 24_000)[int(np.argmax(spectrum))])


def test_killed_while_voices_come_and_go(tmp_path):
    """However often the server is killed in the middle of it, each voice is whole or gone after a restart."""
    home = tmp_path
    for number in range(KILLS):
        with serving(home, **ECHO, SPEECHHUB_MAX_VOICES="100000") as server:
            left = threading.Event()
            counts = [0, 0]

            def come_and_go(lane, url=server.url, left=left, counts=counts, number=number):
                with httpx.Client(base_url=url, timeout=30) as client:
                    agreed = consent(client)
                    while not left.is_set():
                        try:
                            name = f"{number}-{lane}-{counts[lane]}"
                            made = upload(client, name, agreed).json()
                            if counts[lane] % 3:
                                client.delete(f"/v1/audio/voices/{made['id']}")
                        except httpx.TransportError:
                            return
                        counts[lane] += 1

            lanes = [threading.Thread(target=come_and_go, args=[lane]) for lane in range(2)]
            for lane in lanes:
                lane.start()
            until(lambda counts=counts: min(counts) >= 4, "voices come and go")
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(30)
            left.set()
            for lane in lanes:
                lane.join(60)

        library = VoiceLibrary(home / "voices", limit=100_000)
        found = library.voices()
        assert found
        assert [library.recording(voice).digest for voice in found] == [voice.sha256 for voice in found]
        assert len(list((home / "voices" / "voices").iterdir())) == len(found)
        assert {voice.consent for voice in found} <= {it.id for it in library.consents()}

    with serving(home, **ECHO) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        listed = client.get("/v1/audio/voices").json()["data"]
        assert [it["id"] for it in listed] == [voice.id for voice in found]
        assert not list((home / "voices" / ".staging").iterdir())


@pytest.mark.mission("15.9")
def test_a_custom_voice_is_heard(tmp_path):
    """Clip, id, name and alias: the engine in its own process gets the recording, and speaks at its pitch."""
    with serving(tmp_path, **ECHO) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        made = upload(client, "Anna", consent(client)).json()
        VoiceLibrary(tmp_path / "voices", limit=9).set_alias("alloy", "Anna")
        clip = base64.b64encode(wav(tone(1.2, hertz=HERTZ))).decode()

        own = pitch_hz(spoken(client, voice="low"))
        heard = [pitch_hz(spoken(client, voice=name)) for name in (clip, {"id": made["id"]}, "anna", "alloy")]
        moved = pitch_hz(spoken(client, voice=made["id"], emotion={"text": "angry"}))

        assert heard == pytest.approx([own * HERTZ / 220] * 4, rel=0.03)
        assert moved > heard[0] * 1.03


def test_what_an_engine_learnt_of_a_voice_lasts(tmp_path):
    """Over a restart, for as long as the voice is there; of a clip nothing is kept."""
    clip = base64.b64encode(wav(tone(1.3, hertz=300.0))).decode()
    kept = tmp_path / "voices" / "features" / "echo-clone"
    with serving(tmp_path, **ECHO) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        made = upload(client, "Anna", consent(client)).json()
        first = pitch_hz(spoken(client, voice="anna"))
        spoken(client, voice=clip)
        [learnt] = kept.iterdir()
        assert float(learnt.read_text()) == pytest.approx(HERTZ, abs=1)

    learnt.write_text(repr(2 * HERTZ))  # what is computed anew would not have this
    with serving(tmp_path, **ECHO) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        assert pitch_hz(spoken(client, voice="anna")) == pytest.approx(2 * first, rel=0.03)
        client.delete(f"/v1/audio/voices/{made['id']}").raise_for_status()
        assert list(kept.iterdir()) == []

    learnt.write_text("1.0")  # as a worker might, that is killed a moment after the voice has gone
    with serving(tmp_path, **ECHO):
        assert list(kept.iterdir()) == []


def test_two_long_texts_take_turns_on_one_engine(tmp_path):
    """Neither waits for the end of the other, and who leaves sets the engine free."""
    text = "One two three four five six seven eight nine ten. " * 100  # 5000 characters
    body = {"model": "echo-clone", "voice": "low", "input": text, "response_format": "pcm"}
    order, sizes = [], {"a": 0, "b": 0}

    def listen(url, name):
        with (
            httpx.Client(base_url=url, timeout=60) as client,
            client.stream("POST", "/v1/audio/speech", json=body) as answer,
        ):
            for chunk in answer.iter_raw():
                order.append(name)
                sizes[name] += len(chunk)

    options = {"work_s": 0.01}  # for each sentence
    with serving(tmp_path, **echo_env(tts=options)) as server:
        lanes = [threading.Thread(target=listen, args=[server.url, name]) for name in ("a", "b")]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join(60)
        leaver = httpx.Client(base_url=server.url, timeout=60)
        with leaver, leaver.stream("POST", "/v1/audio/speech", json=body) as answer:
            next(answer.iter_raw())
        until(lambda: not busy(server), "the engine is free again")

    changes = sum(one != other for one, other in itertools.pairwise(order))
    assert changes > 3
    assert sizes["a"] == sizes["b"] > 24_000 * 2 * 240


@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_a_long_text_is_heard_while_the_rest_is_made(tmp_path, stream_format):
    """The first bytes, as they are or in events, come while the engine works on later sentences."""
    text = "One two three four five six seven eight nine ten. " * 100
    body = {"model": "echo-clone", "voice": "low", "input": text, "stream_format": stream_format}
    with (
        serving(tmp_path, **echo_env(tts={"work_s": 0.05})) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        client.stream("POST", "/v1/audio/speech", json=body | {"response_format": "mp3"}) as answer,
    ):
        chunks = answer.iter_raw()
        first = next(chunks)
        assert busy(server) == ["echo-clone"]
        rest = b"".join(chunks)

    if stream_format == "sse":
        events = (first + rest).split(b"\n\n")
        assert events[0].startswith(b'data: {"type":"speech.audio.delta"')
        assert events[-3].startswith(b'data: {"type":"speech.audio.done"')
    assert len(rest) > 100 * len(first)


def busy(server):
    models = httpx.get(f"{server.url}/health", timeout=30).json()["models"]
    return [model["id"] for model in models if model["busy"] or model["waiting"]]


def test_a_piper_voice_becomes_a_custom_voice(tmp_path):
    """Real speech as the reference: stored, listed, aliased, spoken in, deleted."""
    pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")
    settings = {"SPEECHHUB_TTS_MODEL": "piper-en-us-joe", "SPEECHHUB_OFFLINE": "true"}
    text = "The old lighthouse stood on a rock far out in the bay, and nobody could visit it for weeks."
    with serving(tmp_path, **settings) as server, httpx.Client(base_url=server.url, timeout=120) as client:
        body = {"model": "tts-1", "voice": "alloy", "input": text, "response_format": "mp3"}
        reference = client.post("/v1/audio/speech", json=body).content
        agreed = consent(client)

        made = client.post(
            "/v1/audio/voices",
            data={"name": "Joe", "consent": agreed},
            files={"audio_sample": ("joe.mp3", reference, "audio/mpeg")},
        ).json()
        library = VoiceLibrary(tmp_path / "voices", limit=9)
        library.set_alias("alloy", "joe")
        [listed] = client.get("/v1/audio/voices").json()["data"]
        by_alias, by_id = spoken(client, voice="alloy"), spoken(client, voice={"id": made["id"]})
        piper = client.post("/v1/audio/speech", json=body)
        client.delete(f"/v1/audio/voices/{made['id']}").raise_for_status()

        assert (listed["name"], listed["aliases"]) == ("Joe", ["alloy"])
        assert listed["duration_s"] > 3
        assert np.array_equal(by_alias, by_id)
        assert piper.status_code == 200, "the alias leaves a model that cannot clone alone"
        assert library.voices() == []
        assert not np.array_equal(spoken(client, voice="alloy"), by_alias)
