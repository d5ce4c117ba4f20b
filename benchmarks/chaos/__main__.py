"""Runs 16 clients against a server while its workers, hub, disk and clock fail; looks for drift afterwards.

.venv/bin/python -m benchmarks.chaos [--seconds 300] [--seed N] [--clients 16] [--engines real]

Exits with status 1 if a request ended in an undocumented way or more than once, or if anything is left.
"""

import argparse
import os
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.chaos import clock as clocks
from benchmarks.chaos import drift
from benchmarks.chaos.asks import CONSENTS, IDLE_S, LIMIT_BYTES, VOICES, VoiceAsks
from benchmarks.chaos.client import BrokenOffError, ChaosClient
from benchmarks.chaos.clock import Clock
from benchmarks.chaos.disk import Disk, enter_private_mounts, small_disk
from benchmarks.chaos.faults import Faults
from benchmarks.chaos.hub import Hub, Life
from benchmarks.chaos.judge import Judge
from benchmarks.chaos.kinds import Kind, kinds
from benchmarks.chaos.ledger import Ledger
from benchmarks.chaos.library import Library, items
from benchmarks.chaos.watch import Watch
from benchmarks.load.client import KEY, WrongAnswerError
from benchmarks.load.engines import ECHO, REAL, Clip, Engines, clips
from benchmarks.load.mix import documented_refusals

FULL_PAUSE_S = 1.0
"""Longest pause of a client whose request met a server in trouble."""
WARM_UP = (
    "speak",
    "transcribe",
    "transcribe events",
    "long recording",
    "clone",
    "voices",
    "damaged recording",
)
REQUEST_TIMEOUT_S = 60.0
SHOWN = 25


def settings(engines: Engines, disk: Disk) -> dict[str, str]:
    """Return the server's environment."""
    return engines.env | {
        "TMPDIR": str(disk.temporary),
        "SPEECHHUB_OFFLINE": "true",
        "SPEECHHUB_API_KEYS": KEY,
        "SPEECHHUB_CPU_EXCLUSIVE": "true",
        "SPEECHHUB_STT_MODEL": engines.stt,
        "SPEECHHUB_TTS_MODEL": engines.tts,
        "SPEECHHUB_MAX_UPLOAD_BYTES": str(LIMIT_BYTES),
        "SPEECHHUB_MAX_VOICES": "1000",
        "SPEECHHUB_QUEUE_LIMIT": "8",
        "SPEECHHUB_UPLOAD_IDLE_TIMEOUT_S": str(IDLE_S),
        "SPEECHHUB_REQUEST_TIMEOUT_S": str(REQUEST_TIMEOUT_S),
        "SPEECHHUB_HEARTBEAT_TIMEOUT_S": "5",
        "SPEECHHUB_SHUTDOWN_TIMEOUT_S": "5",
        "SPEECHHUB_STT_MAX_WAIT_S": "5",
        "SPEECHHUB_TTS_MAX_WAIT_S": "5",
    }


