"""What workers do: real processes, both event loops."""

import asyncio
import json
import os
import socket
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

import speechhub
import speechhub_echo
from speechhub.engine import Audio, LoadContext, SynthesizeRequest, Transcript
from speechhub.errors import (
    ConfigurationError,
    EngineError,
    EngineLoadError,
    EngineOutOfMemoryError,
    EngineProtocolError,
    InvalidValueError,
)
from speechhub.worker.conversation import WAITING_BYTES

DEADLINE_S = 20
HUB = Path(speechhub.__file__)


both_loops = pytest.mark.parametrize("anyio_backend", ["asyncio", "uvloop"], indirect=True)


@both_loops
async def test_recordings_become_transcripts_in_order(make_worker, request_of):
    """A batch goes over, with all options; one transcript for each comes back, with words and times."""
    worker = await make_worker()
    batch = [request_of(3.2, word_timestamps=True), request_of(1.0, language="de", hotwords=("Xanten",))]

    long, short = await worker.transcribe(batch)

    assert long.duration_s == pytest.approx(3.2)
    assert len(long.words) == 7
    assert long.words[-1].end_s == pytest.approx(3.2)
    assert long.language == "en"
    assert (short.text, short.language, short.words) == ("Xanten Xanten", "de", ())


async def test_same_audio_same_words(make_worker, request_of):
    """The echo engine is deterministic, and nothing of one call is left in the next."""
    worker = await make_worker()

    first, second, other = [(await worker.transcribe([request_of(s)]))[0].text for s in (3, 3, 4)]

    assert first == second
    assert other.startswith(first)


@both_loops
async def test_pieces_of_text_join_to_the_transcript(make_worker, request_of):
    worker = await make_worker()

    *pieces, transcript = [item async for item in worker.stream(request_of(12.0))]

    assert isinstance(transcript, Transcript)
    assert len(pieces) == 3
    assert "".join(pieces) == transcript.text


async def test_text_becomes_speech_piece_by_piece(make_worker):
    worker = await make_worker(speechhub_echo.TTS, sample_rate="16000")

    pieces = [p async for p in worker.synthesize(SynthesizeRequest(text="One two. Three! Four", voice="low"))]

    assert [voice.id for voice in worker.voices] == ["low", "high"]
    assert [piece.duration_s for piece in pieces] == [0.5, 0.25, 0.25]
    assert {piece.sample_rate for piece in pieces} == {16_000}
    assert max(np.abs(piece.samples).max() for piece in pieces) <= 0.3


async def test_speech_without_a_sample_rate_is_an_error(make_worker):
    """Nothing can be computed from it, not even how long it lasts."""
    worker = await make_worker(speechhub_echo.TTS, sample_rate=0)

    with pytest.raises(EngineError, match="sample rate of 0 Hz"):
        [piece async for piece in worker.synthesize(SynthesizeRequest(text="One.", voice="low"))]


@both_loops
async def test_speech_longer_than_a_frame_crosses_in_several(make_worker):
    """An engine that does not stream yields all at once: the limit of a frame is not its business."""
    worker = await make_worker(speechhub_echo.TTS, sample_rate=400_000)
    text = "word " * 100  # 25 s at 400 kHz: 40 MB

    pieces = [p async for p in worker.synthesize(SynthesizeRequest(text=text, voice="low"))]

    assert len(pieces) == 3
    assert sum(piece.duration_s for piece in pieces) == pytest.approx(25.0)


@both_loops
@pytest.mark.parametrize("leaves", [False, True])
async def test_speech_that_is_not_encoded_yet_waits_in_the_worker(make_worker, leaves):
    """An engine that is far ahead of the hub's threads fills no memory; all of it comes, or is dropped."""
    worker = await make_worker(speechhub_echo.TTS, sample_rate=400_000)
    speech = worker.synthesize(SynthesizeRequest(text="word " * 400, voice="low"))  # 160 MB
    heard_s = (await anext(speech)).duration_s
    conversation = worker._conversation
    call = conversation.current

    async with asyncio.timeout(DEADLINE_S):
        while not conversation.paused:  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0)

    assert call._waiting_bytes < 3 * WAITING_BYTES
    if leaves:
        await speech.aclose()
        assert await worker.settle(DEADLINE_S)
        assert await worker.ping(DEADLINE_S) > 0
        return
    async for piece in speech:
        heard_s += piece.duration_s
        assert call._waiting_bytes < 3 * WAITING_BYTES
    assert heard_s == pytest.approx(100.0)
    assert call._waiting_bytes == 0


