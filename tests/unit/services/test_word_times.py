"""Word times where a model has them only with a part, only in some languages, or not this time."""

import pytest

from speechhub.engine import HubSource, ModelPart, SttCapabilities, Transcript
from speechhub.errors import UnsupportedValueError
from speechhub.services.catalog import Catalog
from speechhub.services.transcription import TranscriptionJob, TranscriptionService
from tests.fakes.babble import talk
from tests.fakes.placements import CPU, placement, placements
from tests.fakes.runner import FakeRunner

from .conftest import counted

ALIGNER = ModelPart(
    name="aligner",
    folder="aligner",
    hub=HubSource(repo="a/aligner"),
    optional=True,
    enables="word_timestamps",
)
MODELS = placements(
    placement(
        "ears",
        device=CPU,
        languages=("en", "hi"),
        parts=(ALIGNER,),
        capabilities=SttCapabilities(
            segment_timestamps=True,
            word_timestamps=True,
            word_languages=("en", "de"),
            language_detection=True,
        ),
    ),
    placement("deaf-ears", device=CPU),
)


@pytest.fixture
async def runner():
    made = FakeRunner(MODELS)
    made.hear = counted
    return made


@pytest.fixture
def here():
    """Names of the parts that are there."""
    return ["aligner"]


@pytest.fixture
def transcribe(runner, here, file_of):
    service = TranscriptionService(
        Catalog(MODELS, parts=lambda _: here), runner, max_audio_s=3600, request_timeout_s=30
    )

    async def call(**job):
        return await service.transcribe(file_of(talk(0, 3)), TranscriptionJob(**{"model": "ears"} | job))

    return call


async def test_a_part_that_is_there_gives_word_times(transcribe):
    """Then nothing stands in the way."""
    assert (await transcribe(words=True)).segments[0].words


async def test_without_its_part_a_model_has_no_word_times(transcribe, runner, here):
    """The message says how the part is fetched, no engine is asked, and the part counts once it is there."""
    here.clear()

    with pytest.raises(UnsupportedValueError, match="speechhub models pull ears --with aligner") as caught:
        await transcribe(words=True)

    assert caught.value.param == "timestamp_granularities"
    assert not runner.requests
    here.append("aligner")
    assert (await transcribe(words=True)).segments[0].words


async def test_a_named_language_without_word_times_is_refused_at_once(transcribe, runner):
    """The message names the languages that have them."""
    with pytest.raises(UnsupportedValueError, match="no word timestamps in hindi; it has them in: en, de"):
        await transcribe(words=True, language="hi")

    assert not runner.requests


@pytest.mark.parametrize("wish", [{"model": "deaf-ears"}, {"language": "hi"}, {}])
async def test_who_can_do_without_word_times_does(transcribe, runner, here, wish):
    """Subtitles are better with them, and possible without: the engine is not asked for what it has not."""
    if not wish:
        here.clear()

    await transcribe(words_if_possible=True, **wish)

    [(_, request)] = runner.requests
    assert not request.word_timestamps


async def test_word_times_that_do_not_come_are_an_error(transcribe, runner):
    """What language is spoken, the model alone finds out: an empty list of words would be a lie."""
    runner.hear = lambda request: Transcript(text="नमस्ते", language="hi", duration_s=3.0)

    with pytest.raises(UnsupportedValueError, match=r"'ears' found no word timestamps .* hindi\. .*unload"):
        await transcribe(words=True)


@pytest.mark.parametrize("text", ["", "—"])
async def test_a_text_without_words_needs_no_times(transcribe, runner, text):
    """Silence is an answer like any other."""
    runner.hear = lambda request: Transcript(text=text, language="hi", duration_s=3.0)

    assert (await transcribe(words=True)).text == text
