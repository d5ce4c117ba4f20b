"""Long texts and streams: piece by piece, joined well, fair to others, and stopped when nobody listens."""

import asyncio
import itertools
from contextlib import aclosing

import numpy as np
import pytest

from speechhub.codecs.encode import OUTPUT_RATE, SpeechFormat
from speechhub.engine import EmotionMode, Slot, TextPart, TtsCapabilities, Voice
from speechhub.errors import (
    EngineCrashedError,
    InvalidLanguageError,
    SpeechTooLongError,
    UnsupportedValueError,
)
from speechhub.services.account import PLACES, Account
from speechhub.services.backlog import MEMORY_BYTES
from speechhub.services.catalog import Catalog
from speechhub.services.speaker import EmotionWish
from speechhub.services.speech import SpeechService
from speechhub.services.speech_job import SpeechJob
from speechhub.services.voices import VoiceService
from speechhub.speakable import Normalization
from speechhub.store import ReferenceCache
from speechhub.voices import VoiceLibrary
from tests.fakes.humming import QUIET_S, SOUND_S, Humming, pauses_s, sounds
from tests.fakes.placements import CPU, placement, placements

ABLE = {
    "streaming": True,
    "seed": True,
    "longest_input_chars": 200,
    "emotions": (EmotionMode.TEXT,),
}


def mouth(name, languages=(), **capabilities):
    return placement(
        name,
        slot=Slot.TTS,
        device=CPU,
        languages=languages,
        voices=(Voice(id="anna"),),
        capabilities=TtsCapabilities(**ABLE | capabilities),
    )


MODELS = placements(
    mouth("mouth", ("en", "de")),
    mouth("quick", native_speed=True),
    mouth("cutter", silence_interval=True),
    mouth("reader", normalizes=(TextPart.MARKUP,)),
    mouth("teacher", ("en",), annotations=True),
    mouth("slow", streaming=False, longest_input_chars=None),
    mouth("counter", ("en",), normalizes=(TextPart.NUMBERS, TextPart.COMMON_ABBREVIATIONS)),
)


@pytest.fixture
async def runner():
    return Humming(MODELS)


@pytest.fixture
def service(runner, tmp_path):
    return service_on(runner, tmp_path)


def service_on(runner, tmp_path, **limits):
    library = VoiceLibrary(tmp_path, limit=9)
    voices = VoiceService(
        library,
        ReferenceCache(tmp_path / "features", limit_bytes=0, digests=library.digests),
        max_reference_bytes=1000,
        max_reference_s=9,
    )
    return SpeechService(
        Catalog(MODELS), runner, voices, max_input_chars=10_000, request_timeout_s=30, **limits
    )


def job(text, model="mouth", **fields):
    return SpeechJob(text=text, model=model, format=SpeechFormat.PCM, **fields)


@pytest.fixture
def hear(service):
    """Return what is heard, as float32 at 24 kHz."""

    async def hear(text, **fields):
        stream = await service.open(job(text, **fields))
        data = b"".join([chunk async for chunk in stream])
        return np.frombuffer(data, "<i2").astype(np.float32) / 32767

    return hear


LONG = "Here is a sentence of some length, which goes on for a while. " * 81  # 5022 characters


async def test_five_thousand_characters_are_one_speech(hear, runner):
    """In pieces of whole sentences that the engine takes, each with the same seed; the joins are calm."""
    heard = await hear(LONG, seed=7)

    assert "".join("".join(runner.texts).split()) == "".join(LONG.split())
    assert all(len(text) <= 200 and text.endswith("while.") for text in runner.texts)
    assert {request.seed for _, request in runner.requests} == {7}
    assert runner.begun == [False] + [True] * (len(runner.texts) - 1)
    assert pauses_s(heard) == [pytest.approx(0.15, abs=0.02)] * (len(runner.texts) - 1)
    assert np.abs(np.diff(heard)).max() < 0.05, "a click"
    loudness = [np.abs(heard[places]).max() for places in sounds(heard)]
    assert loudness == [pytest.approx(0.5, abs=0.01)] * len(runner.texts)


async def test_the_beginning_is_heard_before_the_end_is_begun(service, runner):
    """Bytes flow while later pieces are still to be made."""
    runner.wait_before = 3
    stream = await service.open(job(LONG))

    async with aclosing(aiter(stream)) as chunks:
        heard = len(await anext(chunks))
        await runner.waiting.wait()
        while heard < OUTPUT_RATE * 2 * SOUND_S:
            heard += len(await anext(chunks))
        assert len(runner.requests) == 3
    await stream.aclose()


