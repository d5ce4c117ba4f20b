"""Workers without processes."""

import asyncio
from dataclasses import dataclass

from speechhub.errors import EngineCrashedError, RequestCancelledError
from speechhub.lifecycle.launch import Launch
from tests.fakes.runner import transcript_of


@dataclass(frozen=True)
class FakeExit:
    """How a fake worker ended."""

    requested: bool


class FakeWorker:
    """Does what `speechhub.worker.host.Worker` does, as far as a manager looks."""

    def __init__(self, fleet, placement, epoch):
        self.fleet, self.placement, self.epoch = fleet, placement, epoch
        self.engine = placement.engine.spec
        self.pid = 5_000_000 + epoch  # no system has so many
        self.voices = placement.model.voices
        self.remarks = fleet.remarks
        self._exit = asyncio.get_running_loop().create_future()
        self.settles = True
        self.prepared = False
        self.import_s = self.load_s = 0.0
        self.report = None

    @property
    def exited(self):
        return asyncio.shield(self._exit)

    @property
    def ended(self):
        return self._exit.result() if self._exit.done() else None

    @property
    def callbacks(self):
        """How many wait for the end, or did."""
        return len(self._exit._callbacks or ())

    async def prepare(self, context):
        await self.fleet.prepare_gate.wait()
        if self.fleet.prepare_error:
            raise self.fleet.prepare_error
        self.prepared, self.context_of_prepare = True, context

    def adopt(self, epoch):
        self.epoch = epoch

    async def load(self, context):
        self.context = context
        self.fleet.load(self)
        await self.fleet.gate.wait()
        if self.fleet.load_error:
            raise self.fleet.load_error

    async def transcribe(self, batch, *, on_progress=None):
        self.fleet.calls.append(list(batch))
        try:
            await self.fleet.work_gate.wait()
        except asyncio.CancelledError:
            self.fleet.cancelled.append(list(batch))
            raise
        if self.ended is not None:  # one that is told to stop gives up its call
            raise RequestCancelledError if self.ended.requested else EngineCrashedError("it died")
        if on_progress:
            on_progress(1.0)
        return [self.fleet.hear(request) for request in batch]

    async def settle(self, grace_s):
        return self.settles

    async def stop(self, *, grace_s):
        await self.fleet.stop_gate.wait()
        self.end(requested=True)
        return self.ended

    def kill(self):
        self.end(requested=True)

    def crash(self):
        self.end(requested=False)

    def end(self, *, requested):
        self.fleet.alive.discard(self)
        self.fleet.loaded.discard(self)
        if self.ended is None:
            self._exit.set_result(FakeExit(requested))


class Fleet:
    """Starts fake workers and keeps count of them; close `gate` to make loads hang, `stop_gate` for ends."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.gate.set()
        self.prepare_gate = asyncio.Event()
        self.prepare_gate.set()
        self.work_gate = asyncio.Event()
        self.work_gate.set()
        self.stop_gate = asyncio.Event()
        self.stop_gate.set()
        self.calls, self.cancelled = [], []
        self.hear = transcript_of
        self.load_error = self.prepare_error = None
        self.remarks = ()
        self.started = []
        self.alive = set()
        self.loaded = set()
        self.most_on_gpu = 0

    def launch(self, **other):
        """Return what a manager needs to launch these workers: no model has files, unless *other* says so."""
        return Launch(**({"fetch": lambda placement: None, "starter": self} | other))

    async def __call__(self, placement, epoch):
        worker = FakeWorker(self, placement, epoch)
        self.started.append(worker)
        self.alive.add(worker)
        if epoch:  # one that stands by holds no device
            self.load(worker)
        return worker

    def load(self, worker):
        self.loaded.add(worker)
        on_gpu = sum(it.placement.device.exclusive for it in self.loaded)
        self.most_on_gpu = max(self.most_on_gpu, on_gpu)
