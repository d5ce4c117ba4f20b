"""docs/writing-an-engine.md works as written: a test follows it, command by command.

What the page takes for granted, the test makes: an environment in which `speechhub` works. It is a fresh one
that borrows the packages of this test's environment; pip builds and installs the plugin in it, for real, but
without a network, so hatchling and editables must be among the borrowed. Nothing else differs from a
reader's terminal, save the port: the page has 8000, the test takes a free one.
"""

import dataclasses
import importlib.util
import inspect
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

import numpy as np
import pytest

import speechhub
import speechhub.engine
from speechhub.codecs.decode import decode
from speechhub.engine import SttCapabilities, SttEngine, TtsCapabilities, TtsEngine
from speechhub.http.errors import status_of

PAGE = Path(__file__).parents[2] / "docs" / "writing-an-engine.md"
FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\"( add)?)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEADLINE_S = 60
"""For each command; long enough for a busy machine, short enough to fail."""
URL_ON_PAGE = "http://127.0.0.1:8000"

CURL = """
import argparse, sys, httpx
parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-s", action="store_true")
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-F", action="append", default=[])
parser.add_argument("-d")
parser.add_argument("-o")
args = parser.parse_args()
fields = dict(field.split("=", 1) for field in args.F)
files = {name: open(text[1:], "rb") for name, text in fields.items() if text.startswith("@")}
answer = httpx.post(
    args.url,
    headers=dict(header.split(": ", 1) for header in args.H),
    content=args.d,
    data={name: text for name, text in fields.items() if name not in files} or None,
    files=files or None,
)
with open(args.o, "wb") if args.o else sys.stdout.buffer as out:
    out.write(answer.content)
"""
"""Does for a machine without curl what the page asks of it."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of the page."""

    language: str
    title: str
    add: bool
    text: str

    @property
    def commands(self):
        """Return the commands of a console block, each with the output that the page shows."""
        found = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
        return found


BLOCKS = [
    Block(language=m[1], title=m[2] or "", add=bool(m[3]), text=m[4])
    for m in FENCE.finditer(PAGE.read_text("utf-8"))
]