async def test_who_leaves_stops_the_rest(service, runner):
    """The piece that is being made is given up, and no other is begun."""
    runner.wait_before = 2
    stream = await service.open(job(LONG))
    await runner.waiting.wait()

    await stream.aclose()

    assert runner.running == 0
    assert len(runner.requests) == 2


async def test_two_long_texts_take_turns(service, runner):
    """Each piece is a call of its own, so that others wait for a piece at most."""
    first = await service.open(job(LONG))
    second = await service.open(job(LONG.upper()))

    async def listen(stream):
        return [len(chunk) async for chunk in stream]

    await asyncio.gather(listen(first), listen(second))

    shouted = [text.isupper() for text in runner.texts]
    assert shouted.count(True) == shouted.count(False) > 20
    changes = sum(one is not other for one, other in itertools.pairwise(shouted))
    assert changes > 10


async def test_a_failure_between_pieces_breaks_the_speech(service, runner):
    """What was heard so far does not pass for the whole."""
    runner.error = EngineCrashedError("crash")
    stream = await service.open(job(LONG))

    with pytest.raises(EngineCrashedError):
        _ = [chunk async for chunk in stream]


async def test_a_pause_that_is_asked_for_stands_between_sentences(hear, runner):
    """The engine that cannot make it gets sentence by sentence, and never hears of it."""
    heard = await hear("One. Two, or so. Three!", silence_interval_ms=800)

    assert runner.texts == ["One.", "Two, or so.", "Three!"]
    assert {request.silence_interval_ms for _, request in runner.requests} == {None}
    assert pauses_s(heard) == [pytest.approx(0.8, abs=0.02)] * 2


async def test_an_engine_that_makes_pauses_makes_them(hear, runner):
    """It gets what it takes at once, and the pause; between its calls the hub makes the same one."""
    text = "One. Two, or so. Three! " * 10
    heard = await hear(text, model="cutter", silence_interval_ms=800)

    assert len(runner.texts) == 2
    assert {request.silence_interval_ms for _, request in runner.requests} == {800}
    assert pauses_s(heard) == [pytest.approx(0.8, abs=0.02)]


@pytest.mark.parametrize("speed", [0.5, 2.0])
async def test_a_pause_is_as_long_as_it_is_heard(hear, runner, speed):
    """Speech is stretched and its pauses are not; over pieces as within them."""
    heard = await hear("One. Two. Three!", silence_interval_ms=600, speed=speed)

    pauses = [pause_s for pause_s in pauses_s(heard) if pause_s > 0.1]  # stretching frays the edges
    assert pauses == [pytest.approx(0.6, abs=0.1)] * 2
    sound_s = len(heard) / OUTPUT_RATE - 2 * 0.6 - 2 * QUIET_S / speed
    assert sound_s == pytest.approx(3 * SOUND_S / speed, rel=0.1)


async def test_an_engine_that_knows_speed_is_told(hear, runner):
    """Nothing is stretched then."""
    heard = await hear("One.", model="quick", speed=2.0)

    assert runner.requests[0][1].speed == 2.0
    assert len(heard) / OUTPUT_RATE == pytest.approx(SOUND_S + 2 * QUIET_S, abs=0.01)


async def test_a_sentence_that_has_to_be_cut_gets_no_pause(hear, runner):
    """However long a pause was asked for: there is none in the middle of a sentence."""
    heard = await hear("on and on and on " * 20, silence_interval_ms=3000)

    assert len(runner.texts) == 2
    assert pauses_s(heard) == [pytest.approx(2 * QUIET_S, abs=0.02)]


async def test_a_slow_engine_speaks_the_first_sentence_first(hear, runner):
    """Where nothing is heard before a piece is done, the first one is short."""
    await hear("One. Two. Three!", model="slow")

    assert runner.texts == ["One.", "Two. Three!"]


