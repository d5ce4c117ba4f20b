"""Run the packages that applications use as clients against a server on the echo engines.

    .venv/bin/python scripts/check_clients.py                  all clients
    .venv/bin/python scripts/check_clients.py groq pipecat     these
    .venv/bin/python scripts/check_clients.py --each-run       one of each family, as each run of CI does
    .venv/bin/python scripts/check_clients.py --write          also write the table in docs/clients.md
    .venv/bin/python scripts/check_clients.py --lock           pin what `clients()` names, with hashes

Each client has an environment of its own in .venvs and a script in scripts/clients, which prints a line of
JSON for each call. All that was called, and what came of it, goes to .venvs/clients.json. A client whose
Python or Node this machine lacks is named and skipped.
"""

import argparse
import datetime as dt
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _install
import lock
from _conformance import ECHO, ROOT, VENVS, installed, recording
from check_openai_node import fetched_node
from check_pythons import find

from tests.e2e.server import serving

SCRIPTS = ROOT / "scripts" / "clients"
TABLE_PAGE = ROOT / "docs" / "clients.md"
RECORDED = SCRIPTS / "results.json"
"""What the table is made from: the last run of each client that was kept by ``--write``."""
FRESH = VENVS / "clients.json"
BEGIN, END = (
    "<!-- made by scripts/check_clients.py: begin -->",
    "<!-- made by scripts/check_clients.py: end -->",
)

KEY = "clients-key"
SERVER = {
    **ECHO,
    "SPEECHHUB_API_KEYS": json.dumps([KEY]),
    "SPEECHHUB_MAX_UPLOAD_BYTES": "1000000",
}
LONG_S = 60.0
"""Length of a recording that the server refuses, in seconds."""
NODE = "22.23.3"
"""Node to download for a client that needs a newer one than the machine has."""
SETTINGS = (
    *("OPENAI_", "GROQ_", "LITELLM_", "WYOMING_", "STT_", "TTS_"),
    *("SPEECHHUB_", "PYTHON", "NODE_"),
)
"""Prefixes of variables that would change a client's behaviour."""
LIMIT_S = 120
INSTALL_LIMIT_S = 300

Result = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client at one version."""

    name: str
    title: str
    """Its name in the table."""
    packages: tuple[str, ...]
    """What is installed, as ``NAME==VERSION``; the table shows the versions."""
    script: str
    others: tuple[str, ...] = ()
    """Further requirements; for Node, none."""
    alone: tuple[str, ...] = ()
    """Those of all that are installed without what they ask for."""
    python: str = "3.11"
    """Oldest Python that the packages take."""
    python_end: str = "4.0"
    """First Python that the packages do not take."""
    node: int = 0
    """Oldest Node that the packages take; 0 for Python's."""
    each_run: bool = False
    """Whether each run of CI runs it."""

    @property
    def pins(self) -> Path:
        """Return the file, for Node the folder, that holds the exact versions of everything."""
        return SCRIPTS / "npm" / self.name if self.node else SCRIPTS / "requirements" / f"{self.name}.txt"


