"""``speak``, ``transcribe`` and the start of the command line, with real engines and a real server."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import wave
from contextlib import contextmanager

import av
import click.testing
import pytest

from speechhub.cli import main
from tests.e2e.server import serving
from tests.unit.codecs.recordings import film

ECHO = {"SPEECHHUB_STT_MODEL": "echo-stt", "SPEECHHUB_TTS_MODEL": "echo-tts"}
TEXT = "One two three four five six."
"""Six words: six tones of 0.25 s each on echo-tts."""
TEXT_FRAMES = 6 * 6000
LIMIT_S = 60


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch, tmp_path, logging_put_back):
    """Use the echo engines and an empty home, and put logging back as it was."""
    monkeypatch.chdir(tmp_path)
    for name in ("SPEECHHUB_CONFIG", "OPENAI_API_KEY", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**ECHO, "SPEECHHUB_HOME": str(tmp_path / "home")}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A real server."""
    with serving(tmp_path_factory.mktemp("served"), **ECHO) as server:
        yield server.url


@pytest.fixture
def run():
    def call(*words, **options):
        return click.testing.CliRunner().invoke(
            main, [str(word) for word in words], prog_name="speechhub", **options
        )

    return call


@pytest.fixture
def recording(tmp_path, clip):
    """A second of sound in a file."""
    path = tmp_path / "clip.wav"
    path.write_bytes(clip)
    return path


@pytest.fixture
def where(request):
    """Options that say where the work is done: in this process, or by a server."""
    return ["--url", request.getfixturevalue("url")] if request.param == "server" else []


here_and_there = pytest.mark.parametrize("where", ["here", "server"], indirect=True)