async def test_a_long_text_has_one_mood(hear, runner):
    """Its beginning tells the emotion of each piece, unless a description does; a short one tells its own."""
    own, told = EmotionWish(mode=EmotionMode.TEXT), EmotionWish(mode=EmotionMode.TEXT, text="glad")

    for text, wish in ((LONG, own), (LONG, told), ("One.", own)):
        await hear(text, emotion=wish)

    moods = [request.emotion.text for _, request in runner.requests]
    assert moods == [LONG[:1000]] * 27 + ["glad"] * 27 + [None]


async def test_the_language_reaches_the_engine(hear, runner):
    """As a code, however it was written; and it tells where sentences end."""
    await hear(
        "Das ist z. B. gut. Ja.",
        language="German",
        silence_interval_ms=0,
        text_normalization=Normalization.NONE,
    )

    assert [request.language for _, request in runner.requests] == ["de", "de"]
    assert runner.texts == ["Das ist z. B. gut.", "Ja."]


@pytest.mark.scenario("model-cannot")
@pytest.mark.parametrize(
    ("language", "error"), [("fr", UnsupportedValueError), ("klingon", InvalidLanguageError)]
)
async def test_a_language_that_the_model_lacks_is_refused(service, runner, language, error):
    """Before anything is spoken."""
    with pytest.raises(error) as caught:
        await service.open(job("Bonjour.", language=language))

    assert caught.value.param == "language"
    assert not runner.requests


@pytest.fixture
def brief(runner, tmp_path):
    """A service that lets no request speak for more than ten seconds, and its account."""
    account = Account()
    return service_on(runner, tmp_path, max_speech_s=10, account=account), account


@pytest.mark.scenario("long-pauses")
async def test_pauses_that_are_too_long_are_refused_before_anything_is_spoken(brief, runner):
    """Ten kilobytes of full stops and a pause of 5 s make hours: the request says so itself."""
    with pytest.raises(SpeechTooLongError) as error:
        await brief[0].open(job("Hm. " * 2500, silence_interval_ms=5000))

    assert error.value.param == "silence_interval_ms"
    assert "10 s" in str(error.value)
    assert not runner.requests
    assert [brief[1].held(place) for place in PLACES] == [0, 0]


@pytest.mark.scenario("speech-too-long")
@pytest.mark.parametrize("fields", [{"silence_interval_ms": 900}, {"speed": 0.25}, {}])
async def test_speech_that_gets_too_long_is_cut_off(brief, runner, fields):
    """However the seconds come about, no answer has more of them, and the engine goes to the next one."""
    text = " ".join(
        f"Sentence number {number} of many."
        for number in range(10 if "silence_interval_ms" in fields else 200)
    )
    stream = await brief[0].open(job(text, **fields))

    with pytest.raises(SpeechTooLongError):
        await heard_to_the_end(stream)
    await stream.aclose()

    assert runner.running == 0
    assert [brief[1].held(place) for place in PLACES] == [0, 0]


async def heard_to_the_end(stream):
    return b"".join([chunk async for chunk in stream])


async def test_a_listener_who_reads_nothing_costs_a_file_and_not_memory(runner, tmp_path):
    """The engine is done, and what it said waits on the disk."""
    account = Account()
    service = service_on(runner, tmp_path, account=account)
    stream = await service.open(job("One. Two. " * 40, silence_interval_ms=2000))
    await asyncio.wait([stream._producer])

    assert account.held("memory") <= MEMORY_BYTES
    assert account.held("disk") > 4 * MEMORY_BYTES
    assert len(await heard_to_the_end(stream)) > 5 * MEMORY_BYTES
    await stream.aclose()
    assert [account.held(place) for place in PLACES] == [0, 0]


async def test_paragraphs_are_further_apart_than_sentences(hear, runner):
    """Headings too; an engine's own silence is part of the pause."""
    heard = await hear("Chapter One\n\nIt was a dark night")

    assert runner.texts == ["Chapter One", "It was a dark night"]
    assert pauses_s(heard) == [pytest.approx(0.6, abs=0.02)]


@pytest.mark.parametrize(("model", "speed"), [("mouth", 1.0), ("mouth", 2.0), ("quick", 2.0), ("slow", 0.5)])
async def test_a_break_is_as_long_as_it_says(hear, model, speed):
    """However fast the speech is, by the engine or by the hub; longer than is made at a time, too."""
    heard = await hear("One <break time='9s'/><break time='3s'/> two", model=model, speed=speed)

    assert max(pauses_s(heard)) == pytest.approx(12, abs=0.1)