class Run:
    """One run: a server, its clients and its faults."""

    def __init__(self, options: argparse.Namespace, disk: Disk, clock: Clock | None, *, small: bool) -> None:
        self.options, self.disk = options, disk
        self.engines = REAL if options.engines == "real" else ECHO
        self.env = settings(self.engines, disk) | (clock.env if clock else {})
        self.hub, self.ledger, self.library = Hub(disk.home, self.env), Ledger(), Library()
        self.kinds: dict[str, Kind] = kinds(VoiceAsks(self.library))
        dice = random.Random(f"faults {options.seed}")
        self.faults = Faults(self.hub, dice, disk=disk if small else None, clock=clock)
        self.watch = Watch(self.hub)
        self.clips: list[Clip] = clips()
        self.documented = documented_refusals()
        self.wrong: list[str] = []
        """Errors that the clients found in answers with a good status."""

    def client(self) -> ChaosClient:
        """Return a new client."""
        status_of = {code: status for status, _, code in self.documented if code}
        return ChaosClient(self.hub, self.ledger, self.engines, self.clips, status_of)

    def ask(self, client: ChaosClient, kind: str, name: str, dice: random.Random) -> int:
        """Let a client send one request of a kind; return the status of a refusal, or 0."""
        client.turn(name, kind, dice)
        try:
            refusal = self.kinds[kind].ask(client, dice)
            if refusal is None and not self.kinds[kind].may_succeed:
                self.wrong.append(f"{name} ({kind}) was served, and should have been refused")
            if refusal is not None and refusal.status == 200 and not self.kinds[kind].may_succeed:
                self.wrong.append(f"{name} ({kind}) was answered 200, and should have been refused")
        except BrokenOffError:
            return 503
        except WrongAnswerError as error:
            self.wrong.append(f"{name} ({kind}): {error}")
        except Exception:  # noqa: BLE001 - an answer that cannot be read is a finding, not the end
            self.wrong.append(f"{name} ({kind}): {traceback.format_exc()[-600:]}")
        else:
            return refusal.status if refusal else 0
        return 0

    def work(self, numbers: Iterator[int], until_s: float) -> None:
        """Send one request after another until *until_s*."""
        client = self.client()
        names, weights = list(self.kinds), [kind.weight for kind in self.kinds.values()]
        while time.monotonic() < until_s:
            number = next(numbers)
            dice = random.Random(f"chaos {self.options.seed} {number}")
            [kind] = dice.choices(names, weights)
            if self.ask(client, kind, f"chaos-{number}", dice) == 503:
                time.sleep(dice.random() * FULL_PAUSE_S)
        client.close()

    def whole(self) -> list[str]:
        """Run from the first start to the last end; return everything that went wrong."""
        life = self.hub.start()
        self._warm_up("before", strictly=True)
        if self.wrong:
            return self.wrong
        drift.come_to_rest(life.server)
        before = drift.at_rest(life.server)
        files = drift.files(self.disk.home)
        schema = drift.json_of(life.server, "/schema")
        print(f"at rest before: {before.told}", flush=True)
        self.watch.start()
        self.faults.start()
        end_s = time.monotonic() + self.options.seconds
        numbers = count()
        with ThreadPoolExecutor(self.options.clients) as pool:
            done = [pool.submit(self.work, numbers, end_s) for _ in range(self.options.clients)]
            while time.monotonic() < end_s:
                time.sleep(min(1.0, max(0.0, end_s - time.monotonic())))
            self.faults.stop()
            for client in done:
                client.result()
        self.watch.stop()
        wrong = [*self.faults.errors, *self.ledger.errors, *self.wrong]
        wrong += [f"{name} never ended" for name in self.ledger.unfinished()]
        # Once more, in a new process on the same home: files that were left behind would show now.
        wrong += self._last_look(self.hub.life(), before, "the last process under chaos")
        self.hub.end(signal.SIGTERM)
        life = self.hub.start()
        wrong += self._library_faults()
        self._warm_up("after", strictly=True)
        self._empty_library()
        wrong += self._last_look(life, before, "a new process on the same home")
        wrong += [f"left in the home: {name}" for name in sorted(drift.files(self.disk.home) - files)]
        wrong += [f"lost from the home: {name}" for name in sorted(files - drift.files(self.disk.home))]
        wrong += drift.doctor(self.disk, os.environ | self.env)
        self.hub.end(signal.SIGTERM)
        wrong += [f"left of temporary files: {name}" for name in sorted(drift.files(self.disk.temporary))]
        wrong += self.hub.errors
        wrong += [
            f"the hub had {peak / 2**20:.0f} MB"
            for peak in [self.watch.peak_bytes]
            if peak > drift.PEAK_BYTES
        ]
        for each in self.hub.lives:
            orderly = each.ended_by == signal.SIGTERM
            wrong += drift.recorded(each, self.ledger.entries(), whole=orderly)
            wrong += [
                f"life {each.number} logged a bug: {line.get('path')} {str(line.get('exception'))[-1500:]}"
                for line in each.server.logged("unexpected error")
            ]
        judge = Judge(
            documented=self.documented,
            schema=schema,
            during=self.faults.during,
            lives=self.hub.lives,
            request_timeout_s=REQUEST_TIMEOUT_S,
        )
        for entry in self.ledger.entries():
            if fault := judge.fault(entry, self.kinds[entry.kind].refusals):
                held = ", ".join(sorted(self.faults.during(entry.began_s, entry.ended_s))) or "no fault"
                took_s = entry.ended_s - entry.began_s
                where = f"{entry.kind}, life {entry.life}, {took_s:.1f} s, {held}"
                wrong.append(f"{entry.name} ({where}): {fault}")
        return wrong

    def _warm_up(self, when: str, *, strictly: bool = False) -> None:
        """Send a request of each of some kinds; *strictly* means that each must be served."""
        client = self.client()
        for kind in WARM_UP:
            dice = random.Random(f"warm-up {kind}")
            name = f"{when}-{kind.replace(' ', '-')}"
            refused = self.ask(client, kind, name, dice)
            if refused and strictly and kind != "damaged recording":
                self.wrong.append(f"{name}: refused with {refused} by a server that has nothing else to do")
        client.close()

    def _last_look(self, life: Life, before: drift.Quiet, whose: str) -> list[str]:
        try:
            drift.come_to_rest(life.server)
        except (AssertionError, OSError) as error:
            return [f"{whose} does not come to rest: {error!r}"]
        after = drift.at_rest(life.server, before)
        print(f"at rest after, {whose}: {after.told}", flush=True)
        wrong = [f"{whose}: {what}" for what in drift.moved(before, after)]
        wrong += [f"{whose}: {what}" for what in drift.gauges(life.server)]
        return wrong + drift.counted(life, self.ledger.entries())

    def _library_faults(self) -> list[str]:
        client = self.client()
        client.turn("library", "look", random.Random(0))
        voices = items(client.ask("GET", VOICES))
        consents = items(client.ask("GET", f"{CONSENTS}?limit=100"))
        while consents and len(consents) % 100 == 0:
            more = items(client.ask("GET", f"{CONSENTS}?limit=100&after={consents[-1]['id']}"))
            if not more:
                break
            consents += more
        wrong = self.library.differences("voices", voices) + self.library.differences("consents", consents)
        print(f"library: {len(voices)} voices and {len(consents)} consents", flush=True)
        for voice in voices:
            answer = client.ask("GET", f"{VOICES}/{voice['id']}")
            if answer.status != 200:
                wrong.append(f"voice {voice['name']} is listed, and answers {answer.status}")
        client.close()
        return wrong

    def _empty_library(self) -> None:
        client = self.client()
        client.turn("empty", "look", random.Random(0))
        for path, page in ((VOICES, VOICES), (CONSENTS, f"{CONSENTS}?limit=100")):
            while found := items(client.ask("GET", page)):
                for item in found:
                    if (status := client.ask("DELETE", f"{path}/{item['id']}").status) != 200:
                        self.wrong.append(f"{item['id']} cannot be deleted: {status}")
                        return
        client.close()

    def tell(self) -> None:
        """Print the outcomes of the requests, by kind, and the faults of the server."""
        entries = self.ledger.entries()
        print("\n| kind | requests | median s | outcomes |\n| --- | --- | --- | --- |")
        for kind in self.kinds:
            these = [entry for entry in entries if entry.kind == kind]
            became = Counter(entry.became.partition(":")[0] for entry in these)
            took_s = median(entry.ended_s - entry.began_s for entry in these) if these else 0.0
            words = ", ".join(f"{number} {what}" for what, number in became.most_common())
            print(f"| {kind} | {len(these)} | {took_s:.2f} | {words} |")
        faults = ", ".join(f"{number} {kind}" for kind, number in self.faults.counts.most_common())
        print(f"\nfaults: {faults}; {len(self.hub.lives)} processes of the hub")
        print(f"the hub's memory at most: {self.watch.peak_bytes / 2**20:.0f} MB", end="; ")
        print(f"its descriptors at most: {self.watch.most_descriptors}", end="; ")
        print(f"/health/live: {self.watch.told}")


