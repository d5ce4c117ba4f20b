"""Workers that stand by before they are given a number and a model, in real processes."""

import asyncio
import os
import signal

import pytest

from speechhub.engine import LoadContext
from speechhub.errors import EngineCrashedError, EngineLoadError
from speechhub.worker.readahead import read_ahead

CONTEXT = LoadContext(model="m", model_dir=None)


async def test_prepared_worker_is_loaded_under_its_number(make_worker, probe, foreign_python, request_of):
    """It imports and prepares once, and loads when its turn comes."""
    worker = await make_worker(probe("Preparing"), python=foreign_python, load=False, epoch=0)
    await worker.prepare(CONTEXT)
    prepared_s = worker.import_s

    worker.adopt(7)
    await worker.load(CONTEXT)

    [transcript] = await worker.transcribe([request_of()])
    assert transcript.text == "prepare m, load m"
    assert prepared_s > 0
    assert worker.import_s == 0, "the load had nothing to import any more"
    assert await worker.ping(20) > 0, "its frames carry the new number"


async def test_worker_that_never_stood_by_prepares_nothing(make_worker, probe, foreign_python, request_of):
    worker = await make_worker(probe("Preparing"), python=foreign_python)

    [transcript] = await worker.transcribe([request_of()])

    assert transcript.text == "load test"
    assert worker.import_s > 0


async def test_preparation_that_fails_says_why(make_worker, probe, foreign_python):
    worker = await make_worker(probe("Preparing"), python=foreign_python, load=False, epoch=0)

    with pytest.raises(EngineLoadError, match="no table"):
        await worker.prepare(LoadContext(model="m", model_dir=None, options={"refuse": True}))


@pytest.mark.invariant("kill-worker")
async def test_worker_killed_in_its_preparation_is_a_load_error(make_worker, probe, foreign_python):
    worker = await make_worker(probe("Preparing"), python=foreign_python, load=False, epoch=0)
    os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises((EngineLoadError, EngineCrashedError), match="SIGKILL"):
        await worker.prepare(CONTEXT)


@pytest.mark.scenario("native-code-blocks")
@pytest.mark.invariant("hangs-in-call")
async def test_engine_that_holds_the_interpreter_is_killed(make_worker, probe, foreign_python, request_of):
    """No thread of its process can answer, and no cancellation reaches it: the hub stops waiting."""
    worker = await make_worker(probe("Stuck"), python=foreign_python, heartbeat=2)

    with pytest.raises(EngineCrashedError, match="did not answer for 2 s"):
        async with asyncio.timeout(20):
            await worker.transcribe([request_of()])

    assert not (await worker.exited).requested


def test_read_ahead_takes_all_files(tmp_path):
    """Files of sub-folders and behind links, too; what cannot be read is no reason to fail."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.bin").write_bytes(b"a")
    (tmp_path / "b.bin").symlink_to(tmp_path / "deep" / "a.bin")
    (tmp_path / "c.bin").symlink_to(tmp_path / "nowhere")

    assert read_ahead(tmp_path) == 2
    assert read_ahead(tmp_path / "nowhere") == 0
