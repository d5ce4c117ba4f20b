"""A real server on a home in which nearly everything is damaged at once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from speechhub.environments.record import RECORD_NAME
from speechhub.voices import VoiceLibrary
from tests.e2e.conftest import ECHO
from tests.e2e.server import serving
from tests.unit.voices.conftest import recording, tone, wav

pytestmark = pytest.mark.unhurried

GIGANTIC_BYTES = 1 << 30
RSS_BYTES = 400 << 20


def sparse(path):
    with path.open("wb") as file:
        file.truncate(GIGANTIC_BYTES)


def link(path, target):
    path.unlink()
    path.symlink_to(target)


def folder(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "bytes": lambda path: path.write_bytes(b'{"id": "\xff"}'),
    "a list": lambda path: path.write_bytes(b"[]"),
    "deep": lambda path: path.write_bytes(b'{"x":' + b"[" * 60_000),
    "gigantic": sparse,
    "a folder": folder,
    "a link out": lambda path: link(path, "/etc/passwd"),
    "a dangling link": lambda path: link(path, "nowhere"),
    "a loop": lambda path: link(path, path.name),
    "a pipe": pipe,
}


def rss_bytes(pid):
    with Path(f"/proc/{pid}/status").open() as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def fill(home):
    """Make a library, damage each kind of file in each way, and return the names of what is whole."""
    library = VoiceLibrary(home / "voices", limit=100)
    agreed = library.add_consent("they agree", recording(300), language="en")
    whole = library.add("whole", recording(220), consent=agreed.id)
    for number, damage in enumerate(DAMAGES.values()):
        consent = library.add_consent(f"c{number}", recording(400), language="en")
        record = library.add(f"record {number}", recording(230 + number), statement="x")
        sound = library.add(f"sound {number}", recording(260 + number), statement="x")
        damage(home / "voices" / "voices" / record.id / "voice.json")
        damage(home / "voices" / "voices" / sound.id / "recording.wav")
        damage(home / "voices" / "consents" / consent.id / "consent.json")
        for environment in (home / "engines" / f"env-{number}",):
            environment.mkdir(parents=True)
            (environment / RECORD_NAME).write_text("{}")
            damage(environment / RECORD_NAME)
    (home / "voices" / "aliases.json").write_bytes(b'{"alloy": 1')
    (home / "voices" / "features").write_bytes(b"")
    (home / "voices" / ".lock").unlink()
    (home / "voices" / ".lock").mkdir()
    (home / "voices" / ".staging").rmdir()
    (home / "voices" / ".staging").symlink_to(home / "outside")
    (home / "outside").mkdir()
    (home / "outside" / "precious").write_bytes(b"keep me")
    (home / "models").mkdir()
    for name in (".licences.json", ".locks", ".staging"):
        (home / "models" / name).write_bytes(b"\xff")
    (home / "models" / "echo-tts").symlink_to("nowhere")
    (home / "models" / "echo-stt").write_bytes(b"")
    return whole, agreed


@pytest.mark.scenario("damaged-voice")
def test_a_home_where_all_is_damaged_serves_the_rest(tmp_path):
    """It starts, speaks, transcribes and lists what is whole, and tells of the rest, once each."""
    whole, agreed = fill(tmp_path)
    with (
        serving(tmp_path, **ECHO) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        voices = client.get("/v1/audio/voices").json()["data"]
        consents = client.get("/v1/audio/voice_consents").json()["data"]
        spoken = client.post("/v1/audio/speech", json={"model": "echo-tts", "input": "word"})
        heard = client.post(
            "/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": wav(tone(2))}
        )
        cloned = client.post(
            "/v1/audio/speech", json={"model": "echo-clone", "input": "word", "voice": "whole"}
        )
        broken = client.post(
            "/v1/audio/speech", json={"model": "echo-clone", "input": "word", "voice": "sound 0"}
        )
        added = client.post(
            "/v1/audio/voices",
            data={"name": "record 0", "consent": agreed.id},
            files={"audio_sample": wav(tone(1.2))},
        )
        gone = client.delete(f"/v1/audio/voices/{added.json()['id']}")
        health = client.get("/health").json()
        peak_bytes = rss_bytes(server.pid)
        named = server.logged("file in home is damaged")

    assert whole.id in {voice["id"] for voice in voices}
    assert not [voice for voice in voices if voice["name"].startswith("record")]
    assert [consent["id"] for consent in consents] == [agreed.id]
    answers = {"spoken": spoken, "heard": heard, "cloned": cloned, "added": added, "gone": gone}
    assert {name: it.status_code for name, it in answers.items()} == dict.fromkeys(answers, 200)
    assert (broken.status_code, broken.json()["error"]["code"]) == (503, "voice_damaged")
    assert len(health["broken_plugins"]) >= len(DAMAGES) - 1
    assert len(named) == len({line["path"] for line in named}) >= 3 * len(DAMAGES)
    assert {line["problem"] for line in named} <= {it.removeprefix("home: ") for it in health["warnings"]}
    assert (tmp_path / "outside" / "precious").read_bytes() == b"keep me"
    assert (tmp_path / "voices" / "aliases.json").read_bytes() == b'{"alloy": 1'
    assert peak_bytes < RSS_BYTES


def test_doctor_mends_a_home_where_all_is_damaged(tmp_path):
    """It names everything, moves it aside, and finds nothing more of it the next time."""
    fill(tmp_path)
    env = {k: v for k, v in os.environ.items() if not k.startswith("SPEECHHUB_")}
    env |= ECHO | {"SPEECHHUB_HOME": str(tmp_path)}

    def findings(*words):
        done = subprocess.run(
            [sys.executable, "-m", "speechhub", "doctor", "--json", *words],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        told = json.loads(done.stdout)["findings"]
        return [it for it in told if it["subject"] == "home" and it["verdict"] == "fail"]

    before, during, after = findings(), findings("--fix"), findings()

    assert len(before) >= 3 * len(DAMAGES)
    assert (during, after) == ([], [])
    assert (tmp_path / "outside" / "precious").read_bytes() == b"keep me"


@pytest.mark.scenario("file-for-folder")
def test_files_in_place_of_every_folder(tmp_path):
    """The server does what needs none of the three folders, and says what is wrong."""
    for name in ("voices", "models", "engines"):
        (tmp_path / name).write_bytes(b"")
    with (
        serving(tmp_path, **ECHO) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        spoken = client.post("/v1/audio/speech", json={"model": "echo-tts", "input": "word"})
        voices = client.get("/v1/audio/voices")
        consent = client.post(
            "/v1/audio/voice_consents",
            data={"name": "A", "language": "en"},
            files={"recording": wav(tone(1.2))},
        )
        named = {line["path"] for line in server.logged("file in home is damaged")}

    assert (spoken.status_code, voices.status_code, voices.json()["data"]) == (200, 200, [])
    assert (consent.status_code, consent.json()["error"]["code"]) == (503, "storage_unavailable")
    assert {str(tmp_path / name) for name in ("voices", "models", "engines")} <= named


@pytest.mark.scenario("read-only-home")
def test_a_home_that_cannot_be_written(tmp_path):
    """What is there is served, and what has to be written is refused with the reason."""
    through = ()
    if os.geteuid() == 0:  # root's right to write everywhere has to go
        if shutil.which("setpriv") is None:
            pytest.skip("as root this needs setpriv, of util-linux")
        through = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    library = VoiceLibrary(tmp_path / "voices", limit=9)
    library.add("Anna", recording(), statement="x")
    folders = [tmp_path, *(path for path in tmp_path.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o500)
    (tmp_path / "voices" / ".lock").chmod(0o400)
    try:
        with (
            serving(tmp_path, through=through, **ECHO) as server,
            httpx.Client(base_url=server.url, timeout=60) as client,
        ):
            cloned = client.post(
                "/v1/audio/speech", json={"model": "echo-clone", "input": "word", "voice": "Anna"}
            )
            deleted = client.delete("/v1/audio/voices/Anna")
            named = [line["path"] for line in server.logged("file in home is damaged")]
    finally:
        for path in folders:
            path.chmod(0o700)

    assert cloned.status_code == 200
    assert (deleted.status_code, deleted.json()["error"]["code"]) == (503, "storage_unavailable")
    assert int(deleted.headers["retry-after"]) >= 1
    assert named == [str(tmp_path / "voices" / ".lock")]
    assert library.voice("Anna")
