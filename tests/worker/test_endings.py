"""How workers end: asked, killed, crashed, orphaned, or for breaking the protocol."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

import speechhub_echo
from speechhub.engine import LoadContext, SynthesizeRequest
from speechhub.errors import EngineCrashedError, EngineLoadError, EngineProtocolError, RequestCancelledError
from speechhub.worker.host import Worker

DEADLINE_S = 20
GARBAGE = "sock.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n' * 9); time.sleep(3600)"
TAKE_RUN = "sock.recv(1)"


both_loops = pytest.mark.parametrize("anyio_backend", ["asyncio", "uvloop"], indirect=True)


@both_loops
async def test_stop_is_a_clean_end(make_worker):
    worker = await make_worker()

    end = await worker.stop(grace_s=DEADLINE_S)

    assert (end.returncode, end.signal, end.requested) == (0, None, True)
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)
    assert worker.exited.result() == end


@both_loops
async def test_stop_may_be_called_again_and_at_once(make_worker):
    """Two callers, one of them cancelled, a kill in between: one end."""
    worker = await make_worker(ignore_stop=True)
    first, second = (asyncio.create_task(worker.stop(grace_s=DEADLINE_S)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    worker.kill()

    end = await second
    assert end == await worker.stop(grace_s=DEADLINE_S)
    assert (end.signal, end.requested) == ("SIGKILL", True)
    worker.kill()


async def test_stop_ends_a_running_call(make_worker, running_call):
    """The engine gives up its work and closes: no force is needed, and the call is answered."""
    worker = await make_worker(work_s=3600)
    call = await running_call(worker)

    end = await worker.stop(grace_s=DEADLINE_S)

    assert end.returncode == 0
    with pytest.raises(RequestCancelledError):
        await call


async def test_worker_that_ignores_being_asked_is_terminated(make_worker, running_call):
    worker = await make_worker(hang=True)
    call = await running_call(worker)

    end = await worker.stop(grace_s=0.1)

    assert end.signal == "SIGTERM"
    with pytest.raises(EngineCrashedError, match="SIGTERM"):
        await call


@both_loops
async def test_worker_that_ignores_sigterm_is_killed(make_worker):
    worker = await make_worker(ignore_stop=True)

    end = await worker.stop(grace_s=0.1)

    assert (end.returncode, end.signal, end.requested) == (-9, "SIGKILL", True)


async def test_cancelled_waiter_does_not_cancel_the_end(make_worker):
    """`exited` can be awaited by anybody, and be given up by anybody."""
    worker = await make_worker()
    waiter = asyncio.ensure_future(worker.exited)
    waiter.cancel()
    await asyncio.wait([waiter])

    assert not worker.exited.done()
    assert (await worker.stop(grace_s=DEADLINE_S)).returncode == 0


@both_loops
async def test_hanging_engine_does_not_settle(make_worker, request_of, running_call):
    """The caller learns that it has to kill."""
    worker = await make_worker(hang=True)
    call = await running_call(worker)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert not await worker.settle(0.1)
    with pytest.raises(EngineProtocolError, match="busy"):
        await worker.transcribe([request_of()])

    worker.kill()
    assert (await worker.exited).signal == "SIGKILL"
    assert not await worker.settle(0.1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, "ended with exit code 3"), ({"crash_signal": int(signal.SIGSEGV)}, "was killed by SIGSEGV")],
)
async def test_crash_in_a_call_is_told_with_its_cause(make_worker, request_of, options, expected):
    """Only that call is lost; the one before was served, the one after is refused."""
    worker = await make_worker(crash_after=2, **options)
    await worker.transcribe([request_of()])

    with pytest.raises(EngineCrashedError, match=expected):
        await worker.transcribe([request_of()])

    assert not (await worker.exited).requested
    with pytest.raises(EngineCrashedError, match=expected):
        await worker.transcribe([request_of()])
    with pytest.raises(EngineCrashedError, match=expected):
        await worker.ping(DEADLINE_S)


async def test_crash_in_mid_stream_comes_after_what_was_sent(make_worker):
    worker = await make_worker(speechhub_echo.TTS, crash_after=3)
    pieces = worker.synthesize(SynthesizeRequest(text="One. Two. Three. Four.", voice="low"))

    assert (await anext(pieces)).duration_s == 0.25
    assert (await anext(pieces)).duration_s == 0.25
    with pytest.raises(EngineCrashedError):
        await anext(pieces)


@both_loops
async def test_kill_from_outside_is_a_crash(make_worker, running_call):
    worker = await make_worker(work_s=3600)
    call = await running_call(worker)

    os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(EngineCrashedError, match="was killed by SIGKILL"):
        await call
    assert not (await worker.exited).requested


async def test_crash_while_loading_is_a_load_error(make_worker):
    worker = await make_worker(load=False)

    with pytest.raises(EngineLoadError, match="exit code 3"):
        await worker.load(LoadContext(model="m", model_dir=None, options={"crash_on_load": True}))


async def test_load_can_be_given_up_by_stopping(make_worker):
    """Loading cannot be interrupted, so the time-out of its caller ends the process."""
    worker = await make_worker(load=False)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await worker.load(LoadContext(model="m", model_dir=None, options={"load_s": 3600}))

    assert (await worker.stop(grace_s=0.1)).signal == "SIGTERM"


@pytest.mark.invariant("grandchildren")
@pytest.mark.parametrize("how", ["stop", "crash"])
async def test_grandchildren_end_with_the_worker(make_worker, children_of, pidfd_of, has_ended, how):
    """Processes that the engine started hold memory, too."""
    worker = await make_worker(grandchild=True)
    [grandchild] = children_of(worker.pid)
    grandchild = pidfd_of(grandchild)

    if how == "stop":
        await worker.stop(grace_s=DEADLINE_S)
    else:
        os.kill(worker.pid, signal.SIGKILL)
        await worker.exited

    assert has_ended(grandchild)


HUB = """
import asyncio, sys
from pathlib import Path
from speechhub.engine import Audio, EngineSpec, LoadContext, Slot, SttCapabilities, TranscribeRequest
from speechhub.worker.host import Worker
import numpy as np

