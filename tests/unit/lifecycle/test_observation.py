"""What the server notes by itself while engines come and go."""

import asyncio

import pytest

from speechhub.engine import Slot
from speechhub.gpu.values import GpuSample
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.observation import Observation
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.metrics import Metrics
from speechhub.pools import Pools
from speechhub.settings import Settings
from tests.fakes.gpus import MB, FakeGpus
from tests.fakes.placements import GPU, placement, placements
from tests.fakes.workers import Fleet

MODELS = placements(placement("stt", device=GPU), placement("tts", device=GPU, slot=Slot.TTS))


class LeakyFleet(Fleet):
    """Each worker takes memory of the GPU, and leaves some of it behind when it ends."""

    def __init__(self, gpus, left_bytes):
        super().__init__()
        self.gpus, self.left_bytes = gpus, left_bytes

    def load(self, worker):
        super().load(worker)
        self.gpus.take(worker.pid, 500 * MB)
        worker.exited.add_done_callback(lambda _: self._left(worker.pid))

    def _left(self, pid):
        if pid in self.gpus.held[0]:
            self.gpus.give_back(pid)
            self.gpus.own_bytes += self.left_bytes


@pytest.fixture
async def gpus():
    return FakeGpus()


@pytest.fixture
async def manager(gpus):
    made = Manager(
        MODELS,
        limits=Limits(),
        launch=LeakyFleet(gpus, 30 * MB).launch(),
        look=gpus.sample,
    )
    yield made
    await made.close(timeout_s=1)


async def test_what_a_switch_leaves_behind_is_noted(manager, gpus):
    """After each switch the GPU is looked at once; health, metrics and the leak verdict rest on that."""
    observation = Observation(manager, Metrics(), Settings(), gpus, Pools().drivers)
    observation.sampler.look()  # how much is used without engines

    await manager.switch_to("stt")
    await manager.switch_to("tts")

    async with asyncio.timeout(5):
        while not observation.gpus()[0].leak.switches:  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)
    leak = observation.gpus()[0].leak
    assert (leak.switches, leak.residual_bytes) == (1, 30 * MB)
    assert 'speechhub_vram_residual_bytes{gpu="0"} 3.145728e+07' in observation.metrics.text().decode()


async def test_a_card_that_does_not_answer_leaves_no_residual(manager, gpus):
    """Nothing is made up where the driver is silent."""
    observation = Observation(manager, Metrics(), Settings(), gpus, Pools().drivers)
    observation.sampler.look()
    before: GpuSample = observation.gpus()[0].sample

    gpus.lost = True
    verdict = observation.sampler.note_residual(0, ())

    assert verdict is None
    assert (before.used_bytes, observation.gpus()[0].leak.switches) == (200 * MB, 0)
