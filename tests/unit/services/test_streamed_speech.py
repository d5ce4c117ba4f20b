"""Speech from a text that is still being written: sound leaves before the text ends, and stops at once."""

import asyncio
import math

import numpy as np
import pytest

from speechhub.codecs.encode import OUTPUT_RATE, SpeechFormat
from speechhub.engine import EmotionMode, Slot, TtsCapabilities, Voice
from speechhub.errors import (
    EngineCrashedError,
    InvalidValueError,
    ModelNotFoundError,
    RequestTimeoutError,
    SpeechTooLongError,
)
from speechhub.metrics import Metrics
from speechhub.services import streamed_speech, text_source
from speechhub.services.account import PLACES, Account
from speechhub.services.catalog import Catalog
from speechhub.services.speaker import EmotionWish
from speechhub.services.speech import SpeechService
from speechhub.services.speech_job import SpeechJob
from speechhub.services.streamed_speech import StreamedSpeechService
from speechhub.services.voices import VoiceService
from speechhub.store import ReferenceCache
from speechhub.voices import VoiceLibrary
from tests.fakes.humming import QUIET_S, SOUND_S, Humming, Reading, pauses_s
from tests.fakes.placements import CPU, placement, placements

MODELS = placements(
    placement(
        "mouth",
        slot=Slot.TTS,
        device=CPU,
        voices=(Voice(id="anna"),),
        capabilities=TtsCapabilities(streaming=True, seed=True, emotions=(EmotionMode.TEXT,)),
    )
)
TEXT = "Here is one. Here is **another. And** a third, with 1,000 words!\n\nA paragraph. It ends"
SENTENCES = [
    "Here is one.",
    "Here is another.",
    "And a third, with one thousand words!",
    "A paragraph.",
    "It ends",
]


@pytest.fixture
async def runner():
    return Humming(MODELS)


@pytest.fixture
def speech(runner, tmp_path):
    """Make the service that speaks whole texts."""

    def speech(runner=runner, **limits):
        library = VoiceLibrary(tmp_path, limit=9)
        voices = VoiceService(
            library,
            ReferenceCache(tmp_path / "features", limit_bytes=0, digests=library.digests),
            max_reference_bytes=1000,
            max_reference_s=9,
        )
        limits = {"max_input_chars": 10_000, "request_timeout_s": 30} | limits
        return SpeechService(Catalog(MODELS), runner, voices, **limits)

    return speech


@pytest.fixture
def make(speech):
    return lambda **limits: StreamedSpeechService(speech(**limits))


@pytest.fixture
def open_speech(make):
    async def open_speech(limits=None, **fields):
        fields = {"text": "", "model": "mouth", "language": "en", "format": SpeechFormat.PCM} | fields
        return await make(**(limits or {})).open(SpeechJob(**fields))

    return open_speech


async def heard_to_the_end(stream):
    data = b"".join([chunk async for chunk in stream])
    return np.frombuffer(data, "<i2").astype(np.float32) / 32767


async def hear(stream, *parts):
    """Write all parts at once, and return what is heard."""
    for part in parts:
        await stream.write(part)
    stream.end()
    return await heard_to_the_end(stream)


async def test_every_sentence_is_a_call_of_its_own(open_speech, runner):
    """The first may be refused because many wait; the others go on. The text that is said is told."""
    stream = await open_speech(seed=7)

    await hear(stream, TEXT)

    assert runner.texts == stream.lines == SENTENCES
    assert runner.begun == [False] + [True] * 4
    assert {request.seed for _, request in runner.requests} == {7}


async def test_the_joins_are_those_of_a_long_text(open_speech):
    """However the text is cut: between sentences, and between paragraphs."""
    whole = await hear(await open_speech(), TEXT)
    letters = await hear(await open_speech(), *TEXT)

    assert pauses_s(whole) == [pytest.approx(pause_s, abs=0.02) for pause_s in (0.15, 0.15, 0.6, 0.15)]
    assert pauses_s(letters) == [pytest.approx(pause_s, abs=0.001) for pause_s in pauses_s(whole)]
    assert abs(len(whole) - len(letters)) < 0.02 * OUTPUT_RATE