async def main():
    spec = EngineSpec(name="x", slot=Slot.STT, factory=sys.argv[2], capabilities=SttCapabilities())
    worker = await Worker.start(spec, epoch=1, python=Path(sys.argv[1]), handshake_timeout_s=20)
    await worker.load(LoadContext(model="x", model_dir=None))
    print("pid", worker.pid, flush=True)
    audio = Audio(samples=np.zeros(16000, dtype=np.float32), sample_rate=16000)
    await worker.transcribe([TranscribeRequest(audio=audio)])

asyncio.run(main())
"""


@pytest.mark.invariant("no-orphans")
def test_worker_and_grandchild_end_with_a_killed_hub(foreign_python, children_of, pidfd_of, has_ended):
    """Even while native code holds the interpreter, so that no Python of ours could run."""
    hub = subprocess.Popen(
        [sys.executable, "-c", HUB, foreign_python, "probes:Stuck"], stdout=subprocess.PIPE, text=True
    )
    with hub:
        lines = iter(hub.stdout.readline, "")
        worker = next(int(line.split()[1]) for line in lines if line.startswith("pid "))
        assert any("stuck" in line for line in lines)  # its log tells that the engine is at it
        pidfds = [pidfd_of(pid) for pid in (worker, *children_of(worker))]
        assert len(pidfds) == 2

        hub.kill()

        assert all(has_ended(pidfd) for pidfd in pidfds)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("sys.exit('no numpy here')", "no numpy here"),
        ("time.sleep(3600)", "did not start within"),
        (GARBAGE, "did not start"),
        ("hello(api_version=99); time.sleep(3600)", "version 99"),
        ("send('result', 1, epoch, {}); time.sleep(3600)", "did not start"),
        ("send('hello', 0, epoch + 1, {}); time.sleep(3600)", "did not start"),
        ("sock.sendall(b'\\x20'); os._exit(0)", "did not start"),
    ],
)
async def test_bad_handshake_is_a_load_error(rogue_python, children_of, body, expected):
    """And the process is gone before the error is there."""
    before = children_of(os.getpid())  # servers that other tests share
    with pytest.raises(EngineLoadError, match=expected):
        await Worker.start(speechhub_echo.STT, epoch=1, python=rogue_python(body), handshake_timeout_s=1.5)

    assert children_of(os.getpid()) == before


async def test_missing_interpreter_is_a_load_error(tmp_path):
    with pytest.raises(EngineLoadError, match="Cannot start a worker"):
        await Worker.start(speechhub_echo.STT, epoch=1, python=tmp_path / "python")


@pytest.mark.scenario("protocol-broken")
@pytest.mark.invariant("bad-frames")
@pytest.mark.parametrize(
    "body",
    [
        f"hello(); {TAKE_RUN}; {GARBAGE}",
        f"hello(); {TAKE_RUN}; hello(); time.sleep(3600)",
        f"hello(); {TAKE_RUN}; send('run', 1, epoch, {{}}); time.sleep(3600)",
        f"hello(); {TAKE_RUN}; send('result', 2, epoch, {{}}); time.sleep(3600)",
        f"hello(); {TAKE_RUN}; send('result', 1, epoch + 1, {{}}); time.sleep(3600)",
        f"hello(); {TAKE_RUN}; send('result', 1, epoch, {{}}); time.sleep(3600)",
        f"hello(); {TAKE_RUN}; send('result', 1, epoch, {{}}, parts=[b'nonsense']); time.sleep(3600)",
        f"hello(); {TAKE_RUN}; sock.sendall(struct.pack('<II', 10, 2**31)); time.sleep(3600)",
    ],
)
async def test_worker_that_breaks_the_protocol_is_killed(make_worker, rogue_python, request_of, body):
    """Its call gets the reason; the process is not trusted any further."""
    worker = await make_worker(python=rogue_python(body), load=False)

    with pytest.raises(EngineProtocolError):
        async with asyncio.timeout(DEADLINE_S):
            await worker.transcribe([request_of()])

    async with asyncio.timeout(DEADLINE_S):
        end = await worker.exited
    assert (end.signal, end.requested) == ("SIGKILL", False)


@pytest.mark.scenario("native-code-blocks")
@pytest.mark.invariant("bad-frames")
@both_loops
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            f"hello(); {TAKE_RUN}; sock.sendall(struct.pack('<II', 99, 0) + b'[1,'); os._exit(5)",
            "exit code 5",
        ),
        (f"hello(); {TAKE_RUN}; sock.close(); time.sleep(3600)", "SIGKILL"),
    ],
)
async def test_worker_that_goes_silent_is_a_crash(make_worker, rogue_python, request_of, body, expected):
    """Half a frame and an end, or a closed channel and no end: there will be no answer."""
    worker = await make_worker(python=rogue_python(body), load=False)

    with pytest.raises(EngineCrashedError, match=expected):
        async with asyncio.timeout(DEADLINE_S):
            await worker.transcribe([request_of()])


@pytest.mark.invariant("never-reads")
@both_loops
async def test_worker_that_never_reads_can_be_stopped(make_worker, rogue_python, request_of):
    """A frame that does not fit into the socket's buffer blocks neither its caller's end nor the worker's."""
    worker = await make_worker(python=rogue_python("hello(); time.sleep(3600)"), load=False)
    call = asyncio.create_task(worker.transcribe([request_of(60)]))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert not await worker.settle(0.1)
    assert (await worker.stop(grace_s=0.1)).signal == "SIGTERM"


