"""What tests with real worker processes share."""

import asyncio
import os
import select
import shutil
import sys
import sysconfig
import venv
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import speechhub_echo
from speechhub.engine import Audio, EngineSpec, LoadContext, Slot, SttCapabilities, TranscribeRequest
from speechhub.worker.host import Worker

HERE = Path(__file__).parent
DEADLINE_S = 20
"""For whatever must happen soon: long enough for a busy machine, short enough to fail."""


@pytest.fixture
def anyio_backend(request):
    """Run on uvloop, as the hub does; tests marked `both_loops` ask for plain asyncio, too."""
    return "asyncio", {"use_uvloop": getattr(request, "param", "uvloop") == "uvloop"}


@pytest.fixture
async def make_worker():
    """Start, and load, workers; kill those that are left."""
    workers, epochs = [], count(1)

    async def make(engine=speechhub_echo.STT, *, load=True, python=None, epoch=None, heartbeat=60, **options):
        async with asyncio.timeout(DEADLINE_S):
            worker = await Worker.start(
                engine,
                epoch=next(epochs) if epoch is None else epoch,
                python=python,
                handshake_timeout_s=DEADLINE_S,
                heartbeat_timeout_s=heartbeat,
            )
            workers.append(worker)
            if load:
                await worker.load(LoadContext(model="test", model_dir=None, options=options))
        return worker

    yield make
    for worker in workers:
        worker.kill()
    if workers:
        await asyncio.wait([worker.exited for worker in workers], timeout=DEADLINE_S)


@pytest.fixture
def request_of():
    """Build a request for some seconds of noise, always the same."""

    def build(duration_s=3.0, **fields):
        noise = np.random.default_rng(7).uniform(-0.5, 0.5, round(16_000 * duration_s)).astype(np.float32)
        return TranscribeRequest(audio=Audio(samples=noise, sample_rate=16_000), **fields)

    return build


@pytest.fixture
def running_call(request_of):
    """Start a call, and return its task when the engine is at work: a PING is answered before that."""

    async def start(worker):
        begun = asyncio.Event()
        call = asyncio.create_task(
            worker.transcribe([request_of()], on_progress=lambda _: begun.set()), name="call"
        )
        async with asyncio.timeout(DEADLINE_S):
            await begun.wait()
        return call

    return start


@pytest.fixture
def probe():
    """Return the spec of an engine in probes.py, for a worker in `foreign_python`."""

    def spec(name):
        return EngineSpec(
            name=name, slot=Slot.STT, factory=f"probes:{name}", capabilities=SttCapabilities(streaming=True)
        )

    return spec


@pytest.fixture(scope="session")
def foreign_python(tmp_path_factory):
    """Return the Python of an environment that has numpy, speechhub_echo and probes.py, and nothing else."""
    folder = tmp_path_factory.mktemp("engine env")  # the space is meant
    venv.create(folder / "env", with_pip=False, symlinks=True)
    installed, packages = Path(np.__file__).parent.parent, folder / "packages"
    packages.mkdir()
    for name in ("numpy", "numpy.libs"):  # as pip would install it, but at once and without a network
        if (installed / name).exists():
            (packages / name).symlink_to(installed / name)
    (packages / "speechhub_echo").symlink_to(Path(speechhub_echo.__file__).parent)
    shutil.copy(HERE / "probes.py", packages)
    python = folder / "env" / "bin" / "python"
    scheme = {"base": str(folder / "env"), "platbase": str(folder / "env")}
    site_packages = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    (site_packages / "packages.pth").write_text(f"{packages}\n")
    return python


@pytest.fixture
def rogue_python(tmp_path):
    """Return an "interpreter" that runs a script of ours instead of the worker's."""

    def build(body):
        script = tmp_path / "rogue.py"
        script.write_text(
            "import json, os, socket, struct, sys, time\n"
            "sock = socket.socket(fileno=int(sys.argv[sys.argv.index('--fd') + 1]))\n"
            "epoch = int(sys.argv[sys.argv.index('--epoch') + 1])\n"
            "def send(*header, parts=()):\n"
            "    text = json.dumps([*header, [len(part) for part in parts]]).encode()\n"
            "    sock.sendall(struct.pack('<II', len(text), sum(map(len, parts))) + text + b''.join(parts))\n"
            "def hello(api_version=2):\n"
            "    send('hello', 0, epoch, {'pid': os.getpid(), 'python': '3', 'api_version': api_version})\n"
            f"{body}\n"
        )
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        python.chmod(0o755)
        return python

    return build


@pytest.fixture
def has_ended():
    """Wait for the end of a process that need not be our child; a zombie has ended, too."""

    def wait(pidfd, timeout_s=DEADLINE_S):
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    return wait


@pytest.fixture
def pidfd_of():
    """Open a process, so that it can be told from a later one with its number."""
    opened = []

    def open_pid(pid):
        opened.append(os.pidfd_open(pid))
        return opened[-1]

    yield open_pid
    for fd in opened:
        os.close(fd)


@pytest.fixture
def children_of():
    """Return the process ids of a process's children."""

    def children(pid):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]

    return children


@pytest.fixture
def open_files():
    """Return how many descriptors this process has."""
    return lambda: len(list(Path("/proc/self/fd").iterdir()))
