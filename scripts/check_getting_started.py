"""Follow docs/getting-started.md literally, and end with a working speechhub.

    .venv/bin/python scripts/check_getting_started.py scripts    from a clone, by scripts/serve
    .venv/bin/python scripts/check_getting_started.py pip        into an environment of its own, by pip
    .venv/bin/python scripts/check_getting_started.py --url URL  a server that runs, such as a container

Each way copies what git would clone into a folder made for it, runs the page's commands as they stand there,
and then the page's blocks for curl, Python, JavaScript and the shell against the server that came of it. The
one thing that is changed is the port. Both take the packages that they need from where pip looks for them.
"""

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.docs.pages import Block, blocks, page  # noqa: E402 - the path comes first

PAGE = "getting-started.md"
SHOWN_URL = "http://127.0.0.1:8000"
HEADINGS = {
    "scripts": "Serve, from a clone",
    "pip": "Serve, with pip",
    "container": "Serve, in a container",
    "models": "Fetch models beforehand",
}
"""Sections of the page whose commands are the ways to a server, and to its models."""
PROGRAMS = {"scripts": ".venv/bin", "pip": "venv/bin"}
"""Where the command speechhub is afterwards, in the clone."""
START_LIMIT_S = 600.0
BLOCK_LIMIT_S = 180.0
OPENAI_JS = "openai@6"
"""The newest that Node 20 runs."""


class PageError(Exception):
    """The page does not lead where it says; the message tells why."""


def main() -> int:
    """Follow the page; return the exit code."""
    parser = argparse.ArgumentParser(description="Follow docs/getting-started.md literally.")
    parser.add_argument("ways", nargs="*", help="scripts, pip; all that need no container by default")
    parser.add_argument("--url", help="a server that runs already; the command speechhub is left out")
    parser.add_argument("--show", choices=HEADINGS, help="print the commands of a way, for another script")
    arguments = parser.parse_args()
    if arguments.show:
        print(commands(arguments.show), end="")
        return 0
    ways: list[str] = arguments.ways or list(PROGRAMS)
    if unknown := set(ways) - set(PROGRAMS):
        parser.error(f"there is no way {', '.join(unknown)}")
    done: dict[str, str] = {}
    for way in ["container"] if arguments.url else ways:
        began_s = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="getting started ") as folder:
                if arguments.url:
                    use(arguments.url, Path(folder), programs=None)
                else:
                    follow(way, Path(folder))
            done[way] = ""
        except PageError as error:
            done[way] = str(error)
        print(f"{way}: {done[way] or 'ok'} after {time.monotonic() - began_s:.0f} s", flush=True)
    report(done)
    return 1 if any(done.values()) else 0


# ── The ways to a server ─────────────────────────────────────────────────────


def follow(way: str, folder: Path) -> None:
    """Copy the repository, do what the page says, and use the server."""
    clone = folder / "clone"
    copy_tracked(clone)
    port = free_port()
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("SPEECHHUB_", "VIRTUAL_ENV", "OPENAI_"))
    }
    # A stranger's shell knows nothing of this repository's environment.
    places = [p for p in clean["PATH"].split(os.pathsep) if not p.startswith(f"{ROOT}{os.sep}")]
    environ = clean | {
        "PATH": os.pathsep.join(places),
        "SPEECHHUB_PORT": str(port),
        "SPEECHHUB_HOME": str(folder / "home"),
    }
    url = f"http://127.0.0.1:{port}"
    with started(commands(way), clone, environ, url, folder / "server.log"):
        use(url, folder / "reader", programs=clone / PROGRAMS[way], environ=environ)
        if way == "scripts":
            models = Block(page=PAGE, line=0, kind="bash", code=commands("models"))
            run_block(models, models.code, clone, environ)


def copy_tracked(target: Path) -> None:
    """Copy what git would clone, with its changes; without git, all but what is made by a run."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        made = (".venv*", ".nox", "site", "dist", "__pycache__", ".*_cache")
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*made), dirs_exist_ok=True)
        return
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


@contextlib.contextmanager
def started(code: str, folder: Path, environ: Mapping[str, str], url: str, log: Path) -> Iterator[None]:
    """Run *code*, whose last command serves at *url*; end it by Ctrl-C and see that it ends well.

    Raises:
        PageError: There is no server after a while, or it does not end.
    """
    with log.open("wb") as file:
        running = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until_ready(running, url, log)
        yield
        # As a terminal does it: to the whole group.
        os.killpg(running.pid, signal.SIGINT)
        if status := running.wait(60):
            raise PageError(f"Ctrl-C ends the server with {status}:\n{tail(log)}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def until_ready(running: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until the server answers; what it takes is mostly downloads."""
    end_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end_s:
        if running.poll() is not None:
            raise PageError(f"there is no server; exit code {running.returncode}:\n{tail(log)}")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health/ready", timeout=5):
            return
        time.sleep(0.2)
    raise PageError(f"there is no server after {START_LIMIT_S:.0f} s:\n{tail(log)}")