@contextmanager
def answering(reply):
    """Answer one connection on the loopback interface with *reply*, then hang up; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(LIMIT_S)
                connection.recv(65536)
                connection.sendall(reply)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(LIMIT_S)


# ── speak ────────────────────────────────────────────────────────────────────


def test_the_text_can_be_seen_before_it_is_spoken(run, tmp_path):
    """Without a model, call by call, with the pauses that the hub makes."""
    text = "# Title\n\n* one\n* two 🎉\n\nWait.<break time='2s'/>"

    shown = run("speak", "-", "--show-text", input=text)

    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == "Title\n[0.6 s]\none; two\n[0.6 s]\nWait.\n[2 s]\n"
    assert run("speak", "*a*", "--show-text", "--text-normalization", "none").stdout == "*a*\n"


@pytest.mark.parametrize("options", [["-o", "x.wav"], ["--play"], ["--url", "http://127.0.0.1:1"]])
def test_a_text_is_seen_or_spoken(run, options):
    """Nothing else goes with --show-text, and the message says what to omit."""
    shown = run("speak", "Hi", "--show-text", *options)

    assert shown.exit_code == 2
    assert f"omit {'--url' if '--url' in options else '--output and --play'}" in shown.stderr


@here_and_there
def test_markup_is_undone_unless_it_is_not_to_be(run, where):
    """A tone for each word that the engine gets: a code block has none."""
    text = "Two words\n\n```\nx = 1\n```"

    def words(*options):
        assert run("speak", text, "-o", "x.wav", *options, *where).exit_code == 0
        with wave.open("x.wav") as made:
            return made.getnframes() // 6000

    assert (words(), words("--text-normalization", "none")) == (2, 7)


@here_and_there
def test_a_wav_file_knows_its_length(run, where, tmp_path):
    """The sizes in the header are those of the file, and the file is all there is."""
    shown = run("speak", TEXT, "-o", "x.wav", *where)

    assert shown.exit_code == 0, shown.output
    with wave.open("x.wav") as made:
        assert (made.getnchannels(), made.getsampwidth(), made.getframerate()) == (1, 2, 24_000)
        assert made.getnframes() == TEXT_FRAMES
    assert (tmp_path / "x.wav").stat().st_size == 44 + 2 * TEXT_FRAMES
    assert [path.name for path in tmp_path.glob("x*")] == ["x.wav"]
    assert shown.stdout == ""
    assert shown.stderr == "x.wav (72 kB)\n"


@here_and_there
@pytest.mark.parametrize("name", ["x.flac", "x.mp3"])
def test_other_files_know_their_length_too(run, where, name):
    """Where the format can tell it."""
    shown = run("speak", TEXT, "-o", name, *where)

    assert shown.exit_code == 0, shown.output
    with av.open(name) as made:
        assert made.duration / 1e6 == pytest.approx(TEXT_FRAMES / 24_000, abs=0.03)


@pytest.mark.parametrize(
    ("name", "options", "container", "codec"),
    [
        ("x.mp3", [], "mp3", "mp3float"),
        ("x.ogg", [], "ogg", "opus"),
        ("x.flac", [], "flac", "flac"),
        ("x.bin", ["--format", "aac"], "aac", "aac"),
    ],
)
def test_the_ending_says_the_format(run, url, name, options, container, codec):
    """Or --format does, which wins."""
    assert run("speak", TEXT, "-o", name, "--url", url, *options).exit_code == 0

    with av.open(name) as made:
        assert made.format.name == container
        assert made.streams.audio[0].codec_context.name == codec


def test_options_reach_the_engine(run, url):
    """Voice, model and speed change what is spoken."""
    for name, *options in (
        ("low.wav", "--voice", "low"),
        ("high.wav", "--voice", "high", "--model", "tts-1"),
        ("fast.wav", "--speed", "2"),
    ):
        assert run("speak", TEXT, "-o", name, "--url", url, *options).exit_code == 0

    frames = {}
    for name in ("low", "high", "fast"):
        with wave.open(f"{name}.wav") as made:
            frames[name] = made.readframes(-1)
    assert frames["low"] != frames["high"]
    assert len(frames["fast"]) == pytest.approx(len(frames["low"]) / 2, rel=0.1)


@here_and_there
def test_text_from_stdin_to_stdout(run, where):
    """With - on both sides, speak stands in a pipe; a stream's WAV header does not know the length."""
    shown = run("speak", "-", "-o", "-", *where, input=TEXT)

    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout_bytes[:8] == b"RIFF\xff\xff\xff\xff"
    assert len(shown.stdout_bytes) == 44 + 2 * TEXT_FRAMES
    assert shown.stderr == ""


@pytest.mark.parametrize("fault", ["fail", "crash_on_load"])
def test_a_failure_leaves_the_old_file(run, monkeypatch, tmp_path, fault):
    """An engine that breaks costs neither the file that was there nor a word too many."""
    monkeypatch.setenv("SPEECHHUB_ENGINES", json.dumps({"echo-tts": {fault: True}}))
    (tmp_path / "x.mp3").write_bytes(b"old")

    shown = run("speak", TEXT, "-o", "x.mp3")

    assert shown.exit_code == 1
    assert shown.stderr.startswith("error: The ")
    assert shown.stderr.count("\n") == 1
    assert "One two" not in shown.stderr
    assert (tmp_path / "x.mp3").read_bytes() == b"old"
    assert [path.name for path in tmp_path.glob("x*")] == ["x.mp3"]


def test_a_server_that_breaks_off_leaves_the_old_file(run, tmp_path):
    """Half an answer is not taken for a whole one, and the line does not say that nobody answered."""
    (tmp_path / "x.mp3").write_bytes(b"old")
    half = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 1000\r\n\r\nhalf"

    with answering(half) as address:
        shown = run("speak", TEXT, "-o", "x.mp3", "--url", address)

    assert shown.exit_code == 1
    assert "closed the connection" in shown.stderr
    assert "Is the server running" not in shown.stderr
    assert (tmp_path / "x.mp3").read_bytes() == b"old"
    assert not (tmp_path / "x.mp3.part").exists()


