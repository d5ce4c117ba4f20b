"""Transcripts of Whisper, with real weights."""

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from faster_whisper import WhisperModel

from speechhub.engine import (
    Audio,
    Call,
    ConfigurationError,
    LoadContext,
    RequestCancelledError,
    Task,
    TranscribeRequest,
    UnsupportedValueError,
)
from speechhub_whisper import decoder
from speechhub_whisper.decoder import Decoder
from speechhub_whisper.model import Model
from speechhub_whisper.settings import WhisperSettings

from .conftest import ENGLISH, ENGLISH_2, LONG, PAUSE_S, word_error_rate


def drain(stream):
    """Return the transcript of a stream."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value


def check_times(transcript):
    """Segments follow each other, words lie in their segments, and everything lies in the recording."""
    now_s = 0.0
    for segment in transcript.segments:
        assert now_s <= segment.start_s <= segment.end_s <= transcript.duration_s
        now_s = segment.start_s
        for word in segment.words:
            assert now_s <= word.start_s <= word.end_s <= segment.end_s
            now_s = word.end_s
        now_s = segment.end_s


@pytest.mark.mission("15.3")
def test_speech_becomes_text(transcribe, clip):
    """The words are heard, and every field of a segment is filled."""
    transcript = transcribe(clip("en"))

    assert word_error_rate(ENGLISH, transcript.text) <= 0.1
    assert transcript.language == "en"
    assert transcript.text == "".join(segment.text for segment in transcript.segments).strip()
    check_times(transcript)
    for segment in transcript.segments:
        assert segment.text.startswith(" ")
        assert segment.words == ()
        assert segment.tokens
        assert -1 < segment.avg_logprob < 0
        assert segment.compression_ratio > 0.5
        assert 0 <= segment.no_speech_prob <= 1


@pytest.mark.mission("15.5")
def test_words_have_times(transcribe, clip):
    """Words join to their segment's text, and their times grow."""
    transcript = transcribe(clip("en"), word_timestamps=True)

    check_times(transcript)
    for segment in transcript.segments:
        assert "".join(word.text for word in segment.words) == segment.text
    starts = [word.start_s for word in transcript.words]
    assert len(starts) > 15
    assert starts == sorted(starts)
    assert all(0 < word.probability <= 1 for word in transcript.words)


@pytest.mark.mission("15.4")
@pytest.mark.parametrize(("language", "word"), [("es", "Carmen"), ("fr", "demain"), ("de", "Hamburg")])
def test_the_language_is_found_out(transcribe, clip, language, word):
    """The spoken language is reported, and its words are heard."""
    transcript = transcribe(clip(language))

    assert transcript.language == language
    assert word in transcript.text


@pytest.fixture
def two_languages(clip):
    """Three English clips and a Spanish one, with pauses: more than Whisper takes in one look."""
    pause = np.zeros(int(PAUSE_S * 16_000), np.float32)
    return np.concatenate([part for name in ("en", "en2", "en3", "es") for part in (clip(name), pause)])


@pytest.mark.parametrize("streamed", [False, True])
def test_two_languages_come_out_in_both(engine, transcribe, two_languages, streamed):
    """Each clip is written in its own language, whether clips are decoded together or one by one."""
    if streamed:
        pieces = engine.stream(
            TranscribeRequest(audio=Audio(samples=two_languages, sample_rate=16_000)), Call()
        )
        transcript = drain(pieces)
    else:
        transcript = transcribe(two_languages)

    assert "Carmen" in transcript.text
    assert "ciudad" in transcript.text
    assert "bread" in transcript.text
    assert (transcript.language, transcript.languages) == ("en", ("en", "es"))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("names", "heard"),
    [
        (("en", "es"), ("lighthouse", "Carmen", "ciudad")),
        (("es", "en"), ("Carmen", "ciudad", "lighthouse")),
        (("en2", "es", "en3"), ("bread", "ciudad", "news")),
    ],
)
def test_two_languages_in_one_clip_come_out_in_both(engine, clip, names, heard, streamed):
    """A clip whose language is doubtful is cut where it changes, at a pause."""
    pause = np.zeros(16_000, np.float32)
    samples = np.concatenate([part for name in names for part in (clip(name), pause)])
    request = TranscribeRequest(audio=Audio(samples=samples, sample_rate=16_000), word_timestamps=True)

    transcript = (
        drain(engine.stream(request, Call())) if streamed else engine.transcribe([request], Call())[0]
    )

    assert [word for word in heard if word in transcript.text] == list(heard)
    assert transcript.languages == ("en", "es")
    check_times(transcript)


