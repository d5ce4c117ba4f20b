"""Real speech: the official client speaks a paragraph with Piper and hears it back with Whisper."""

import io
import itertools
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import av
import httpx
import jiwer
import openai
import pytest
import srt
import webvtt

from tests.e2e.server import serving, until
from tests.http.conftest import wav

pytest.importorskip("speechhub_whisper", reason="the CPU engines are not installed")
pytest.importorskip("speechhub_piper", reason="the CPU engines are not installed")

PARAGRAPH = (
    "The old lighthouse stood on a rock far out in the bay. Every evening the keeper climbed the stairs to "
    "light the lamp. He could see the fishing boats come home one after another. In winter the storms were "
    "so strong that nobody could visit him for weeks. He read his books again and waited for the spring."
)

NORMAL = jiwer.Compose(
    [
        jiwer.ToLowerCase(),
        jiwer.RemovePunctuation(),
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
        jiwer.ReduceToListOfListOfWords(),
    ]
)


def word_error_rate(said, heard):
    heard = " ".join(heard.split())  # a line break is a space
    return jiwer.wer(said, heard, reference_transform=NORMAL, hypothesis_transform=NORMAL)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folders = {name: str(tmp_path_factory.mktemp(name)) for name in ("TMPDIR", "XDG_CACHE_HOME", "HOME")}
    with serving(tmp_path_factory.mktemp("home"), SPEECHHUB_OFFLINE="true", **folders) as made:
        made.folders = {name: Path(path) for name, path in folders.items()}
        yield made


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0, timeout=120) as made:
        yield made


@pytest.fixture(scope="module")
def spoken(client):
    """The paragraph as MP3, some 20 s of it."""
    return client.audio.speech.create(
        model="tts-1", voice="alloy", input=PARAGRAPH, response_format="mp3"
    ).content


def duration_s(data):
    with av.open(io.BytesIO(data)) as container:
        return sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))


def test_engines_write_nothing_about_their_user(server, client, spoken):
    """No library of an engine leaves an id of the machine, or of its session, for its maker's telemetry."""
    client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", spoken))

    left = [path for folder in server.folders.values() for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in left if path.name == ".ses" or "Microsoft" in path.parts]


@pytest.mark.mission("6.5", "9.3")
@pytest.mark.parametrize("audio_format", ["mp3", "wav"])
def test_what_is_spoken_is_heard(client, spoken, audio_format):
    """The transcript differs from the text in at most a tenth of its words."""
    speech = spoken
    if audio_format == "wav":
        speech = client.audio.speech.create(
            model="tts-1", voice="alloy", input=PARAGRAPH, response_format="wav"
        ).content

    heard = client.audio.transcriptions.create(model="whisper-1", file=(f"a.{audio_format}", speech))

    assert word_error_rate(PARAGRAPH, heard.text) <= 0.10


@pytest.mark.mission("5.9")
def test_word_times_grow_and_lie_within(client, spoken):
    """Word times never go back, and never leave the recording."""
    heard = client.audio.transcriptions.create(
        model="whisper-1",
        file=("a.mp3", spoken),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert heard.language == "english"
    assert heard.duration == pytest.approx(duration_s(spoken), abs=0.2)
    assert len(heard.words) >= 0.9 * len(PARAGRAPH.split())
    for word in heard.words:
        assert 0 <= word.start <= word.end <= heard.duration
    for before, after in itertools.pairwise(heard.words):
        assert before.start <= after.start
        assert before.end <= after.start + 1e-6
    for segment in heard.segments:
        assert 0 <= segment.start <= segment.end <= heard.duration
    assert word_error_rate(PARAGRAPH, " ".join(word.word for word in heard.words)) <= 0.10


@pytest.mark.parametrize("response_format", ["srt", "vtt"])
def test_subtitles_have_cues(client, spoken, response_format):
    """Subtitles parse, and a long clip has several cues in order that hold all its words."""
    text = client.audio.transcriptions.create(
        model="whisper-1", file=("a.mp3", spoken), response_format=response_format
    )

    if response_format == "srt":
        cues = [(c.start.total_seconds(), c.end.total_seconds(), c.content) for c in srt.parse(text)]
    else:
        cues = [(c.start_in_seconds, c.end_in_seconds, c.text) for c in webvtt.from_string(text)]
    assert len(cues) >= 4
    assert all(start < end for start, end, _ in cues)
    assert all(a[1] <= b[0] + 1e-6 for a, b in itertools.pairwise(cues))
    assert word_error_rate(PARAGRAPH, " ".join(cue[2] for cue in cues)) <= 0.10


@pytest.mark.mission("6.11")
def test_audio_flows_while_it_is_made(client, spoken):
    """The first bytes come long before the last sentence is spoken: with five sentences, by the second."""
    began = time.monotonic()
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=PARAGRAPH, response_format="pcm"
    ) as answer:
        chunks = answer.iter_bytes()
        next(chunks)
        first_s = time.monotonic() - began
        for _ in chunks:
            pass
    whole_s = time.monotonic() - began

    assert first_s < whole_s * 0.4