class Reader:
    """Somebody who follows the page: a folder, an environment, and a terminal for the server."""

    def __init__(self, home):
        self.folder = home / "speechhub-morse"
        self.folder.mkdir()
        self.prefix = home / "env"
        self.env = {
            "PATH": f"{self.prefix / 'bin'}:/usr/bin:/bin",
            "HOME": str(home),
            "COLUMNS": "200",
            "SPEECHHUB_HOME": str(home / "speechhub"),
            "SPEECHHUB_PORT": "0",
            "SPEECHHUB_LOG_FORMAT": "json",
            # pip: no network, and hatchling from the environment instead of a fresh copy of it
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_CONFIG_FILE": os.devnull,
        }
        self.server = None
        self.drain = threading.Thread()
        self.log = []
        self.url = ""
        self._make_environment()

    def _make_environment(self):
        """Make an environment of its own, as far as installing goes, on the packages of this one."""
        venv.create(self.prefix, symlinks=True, with_pip=importlib.util.find_spec("pip") is None)
        [packages] = (self.prefix / "lib").glob("python3*/site-packages")
        lines = [f"import site; site.addsitedir({str(p)!r})" for p in _site_packages()]
        lines.append(str(Path(speechhub.__file__).parents[1]))
        (packages / "borrowed.pth").write_text("\n".join(lines) + "\n")
        self._script("speechhub", "from speechhub.cli import main\nmain()\n")
        if not (self.prefix / "bin" / "pip").exists():
            self._script("pip", "import runpy\nrunpy.run_module('pip', run_name='__main__')\n")
        if shutil.which("curl", path=self.env["PATH"]) is None:
            self._script("curl", CURL)

    def _script(self, name, code):
        """Write what pip writes for an entry point."""
        script = self.prefix / "bin" / name
        script.write_text(f"#!{self.prefix / 'bin' / 'python'}\n{code}")
        script.chmod(0o755)

    def write(self, block):
        """Write a file, or add to it."""
        path = self.folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if block.add else "x") as file:
            file.write(block.text)

    def run(self, command):
        """Run a command in the folder, and return what it says."""
        if command == "speechhub serve":
            self.stop()
            self.serve()
            return ""
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace(URL_ON_PAGE, self.url)],
            cwd=self.folder,
            env=self.env | {"SPEECHHUB_PORT": self.url.rpartition(":")[2] or "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{''.join(self.log)}"
        return done.stdout

    def serve(self):
        """Start the server, and wait until it says where it listens and that it is ready."""
        self.server = subprocess.Popen(
            ["speechhub", "serve"],
            cwd=self.folder,
            env=self.env,
            executable=self.prefix / "bin" / "speechhub",
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.log, said = [], {}
        watchdog = threading.Timer(DEADLINE_S, self.server.kill)
        watchdog.start()
        try:
            for line in self.server.stderr:
                self.log.append(line)
                event = json.loads(line)
                said[event["event"]] = event
                if {"listening", "ready"} <= set(said):
                    break
            else:
                pytest.fail(f"The server ended: {''.join(self.log)}")
        finally:
            watchdog.cancel()
        assert self.processes(), "or `processes` would not find a process that is left, either"
        self.url = said["listening"]["url"]
        # A pipe that nobody empties would stop the server.
        self.drain = threading.Thread(target=self.log.extend, args=(self.server.stderr,), daemon=True)
        self.drain.start()

    def stop(self):
        """End the server with Ctrl-C."""
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            status = self.server.wait(DEADLINE_S)
            self.clean_up()
            assert status == 0, "".join(self.log)

    def clean_up(self):
        """End what is left of the server, if anything is."""
        if self.server is not None:
            self.server.kill()
            self.server.wait(DEADLINE_S)
            if self.drain.ident is not None:  # it was started
                self.drain.join(DEADLINE_S)
            self.server.stderr.close()
            self.server = None

    def processes(self):
        """Return the command lines of all processes that run in the reader's environment."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:  # it has just ended
                continue
            if str(self.prefix) in line:
                found.append(line)
        return found


@pytest.fixture
def reader(tmp_path):
    made = Reader(tmp_path)
    yield made
    made.clean_up()


def test_the_page_works_as_written(reader):
    """From an empty folder to engines that are installed, tested, served and called."""
    for block in BLOCKS:
        if block.title:
            reader.write(block)
        elif block.language == "console":
            for command, shown in block.commands:
                said = reader.run(command)
                for line in shown:
                    assert _pattern(line).search(said), (
                        f"$ {command}\nThe page shows: {line}\nIt says: {said}"
                    )
    served = reader.url
    reader.stop()

    sos, fast = (_audio(reader.folder / name) for name in ("sos.wav", "fast.wav"))
    assert _morse(sos) == "...---..."
    assert fast.duration_s == pytest.approx(sos.duration_s / 2, rel=0.02)
    assert served.startswith("http://127.0.0.1:")
    deadline = time.monotonic() + DEADLINE_S
    while reader.processes() and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    assert reader.processes() == []


def test_every_file_in_the_tree_is_written():
    """The tree that the page shows is what its blocks make, but for the operator's settings."""
    [tree] = [block.text for block in BLOCKS if "├──" in block.text]
    shown = set(re.findall(r"[\w.]+\.(?:py|toml)", tree))

    written = {Path(block.title).name for block in BLOCKS if block.title}
    assert written == shown | {"speechhub.toml"}


def test_fragments_run():
    """Python that belongs to no file is complete and correct, too."""
    fragments = [b.text for b in BLOCKS if b.language == "python" and not b.title]

    assert fragments
    for text in fragments:
        exec(compile(text, str(PAGE), "exec"), {})


@pytest.mark.parametrize("kind", [SttCapabilities, TtsCapabilities])
def test_every_capability_is_in_its_table(kind):
    """The tables name each field with its default, and no other."""
    [table] = re.findall(
        rf"^\| `{kind.__name__}` .*\n\|.*\n((?:\|.*\n)+)", PAGE.read_text("utf-8"), re.MULTILINE
    )
    rows = dict(re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", table, re.MULTILINE))

    assert rows == {field.name: str(field.default) for field in dataclasses.fields(kind)}


def test_the_table_of_errors_tells_the_statuses():
    """What the client gets is what the HTTP edge makes of it."""
    rows = re.findall(r"^\| `(\w+Error)` \|.*\| (\d+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)

    assert len(rows) >= 6
    for name, status in rows:
        kind = getattr(speechhub.engine, name)
        assert status_of(kind.__new__(kind)) == int(status), name


def test_everything_that_plugins_may_use_is_mentioned():
    """Each public name of the engine API, and each method of an engine, is on the page."""
    text = PAGE.read_text("utf-8")
    methods = {
        name
        for kind in (SttEngine, TtsEngine)
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }

    missing = [n for n in sorted({*speechhub.engine.__all__, *methods}) if not re.search(rf"\b{n}\b", text)]
    assert missing == []


def _site_packages():
    """Return the folders of packages that this Python has, editable installs of ours aside."""
    return [Path(p) for p in sys.path if Path(p).name == "site-packages"]


def _pattern(line):
    """Return what finds *line* in an output, however wide its gaps are; an ellipsis stands for anything."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in line.split("…")]
    return re.compile(r"\s+.*?".join(parts))


def _audio(path):
    return decode(io.BytesIO(path.read_bytes()), sample_rate=16_000, max_duration_s=60)


def _morse(audio):
    """Return the signs by the lengths of their tones, found without the page's own code."""
    loud = np.abs(audio.samples[: len(audio.samples) // 80 * 80]).reshape(-1, 80).max(axis=1) > 0.2
    runs = "".join("1" if on else "0" for on in loud).strip("0")
    tones = [len(tone) for tone in re.findall("1+", runs)]
    return "".join("-" if length > 2 * min(tones) else "." for length in tones)