def clients() -> tuple[Client, ...]:
    """Return all clients in the order of the table."""
    return (
        Client(
            name="openai-python",
            title="OpenAI for Python",
            packages=("openai==3.57.0",),
            script="openai_python.py",
            each_run=True,
        ),
        Client(
            name="openai-python-oldest",
            title="OpenAI for Python, the first with `audio.speech`",
            packages=("openai==1.1.0",),
            others=("httpx<0.28",),  # 0.28 dropped an argument that openai passed until 1.55.3
            script="openai_python.py",
        ),
        Client(
            name="openai-node",
            title="OpenAI for JavaScript",
            packages=("openai@7.59.0",),
            script="openai_node.mjs",
            node=22,
            each_run=True,
        ),
        Client(
            name="openai-node-oldest",
            title="OpenAI for JavaScript, the first with `audio.speech`",
            packages=("openai@4.16.0",),
            script="openai_node.mjs",
            node=18,
        ),
        Client(
            name="ai-sdk",
            title="Vercel's AI SDK",
            packages=("ai@7.0.173", "@ai-sdk/openai@4.0.118", "@ai-sdk/groq@4.0.84"),
            script="ai_sdk.mjs",
            node=22,
            each_run=True,
        ),
        Client(
            name="ai-sdk-6",
            title="Vercel's AI SDK, the version before",
            packages=("ai@6.0.326", "@ai-sdk/openai@3.0.141", "@ai-sdk/groq@3.0.71"),
            script="ai_sdk.mjs",
            node=20,
        ),
        Client(
            name="livekit",
            title="LiveKit agents",
            packages=("livekit-agents==1.8.9", "livekit-plugins-openai==1.8.9"),
            script="livekit_agents.py",
            each_run=True,
        ),
        Client(
            name="pipecat",
            title="Pipecat",
            packages=("pipecat-ai==1.14.0",),
            others=("pipecat-ai[openai]",),
            script="pipecat_services.py",
        ),
        Client(name="litellm", title="LiteLLM", packages=("litellm==1.110.2",), script="litellm_sdk.py"),
        Client(
            name="speech-recognition",
            title="SpeechRecognition",
            packages=("SpeechRecognition==3.17.0",),
            others=("SpeechRecognition[openai]",),
            script="speech_recognition_openai.py",
        ),
        Client(name="groq", title="Groq for Python", packages=("groq==1.7.0",), script="groq_python.py"),
        Client(
            name="wyoming-openai",
            title="wyoming_openai, with a Wyoming client",
            packages=("wyoming-openai==0.8.0", "wyoming==1.10.2"),
            script="wyoming_bridge.py",
            python="3.12",
        ),
        Client(
            name="open-webui",
            title="Open WebUI's router for audio",
            packages=("open-webui==0.12.4",),
            alone=("open-webui==0.12.4",),
            others=(
                *("aiofiles==25.1.0", "aiohttp==3.14.5", "fastapi==0.136.3", "httpx==0.28.1"),
                *("pydub==0.25.1", "python-mimeparse==2.0.0", "python-multipart==0.0.32"),
            ),
            script="open_webui_audio.py",
            python_end="3.13",
        ),
    )


