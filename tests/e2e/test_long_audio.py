"""An hour of speech through the server: bounded memory, and a client that may leave."""

import contextlib
import io
import itertools
import json
import re
import threading
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from speechhub.codecs.encode import SpeechFormat
from speechhub.hub import Hub
from speechhub.services import passages as reading
from speechhub.services.speech_job import SpeechJob
from speechhub.services.transcription import TranscriptionJob
from speechhub.settings import Settings
from tests.e2e.conftest import echo_env
from tests.e2e.server import serving, until
from tests.fakes.babble import RATE, talk, wav_of

GROWTH_BYTES = 300 * 2**20
"""What an hour of audio may add to the hub."""
TIMES = 3
"""How often the paragraph is spoken; it takes 16 s."""
PAUSE_S = 1.5
SPEECH_RATE = 24_000
"""Of raw speech, in hertz. Source: contract §3."""


def mp3_of(samples):
    """Encode samples of a minute or so; such files can be put one after the other."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono", options={"b": "32000"})
        frame = av.AudioFrame.from_ndarray(
            (samples * 32767).astype(np.int16)[None], format="s16", layout="mono"
        )
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


@pytest.fixture(scope="module")
def hour():
    """Sixty minutes of babble with a pause every 20 s."""
    return mp3_of(talk(19, 1, 19, 1, 19, 1)) * 60


@pytest.fixture
def server(tmp_path):
    with serving(tmp_path, **echo_env(stt={})) as made:
        transcribe(made, mp3_of(talk(1)))  # engine and libraries are loaded
        yield made


def transcribe(server, recording, **fields):
    answer = httpx.post(
        f"{server.url}/v1/audio/transcriptions", files={"file": recording}, data=fields, timeout=120
    )
    assert answer.status_code == 200, answer.text
    return answer


def memory_bytes(server, field):
    """Return a field of the hub's memory figures."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def watched(server):
    """Yield a list that has the growth of the hub's memory afterwards, at its peak and in bytes."""
    before = memory_bytes(server, "VmRSS")
    Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # begins a new peak
    growth = []
    yield growth
    growth.append(memory_bytes(server, "VmHWM") - before)


def threads(server):
    return len(list(Path(f"/proc/{server.pid}/task").iterdir()))


def busy(server):
    return any(model["busy"] for model in httpx.get(f"{server.url}/health").json()["models"])


def test_an_hour_is_transcribed_in_bounded_memory(server, hour):
    """Every minute is there, in order and at its time; the hub never holds more than a part of it."""
    with watched(server) as growth:
        answer = transcribe(
            server, hour, response_format="verbose_json", **{"timestamp_granularities[]": "segment"}
        ).json()

    assert growth[0] < GROWTH_BYTES, f"{growth[0] / 2**20:.0f} MiB"
    assert answer["duration"] == pytest.approx(3600, abs=10)
    starts = [segment["start"] for segment in answer["segments"]]
    assert starts == sorted(starts)
    # Echo hears a word every half second; pauses are left out at cuts only.
    assert 6500 <= len(answer["text"].split()) <= 7230
    for earlier, later in zip(answer["segments"], answer["segments"][1:], strict=False):
        assert earlier["end"] <= later["start"] + 0.002
        assert later["start"] - earlier["end"] < 1.5
    assert "".join(segment["text"] for segment in answer["segments"]).strip() == answer["text"]


def test_a_client_that_leaves_a_long_recording_stops_the_work(tmp_path, hour):
    """Within a moment the engine is free, no thread decodes, and nothing is left open."""
    with serving(tmp_path, **echo_env(stt={"work_s": 0.5})) as server:
        transcribe(server, mp3_of(talk(1)))
        descriptors = server.descriptors()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.url}/v1/audio/transcriptions",
                files={"file": hour},
                timeout=httpx.Timeout(60, read=1.5),
            )

        until(lambda: not busy(server), "the engine is free", deadline_s=3)
        until(lambda: server.descriptors() <= descriptors, "the recording is closed", deadline_s=3)
        used = cpu_s(server)
        threading.Event().wait(0.5)
        assert cpu_s(server) - used < 0.25, "nobody decodes any more"
        transcribe(server, mp3_of(talk(1)))


def cpu_s(server):
    """Return the processor time of the hub, in seconds."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_long_recording_streams(server, hour):
    """Text flows from the first passage on, and the deltas are the whole text."""
    deltas, done = [], None
    recording = hour[: len(hour) // 5]  # twelve minutes: three passages
    with httpx.stream(
        "POST",
        f"{server.url}/v1/audio/transcriptions",
        files={"file": recording},
        data={"stream": "true"},
        timeout=60,
    ) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                if event["type"] == "transcript.text.delta":
                    deltas.append(event["delta"])
                else:
                    done = event

    assert done["type"] == "transcript.text.done"
    assert "".join(deltas) == done["text"]
    assert len(deltas) > 100
    assert len(done["text"].split()) > 1300


@pytest.mark.skipif(
    None in map(find_spec, ("speechhub_whisper", "speechhub_piper")),
    reason="the CPU engines are not installed",
)
async def test_passages_of_real_speech_join(monkeypatch, tmp_path):
    """Speech is heard word by word across the cuts; each repetition begins where it was spoken."""
    from tests.e2e.test_round_trip import PARAGRAPH, word_error_rate

    monkeypatch.setattr(reading, "LONGEST_S", 30.0)  # minutes of speech would take minutes
    job = TranscriptionJob(words=True)
    # Without noise the speech is the same each time: one mishearing would count in each of the turns.
    steady = {"piper": {"noise_scale": 0.0, "noise_w_scale": 0.0}}
    async with Hub.assemble(Settings(home=tmp_path, offline=True, engines=steady)) as hub:
        async with aclosing(
            await hub.speech.open(SpeechJob(text=PARAGRAPH, format=SpeechFormat.PCM))
        ) as speech:
            spoken = np.frombuffer(b"".join([chunk async for chunk in speech]), "<i2") / 32768
        turn = np.append(spoken, np.zeros(round(PAUSE_S * SPEECH_RATE)))
        file = io.BytesIO(wav_of(np.tile(turn, TIMES), SPEECH_RATE))
        async with aclosing(await hub.transcription.stream(file, job)) as stream:
            *deltas, heard = [event async for event in stream]

    assert "".join(deltas) == heard.text
    turn_s = len(turn) / SPEECH_RATE
    assert heard.duration_s == pytest.approx(turn_s * TIMES, abs=0.01)
    assert heard.language == "en"
    assert word_error_rate(" ".join([PARAGRAPH] * TIMES), heard.text) <= 0.05
    assert not re.search(r"  |\w[.!?]\w", heard.text)
    assert "".join(segment.text for segment in heard.segments).strip() == heard.text
    for earlier, later in itertools.pairwise(heard.words):
        assert earlier.end_s <= later.start_s + 0.002
    starts: dict[str, list[float]] = {}
    for word in heard.words:
        starts.setdefault(word.text.lower().strip(" .,"), []).append(word.start_s)
    # Near the beginning, and once in it: "lighthouse", unless speech made it "likehouse" this time.
    begins = next(starts[it] for it in ("lighthouse", "rock", "bay") if len(starts.get(it, ())) == TIMES)
    for number, start_s in enumerate(begins):
        assert start_s - number * turn_s == pytest.approx(begins[0], abs=0.4)
