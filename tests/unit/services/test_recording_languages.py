"""Recordings in several languages: which passages are heard in which."""

import pytest

from speechhub.engine import Call, LoadContext, Transcript
from speechhub.services.recording_languages import HeardPassage, RecordingLanguages
from speechhub.services.transcription import TranscriptionJob
from speechhub_echo.stt import WORDS, EchoStt
from tests.fakes.babble import talk

JOB = TranscriptionJob(model="polyglot-ears")


def found(language, length_s=7.0, *, asked=None, text="x", languages=()):
    return HeardPassage(
        transcript=Transcript(text=text, language=language, languages=languages, duration_s=length_s),
        length_s=length_s,
        asked=asked,
    )


@pytest.fixture
def ears(runner):
    """Have the engine hear languages one after the other, and write them as its text."""

    def build(*languages):
        heard = iter(languages)

        def hear(request):
            language = request.language or next(heard)
            return Transcript(text=language, language=language, duration_s=request.audio.duration_s)

        runner.hear = hear

    return build


def asked(runner):
    return [request.language for _, request in runner.requests]


# ── Through the service ──────────────────────────────────────────────────────


async def test_each_passage_comes_out_in_its_own_language(service, runner, file_of, ears):
    """The one in which most is said is reported, and the other one beside it."""
    ears("de", "en", "en")

    transcript = await service.transcribe(file_of(talk(7, 3, 7, 3, 7)), JOB)

    assert asked(runner) == [None, None, None]
    assert transcript.text == "de en en"
    assert (transcript.language, transcript.languages) == ("en", ("en", "de"))


async def test_echo_hears_both_languages(service, runner, file_of):
    """A real engine behind the same service, which finds out a language for each passage."""
    echo = EchoStt()
    echo.load(LoadContext(model="echo-stt", model_dir=None, options={"languages": ["en", "de"]}))
    runner.hear = lambda request: echo.transcribe([request], Call())[0]

    transcript = await service.transcribe(file_of(talk(7, 3, 7, 3, 7, 3, 7)), JOB)

    assert set(transcript.languages) == {"en", "de"}
    assert set(transcript.text.split()) <= set(WORDS)


async def test_a_short_passage_is_in_the_language_that_prevails(service, runner, file_of, ears):
    ears("de", "fr")

    transcript = await service.transcribe(file_of(talk(7, 3, 7, 3, 2)), JOB)

    assert asked(runner)[:2] == [None, None]
    assert asked(runner)[2] == "de"
    assert transcript.text == "de fr de"


async def test_a_passage_unlike_both_neighbours_is_heard_again(service, runner, file_of, ears):
    """Under 6 s, in the language of the two; a longer one, and one at a change, is left alone."""
    ears("de", "fr", "de", "en", "fr")

    transcript = await service.transcribe(file_of(talk(7, 3, 4.5, 5, 7, 3, 7, 3, 4.5)), JOB)

    assert transcript.text == "de de de en fr"
    assert asked(runner).count("de") == 1


@pytest.mark.parametrize("streamed", [False, True])
async def test_only_languages_that_may_be_spoken_come_out(service, runner, file_of, ears, streamed):
    """Another one is decoded again, in the one that prevails, or in the first."""
    ears("fr", "de", "fr")
    job = TranscriptionJob(model="polyglot-ears", languages=("English", "de-AT"))

    if streamed:
        stream = await service.stream(file_of(talk(7, 3, 7, 3, 7)), job)
        *pieces, transcript = [event async for event in stream]
        await stream.aclose()
        assert "".join(pieces) == transcript.text
    else:
        transcript = await service.transcribe(file_of(talk(7, 3, 7, 3, 7)), job)

    assert transcript.text.split()[:2] == ["en", "de"]
    assert set(transcript.languages) == {"en", "de"}
    [first, again] = runner.requests[0][1], runner.requests[1][1]
    assert (first.language, first.languages) == (None, ("en", "de"))
    assert (again.language, again.languages) == ("en", ())


async def test_a_named_language_goes_before_those_that_may_be_spoken(service, runner, file_of, ears):
    job = TranscriptionJob(model="polyglot-ears", language="fr", languages=("en", "de"))

    transcript = await service.transcribe(file_of(talk(7, 3, 7)), job)

    assert set(asked(runner)) == {"fr"}
    assert transcript.languages == ("fr",)


# ── The policy ───────────────────────────────────────────────────────────────


def test_what_prevails_is_counted_in_seconds():
    languages = RecordingLanguages(named=None, each_passage=True)
    assert languages.to_ask(1.0) is None
    for language, length_s in (("de", 7.0), ("en", 4.0), ("en", 4.0), (None, 9.0)):
        languages.heard(found(language, length_s))

    assert languages.prevailing == "en"
    assert languages.to_ask(2.9) == "en"
    assert languages.to_ask(3.0) is None
    assert languages.all == ("en", "de")


def test_what_is_too_short_or_unknown_is_not_certain():
    languages = RecordingLanguages(named=None, each_passage=True, known=("en", "de"))
    for one in (found("en", 2.9), found("xx"), found("de", text="")):
        languages.heard(one)
    assert languages.prevailing is None

    languages.heard(found("de", 3.0))
    assert languages.prevailing == "de"


def test_an_engine_that_heard_several_names_them_all():
    languages = RecordingLanguages(named=None, each_passage=True)
    languages.heard(found("de", languages=("de", "fr")))

    assert languages.all == ("de", "fr")


@pytest.mark.parametrize(
    ("one", "before", "after", "expected"),
    [
        (found("fr", 5.9), found("de"), found("de"), "de"),
        (found("fr", 6.0), found("de"), found("de"), None),
        (found("de", 5.9), found("de"), found("de"), None),
        (found("fr", 5.9), found("de"), found("fr"), None),
        (found("fr", 5.9), found("de"), found("en"), "de"),  # the one that prevails
        (found("fr", 5.9), None, found("de"), None),
        (found("fr", 5.9), found("de"), None, None),
        (found("fr", 5.9), found("de"), found("de", text=""), None),
        (found("fr", 5.9), found("de", text=""), found("de"), None),
        (found("fr", 5.9, text=""), found("de"), found("de"), None),
        (found("fr", 5.9, asked="fr"), found("de"), found("de"), None),
    ],
)
def test_which_passages_are_doubtful(one, before, after, expected):
    languages = RecordingLanguages(named=None, each_passage=True)
    languages.heard(found("de", 60.0))

    assert languages.better(one, before, after) == expected


def test_engines_that_are_told_the_language_are_not_asked_again():
    languages = RecordingLanguages(named=None)
    languages.heard(found("de"))

    assert languages.to_ask(9.0) == "de"
    assert languages.better(found("fr", 5.0), found("de"), found("de")) is None
    assert not languages.waits(found("fr", 5.0), found("de"))