THREE = "One fox runs. Two dogs sleep! Are three cats here?"
PARAGRAPHS = "One fox runs. Two dogs sleep.\n\nThree cats are here. Four hens are not."
BREAK = "One fox runs.<break time='0.5s'/> Two dogs sleep. Three cats are here."
LONG = "One fox runs and runs, and it comes home late. " * 30  # one call takes 1000 characters


def written_at_once(text):
    return [text]


def written_by_words(text):
    return [f"{word} " for word in text.split(" ")]


@pytest.mark.parametrize("written", [written_at_once, written_by_words, list])
@pytest.mark.parametrize("fields", [{}, {"speed": 0.5}, {"speed": 4.0}, {"silence_interval_ms": 0}], ids=str)
@pytest.mark.parametrize("text", [THREE, PARAGRAPHS, BREAK, LONG], ids=lambda text: text[:30])
async def test_a_text_lasts_as_long_as_if_it_were_sent_whole(speech, text, fields, written):
    """An engine that pauses between two sentences of a call makes that pause between two calls."""
    service = speech(Reading(MODELS))
    job = SpeechJob(text=text, model="mouth", language="en", format=SpeechFormat.PCM, **fields)
    whole = await heard_to_the_end(await service.open(job))

    parts = await hear(await StreamedSpeechService(service).open(job), *written(text))

    assert pauses_s(parts) == [pytest.approx(pause_s, abs=0.02) for pause_s in pauses_s(whole)]
    assert abs(len(parts) - len(whole)) < 0.02 * OUTPUT_RATE


@pytest.mark.parametrize(
    "parts",
    [
        ["One fox runs.", " Two dogs sleep!", " Are three cats here?"],
        ["One fox runs.", "\n\nTwo dogs sleep.", "\nThree cats are here."],
        ["One fox runs.\n", "\nTwo dogs sleep.\n\n", "Three cats are here."],
        ["One fox runs.", "<break time='1s'/> Two dogs sleep.", " <break time='12s'/>Three cats are here."],
    ],
    ids=str,
)
async def test_a_text_whose_sentences_come_late_lasts_as_long(speech, monkeypatch, parts):
    """Each is spoken to its end before the next is written, and the last before the end is told."""
    monkeypatch.setattr(streamed_speech, "PATIENCE_S", 0.0)
    runner = Reading(MODELS)
    service = speech(runner)
    job = SpeechJob(text="".join(parts), model="mouth", language="en", format=SpeechFormat.PCM)
    whole = await heard_to_the_end(await service.open(job))
    calls = len(runner.requests)
    stream = await StreamedSpeechService(service).open(job)
    hearing = asyncio.create_task(heard_to_the_end(stream))

    for number, part in enumerate(parts, calls + 1):
        await stream.write(part)
        while len(runner.requests) < number or runner.running:  # noqa: ASYNC110  # the fake has no event
            await asyncio.sleep(0.001)
        for _ in range(20):  # what is held back leaves
            await asyncio.sleep(0.001)
    stream.end()

    late = await hearing
    assert pauses_s(late) == [pytest.approx(pause_s, abs=0.02) for pause_s in pauses_s(whole)]
    assert abs(len(late) - len(whole)) < 0.02 * OUTPUT_RATE


async def test_the_engine_learns_which_calls_follow_a_sentence(open_speech, runner):
    """Neither the first does, nor one that goes on with a sentence that was cut for an early sound."""
    opening = "This is a very long opening that goes on and on, with a clause, and with yet another one."

    await hear(await open_speech(), f"{opening} Here is two. ", "The last.")

    assert len(runner.texts) == 4
    assert [request.follows_sentence for _, request in runner.requests] == [False, False, True, True]