def main() -> int:
    """Run the clients that were chosen; return 1 if a call of them went wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = {client.name: client for client in clients()}
    parser.add_argument("names", nargs="*", metavar="CLIENT", help=f"all without any: {', '.join(known)}")
    parser.add_argument("--each-run", action="store_true", help="one client of each family")
    parser.add_argument("--write", action="store_true", help="bring the table in docs/clients.md up to date")
    parser.add_argument("--lock", action="store_true", help="pin the clients' packages, and run nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"no such client: {', '.join(sorted(unknown))}. Clients: {', '.join(known)}")
    chosen = [known[name] for name in arguments.names] or [
        client for client in known.values() if client.each_run or not arguments.each_run
    ]
    if arguments.lock:
        for client in chosen:
            pin(client)
        return 0
    results = run_all(chosen)
    FRESH.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    if arguments.write:
        keep(results)
    failed = [result["name"] for result in results if faults(result)]
    skipped = sorted({client.name for client in chosen} - {result["name"] for result in results})
    print(f"{len(results) - len(failed)} of {len(results)} clients passed", flush=True)
    if skipped:
        print(f"skipped: {', '.join(skipped)}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def run_all(chosen: Iterable[Client]) -> list[Result]:
    """Run clients one after the other against one server; return what they called."""
    results = []
    with tempfile.TemporaryDirectory() as name, serving(Path(name), **SERVER) as server:
        folder = Path(name)
        (folder / "audio.wav").write_bytes(recording())
        (folder / "long.wav").write_bytes(recording(LONG_S))
        environ = {
            "CLIENTS_URL": server.url,
            "CLIENTS_KEY": KEY,
            "CLIENTS_AUDIO": str(folder / "audio.wav"),
            "CLIENTS_LONG_AUDIO": str(folder / "long.wav"),
        }
        for client in chosen:
            started_s = time.monotonic()
            if (command := prepare(client)) is None:
                continue
            ready_s = time.monotonic()
            result = run(client, command, environ)
            spent = f"installed {ready_s - started_s:.0f} s, ran {time.monotonic() - ready_s:.0f} s"
            print(f"{client.name} ({', '.join(client.packages)}): {outcome(result)}; {spent}", flush=True)
            for call in faults(result):
                print(f"    {call['call']}: {call['error']}", flush=True)
            results.append(result)
    return results


# ── Environments ─────────────────────────────────────────────────────────────


def prepare(client: Client) -> list[str] | None:
    """Install a client; return the command that runs its script, or None where the machine cannot run it."""
    return prepare_node(client) if client.node else prepare_python(client)


def prepare_python(client: Client) -> list[str] | None:
    """Install a client for Python; see `prepare`."""
    base = Path(sys.executable)
    oldest, end = (tuple(map(int, text.split("."))) for text in (client.python, client.python_end))
    if not oldest <= sys.version_info[:2] < end:
        others = (f"3.{minor}" for minor in range(oldest[1], 15) if (3, minor) < end)
        if (base := next(filter(None, map(find, others)), base)) == Path(sys.executable):
            wanted = f"{client.python} or newer, and older than {client.python_end}"
            print(f"{client.name}: needs Python {wanted}, skipped", flush=True)
            return None
    state = client.pins.read_text("utf-8")
    step = ["--no-deps", "--require-hashes", "-r", str(client.pins)]
    # -s: nothing of the user's own packages. The script's folder stays on the path for calls.py.
    return [
        str(installed(f"client-{client.name}", [step], base=base, state=state)),
        "-s",
        str(SCRIPTS / client.script),
    ]


def prepare_node(client: Client) -> list[str] | None:
    """Install a client for Node; see `prepare`."""
    node = shutil.which("node")
    if not (node and shutil.which("npm")):
        print(f"{client.name}: node and npm are not installed, skipped", flush=True)
        return None
    if int(re.sub(r"v(\d+).*", r"\1", _install.output_of(node, "--version")) or 0) < client.node:
        node = fetched_node(NODE)
    folder = VENVS / f"client-{client.name}"
    stamp = folder / ".installed"
    wanted = (client.pins / "package-lock.json").read_text("utf-8")
    if not (stamp.exists() and stamp.read_text("utf-8") == wanted):
        _install.say(f"installing {', '.join(client.packages)} into .venvs/{folder.name}")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(client.pins, folder)
        quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts"]
        subprocess.run(["npm", "ci", *quiet], cwd=folder, check=True, timeout=INSTALL_LIMIT_S)
        stamp.write_text(wanted, "utf-8")
    # Node looks for packages beside the script.
    for name in ("calls.mjs", client.script):
        shutil.copy(SCRIPTS / name, folder / name)
    return [node, str(folder / client.script)]


def pin(client: Client) -> None:
    """Write the exact versions of all that a client needs, with hashes and without an index's address."""
    if client.node:
        client.pins.mkdir(parents=True, exist_ok=True)
        versions = dict(package.rsplit("@", 1) for package in client.packages)
        text = json.dumps({"private": True, "dependencies": versions}, indent=2)
        (client.pins / "package.json").write_text(text + "\n", "utf-8")
        options = ["--package-lock-only", "--omit-lockfile-registry-resolved", "--no-audit", "--no-fund"]
        subprocess.run(["npm", "install", *options], cwd=client.pins, check=True, timeout=INSTALL_LIMIT_S)
        return
    former = client.pins.read_text("utf-8") if client.pins.exists() else ""
    text = ""
    resolved = [package for package in (*client.packages, *client.others) if package not in client.alone]
    for wanted, alone in ((resolved, False), (client.alone, True)):
        if wanted:
            text += lock.compiled(wanted, constraints=[], former=former, alone=alone, python=client.python)
    header = f"# What scripts/check_clients.py runs as {client.name}; made by its option --lock.\n"
    client.pins.parent.mkdir(exist_ok=True)
    client.pins.write_text(header + text, "utf-8")