def main() -> int:
    """Run, print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--engines", choices=("real", "echo"), default="real")
    parser.add_argument("--logs", type=Path, help="folder to write the server's log to")
    parser.add_argument("--seed", type=int, help="repeat the same requests and faults, at other moments")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = secrets.randbelow(10**6)
        sys.orig_argv += ["--seed", str(options.seed)]
    no_mounts = enter_private_mounts()
    print(f"seed {options.seed}, {options.clients} clients, {options.seconds:.0f} s", flush=True)
    if no_mounts:
        print(f"SKIPPED: the full disk, since {no_mounts}", flush=True)
    library = clocks.library()
    if library is None:
        print(f"SKIPPED: steps of the clock, since {clocks.MISSING}", flush=True)
    with tempfile.TemporaryDirectory() as beside, small_disk(mount=not no_mounts) as disk:
        # Not on the small disk: a full one would stop the clock.
        clock = Clock(Path(beside) / "clock", library) if library else None
        run = Run(options, disk, clock, small=not no_mounts)
        try:
            wrong = run.whole()
            run.tell()
        finally:
            if options.logs:
                for life in run.hub.lives:
                    (options.logs / f"life-{life.number}.jsonl").write_text(life.server.log_text(), "utf-8")
            run.hub.kill_all()
    for line in wrong[:SHOWN]:
        print(f"\nWRONG: {line}")
    if len(wrong) > SHOWN:
        print(f"\nand {len(wrong) - SHOWN} more")
    print(f"\nwrong: {len(wrong) or 'nothing'}; seed {options.seed}")
    return 1 if wrong else 0


if __name__ == "__main__":
    threading.excepthook = lambda told: print(f"thread {told.thread}: {told.exc_value!r}")
    sys.exit(main())