def test_verbose_shows_the_log(run):
    """What is silent otherwise goes to standard error."""
    assert "engine loading" in run("speak", "Hi", "-o", "x.wav", "--verbose").stderr


# ── transcribe ───────────────────────────────────────────────────────────────


@here_and_there
def test_a_transcript_is_printed(run, where, recording):
    """By default as text; the same from standard input."""
    from_file = run("transcribe", recording, *where)
    from_stdin = run("transcribe", "-", *where, input=recording.read_bytes())

    assert from_file.exit_code == 0, from_file.output
    assert len(from_file.stdout.split()) == 2
    assert from_stdin.stdout == from_file.stdout
    assert from_file.stderr == ""


@here_and_there
def test_the_audio_track_of_a_film_is_chosen(run, where, tmp_path):
    """By its language or number; of several films, one without it does not keep the others waiting."""
    tracks = {"packets": "none", "language": "ger"}, {"language": "eng"}
    (tmp_path / "a.mkv").write_bytes(film("matroska", *tracks, seconds=1))
    (tmp_path / "b.mkv").write_bytes(film("matroska", {"language": "fre"}, seconds=1))

    heard = run("transcribe", "a.mkv", "--audio-track", "en", *where)
    refused = run("transcribe", "a.mkv", "--audio-track", "1", *where)
    both = run("transcribe", "b.mkv", "a.mkv", "--audio-track", "2", "-o", "out/", *where)

    assert heard.exit_code == 0, heard.output
    assert heard.stdout.split()
    assert refused.exit_code == 1
    assert "Audio track 1 has no sound that can be decoded." in refused.stderr
    assert both.exit_code == 1
    assert re.search(r"b.mkv: .*The file has no audio track '2'\.", both.stderr)
    assert (tmp_path / "out" / "a.txt").read_text("utf-8") == heard.stdout


@here_and_there
def test_damage_is_told_beside_the_transcript(run, where, recording, tmp_path):
    """On standard error, with the recording's name; what is printed or written is the transcript alone."""
    recording.write_bytes(recording.read_bytes()[:-20_000])

    shown = run("transcribe", recording, *where)
    written = run("transcribe", recording, "-o", "x.srt", *where)

    assert shown.exit_code == 0, shown.output
    assert shown.stderr.startswith("clip.wav: The recording breaks off at ")
    assert shown.stderr.count("\n") == 1
    assert "breaks" not in shown.stdout
    assert written.stderr == shown.stderr
    assert "breaks" not in (tmp_path / "x.srt").read_text("utf-8")


@here_and_there
def test_word_times(run, where, recording):
    """--words needs no knowledge of form fields."""
    shown = run("transcribe", recording, "-f", "verbose_json", "--words", "-l", "German", *where)

    answer = json.loads(shown.stdout)
    assert answer["language"] == "german"
    assert len(answer["words"]) == 2
    assert answer["segments"]


@here_and_there
def test_translation(run, where, recording):
    """--translate asks for the other task."""
    shown = run("transcribe", recording, "--translate", "-f", "verbose_json", *where)

    assert json.loads(shown.stdout)["task"] == "translate"


def test_prompt_and_model_reach_the_engine(run, url, recording):
    """echo-stt hears the words of its prompt."""
    shown = run("transcribe", recording, "--prompt", "xanten", "--model", "whisper-1", "--url", url)

    assert shown.stdout == "xanten xanten\n"


def test_subtitles_into_a_file(run, url, recording, tmp_path):
    """The file has what would have been printed."""
    printed = run("transcribe", recording, "--format", "srt", "--url", url)
    written = run("transcribe", recording, "-o", "x.srt", "--url", url)

    assert printed.stdout.startswith("1\n00:00:00,000 --> ")
    assert (tmp_path / "x.srt").read_text("utf-8") == printed.stdout
    assert written.stdout == ""