SENTENCES = {
    "es": ("spanish", "Buenos días. Hoy hace mucho sol y los niños juegan en la plaza con sus amigos."),
    "fr": ("french", "Bonjour, je voudrais acheter deux billets pour le train de demain matin."),
    "de": ("german", "Guten Morgen. Heute scheint die Sonne und die Kinder spielen draußen im Garten."),
}


@pytest.mark.mission("15.4")
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("code", SENTENCES)
def test_language_is_detected(client, code):
    """Speech in another language is reported as that language."""
    name, sentence = SENTENCES[code]
    clip = subprocess.run(
        ["espeak-ng", "-v", code, "-s", "150", "--stdout", sentence], capture_output=True, check=True
    ).stdout

    heard = client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", clip), response_format="verbose_json"
    )

    assert heard.language == name


def bad_requests(port, canary):
    playlist = f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.mp3\n#EXTINF:1,\nfile://{canary}\n"
    concat = f"ffconcat version 1.0\nfile http://127.0.0.1:{port}/a.mp3\nfile {canary}\n"
    stt, tts = "/v1/audio/transcriptions", "/v1/audio/speech"
    good = {"model": "tts-1", "voice": "alloy", "input": "Hello."}
    return [
        (stt, {"files": {"file": ("a.mp3", b"")}}, 400, "file"),
        (stt, {"files": {"file": ("a.mp3", b"just some text, no audio " * 99)}}, 400, "file"),
        (stt, {"files": {"file": ("a.m3u8", playlist.encode())}}, 400, "file"),
        (stt, {"files": {"file": ("a.txt", concat.encode())}}, 400, "file"),
        (stt, {"files": {"file": ("a.wav", b"RIFF" + bytes(60_000_000))}}, 413, "file"),
        (stt, {"files": {"file": ("a.wav", wav())}, "data": {"model": "nope"}}, 404, "model"),
        (tts, {"json": good | {"model": "nope"}}, 404, "model"),
        (tts, {"json": good | {"voice": "nobody"}}, 400, "voice"),
        (tts, {"json": good | {"response_format": "midi"}}, 400, "response_format"),
        (tts, {"json": good | {"speed": 9}}, 400, "speed"),
        (tts, {"json": good | {"input": ""}}, 400, "input"),
    ]


@pytest.mark.mission("17.14")
@pytest.mark.scenario("unknown-model", "unknown-voice")
def test_bad_input_is_refused_and_harms_nothing(server, client, spoken, tmp_path):
    """Each bad request is a clear error; no worker is lost, no descriptor leaks, no connection is made."""
    client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", spoken))
    workers = sorted(server.workers())
    before = server.descriptors()
    canary = tmp_path / "canary.mp3"
    canary.write_bytes(spoken)

    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        for path, request, status, param in bad_requests(trap.getsockname()[1], canary):
            answer = httpx.post(server.url + path, timeout=60, **request)
            error = answer.json()["error"]
            assert (answer.status_code, error["param"]) == (status, param), error
            assert error["message"]
        with pytest.raises(TimeoutError):
            trap.accept()

    assert sorted(server.workers()) == workers
    until(lambda: server.descriptors() <= before, f"descriptors are back to {before}")


@pytest.mark.scenario("truncated-audio")
def test_truncated_mp3_is_heard_as_far_as_it_goes(client, spoken):
    """Half a file is half a transcript, not an error."""
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", spoken[: len(spoken) // 2]))

    # Speech differs each time, and so may a word that is heard; the cut may spoil the last one.
    words = heard.text.split()
    assert 0.3 < len(words) / len(PARAGRAPH.split()) < 0.7
    assert word_error_rate(" ".join(PARAGRAPH.split()[: len(words)]), heard.text) <= 0.15


@pytest.mark.scenario("worker-crashes-once")
def test_killed_worker_in_mid_transcription(server, client, spoken):
    """A worker that is killed at work is replaced; that request and the next are served."""
    answers = []

    def ask():
        answers.append(client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", spoken)))

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: any(m["busy"] for m in health(server) if m["id"] == "whisper-base"), "Whisper works")
    [ears] = [line["pid"] for line in server.logged("engine ready") if line["model"] == "whisper-base"][-1:]
    os.kill(ears, signal.SIGKILL)
    thread.join(120)

    assert word_error_rate(PARAGRAPH, answers[0].text) <= 0.10
    ask()
    assert word_error_rate(PARAGRAPH, answers[1].text) <= 0.10


def health(server):
    return httpx.get(f"{server.url}/health").json()["models"]
