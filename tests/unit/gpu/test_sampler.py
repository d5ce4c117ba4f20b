"""gpu.sampler: the last look at every GPU, warnings and verdicts."""

import threading

import pytest
from structlog.testing import capture_logs

from speechhub.gpu.leaks import FEWEST
from speechhub.gpu.monitor import NoGpus
from speechhub.gpu.sampler import CALM_S, SWITCHING_S, GpuSampler, Occupation
from tests.fakes.gpus import MB, FakeGpus


@pytest.fixture
def gpus():
    return FakeGpus(total_bytes=1000 * MB, own_bytes=100 * MB)


@pytest.fixture
def doing():
    return {0: Occupation()}


@pytest.fixture
def sampler(gpus, doing):
    return GpuSampler(gpus, doing.__getitem__)


def test_views_show_the_last_look(sampler, gpus):
    """Before the first look there is nothing; after it, each GPU's memory."""
    before = sampler.views()
    sampler.look()

    assert before == ()
    assert sampler.views()[0].sample.used_bytes == 100 * MB
    assert sampler.views()[0].device.name == "NVIDIA Paper 4000"


def test_it_looks_more_often_while_an_engine_comes_or_goes(sampler, doing):
    """A switch is watched ten times as closely."""
    calm = sampler.look()
    doing[0] = Occupation(engine="qwen", switching=True)

    assert (calm, sampler.look()) == (CALM_S, SWITCHING_S)


@pytest.mark.mission("4.7")
def test_a_nearly_full_gpu_is_warned_of_once(sampler, gpus, doing):
    """One line for each crossing, which names the engine."""
    doing[0] = Occupation(engine="qwen")
    with capture_logs() as logs:
        for held in (700, 800, 820, 770, 800, 600):
            gpus.take(7, held * MB)
            sampler.look()

    told = [(log["event"], log["engine"], log["used_percent"]) for log in logs]
    assert told == [("gpu is nearly full", "qwen", 90.0), ("gpu has room again", "qwen", 70.0)]


def test_a_gpu_that_vanishes_comes_back(sampler, gpus):
    """While it is lost its last memory is not shown as if it were true."""
    sampler.look()
    gpus.lost = True
    sampler.look()
    lost, problem = sampler.views()[0], sampler.problem
    gpus.lost = False
    sampler.look()

    assert lost.sample is None
    assert "lost" in problem
    assert sampler.views()[0].sample is not None


def test_a_machine_without_gpus(doing):
    """Nothing to see, and a plain reason."""
    sampler = GpuSampler(NoGpus(), doing.__getitem__)

    assert sampler.look() == CALM_S
    assert sampler.views() == ()
    assert sampler.problem == "There is no GPU here."


def test_memory_that_stays_away_is_a_leak(sampler, gpus):
    """An orphan that grows from switch to switch is suspected, and told once; a stranger is not."""
    gpus.take(99, 100 * MB)  # a desktop that was there before
    sampler.look()
    gpus.take(99, 300 * MB)
    with capture_logs() as logs:
        for switch in range(FEWEST + 2):
            gpus.take(7, switch * 10 * MB)
            verdict = sampler.note_residual(0, ours={7})

    assert verdict.suspected
    assert verdict.residual_bytes == (FEWEST + 1) * 10 * MB
    assert sampler.views()[0].leak == verdict
    assert [log["event"] for log in logs] == ["gpu memory is leaking"]


def test_there_is_no_verdict_without_a_baseline(sampler, gpus, doing):
    """A GPU that was never seen empty, or does not answer, is not judged."""
    doing[0] = Occupation(engine="qwen")
    sampler.look()
    never_empty = sampler.note_residual(0, ours=())
    doing[0] = Occupation()
    sampler.look()
    gpus.lost = True

    assert never_empty is None
    assert sampler.note_residual(0, ours=()) is None


@pytest.mark.mission("4.1")
def test_the_thread_looks_and_ends(gpus, doing):
    """`start` looks at once, in a thread; `close` ends it."""
    looked = threading.Event()

    def occupation(index):
        looked.set()
        return doing[index]

    sampler = GpuSampler(gpus, occupation)

    sampler.start()

    assert looked.wait(30)
    sampler.close(timeout_s=30)
    assert "gpu-sampler" not in {thread.name for thread in threading.enumerate()}


def test_memory_given_back_late_lags(gpus):
    """The fake lags as drivers do: a process is gone before its memory is."""
    gpus.lag = 2
    gpus.take(7, 500 * MB)
    gpus.give_back(7)

    seen = [gpus.sample(0) for _ in range(3)]
    assert [s.used_bytes // MB for s in seen] == [600, 600, 100]
    assert all(7 not in s.processes for s in seen)