# ── What the page does with it ───────────────────────────────────────────────


def use(url: str, folder: Path, *, programs: Path | None, environ: Mapping[str, str] = os.environ) -> None:
    """Run the blocks that follow, in the order of the page, in one folder.

    Args:
        url: The server, in the place of the address that the page shows.
        folder: A folder for a reader; made when it is not there.
        programs: Folder with the command speechhub; None leaves out what needs it.
        environ: The reader's environment.
    """
    folder.mkdir(exist_ok=True)
    places = [str(programs)] if programs else []
    environ = {**environ, "PATH": os.pathsep.join([*places, environ["PATH"]])}
    for block in blocks(PAGE, "bash", "python", "javascript"):
        if programs is None and needs_program(block):
            continue
        run_block(block, block.code.replace(SHOWN_URL, url), folder, environ)
    heard = (folder / "hello.srt").read_text("utf-8")
    if "-->" not in heard or "good morning" not in heard.lower():
        raise PageError(f"{PAGE}: hello.srt is not what was said:\n{heard}")
    for name in ("hello.mp3", "hello.wav"):
        if (folder / name).stat().st_size < 1000:  # noqa: PLR2004  # not even a second of speech
            raise PageError(f"{PAGE}: {name} is empty")


def needs_program(block: Block) -> bool:
    """Return whether a block calls the command speechhub."""
    return block.kind == "bash" and re.search(r"^speechhub ", block.code, re.MULTILINE) is not None


def run_block(block: Block, code: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Run one block; see that it ends well, and that what was spoken comes back where it prints a transcript.

    Raises:
        PageError: It does not.
    """
    match block.kind:
        case "python":
            # The page says `pip install openai`, which the environment of the tests has.
            if importlib.util.find_spec("openai") is None:
                print(f"{block}: left out, {sys.executable} has no openai", flush=True)
                return
            command = [sys.executable, "-c", code]
        case "javascript":
            if not (shutil.which("npm") and npm_install(folder)):
                print(f"{block}: left out, there is no npm or nothing for it to reach", flush=True)
                return
            (folder / "block.mjs").write_text(code, "utf-8")
            command = ["node", "block.mjs"]
        case _:
            command = ["bash", "-euo", "pipefail", "-c", code.replace("curl ", "curl --fail-with-body -sS ")]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BLOCK_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PageError(f"{block}: not done after {BLOCK_LIMIT_S:.0f} s") from error
    said = f"{block}:\n{done.stdout}\n{done.stderr}"
    if done.returncode:
        raise PageError(said)
    prints = ("transcriptions" in code and " -o " not in code) or "speechhub transcribe" in code
    if prints and "good morning" not in done.stdout.lower():
        raise PageError(f"{said}\nThe transcript is not what was said.")


def npm_install(folder: Path) -> bool:
    """Install OpenAI's client as the page says; return whether it worked."""
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", OPENAI_JS]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=BLOCK_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


# ── Odds and ends ────────────────────────────────────────────────────────────


def commands(way: str) -> str:
    """Return the commands that the page shows under a way's heading.

    Raises:
        PageError: There are none.
    """
    text = page(PAGE)
    first = text.count("\n", 0, text.index(f"\n## {HEADINGS[way]}\n")) + 1
    for block in blocks(PAGE, "sh"):
        if block.line > first:
            return block.code
    raise PageError(f"{PAGE} has no commands under {HEADINGS[way]!r}")


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def tail(log: Path) -> str:
    """Return the last lines of a log."""
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-25:])


def report(done: Mapping[str, str]) -> None:
    """Write a JUnit report for scripts/test, where it wants one."""
    if not (folder := os.environ.get("TEST_REPORTS")):
        return
    failed = sum(map(bool, done.values()))
    suite = ET.Element("testsuite", name="getting started", tests=str(len(done)), failures=str(failed))
    for way, problem in done.items():
        case = ET.SubElement(suite, "testcase", name=way)
        if problem:
            ET.SubElement(case, "failure").text = problem
    ET.ElementTree(suite).write(Path(folder) / "getting-started.xml")


if __name__ == "__main__":
    sys.exit(main())