@pytest.mark.parametrize(
    ("name", "options", "start"),
    [
        ("x.vtt", [], "WEBVTT"),
        ("x.SRT", [], "1\n00:00:00,000 --> "),
        ("x.json", [], '{"text":'),
        ("x.json", ["--words"], '{"task":'),
        ("x.txt", [], "over lazy"),
        ("notes", [], "over lazy"),
        ("x.srt", ["--format", "vtt"], "WEBVTT"),
        ("x.txt", ["--format", "json"], '{"text":'),
    ],
)
def test_the_ending_says_the_format_of_a_transcript(run, url, recording, tmp_path, name, options, start):
    """As it does for speak; --format wins, and an ending that says nothing is for text."""
    shown = run("transcribe", recording, "-o", name, *options, "--url", url)

    assert shown.exit_code == 0, shown.output
    assert (tmp_path / name).read_text("utf-8").startswith(start)


@here_and_there
def test_several_recordings_go_to_a_folder(run, where, recording, tmp_path):
    """Folders and patterns stand for what is in them; each transcript has the name of its recording."""
    talks = tmp_path / "talks"
    talks.mkdir()
    for name in ("a.wav", "b.wav", "b.mp3"):
        (talks / name).write_bytes(recording.read_bytes())
    (talks / "notes.txt").write_text("no recording")

    shown = run("transcribe", "talks", "cl*.wav", "-o", "out", "--format", "srt", *where)

    assert shown.exit_code == 0, shown.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.srt", "b.mp3.srt", "b.wav.srt", "clip.srt",
    ]  # fmt: skip
    assert (tmp_path / "out" / "clip.srt").read_text("utf-8").startswith("1\n00:00:00,000 --> ")
    assert shown.stdout == ""
    assert "out/clip.srt\n" in shown.stderr


@here_and_there
def test_a_bad_recording_stops_no_other(run, where, recording, tmp_path):
    """It is named, the others are printed below their names, and the exit status is 1."""
    (tmp_path / "bad.mp3").write_text("These are notes.")

    shown = run("transcribe", "bad.mp3", "clip.wav", *where)

    assert shown.exit_code == 1
    assert shown.stderr.startswith("error: bad.mp3: ")
    assert shown.stderr.count("\n") == 1
    assert shown.stdout.startswith("==> bad.mp3 <==\n==> clip.wav <==\n")
    assert len(shown.stdout.splitlines()[-1].split()) == 2


@here_and_there
def test_what_is_not_audio_leaves_the_old_file(run, where, tmp_path):
    """The line says what is wrong with the recording."""
    (tmp_path / "notes.mp3").write_text("These are notes.")
    (tmp_path / "x.txt").write_text("old")

    shown = run("transcribe", "notes.mp3", "-o", "x.txt", *where)

    assert shown.exit_code == 1
    assert "This is a text" in shown.stderr
    assert shown.stderr.count("\n") == 1
    assert (tmp_path / "x.txt").read_text() == "old"
    assert not (tmp_path / "x.txt.part").exists()