@both_loops
async def test_ping_is_answered_while_the_engine_works(make_worker, running_call):
    worker = await make_worker(work_s=3600)
    call = await running_call(worker)

    assert 0 < await worker.ping(DEADLINE_S) < DEADLINE_S

    call.cancel()
    assert await worker.settle(DEADLINE_S)


@both_loops
async def test_cancelled_call_ends_and_the_worker_goes_on(make_worker, running_call):
    """The engine is told, answers within a second, and does the next call."""
    worker = await make_worker(speechhub_echo.STT, work_s=3600)
    call = await running_call(worker)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await worker.settle(1.0)
    follower = await running_call(worker)
    assert not follower.done()
    follower.cancel()
    assert await worker.settle(1.0)


async def test_call_cancelled_before_it_was_sent_is_settled_too(make_worker, request_of):
    worker = await make_worker(work_s=3600)
    call = asyncio.create_task(worker.transcribe([request_of(60)]))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert await worker.settle(DEADLINE_S)


@both_loops
async def test_closing_a_stream_cancels_its_call(make_worker, request_of):
    """A listener who leaves in the middle frees the engine; pieces that still come are dropped."""
    worker = await make_worker(speechhub_echo.TTS)
    request = SynthesizeRequest(text="A word. " * 2000, voice="low")
    async with aclosing(worker.synthesize(request)) as pieces:
        assert isinstance(await anext(pieces), Audio)

    assert await worker.settle(DEADLINE_S)
    [piece] = [p async for p in worker.synthesize(SynthesizeRequest(text="Again.", voice="high"))]
    assert piece.duration_s == 0.25


async def test_only_one_call_at_a_time(make_worker, request_of):
    """The lifecycle sees to that; here it is a mistake, and the running call is none the worse for it."""
    worker = await make_worker()
    first = asyncio.create_task(worker.transcribe([request_of()]))
    await asyncio.sleep(0)

    with pytest.raises(EngineProtocolError, match="busy"):
        await worker.transcribe([request_of()])

    assert len(await first) == 1


async def test_progress_arrives_but_not_too_often(make_worker, request_of, probe, foreign_python):
    worker = await make_worker(probe("Reporting"), python=foreign_python)
    seen = []

    [transcript] = await worker.transcribe([request_of()], on_progress=seen.append)

    assert transcript.text == "done"
    assert 1 <= len(seen) < 100
    assert all(0 <= fraction <= 1 for fraction in seen)


@both_loops
async def test_prints_become_log_lines(make_worker, request_of):
    """From Python and from native code, and they never get into the channel."""
    with capture_logs() as logs:
        worker = await make_worker(prints=True)
        [transcript] = await worker.transcribe([request_of()])
        await worker.stop(grace_s=DEADLINE_S)

    lines = {(entry["stream"], entry["line"]) for entry in logs if entry["event"] == "worker output"}
    assert transcript.text
    assert lines == {
        ("stdout", "echo prints"),
        ("stdout", "echo writes past Python"),
        ("stderr", "echo complains past Python"),
    }
    assert {entry["engine"] for entry in logs} == {"echo-stt"}
    # Once it works, what it prints may be what it heard.
    assert {entry["log_level"] for entry in logs if entry["event"] == "worker output"} == {"debug"}


@pytest.mark.invariant("flood")
@both_loops
async def test_flood_of_prints_is_cut(make_worker, request_of):
    """The hub neither stops to listen nor writes it all down."""
    with capture_logs() as logs:
        worker = await make_worker(flood_lines=50_000)
        [transcript] = await worker.transcribe([request_of()])
        await worker.stop(grace_s=DEADLINE_S)

    assert transcript.text
    kept = sum(entry["event"] == "worker output" for entry in logs)
    dropped = sum(entry["lines"] for entry in logs if entry["event"] == "worker output dropped")
    assert kept < 5000
    assert kept + dropped == 50_000