async def test_sound_leaves_while_the_text_is_written(open_speech):
    """All of a sentence is heard once the next has begun, but for the silence at its end."""
    stream = await open_speech()
    await stream.write("Here is one. And then ")
    chunks = aiter(stream)

    heard = 0
    while heard < (QUIET_S + SOUND_S) * OUTPUT_RATE * 2:
        heard += len(await anext(chunks))

    assert stream.lines == ["Here is one."]
    await stream.aclose()


async def test_the_end_of_a_sentence_is_not_held_back_by_an_encoder(open_speech):
    """A compressed stream has the sentence's last sound, although the next one does not come."""
    stream = await open_speech(format=SpeechFormat.MP3)
    whole = await open_speech(format=SpeechFormat.MP3)
    await whole.write("Here is one.")
    whole.end()
    length = len(b"".join([chunk async for chunk in whole]))

    await stream.write("Here is one. And then ")
    heard = b""
    async for chunk in stream:
        heard += chunk
        if len(heard) >= length - 384 * 3:  # a frame is 384 bytes
            break

    assert stream.lines == ["Here is one."]
    await stream.aclose()


async def test_a_late_sentence_gets_the_pause_of_a_prompt_one(open_speech):
    """What left early is part of the pause."""
    prompt = await hear(await open_speech(), "Here is one. And then two.")
    stream = await open_speech()
    await stream.write("Here is one. And ")
    chunks, data = aiter(stream), b""
    while len(data) < (QUIET_S + SOUND_S) * OUTPUT_RATE * 2:
        data += await anext(chunks)
    await stream.write("then two.")
    stream.end()
    async for chunk in chunks:
        data += chunk

    late = np.frombuffer(data, "<i2").astype(np.float32) / 32767
    assert pauses_s(late) == [pytest.approx(pauses_s(prompt)[0], abs=0.02)]
    assert abs(len(late) - len(prompt)) < 0.02 * OUTPUT_RATE


async def test_a_writer_who_pauses_after_a_sentence_is_heard(open_speech, runner, monkeypatch):
    """The sentence need not wait for the next one; what is no sentence does."""
    monkeypatch.setattr(streamed_speech, "PATIENCE_S", 0.02)
    stream = await open_speech()
    await stream.write("Here is one.")
    chunks = aiter(stream)
    await anext(chunks)
    await stream.write(" And this by Doctor")
    while stream._source._parts:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)

    assert runner.texts == ["Here is one."]
    await stream.write(" Smith.")
    stream.end()
    _ = [chunk async for chunk in chunks]
    assert runner.texts == ["Here is one.", "And this by Doctor Smith."]


async def test_a_flush_speaks_what_is_there(open_speech, runner):
    """Whole sentence or not; markup that goes on is still markup."""
    stream = await open_speech()
    await stream.write("Well **yes. No")
    stream.flush()
    stream.flush()
    await stream.write(", maybe** so.")
    await hear(stream)

    assert runner.texts == ["Well yes.", "No", "maybe so."]


@pytest.mark.parametrize("text", ["", " \n "])
async def test_no_text_is_no_sound(open_speech, runner, text):
    """And no engine is asked."""
    assert len(await hear(await open_speech(), text)) == 0
    assert not runner.requests


async def test_a_text_without_words_is_a_short_silence(open_speech, runner):
    """As it is where the text comes as a whole."""
    runner.pieces = []
    heard = await hear(await open_speech(), "🎉")

    assert len(heard) == pytest.approx(0.2 * OUTPUT_RATE, abs=100)
    assert not heard.any()


async def test_one_sentence_is_spoken_ahead(open_speech, runner):
    """While a listener takes one, the next is made, and the one after that waits."""
    stream = await open_speech()
    await stream.write("One is here. Two is here. Three is here. Four is here. ")
    stream.end()
    while len(runner.requests) < 2 or runner.running:  # noqa: ASYNC110  # the fake has no event for it
        await asyncio.sleep(0.001)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(runner.requests) == 2

    await heard_to_the_end(stream)
    assert len(runner.requests) == 4


