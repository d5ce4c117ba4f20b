"""Transcription, whole and in pieces: what engines are asked, and what comes of their answers."""

import asyncio
import io
import threading
from contextlib import aclosing

import numpy as np
import pytest

from speechhub.codecs import passages
from speechhub.codecs.plain import READ_BYTES
from speechhub.domain.audio import Pcm16Audio
from speechhub.engine import Segment, Transcript
from speechhub.errors import (
    AudioTooLongError,
    AudioTooShortError,
    EngineCrashedError,
    EngineOutOfMemoryError,
    InvalidValueError,
    QueueFullError,
    RequestTimeoutError,
    UnsupportedAudioError,
    UnsupportedValueError,
)
from speechhub.pools import Pool, Pools
from speechhub.services import passages as reading
from speechhub.services.transcription import TranscriptionJob
from tests.fakes.babble import babble, talk

JOB = TranscriptionJob(model="ears")
LIVE = TranscriptionJob(model="live-ears")
LONG = talk(3, 1, 4, 1, 2, 6, 3, 1, 4, 1)
"""Five utterances: at 0, 4, 9, 17 and 21 s; none fits into 5 s together with another."""


async def collect(stream):
    events = [event async for event in stream]
    return events[:-1], events[-1]


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # threads set no events of this loop
            await asyncio.sleep(0.005)


def asked(runner):
    return [request for _, request in runner.requests]


# ── Short recordings ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(("plain", "threads"), [(True, 0), (False, 1)])
async def test_a_short_recording_goes_to_the_engine_whole(
    monkeypatch, service, runner, file_of, plain, threads
):
    """No voice detector is asked, and a thread only if there is something to decode."""
    monkeypatch.setattr(passages, "VoiceDetector", None)
    if not plain:
        monkeypatch.setattr(reading, "quick_wav", lambda *args: None)
    run, calls = Pool.run, []
    monkeypatch.setattr(Pool, "run", lambda *args: calls.append(args) or run(*args))

    transcript = await service.transcribe(file_of(talk(0, 5)), JOB)

    [request] = asked(runner)
    assert request.audio.duration_s == 5
    assert transcript.text == "5.00 seconds."
    assert transcript.duration_s == 5
    assert len(calls) == threads
    assert isinstance(request.audio, Pcm16Audio) is plain


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("streamed", [False, True])
async def test_noise_is_kept_from_engines_that_invent_words(
    monkeypatch, service, runner, file_of, plain, streamed
):
    """It has no text, and the engine is not asked; a word of 0.3 s is heard."""
    if not plain:
        monkeypatch.setattr(reading, "quick_wav", lambda *args: None)
    noise = np.random.default_rng(1).normal(0, 0.1, 32_000).astype(np.float32)
    word = np.concatenate([noise[:8000] / 100, babble(0.3), noise[:8000] / 100])
    job, heard = TranscriptionJob(model="inventive-ears"), []

    for samples in (noise, word):
        if streamed:
            stream = await service.stream(file_of(samples), job)
            *_, transcript = [event async for event in stream]
            await stream.aclose()
        else:
            transcript = await service.transcribe(file_of(samples), job)
        heard.append((transcript.text, transcript.duration_s))

    assert heard == [("", 2.0), ("1.30 seconds.", 1.3)]
    assert len(runner.requests) == 1
    await service.transcribe(file_of(noise), JOB)
    assert len(runner.requests) == 2, "other engines are asked"


async def test_engines_without_a_limit_get_five_minutes_whole(service, runner, file_of):
    """Beyond that, recordings are cut for the sake of other requests, and of memory."""
    job = TranscriptionJob(model="any-ears")

    await service.transcribe(file_of(np.zeros(300 * 16_000)), job)
    await service.transcribe(file_of(np.concatenate([np.zeros(300 * 16_000), babble(3)])), job)

    whole, cut = asked(runner)
    assert whole.audio.duration_s == 300
    assert cut.audio.duration_s < 4


