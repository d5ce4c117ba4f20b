"""Run the packages that applications use as clients against a server on the echo engines.

    .venv/bin/python scripts/check_clients.py                  all clients
    .venv/bin/python scripts/check_clients.py groq pipecat     these
    .venv/bin/python scripts/check_clients.py --each-run       one of each family, as each run of CI does
    .venv/bin/python scripts/check_clients.py --write          also write the table in docs/clients.md
    .venv/bin/python scripts/check_clients.py --lock           pin what `clients()` names, with hashes

Each client has an environment of its own in .venvs and one or more scripts in scripts/clients, which print a
line of JSON for each call. All that was called, and what came of it, goes to .venvs/clients.json. A client
whose Python or Node this machine lacks is named and skipped; without openssl, so is one that insists on TLS.
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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import _install
import lock
from _conformance import ECHO, ROOT, VENVS, installed, recording
from _known_clients import SCRIPTS, Client, clients
from _tls import terminating
from check_openai_node import fetched_node
from check_pythons import find

from tests.e2e.server import free_port, serving
from tests.fakes.babble import talk, wav_of

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
UTTERANCES_S = (0, 0.7, 1.6, 1.3, 1.6, 1.3)
"""Speech and silence in turns, in seconds, for clients that send sound while it is spoken."""
SPEECH_RATE = 24_000
SPEED = 10
"""How many times as fast as it was spoken the speech is sent."""
CALL_LIMIT_S = 30
NODE = "22.23.3"
"""Node to download for a client that needs a newer one than the machine has."""
SETTINGS = (
    *("OPENAI_", "GROQ_", "LITELLM_", "WYOMING_", "STT_", "TTS_", "ELEVEN", "LIVEKIT_", "SSL_"),
    *("SPEECHHUB_", "PYTHON", "NODE_"),
)
"""Prefixes of variables that would change a client's behaviour."""
LIMIT_S = 120
INSTALL_LIMIT_S = 300

Result = dict[str, Any]


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
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        wyoming = str(free_port())
        server = running.enter_context(serving(folder, **SERVER, SPEECHHUB_WYOMING_PORT=wyoming))
        (folder / "audio.wav").write_bytes(recording())
        (folder / "long.wav").write_bytes(recording(LONG_S))
        (folder / "speech.wav").write_bytes(wav_of(talk(*UTTERANCES_S, rate=SPEECH_RATE), SPEECH_RATE))
        environ = {
            "CLIENTS_URL": server.url,
            "CLIENTS_WYOMING": f"127.0.0.1:{wyoming}",
            "CLIENTS_KEY": KEY,
            "CLIENTS_AUDIO": str(folder / "audio.wav"),
            "CLIENTS_LONG_AUDIO": str(folder / "long.wav"),
            "CLIENTS_SPEECH": str(folder / "speech.wav"),
            "CLIENTS_UTTERANCES": str(sum(length > 0 for length in UTTERANCES_S[::2])),
            "CLIENTS_SPEED": str(SPEED),
            "CLIENTS_LIMIT_S": str(CALL_LIMIT_S),
        }
        terminator = running.enter_context(terminating(server.url, folder))
        if terminator:
            environ["CLIENTS_TLS_URL"] = terminator.url
            # What Python's and Node's clients trust.
            environ |= dict.fromkeys(("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), str(terminator.certificate))
        for client in chosen:
            started_s = time.monotonic()
            if client.tls and not terminator:
                print(f"{client.name}: openssl is not installed, skipped", flush=True)
                continue
            if (commands := prepare(client)) is None:
                continue
            ready_s = time.monotonic()
            result = run(client, commands, environ)
            spent = f"installed {ready_s - started_s:.0f} s, ran {time.monotonic() - ready_s:.0f} s"
            print(f"{client.name} ({', '.join(client.packages)}): {outcome(result)}; {spent}", flush=True)
            for call in faults(result):
                print(f"    {call['call']}: {call['error']}", flush=True)
            results.append(result)
    return results


# ── Environments ─────────────────────────────────────────────────────────────


def prepare(client: Client) -> list[list[str]] | None:
    """Install a client; return the commands that run its scripts, or None where the machine cannot run it."""
    return prepare_node(client) if client.node else prepare_python(client)


def prepare_python(client: Client) -> list[list[str]] | None:
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
    python = str(installed(f"client-{client.name}", [step], base=base, state=state))
    # -s: nothing of the user's own packages. The script's folder stays on the path for calls.py.
    return [[python, "-s", str(SCRIPTS / script)] for script in client.scripts]


def prepare_node(client: Client) -> list[list[str]] | None:
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
    for name in ("calls.mjs", *client.scripts):
        shutil.copy(SCRIPTS / name, folder / name)
    return [[node, str(folder / script)] for script in client.scripts]


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


def run(client: Client, commands: Sequence[Sequence[str]], environ: Mapping[str, str]) -> Result:
    """Run one client's scripts; return what they called, and what went wrong."""
    return {
        "name": client.name,
        "title": client.title,
        "packages": list(client.packages),
        "runtime": runtime(commands[0][0]),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "calls": [call for command in commands for call in calls_of(client, command, environ)],
    }


def calls_of(
    client: Client, command: Sequence[str], environ: Mapping[str, str], limit_s: float = LIMIT_S
) -> list[dict[str, str]]:
    """Run one script of a client for a time in seconds; return what it called, and what went wrong."""
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
                output, complaints = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                output, complaints = process.communicate()
                complaints += f"\nended after {limit_s:.0f} s"
    calls = [json.loads(line) for line in output.splitlines() if line.startswith('{"call":')]
    if process.returncode or not calls:
        last = (complaints.strip() or "no output").splitlines()[-1]
        calls.append({"call": Path(command[-1]).name, "error": f"exit {process.returncode}: {last}"})
    return calls


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