async def test_a_break_and_a_wanted_pause_are_the_longer_of_both(hear):
    """What the text asks for is never cut short."""
    heard = await hear(
        "One <break time='1s'/> two. Three <break time='100ms'/> four", silence_interval_ms=500
    )

    assert pauses_s(heard) == [pytest.approx(pause_s, abs=0.02) for pause_s in (1.0, 0.5, 0.5)]


async def test_an_engine_that_reads_markup_itself_gets_it(hear, runner):
    """Unless the request says that it is Markdown."""
    text = "# Title\n\nText 🎉"

    await hear(text, model="reader")
    await hear(text, model="reader", text_normalization=Normalization.MARKDOWN)

    assert runner.texts == [text, "Title", "Text"]


async def test_a_server_can_leave_texts_alone(runner, tmp_path):
    """By its setting, which a request overrides."""
    service = service_on(runner, tmp_path, text_normalization=Normalization.NONE)

    for mode in (None, Normalization.AUTO):
        await heard_to_the_end(await service.open(job("**Hi**", text_normalization=mode)))

    assert runner.texts == ["**Hi**", "Hi"]


@pytest.mark.scenario("long-breaks")
@pytest.mark.parametrize(
    "text",
    ["x<break time='10s'/>" * 9, "<break time='9s'/>" * 9, "<speak>x<break time='10s'/><break/></speak>"],
)
async def test_breaks_that_are_too_long_are_refused_before_anything_is_spoken(brief, runner, text):
    """One by one, or all in one place."""
    with pytest.raises(SpeechTooLongError) as error:
        await brief[0].open(job(text))

    assert error.value.param == "input"
    assert not runner.requests


async def test_a_listener_who_leaves_stops_a_text_of_many_paragraphs(service, runner):
    """Paragraph by paragraph, as sentence by sentence."""
    runner.wait_before = 2
    stream = await service.open(job("A paragraph.\n\n" * 50))
    await runner.waiting.wait()

    await stream.aclose()

    assert (runner.running, len(runner.requests)) == (0, 2)


async def test_a_preview_asks_no_engine(service, runner):
    """It shows what it would get."""
    pieces = await service.preview(job("# Title\n\n- a\n- b"))

    assert [piece.text for piece in pieces] == ["Title", "a; b"]
    assert not runner.requests


async def test_an_engine_without_rules_gets_words(hear, runner):
    """Numbers, notation and abbreviations, in the language of the request."""
    await hear("Dr. Ray paid $5.30 at 10:30.", language="en")

    assert runner.texts == ["Doctor Ray paid five dollars and thirty cents at ten thirty."]


async def test_an_engine_that_reads_numbers_keeps_them(hear, runner):
    """Of such a text it gets words for what it does not read, in its only language."""
    await hear("Dr. Ray paid $5.30 at 10:30 for 3 km.", model="counter")

    assert runner.texts == ["Dr. Ray paid five dollars and thirty cents at 10:30 for three kilometers."]


async def test_a_language_that_nothing_tells_keeps_its_numbers(hear, runner):
    """A model of several languages, and a request without one: a guess might be wrong."""
    await hear("Dr. Ray paid $5.30 at 10:30.")

    assert runner.texts == ["Dr. Ray paid $5.30 at 10:30."]


async def test_text_as_it_was_sent_keeps_its_numbers(hear, runner):
    """Without normalization no number becomes words."""
    await hear("It is 5 km.", language="en", text_normalization=Normalization.NONE)

    assert runner.texts == ["It is 5 km."]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("teacher", "I <read|R EH1 D> <break|B R EY1 K>, five kilometers."),
        ("mouth", "I read break, 5 km."),
        ("counter", "I read break, five kilometers."),
    ],
)
async def test_pronunciations_reach_engines_that_read_them(service, model, said):
    """Others get the words."""
    text = "I <read|R EH1 D> <break|B R EY1 K>, 5 km."
    [piece] = await service.preview(SpeechJob(text=text, model=model, format=SpeechFormat.PCM))

    assert piece.text == said


async def test_the_preview_is_what_the_engine_gets(service, hear, runner):
    """Words included."""
    seen = await service.preview(SpeechJob(text="It is 5 km.", model="counter", format=SpeechFormat.PCM))
    await hear("It is 5 km.", model="counter")

    assert [piece.text for piece in seen] == runner.texts == ["It is five kilometers."]