def test_one_language_costs_no_look_for_others(transcribe, clip, monkeypatch):
    """What is sure of its language is not listened to part by part, and comes out as it did."""
    pause = np.zeros(16_000, np.float32)
    samples = np.concatenate([clip("en"), pause, clip("en2")])
    monkeypatch.setattr(Model, "probe", lambda *_: pytest.fail("looked for other languages"))

    transcript = transcribe(samples)

    assert word_error_rate(f"{ENGLISH} {ENGLISH_2}", transcript.text) < 0.1
    assert transcript.languages == ("en",)


def test_languages_of_a_batch_cost_no_encoding(transcribe, two_languages, monkeypatch):
    """The first clip, all together, and again the one in another language."""
    calls = []
    encode = WhisperModel.encode
    monkeypatch.setattr(WhisperModel, "encode", lambda self, x: calls.append(x.shape) or encode(self, x))

    transcribe(two_languages)

    assert len(calls) == 3


def test_only_languages_that_may_be_spoken_are_heard(transcribe, clip):
    assert transcribe(clip("es"), languages=("fr", "de")).language in {"fr", "de"}


@pytest.mark.parametrize(
    ("options", "wish", "expected"),
    [
        ({"language": "fr"}, {}, {"fr"}),
        ({"language": "fr"}, {"language": "es"}, {"es"}),
        ({"language": "fr"}, {"languages": ("es", "de")}, {"es"}),
        ({"languages": ["fr", "de"]}, {}, {"fr", "de"}),
        ({"languages": ["en", "es"]}, {}, {"es"}),
        ({"languages": ["fr", "de"]}, {"languages": ("en", "es")}, {"es"}),
        ({"languages": ["fr", "de"]}, {"language": "es"}, {"es"}),
        ({"language": "yue"}, {}, {"es"}),  # the larger models know it; this one goes on as without
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_languages_of_the_operator_and_of_the_request(
    engine, model_dir, clip, monkeypatch, options, wish, expected, streamed
):
    """A request's own come first; without them, those of the server are heard."""
    context = LoadContext(model="whisper-base", model_dir=model_dir, options=options)
    monkeypatch.setattr(engine, "_settings", context.settings(WhisperSettings))
    request = TranscribeRequest(audio=Audio(samples=clip("es"), sample_rate=16_000), **wish)

    transcript = (
        drain(engine.stream(request, Call())) if streamed else engine.transcribe([request], Call())[0]
    )

    assert {transcript.language} == set(transcript.languages)
    assert transcript.language in expected
    assert transcript.text


def test_languages_that_no_whisper_knows_are_refused():
    with pytest.raises(ConfigurationError, match=r"of whisper must be codes out of en, .*, not 'German'\."):
        WhisperSettings(languages=("de", "German"))


def test_the_language_costs_nothing(transcribe, clip, monkeypatch):
    """Finding out the language of a short recording does not encode it twice."""
    calls = []
    encode = WhisperModel.encode
    monkeypatch.setattr(WhisperModel, "encode", lambda self, x: calls.append(1) or encode(self, x))

    transcribe(clip("es"))
    assert len(calls) == 1

    transcribe(clip("es"))
    assert len(calls) == 2, "nothing is kept from one request to the next"


def test_a_named_language_is_used(transcribe, clip):
    """Whisper writes in the language that the request names, whatever it hears."""
    assert transcribe(clip("es"), language="fr").language == "fr"


def test_translation_is_english(transcribe, clip):
    """A translation is English text; the language remains the one that was spoken."""
    transcript = transcribe(clip("de"), task=Task.TRANSLATE)

    assert transcript.language == "de"
    assert "morning" in transcript.text.lower()


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(16_000 * 5, np.float32),
        np.random.default_rng(1).normal(0, 0.03, 16_000 * 5).astype(np.float32),
        np.zeros(1, np.float32),
    ],
    ids=["silence", "noise", "one sample"],
)
def test_silence_says_nothing(transcribe, samples):
    """Without speech there is no text: no "Thank you for watching"."""
    transcript = transcribe(samples)

    assert (transcript.text, transcript.segments) == ("", ())