@pytest.mark.mission("5.5", "6.4")
@pytest.mark.invariant("nothing-left")
@both_loops
async def test_nothing_is_left_of_twenty_workers(make_worker, request_of, children_of, open_files):
    """Descriptors, threads, tasks and processes are as before, whatever way the workers ended."""

    async def belongings():
        async with asyncio.timeout(DEADLINE_S):
            # Before 3.12 asyncio waits for a child in a thread, and no event tells when that has ended.
            while any("waitpid" in thread.name for thread in threading.enumerate()):  # noqa: ASYNC110
                await asyncio.sleep(0)
        return open_files(), threading.active_count(), len(asyncio.all_tasks()), children_of(os.getpid())

    async def cycle(number):
        worker = await make_worker()
        call = asyncio.create_task(worker.transcribe([request_of()]))
        await asyncio.sleep(0)
        match number % 4:
            case 0:
                await call
                await worker.stop(grace_s=DEADLINE_S)
            case 1:
                call.cancel()
                await worker.stop(grace_s=DEADLINE_S)
            case 2:
                worker.kill()
            case 3:
                os.kill(worker.pid, signal.SIGKILL)
        await asyncio.gather(call, return_exceptions=True)
        await worker.exited

    await cycle(0)  # the loop keeps what it makes for its first child
    before = await belongings()

    for number in range(20):
        await cycle(number)

    assert await belongings() == before