async def test_leaving_stops_the_sentence_and_the_writer(open_speech, runner, monkeypatch):
    """The engine's call is given up, nothing is held, and a writer who waits goes on."""
    monkeypatch.setattr(text_source, "MOST_CHARS", 100)
    account = Account()
    stream = await open_speech({"account": account})
    runner.wait_before = 1
    writing = asyncio.create_task(stream.write("One is here. Two is here. " * 1000))
    await runner.waiting.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not writing.done()

    await stream.aclose()
    await writing
    await stream.write("more")

    assert runner.running == 0
    assert len(runner.requests) == 1
    assert [account.held(place) for place in PLACES] == [0, 0]


async def test_text_that_waits_is_bounded(open_speech, runner, monkeypatch):
    """A writer who is too far ahead waits for the speaker."""
    monkeypatch.setattr(text_source, "MOST_CHARS", 100)
    runner.wait_before = 1
    stream = await open_speech()
    writing = asyncio.create_task(stream.write("One is here. Two is here. " * 1000))
    await runner.waiting.wait()

    assert stream._source._chars <= 100 + text_source.PART_CHARS
    await stream.aclose()
    await writing


async def test_a_failure_reaches_the_listener_and_frees_the_writer(open_speech, runner, monkeypatch):
    """The listener gets it after what was heard; the writer's text is dropped."""
    monkeypatch.setattr(text_source, "MOST_CHARS", 100)
    runner.error = EngineCrashedError("crash")
    stream = await open_speech()
    writing = asyncio.create_task(stream.write("One is here. Two is here. " * 1000))

    with pytest.raises(EngineCrashedError):
        await heard_to_the_end(stream)
    await writing
    await stream.aclose()


async def test_the_time_to_write_does_not_count(open_speech, runner):
    """Each sentence has the request's whole time, from when it waits for the engine."""
    stream = await open_speech({"request_timeout_s": 0.5})
    chunks = aiter(stream)
    for _ in range(4):
        await stream.write("Here is one. And ")
        await anext(chunks)
        await asyncio.sleep(0.2)
    runner.wait_before = len(runner.requests) + 1
    await stream.write("then. ")
    stream.end()

    with pytest.raises(RequestTimeoutError):
        async for _ in chunks:
            pass
    await stream.aclose()


async def test_a_mood_is_told_by_the_beginning(open_speech, runner):
    """By the first sentence, for all of them."""
    await hear(await open_speech(emotion=EmotionWish(mode=EmotionMode.TEXT)), "What joy! And sorrow.")

    assert [request.emotion.text for _, request in runner.requests] == ["What joy!"] * 2


async def test_speech_that_gets_too_long_is_cut_off(open_speech):
    """However it comes about: here by a pause."""
    stream = await open_speech({"max_speech_s": 3})

    with pytest.raises(SpeechTooLongError):
        await hear(stream, "One. <break time='9s'/> Two.")


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"model": "nobody"}, ModelNotFoundError), ({"speed": math.inf}, InvalidValueError)],
)
async def test_a_job_that_cannot_be_done_is_refused_before_any_text(open_speech, fields, error):
    """As it is where the text comes as a whole."""
    with pytest.raises(error):
        await open_speech(**fields)


async def test_the_first_audio_is_measured_from_the_first_text(open_speech):
    """Once for each speech."""
    metrics = Metrics()
    await hear(await open_speech({"metrics": metrics}), TEXT)

    assert b'speechhub_time_to_first_audio_seconds_count{model="mouth"} 1.0' in metrics.text()


async def test_the_places_of_sentences_follow_each_other(open_speech):
    """In seconds of what is heard, up to its end."""
    stream = await open_speech()
    heard = await hear(stream, TEXT)

    places = [place for sentence in stream.sentences for place in (sentence.start_s, sentence.end_s)]
    assert places == sorted(places)
    assert stream.sentences[-1].end_s == pytest.approx(len(heard) / OUTPUT_RATE, abs=0.1)