# ── Runs ─────────────────────────────────────────────────────────────────────


def run(client: Client, command: Sequence[str], environ: Mapping[str, str]) -> Result:
    """Run one client's script; return what it called, and what went wrong."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    with tempfile.TemporaryDirectory() as home:
        told = {"HOME": home, "TMPDIR": home, "CLIENTS_NAME": client.name, "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            command,
            cwd=home,
            env=kept | dict(environ) | told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        ) as process:
            try:
                output, complaints = process.communicate(timeout=LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                output, complaints = process.communicate()
                complaints += f"\nended after {LIMIT_S} s"
    calls = [json.loads(line) for line in output.splitlines() if line.startswith('{"call":')]
    if process.returncode or not calls:
        last = (complaints.strip() or "no output").splitlines()[-1]
        calls.append({"call": "script", "error": f"exit {process.returncode}: {last}"})
    return {
        "name": client.name,
        "title": client.title,
        "packages": list(client.packages),
        "runtime": runtime(command[0]),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "calls": calls,
    }


def runtime(program: str) -> str:
    """Return the name and version of a Python or Node, such as ``Python 3.11``."""
    told = _install.output_of(program, "--version")
    if told.startswith("v"):
        return f"Node {told.removeprefix('v').partition('.')[0]}"
    return ".".join(told.split(".")[:2])


def faults(result: Result) -> list[dict[str, str]]:
    """Return the calls that went wrong."""
    return [call for call in result["calls"] if call["error"]]


def outcome(result: Result) -> str:
    """Return how many calls succeeded."""
    total, failed = len(result["calls"]), len(faults(result))
    return f"all {total} calls" if not failed else f"{total - failed} of {total} calls"


# ── Table ────────────────────────────────────────────────────────────────────


def keep(results: Iterable[Result]) -> None:
    """Replace the kept results of the clients that ran, and rewrite the table."""
    kept = {result["name"]: result for result in json.loads(RECORDED.read_text("utf-8"))}
    kept |= {result["name"]: result for result in results}
    ordered = [kept[client.name] for client in clients() if client.name in kept]
    RECORDED.write_text(json.dumps(ordered, indent=2) + "\n", "utf-8")
    TABLE_PAGE.write_text(with_table(TABLE_PAGE.read_text("utf-8"), ordered), "utf-8")


def with_table(page: str, results: Iterable[Result]) -> str:
    """Return *page* with the table of *results* between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{TABLE_PAGE.relative_to(ROOT)} has lost the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table(results)}{END}{after}"


def table(results: Iterable[Result]) -> str:
    """Return the table of what ran."""
    lines = ["| Client | Version | On | Called | Result | Date |", "| --- | --- | --- | --- | --- | --- |"]
    for result in results:
        versions = "<br>".join(f"`{re.sub('==|@(?=[0-9])', ' ', package)}`" for package in result["packages"])
        called = "<br>".join(grouped(call["call"] for call in result["calls"]))
        failed = "".join(f"<br>failed: {call['call']}" for call in faults(result))
        cells = [
            result["title"],
            versions,
            result["runtime"],
            called,
            outcome(result) + failed,
            result["date"],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "".join(f"{line}\n" for line in lines)


def grouped(calls: Iterable[str]) -> list[str]:
    """Return calls with those that differ in what follows their first comma on one line."""
    found: dict[str, list[str]] = {}
    for call in calls:
        name, _, variant = call.partition(", ")
        found.setdefault(name, []).extend([variant] if variant else [])
    return [
        f"`{name}`" + (f" ({'; '.join(variants)})" if variants else "") for name, variants in found.items()
    ]


if __name__ == "__main__":
    sys.exit(main())