def test_a_long_recording_is_whole(long_transcript, clip):
    """Clips that are decoded together come out complete, in order and in their places."""
    assert word_error_rate(LONG, long_transcript.text) <= 0.1
    check_times(long_transcript)
    assert long_transcript.text == "".join(segment.text for segment in long_transcript.segments).strip()
    for segment in long_transcript.segments:
        assert "".join(word.text for word in segment.words) == segment.text
    spoken = [0.0]
    for name in ("en", "en2", "en3") * 2:
        spoken.append(spoken[-1] + len(clip(name)) / 16_000 + PAUSE_S)
    heard = [
        segment.start_s
        for segment in long_transcript.segments
        if any(word in segment.text for word in ("lighthouse", "bread", "screens"))
    ]
    assert heard == pytest.approx(spoken[:-1], abs=0.5)


def test_batching_does_not_change_the_text(engine, transcribe, long_clip, long_transcript, monkeypatch):
    """One by one or together, the words are the same."""
    monkeypatch.setattr(engine, "_batch_size", 1)

    one_by_one = transcribe(long_clip)

    assert word_error_rate(one_by_one.text, long_transcript.text) <= 0.05


def test_a_bad_clip_is_decoded_again(transcribe, long_clip, monkeypatch):
    """A clip that comes out of the batch as a guess gets the full care of a single one."""
    judge = decoder._attempt
    monkeypatch.setattr(decoder, "_attempt", lambda *all_: replace(judge(*all_), avg_logprob=-2.0))
    tried = []
    decode_one = Decoder.decode_one
    monkeypatch.setattr(
        Decoder,
        "decode_one",
        lambda self, samples, clip, wish, *rest: (
            tried.append(wish.temperatures) or decode_one(self, samples, clip, wish, *rest)
        ),
    )

    transcript = transcribe(long_clip)

    assert len(tried) > 1
    assert set(tried) == {(0.2, 0.4, 0.6, 0.8, 1.0)}, "temperature 0 has been tried"
    assert word_error_rate(LONG, transcript.text) <= 0.1
    check_times(transcript)


def test_text_streams_before_the_end(engine, long_clip):
    """The first text comes when a part of the recording is done, and all of it joins to the transcript."""
    progress = []
    request = TranscribeRequest(audio=Audio(samples=long_clip, sample_rate=16_000))
    stream = engine.stream(request, Call(report=progress.append))
    first = next(stream)
    assert progress[-1] < 0.5
    ends = []

    def rest():
        ends.append((yield from stream))

    assert first + "".join(rest()) == ends[0].text
    assert progress == sorted(progress)


def test_cancelling_stops_between_segments(engine, long_clip):
    """A cancelled call ends with the clips that it is at."""
    cancelled = Event()
    reports = []

    def report(fraction):
        reports.append(fraction)
        cancelled.set()

    request = TranscribeRequest(audio=Audio(samples=long_clip, sample_rate=16_000))
    with pytest.raises(RequestCancelledError):
        engine.transcribe([request], Call(cancel_event=cancelled, report=report))

    assert len(reports) == 1


def test_a_prompt_spells_names(transcribe, clip):
    """The prompt's spelling is taken up, and a command in it is only text."""
    plain = transcribe(clip("en"), language="en").text
    prompted = transcribe(clip("en"), language="en", prompt="<|endoftext|> The Olde Lyghthouse stood.").text

    assert "lighthouse" in plain
    assert "lyghthouse" in prompted.lower()


@pytest.mark.parametrize("prompt", ["\0", "\ud800", "word " * 2000, "<|startoftranscript|>" * 50])
def test_odd_prompts_do_no_harm(transcribe, clip, prompt):
    """A prompt can be anything that a client sends; the audio is still transcribed."""
    transcript = transcribe(clip("en")[: 16_000 * 3], language="en", prompt=prompt, hotwords=("lamp",) * 500)

    assert transcript.duration_s == pytest.approx(3)


@pytest.mark.parametrize("temperature", [0.0, 0.4, 1.0])
def test_temperatures_are_taken(transcribe, clip, temperature):
    """A temperature of its own is used as it is; 0 begins the ladder."""
    transcript = transcribe(clip("en")[: 16_000 * 3], language="en", temperature=temperature)

    assert all(segment.temperature >= temperature for segment in transcript.segments)


@pytest.mark.parametrize("language", ["tlh", "yue"])
def test_an_unknown_language_is_refused(transcribe, clip, language):
    """A language that this Whisper does not know is the request's mistake."""
    with pytest.raises(UnsupportedValueError, match=repr(language)):
        transcribe(clip("en"), language=language)