@pytest.mark.parametrize(
    ("contents", "error"),
    [(b"", UnsupportedAudioError), (b"text" * 99, UnsupportedAudioError), (None, AudioTooShortError)],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_bad_recordings_are_refused(service, runner, file_of, contents, error, streamed):
    """What is wrong with a file is raised before any engine is asked, and before a stream begins."""
    file = file_of(np.zeros(100)) if contents is None else io.BytesIO(contents)

    with pytest.raises(error):
        await (service.stream if streamed else service.transcribe)(file, JOB)
    assert not runner.requests


# ── Long recordings ──────────────────────────────────────────────────────────


async def test_a_long_recording_is_transcribed_in_passages(service, runner, file_of):
    """Texts join, times are the recording's, and so is the duration."""
    transcript = await service.transcribe(file_of(LONG), JOB)

    assert all(request.audio.duration_s <= 5 for request in asked(runner))
    assert transcript.duration_s == 26
    assert len(transcript.segments) == 5
    spoken = [(0, 3), (4, 8), (9, 11), (17, 20), (21, 25)]
    for segment, (start_s, end_s) in zip(transcript.segments, spoken, strict=True):
        assert start_s - 0.6 <= segment.start_s <= start_s + 0.1
        assert end_s - 0.1 <= segment.end_s <= end_s + 0.6
    said = [f"{s.end_s - s.start_s:.2f} seconds." for s in transcript.segments]
    assert transcript.text == " ".join(said)
    assert runner.begun[0] is False
    assert len(runner.begun) > 1
    assert all(runner.begun[1:]), "what came in between must not push the rest out"


async def test_passages_go_in_batches(service, runner, file_of):
    """As many as the engine takes, and no more, share a call."""
    await service.transcribe(
        file_of(np.concatenate([LONG, LONG])), TranscriptionJob(model="ears", language="en")
    )

    assert max(runner.batches) == 3
    assert sum(runner.batches) == 10
    assert len(runner.batches) <= 5


async def test_the_language_of_the_first_certain_passage_holds(service, runner, file_of):
    """What is detected once is not detected again: passages of one recording agree."""
    languages = iter(["de", "fr", "en", "es", "it"])
    runner.hear = lambda request: Transcript(
        text="x", language=request.language or next(languages), duration_s=request.audio.duration_s
    )

    # Two seconds are not certain, so the second passage is asked, too.
    transcript = await service.transcribe(file_of(talk(2, 6, 4.5, 6, 3, 6, 3, 6)), JOB)

    assert [request.language for request in asked(runner)] == [None, None, "fr", "fr"]
    assert transcript.language == "fr"


async def test_a_language_that_the_model_does_not_know_does_not_hold(service, runner, file_of):
    """A passage without text, or without a language that a request could name, decides nothing."""
    answers = iter([("", "de"), ("x", None), ("x", "xx"), ("x", "en"), ("x", "fr")])

    def hear(request):
        text, language = next(answers)
        return Transcript(text=text, language=language, duration_s=request.audio.duration_s)

    runner.hear = hear

    transcript = await service.transcribe(file_of(talk(3, 6, 3, 6, 3, 6, 3, 6, 3, 6)), JOB)

    assert [request.language for request in asked(runner)] == [None, None, None, None, "en"]
    assert transcript.language == "en"


async def test_options_go_with_every_passage(service, runner, file_of):
    """An engine knows nothing of the passages before; prompt and vocabulary hold for all."""
    job = TranscriptionJob(model="ears", prompt="Ljubljana", hotwords=("a", "b"), words=True, language="de")

    await service.transcribe(file_of(LONG), job)

    for request in asked(runner):
        assert (request.prompt, request.hotwords, request.language) == ("Ljubljana", ("a", "b"), "de")
        assert request.word_timestamps


@pytest.mark.parametrize("streamed", [False, True])
async def test_silence_is_an_empty_transcript(service, runner, file_of, streamed):
    """No engine is asked about a long recording in which nobody speaks."""
    file = file_of(np.zeros(20 * 16_000))

    if streamed:
        async with aclosing(await service.stream(file, JOB)) as stream:
            deltas, transcript = await collect(stream)
        assert deltas == []
    else:
        transcript = await service.transcribe(file, JOB)

    assert (transcript.text, transcript.segments, transcript.duration_s) == ("", (), 20)
    assert not runner.requests


@pytest.mark.scenario("batch-too-large")
async def test_a_batch_that_does_not_fit_is_halved(service, runner, file_of):
    """Memory for two passages is enough for the rest of the recording, too."""
    run, sizes = runner.transcribe, []

    async def transcribe(model, batch, **more):
        sizes.append(len(batch))
        if len(batch) > 1:
            raise EngineOutOfMemoryError("too many")
        return await run(model, batch, **more)

    runner.transcribe = transcribe

    transcript = await service.transcribe(
        file_of(np.concatenate([LONG, LONG])), TranscriptionJob(model="deaf-ears")
    )

    assert len(transcript.text.split()) == 20
    assert sizes.count(1) == 10
    assert len([size for size in sizes if size > 1]) <= 2


@pytest.mark.mission("17.14")
async def test_a_passage_that_does_not_fit_is_an_error(service, runner, file_of):
    runner.error = EngineOutOfMemoryError("too much")

    with pytest.raises(EngineOutOfMemoryError):
        await service.transcribe(file_of(LONG), JOB)


@pytest.mark.scenario("long-recording")
async def test_a_recording_that_is_too_long_is_found_out(make_service, runner, file_of):
    """The limit is met on the way, and the request fails."""
    with pytest.raises(AudioTooLongError):
        await make_service(max_audio_s=20).transcribe(file_of(LONG), JOB)


# ── Streams ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", ["live-ears", "ears", "deaf-ears"])
@pytest.mark.parametrize("samples", [talk(3), LONG], ids=["short", "long"])
async def test_deltas_join_to_the_transcript(service, runner, file_of, model, samples):
    """Whether the engine streams or not, the pieces are the whole text, and the transcript comes last."""
    async with aclosing(await service.stream(file_of(samples), TranscriptionJob(model=model))) as stream:
        deltas, transcript = await collect(stream)

    assert isinstance(transcript, Transcript)
    assert "".join(deltas) == transcript.text
    assert len(deltas) == transcript.text.count("seconds.") * (2 if model == "live-ears" else 1)
    assert all(deltas)
    assert transcript == await service.transcribe(file_of(samples), TranscriptionJob(model=model))
    assert stream.done_s == transcript.duration_s


async def test_unspaced_scripts_stream_without_spaces(service, runner, file_of):
    def hear(request):
        segment = Segment(text="你好。", start_s=0.0, end_s=1.0)
        return Transcript(
            text="你好。", language="zh", duration_s=request.audio.duration_s, segments=(segment,)
        )

    runner.hear = hear
    runner.pieces_of = lambda transcript: list(transcript.text)

    async with aclosing(await service.stream(file_of(LONG), LIVE)) as stream:
        deltas, transcript = await collect(stream)

    assert transcript.text == "你好。" * 5 == "".join(deltas)


async def test_text_flows_before_the_recording_ends(service, runner, file_of):
    """The first passage's text is out while the second waits for the engine."""
    async with aclosing(await service.stream(file_of(LONG), LIVE)) as stream:
        runner.gate.clear()
        events = aiter(stream)

        assert "".join([await anext(events), await anext(events)]).endswith(" seconds.")

        await until(lambda: len(runner.requests) == 2)
        assert 3 <= stream.done_s < 5
        runner.gate.set()
        await events.aclose()


@pytest.mark.scenario("model-lacks-feature")
async def test_what_the_model_cannot_do_is_refused_at_once(service, runner, file_of):
    with pytest.raises(UnsupportedValueError):
        await service.stream(file_of(LONG), TranscriptionJob(model="deaf-ears", segments=True))


async def test_an_engine_that_fails_at_first_is_an_error_and_no_stream(service, runner, file_of):
    """Nothing was sent, so that a client can be told with a status."""
    runner.error = EngineCrashedError("crash")

    with pytest.raises(EngineCrashedError):
        await service.stream(file_of(LONG), LIVE)


async def test_a_failure_on_the_way_breaks_the_stream(service, runner, file_of):
    """The listener gets what there is, and the error after it."""
    runner.error_after_first = EngineCrashedError("crash")
    deltas = []

    async def listen(stream):
        async for event in stream:
            deltas.append(event)  # noqa: PERF401  # what came before the error counts

    async with aclosing(await service.stream(file_of(talk(3)), LIVE)) as stream:
        with pytest.raises(EngineCrashedError):
            await listen(stream)

    assert deltas == ["3.00"]


# ── Leaving ──────────────────────────────────────────────────────────────────


class Gate(io.BytesIO):
    """A file that lets its reader wait, and knows whether it is being read."""

    def __init__(self, data, after_bytes):
        super().__init__(data)
        self.left = after_bytes
        self.waiting = threading.Event()
        self.open = threading.Event()
        self.reads_after_close = 0

    def read(self, size=-1):
        if self.closed:
            self.reads_after_close += 1
        data = super().read(size)
        self.left -= len(data)
        if self.left < 0:
            self.waiting.set()
            self.open.wait(10)
        return data


@pytest.fixture
def gated(file_of):
    def make(samples, after_s):
        return Gate(file_of(samples).getvalue(), after_s * 32_000)

    return make


@pytest.mark.parametrize("after_s", [1, 12])
@pytest.mark.parametrize("streamed", [False, True])
async def test_leaving_ends_decoding(service, runner, gated, streamed, after_s):
    """Whoever leaves gets control back when no thread reads the recording any more."""
    file = gated(LONG, after_s)
    runner.gate.clear()
    work = asyncio.create_task((service.stream if streamed else service.transcribe)(file, LIVE))
    await until(file.waiting.is_set)
    place = file.tell()

    work.cancel()
    asyncio.get_running_loop().call_later(0.05, file.open.set)
    with pytest.raises(asyncio.CancelledError):
        await work
    read = file.tell() - place
    file.close()

    assert file.open.is_set(), "the thread was waited for"
    assert read <= READ_BYTES, "it read no further"
    assert runner.running == 0
    assert file.reads_after_close == 0


@pytest.mark.parametrize("model", ["ears", "live-ears"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_leaving_ends_the_engines_call(service, runner, file_of, model, streamed):
    """The call is cancelled, which gives the engine back."""
    runner.gate.clear()
    job = TranscriptionJob(model=model)
    work = asyncio.create_task((service.stream if streamed else service.transcribe)(file_of(LONG), job))
    await until(lambda: runner.running)

    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work

    assert runner.cancelled.is_set()
    assert runner.running == 0


async def test_closing_a_stream_ends_the_work(service, runner, file_of):
    """A listener that leaves in the middle holds neither engine nor thread, and may close twice."""
    stream = await service.stream(file_of(LONG), LIVE)
    runner.gate.clear()
    await until(lambda: len(runner.requests) == 2)

    await stream.aclose()
    await stream.aclose()

    assert runner.running == 0
    assert len(runner.requests) == 2


@pytest.mark.mission("9.11")
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_request_has_its_time(make_service, runner, file_of, streamed):
    """A transcription that takes too long is given up, and so is a stream."""
    service = make_service(request_timeout_s=0.2)
    runner.gate.clear()

    with pytest.raises(RequestTimeoutError, match="not done"):
        await (service.stream if streamed else service.transcribe)(file_of(LONG), LIVE)
    assert runner.running == 0


async def test_a_slow_engine_is_not_run_away_from(service, runner, file_of):
    """While the engine is busy, one read goes ahead, and no more; no thread waits for it meanwhile."""
    file = file_of(np.concatenate([LONG] * 20))
    runner.gate.clear()
    work = asyncio.create_task(service.transcribe(file, LIVE))
    await until(lambda: runner.running)

    await until(lambda: "_read" not in {task.get_coro().__name__ for task in asyncio.all_tasks()})
    assert file.tell() < len(file.getvalue()) / 2

    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


# ── Languages ────────────────────────────────────────────────────────────────


def hearing(*languages):
    """Return an engine's ears that find these languages, one after the other."""
    heard = iter(languages)

    def hear(request):
        return Transcript(text="Hm.", language=next(heard), duration_s=request.audio.duration_s)

    return hear


async def test_a_language_is_detected_where_enough_is_said(service, runner, file_of):
    """A cough tells nothing; the first stretch of speech does, and the rest is not listened to."""
    runner.hear = hearing("fr", "de")

    code = await service.detect_language(file_of(talk(1, 6, 4, 6, 4)), JOB)

    assert code == "de"
    assert [request.language for request in asked(runner)] == [None, None]


async def test_a_cough_is_better_than_nothing(service, runner, file_of):
    """Where nothing is said for long enough, what was said first counts."""
    runner.hear = hearing("fr", "de")

    assert await service.detect_language(file_of(talk(1, 6, 1)), JOB) == "fr"


async def test_an_engine_hears_thirty_seconds_for_the_language(service, runner, file_of):
    """An engine that takes five minutes is not kept busy with them, and a language in the job is ignored."""
    job = TranscriptionJob(model="any-ears", language="fr")

    assert await service.detect_language(file_of(babble(90)), job) == "en"

    [request] = asked(runner)
    assert request.language is None
    assert 20 < request.audio.duration_s <= 30


async def test_what_follows_is_not_even_decoded(make_service, file_of):
    """A recording that is too long to be transcribed still has a language."""
    assert await make_service(max_audio_s=60).detect_language(file_of(babble(90)), JOB) == "en"


async def test_a_model_without_languages_detects_none(service, runner, file_of):
    """It is refused, and nothing is guessed."""
    with pytest.raises(UnsupportedValueError):
        await service.detect_language(file_of(babble(4)), TranscriptionJob(model="deaf-ears"))
    assert not runner.requests


async def test_silence_has_no_language(service, runner, file_of):
    """Nothing said is an error of its own."""
    runner.hear = lambda request: Transcript(text="", duration_s=request.audio.duration_s)

    with pytest.raises(InvalidValueError):
        await service.detect_language(file_of(talk(1, 6, 4)), JOB)


async def test_a_detection_has_a_deadline(service, runner, file_of):
    """The client's patience ends it."""
    runner.gate.clear()

    with pytest.raises(RequestTimeoutError):
        await service.detect_language(file_of(babble(4)), TranscriptionJob(model="ears", timeout_s=0.01))


# ── Turns ────────────────────────────────────────────────────────────────────


async def test_silence_takes_turns_with_other_recordings(runner, make_service, file_of):
    """A recording without speech, which has no passage that would end a job, is read a stretch at a time."""
    pools = Pools()
    read_s = []

    async def run(job, *arguments):
        reader = job.__self__
        before_s = reader.duration_s
        passages = await Pool.run(pools.decoding, job, *arguments)
        read_s.append(reader.duration_s - before_s)
        return passages

    pools.decoding.run = run
    service = make_service(pools=pools)
    silence = file_of(np.zeros(16_000 * 400, np.float32))

    transcript = await service.transcribe(silence, TranscriptionJob(model="ears"))

    assert transcript.text == ""
    assert sum(read_s) == pytest.approx(400, abs=1)
    assert read_s[0] <= reading.FIRST_TURN_S + 30
    assert max(read_s) <= reading.TURN_S + 30
    assert len(read_s) >= 4


async def test_a_short_recording_waits_for_no_long_ones(runner, make_service, file_of, monkeypatch):
    """However many hours of silence are being read or wait for it, a short recording has its turn."""
    pools = Pools()
    go = asyncio.Event()

    async def run(job, *arguments):
        if job.__self__.duration_s:  # not its first turn
            await go.wait()
        return await Pool.run(pools.decoding, job, *arguments)

    pools.decoding.run = run
    monkeypatch.setattr(reading, "quick_wav", lambda *args: None)
    service = make_service(pools=pools)
    silence = np.zeros(16_000 * 100, np.float32)
    long = [asyncio.create_task(service.transcribe(file_of(silence), JOB)) for _ in range(20)]

    async with asyncio.timeout(20):
        assert (await service.transcribe(file_of(talk(0, 3)), JOB)).text == "3.00 seconds."
        assert not any(task.done() for task in long)
        go.set()
        assert {transcript.text for transcript in await asyncio.gather(*long)} == {""}


async def test_long_recordings_are_read_a_few_at_a_time(make_service, file_of, monkeypatch):
    """Others wait with the little that was read of them, up to a limit, and a client that leaves is gone."""
    pools, together, most = Pools(), 0, 0
    go = asyncio.Event()

    async def run(job, *arguments):
        nonlocal together, most
        if not job.__self__.duration_s:
            return await Pool.run(pools.decoding, job, *arguments)
        together += 1
        most = max(most, together)
        await go.wait()
        together -= 1
        return await Pool.run(pools.decoding, job, *arguments)

    pools.decoding.run = run
    monkeypatch.setattr(reading, "WAITING", 3)
    service = make_service(pools=pools)
    places = service._decoding.places
    silence = np.zeros(16_000 * 100, np.float32)
    long = [asyncio.create_task(service.transcribe(file_of(silence), JOB)) for _ in range(places + 3)]
    await until(lambda: together == places and service._decoding._waiting == 3)

    with pytest.raises(QueueFullError, match="long recordings are already waiting"):
        await service.transcribe(file_of(silence), JOB)
    long[-1].cancel()
    async with asyncio.timeout(20):
        await asyncio.gather(long[-1], return_exceptions=True)
        assert service._decoding._waiting == 2
        go.set()
        await asyncio.gather(*long, return_exceptions=True)

    assert most == places