async def test_engine_error_does_not_quote_the_request(make_worker, request_of):
    """What the engine says about its input stays in the worker."""
    with capture_logs() as logs:
        worker = await make_worker(fail=True)
        with pytest.raises(EngineError) as caught:
            await worker.transcribe([request_of(prompt="secret")])
        await worker.stop(grace_s=DEADLINE_S)

    assert "RuntimeError" in caught.value.message
    assert "faults.py" in caught.value.message
    assert "secret" not in caught.value.message
    assert "secret" not in str(logs)


@pytest.mark.mission("17.14")
@pytest.mark.scenario("engine-out-of-memory")
async def test_out_of_memory_is_told_and_survived(make_worker, request_of):
    worker = await make_worker(out_of_memory_from=2)

    with pytest.raises(EngineOutOfMemoryError):
        await worker.transcribe([request_of(), request_of()])
    assert len(await worker.transcribe([request_of()])) == 1


async def test_refusal_crosses_with_its_param(make_worker):
    worker = await make_worker(speechhub_echo.TTS)

    with pytest.raises(InvalidValueError) as caught:
        [p async for p in worker.synthesize(SynthesizeRequest(text="Hello", voice="nobody"))]

    assert caught.value.param == "voice"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("none", "TypeError"),
        ("count", "0 answers for a batch of 1"),
        ("type", "wrong field"),
        ("SystemExit", "SystemExit"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
async def test_engine_that_breaks_its_contract_gets_an_answer(
    make_worker, request_of, probe, foreign_python, prompt, expected
):
    """Every call is answered, whatever the engine returns or raises, and the worker lives on."""
    worker = await make_worker(probe("Misbehaving"), python=foreign_python)

    with pytest.raises(EngineError, match=expected) as caught:
        await worker.transcribe([request_of(prompt=prompt)])

    assert "secret" not in caught.value.message
    with pytest.raises(EngineError, match="wrong field"):
        [item async for item in worker.stream(request_of())]
    assert (await worker.transcribe([request_of()]))[0].text == "fine"


async def test_engine_may_close_its_standard_output(make_worker, request_of, probe, foreign_python):
    worker = await make_worker(probe("Misbehaving"), python=foreign_python)

    assert (await worker.transcribe([request_of(prompt="stdout")]))[0].text == "fine"
    assert (await worker.transcribe([request_of()]))[0].text == "fine"


async def test_bad_option_is_the_operators_to_mend(make_worker):
    worker = await make_worker(load=False)

    with pytest.raises(ConfigurationError, match="work_seconds"):
        await worker.load(LoadContext(model="test", model_dir=None, options={"work_seconds": 1}))


async def test_engine_that_cannot_be_imported_says_why(make_worker, probe):
    """probes.py is in the other environment only."""
    worker = await make_worker(probe("Surroundings"), load=False)

    with pytest.raises(EngineLoadError, match="No module named 'probes'"):
        await worker.load(LoadContext(model="test", model_dir=None))


async def test_engine_runs_in_its_own_environment(
    make_worker, request_of, probe, foreign_python, monkeypatch
):
    """With the hub's copy of speechhub, and nothing else of the hub's: no package, no path, no key."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    monkeypatch.setenv("SPEECHHUB_API_KEYS", "key")
    monkeypatch.setenv("HF_HOME", "/models")
    worker = await make_worker(probe("Surroundings"), python=foreign_python)

    [transcript] = await worker.transcribe([request_of()])

    facts = json.loads(transcript.text)
    assert facts["hub_packages"] == []
    assert Path(facts["speechhub"]) == HUB
    assert facts["prefix"] == str(foreign_python.parent.parent)
    assert not {str(folder) for folder in HUB.parents} & set(facts["path"])
    assert facts["environment"]["HF_HOME"] == "/models"
    assert not {"PYTHONPATH", "SPEECHHUB_API_KEYS"} & facts["environment"].keys()
    assert facts["stdin"] == "/dev/null"
    assert facts["main_thread"]


@pytest.mark.mission("18.10")
async def test_a_worker_has_what_it_needs_and_no_more(
    make_worker, request_of, probe, foreign_python, monkeypatch
):
    """No open file of the hub's, no secret of its environment, no way to more rights, no trace on disk."""
    secrets = {
        "HF_TOKEN": "hush-1",
        "OPENAI_API_KEY": "hush-2",
        "AWS_SECRET_ACCESS_KEY": "hush-3",
        "PGPASSWORD": "hush-4",
        "SPEECHHUB_API_KEYS_FILE": "/hush-5",
        "HTTPS_PROXY": "http://user:hush-6@proxy.example:3128",
        "SSH_AUTH_SOCK": "/hush-7",
    }
    kept = {"TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": "0", "HTTP_PROXY": "http://proxy:3128"}
    for name, value in (secrets | kept).items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        os.set_inheritable(listening.fileno(), True)  # noqa: FBT003  # takes no keywords
        worker = await make_worker(probe("Surroundings"), python=foreign_python)
        [transcript] = await worker.transcribe([request_of()])

    facts = json.loads(transcript.text)
    assert "hush" not in json.dumps(facts["environment"])
    assert kept.items() <= facts["environment"].items()
    # Standard input, output and errors; the control socket, the lifeline, and the listing itself.
    assert len(facts["descriptors"]) == 6
    assert "\nNoNewPrivs:\t1\n" in facts["status"]
    assert "\nUmask:\t0077\n" in facts["status"]
    assert facts["core_bytes"] == [0, 0]


async def test_libraries_of_a_worker_are_told_to_report_nothing(
    make_worker, request_of, probe, foreign_python, monkeypatch
):
    """Telemetry is off before the engine's first import, unless the operator says otherwise."""
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    worker = await make_worker(probe("Surroundings"), python=foreign_python)
    [transcript] = await worker.transcribe([request_of()])

    environment = json.loads(transcript.text)["environment"]
    assert environment["ORT_DISABLE_TELEMETRY"] == "1"
    assert environment["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert environment["DO_NOT_TRACK"] == "0"


async def test_echo_needs_only_numpy_beside_the_hub(make_worker, foreign_python):
    worker = await make_worker(speechhub_echo.TTS, python=foreign_python)

    pieces = [p async for p in worker.synthesize(SynthesizeRequest(text="Hello", voice="low"))]

    assert len(pieces) == 1


async def test_call_of_the_wrong_kind_is_refused(make_worker):
    worker = await make_worker(speechhub_echo.STT)

    with pytest.raises(EngineProtocolError, match="synthesize"):
        [p async for p in worker.synthesize(SynthesizeRequest(text="Hello", voice="low"))]


@both_loops
async def test_each_answer_tells_what_the_way_took(make_worker, request_of):
    """The engine's own work is not in it; streams and speech tell it as well, and so does an error."""
    worker = await make_worker(work_s=0.2)
    assert worker.report is None
    loop = asyncio.get_running_loop()

    began = loop.time()
    await worker.transcribe([request_of()])
    assert 0 < worker.report.overhead_s <= loop.time() - began - 0.2
    assert worker.report.memory is None

    first = worker.report
    async with aclosing(worker.stream(request_of())) as pieces:
        async for _ in pieces:
            pass
    assert worker.report is not first

    failing = await make_worker(fail=True)
    with pytest.raises(EngineError):
        await failing.transcribe([request_of()])
    assert failing.report.overhead_s >= 0


@pytest.mark.parametrize("engine", [speechhub_echo.STT, speechhub_echo.TTS], ids=["stt", "tts"])
async def test_each_answer_tells_what_the_engine_holds(make_worker, request_of, engine):
    """As the engine says itself after the call; the next answer has the next figure."""
    worker = await make_worker(engine, leak_bytes=1000)

    async def call():
        if engine is speechhub_echo.STT:
            await worker.transcribe([request_of()])
        else:
            async with aclosing(worker.synthesize(SynthesizeRequest(text="One.", voice="low"))) as pieces:
                async for _ in pieces:
                    pass
        return worker.report.memory.allocated_bytes

    assert [await call(), await call()] == [1000, 2000]


async def test_an_engine_that_cannot_tell_its_memory_still_answers(
    make_worker, foreign_python, probe, request_of
):
    """Its transcript is worth more than its books."""
    worker = await make_worker(probe("Forgetful"), python=foreign_python)

    [transcript] = await worker.transcribe([request_of()])

    assert transcript.text == "fine"
    assert worker.report.memory is None


async def test_what_an_engine_says_of_its_load_comes_to_the_hub(make_worker, probe, foreign_python):
    """Within limits, and nothing by default."""
    silent = await make_worker()
    modest = await make_worker(probe("Modest"), python=foreign_python)

    assert silent.remarks == ()
    assert modest.remarks == ("For lack of memory: one beam.", "x" * 300)