def test_a_pipe_can_be_sent_to_a_server(url, recording):
    """A pipe has no length and cannot go back; the server gets all of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "speechhub", "transcribe", "-", "--url", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=False,
    )
    said, _ = process.communicate(recording.read_bytes(), timeout=LIMIT_S)

    assert process.returncode == 0
    assert len(said.split()) == 2


# ── Servers ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "change",
    [
        lambda u: u + "/",
        lambda u: u + "/v1",
        lambda u: u + "/v1/",
        lambda u: u + "/openai/v1",
        lambda u: u + "/v1/audio/speech",
        lambda u: u + "/audio/transcriptions/",
        lambda u: u + "//v1//models",
        lambda u: u[7:],
        lambda u: u[7:] + "/v1/audio",
    ],
)
def test_addresses_of_a_server(run, url, change):
    """With or without a scheme, a slash, /v1 or a whole route at its end."""
    assert run("speak", "Hi", "-o", "x.wav", "--url", change(url)).exit_code == 0


def test_the_servers_error_is_told(run, url):
    """Its status and its message, in one line."""
    shown = run("speak", "Hi", "-o", "x.wav", "--voice", "nobody", "--url", url)

    assert shown.exit_code == 1
    assert shown.stderr.startswith("error: The server answered 400: Model 'echo-tts' has no voice 'nobody'.")


def test_a_strange_answer_is_told(run):
    """Something else than speechhub may listen there."""
    strange = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 7\r\n\r\n<html/>"

    with answering(strange) as address:
        shown = run("speak", "Hi", "-o", "x.wav", "--url", address)

    assert shown.stderr == "error: The server answered 502: <html/>\n"


def test_no_server(run):
    """Who forgot to start it is told how."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    shown = run("speak", "Hi", "-o", "x.wav", "--url", f"http://127.0.0.1:{port}")

    assert shown.exit_code == 1
    assert (
        "Is the server running there? Start it with 'speechhub serve', or name another address with --url"
        in shown.stderr
    )


def test_the_key_is_sent_and_not_told(run, monkeypatch):
    """It comes from the environment, or from --api-key, and no message repeats it."""
    refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno"
    seen = []
    real = socket.socket.recv
    monkeypatch.setattr(socket.socket, "recv", lambda *a: seen.append(real(*a)) or seen[-1])

    with answering(refusal) as address:
        shown = run("speak", "Hi", "-o", "x.wav", "--url", address, env={"OPENAI_API_KEY": "sk-secret"})

    assert b"authorization: bearer sk-secret" in b"".join(seen).lower()
    assert "sk-secret" not in shown.output


# ── Start ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["speak", "--help"], ["models", "--help"]])
def test_help_is_light(words):
    """Nothing heavy is imported for a help text: it comes in less time than a key press."""
    heavy = "av granian httpx huggingface_hub litestar msgspec numpy rich soxr structlog uvloop"
    program = (
        "import sys\nfrom speechhub.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({heavy!r}.split()) & set(sys.modules)), file=sys.stderr)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )

    assert done.stdout
    assert done.stderr == "[]\n"


def test_the_clip_is_a_second(clip):
    """What the counts of words above rest on."""
    with wave.open(io.BytesIO(clip)) as made:
        assert made.getnframes() == made.getframerate()


def test_top_shows_a_running_server(run, url):
    """One look at a server that has done something: its devices, its models and the last switch."""
    assert run("speak", TEXT, "-o", "x.wav", "--url", url).exit_code == 0

    shown = run("top", "--once", "--url", url, env={"COLUMNS": "160"})

    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.startswith("ok  speechhub")
    assert "→ echo-" in shown.stdout
    assert re.search(r"^none → echo-tts +\d+ +\d", shown.stdout, re.MULTILINE)
    assert re.search(r"^echo-tts +cpu +ready", shown.stdout, re.MULTILINE)
    assert "There is no GPU here." in shown.stdout


def test_top_names_all_models_of_a_device(run, url):
    """On the CPU several are loaded at a time."""
    for model in ("echo-stt", "echo-tts"):
        assert run("engines", "load", model, "--url", url).exit_code == 0

    shown = run("top", "--once", "--url", url, env={"COLUMNS": "160"}).stdout

    assert re.search(r"^cpu +(STT|TTS) +echo-stt, echo-tts ", shown, re.MULTILINE)


@here_and_there
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["speak", "Hi", "-o", "x.wav", "-m", "echo-stt"],
            "can transcribe, but cannot speak. Models that sp",
        ),
        (
            ["transcribe", "clip.wav", "-m", "echo-tts"],
            "can speak, but cannot transcribe. Models that transc",
        ),
    ],
)
def test_a_model_for_the_other_task(run, where, recording, words, said):
    """It is not said to be missing: the list of models shows it."""
    shown = run(*words, *where)

    assert shown.exit_code == 1
    assert said in shown.stderr
    assert "does not exist" not in shown.stderr


def test_top_as_json(run, url):
    """Programs get what the server says."""
    told = json.loads(run("top", "--json", "--url", url).stdout)

    assert told["status"] == "ok"
    assert {it["id"] for it in told["models"]} >= {"echo-stt", "echo-tts"}


def test_top_without_a_server(run):
    """Who watches nothing is told so in one line."""
    shown = run("top", "--once", "--url", "http://127.0.0.1:9")

    assert shown.exit_code == 1
    assert "speechhub serve" in shown.stderr


def test_top_tells_what_cannot_be_loaded(run):
    """Why, and when it is tried again; the state of a model that waits for that is no mystery."""
    model = {
        "id": "ears",
        "device": "cuda:0",
        "state": "unloaded",
        "epoch": None,
        "state_s": 0,
        "busy": False,
        "waiting": 0,
        "oldest_wait_s": 0,
        "pinned": False,
        "failing": {"failures": 3, "retry_in_s": 3.2, "error": "Bad weights."},
    }
    health = {
        "status": "ok",
        "stalled": [],
        "version": "1",
        "uptime_s": 1,
        "devices": [],
        "models": [model],
        "switches": [],
        "gpus": [],
        "gpu_problem": "There is no GPU here.",
    }
    body = json.dumps(health).encode()
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    with answering(answer) as address:
        shown = run("top", "--once", "--url", address, env={"COLUMNS": "160"})

    assert re.search(r"^ears +cuda:0 +failing", shown.stdout, re.MULTILINE)
    assert "ears could not be loaded, 3 times in a row; tried again in 3 s: Bad weights." in shown.stdout


def test_an_operator_loads_pins_and_unloads(run, url):
    """Each command says in one line what is so now; a model that is not there is told."""

    def operate(what, model="echo-tts"):
        shown = run("engines", what, model, "--url", url)
        return shown.exit_code, shown.stdout or shown.stderr

    assert operate("load") == (0, "echo-tts on cpu: ready\n")
    assert operate("pin") == (0, "echo-tts on cpu: ready, pinned\n")
    assert operate("unpin") == (0, "echo-tts on cpu: ready\n")
    assert operate("unload") == (0, "echo-tts on cpu: unloaded\n")
    code, said = operate("load", "nope")
    assert code == 1
    assert "'nope'" in said


def test_an_operator_reads_the_story(run, url):
    """What happened is told line by line; JSON has the events, and a model that is not there is told."""
    run("engines", "load", "echo-tts", "--url", url)

    shown = run("engines", "story", "--model", "echo-tts", "--url", url)
    told = json.loads(run("engines", "story", "--json", "--url", url).stdout)

    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  cpu: echo-tts is ready\.$", shown.stdout, re.MULTILINE)
    assert shown.stdout.endswith("\nNo request waits.\n")
    assert told["moments"][-1]["effects"][0]["type"] == "Grant"
    assert "'nope'" in run("engines", "story", "--model", "nope", "--url", url).stderr


def test_an_operator_switches_by_slot(run, url):
    """Without a model it is the slot's default; what is no slot, and a model of another one, are told."""
    by_default = run("engines", "switch", "tts", "--url", url)
    by_name = run("engines", "switch", "tts", "echo-tts", "--url", url)
    no_slot = run("engines", "switch", "ocr", "--url", url)
    wrong = run("engines", "switch", "stt", "echo-tts", "--url", url)

    assert by_default.stdout == by_name.stdout == "echo-tts on cpu: ready\n"
    assert (no_slot.exit_code, wrong.exit_code) == (1, 1)
    assert "stt, tts" in no_slot.stderr
    assert "'echo-tts'" in wrong.stderr
