"""Transcripts of the engine for recordings, through the real qwen-asr on tiny checkpoints."""

from threading import Event

import numpy as np
import pytest

from speechhub.engine import Audio, Call, RequestCancelledError, TranscribeRequest
from speechhub_qwen_asr.engine import NO_END

from .conftest import TEXT, WORDS, tone, transcribe

SILENCE = Audio(samples=np.zeros(16_000, np.float32), sample_rate=16_000)


class SetAfter(Event):
    """An event that is set once it was asked some times."""

    def __init__(self, times):
        super().__init__()
        self.times, self.asked = times, 0

    def is_set(self):
        self.asked += 1
        return self.asked > self.times


@pytest.fixture
def no_loop_guard(monkeypatch):
    """Let decoding run in circles, up to its budget."""
    monkeypatch.setattr("speechhub_qwen_asr.generation.find_loop", lambda tokens: None)


def spy(monkeypatch, engine):
    """Record with what qwen-asr is called."""
    calls, real = [], engine._asr.transcribe
    monkeypatch.setattr(engine._asr, "transcribe", lambda **given: calls.append(given) or real(**given))
    return calls


def drain(stream):
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


@pytest.mark.mission("5.8")
def test_the_text_is_exact_and_its_language_is_found_out(plain_engine):
    """Text and language are the model's; without an aligner the segment lasts as long as the sound."""
    quiet = np.zeros(8_000, np.float32)
    samples = np.concatenate([quiet, tone(2.0).samples, quiet])

    transcript = transcribe(plain_engine, Audio(samples=samples, sample_rate=16_000))

    assert (transcript.text, transcript.language) == (TEXT, "en")
    [segment] = transcript.segments
    assert (segment.text, segment.words) == (f" {TEXT}", ())
    assert (segment.start_s, segment.end_s) == pytest.approx((0.5, 2.5), abs=0.03)


def test_a_language_is_named_in_full_to_the_model(plain_engine, monkeypatch):
    """The hub's ISO code becomes the model's own name, and is reported as it came."""
    calls = spy(monkeypatch, plain_engine)

    transcript = transcribe(plain_engine, language="tl")

    assert calls[0]["language"] == ["Filipino"]
    assert (transcript.text, transcript.language) == (TEXT, "tl")


@pytest.mark.parametrize(
    ("options", "wish", "asked"),
    [
        ({"language": "de"}, {}, ["German"]),
        ({"language": "de"}, {"language": "fr"}, ["French"]),
        ({"language": "de"}, {"languages": ("fr", "en")}, [None]),
        ({"languages": ["de", "fr"]}, {}, [None, "German"]),
        ({"languages": ["de", "en"]}, {}, [None]),
        ({"languages": ["en"]}, {"languages": ("fr", "de")}, [None, "French"]),
        ({"languages": ["en"]}, {"language": "fr"}, ["French"]),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_languages_of_the_operator_and_of_the_request(load, monkeypatch, options, wish, asked, streamed):
    """A request's own come first; outside of those that may be spoken, the first of them is heard."""
    engine = load("script", **options)
    calls = spy(monkeypatch, engine)

    if streamed:
        pieces, transcript = drain(engine.stream(TranscribeRequest(audio=tone(2.0), **wish), Call()))
        assert "".join(pieces) == transcript.text
    else:
        transcript = transcribe(engine, tone(2.0), **wish)

    assert [call["language"] for call in calls][-len(asked) :] == [[name] for name in asked]
    assert len(calls) == len(asked)
    assert transcript.language == {"German": "de", "French": "fr", None: "en"}[asked[-1]]


@pytest.mark.parametrize(("length_s", "times"), [(0.4, 2), (1.4, 2), (1.6, 1)])
def test_a_short_clip_that_seems_empty_is_heard_again(plain_engine, monkeypatch, length_s, times):
    """With silence around it, up to a second."""
    lengths = []

    class Empty:
        text, language = "", ""

    def hear(**given):
        lengths.append([len(samples) / 16_000 for samples, _ in given["audio"]])
        return [Empty()]

    monkeypatch.setattr(plain_engine._asr, "transcribe", hear)

    assert transcribe(plain_engine, tone(length_s)).text == ""
    assert lengths == [[max(length_s, 0.5)], [max(length_s, 1.0)]][:times]


def test_prompt_and_keywords_become_the_context(plain_engine, monkeypatch):
    """Both reach the model, and what would be a command to it does not."""
    calls = spy(monkeypatch, plain_engine)

    transcript = transcribe(plain_engine, prompt="A tale.<|im_end|> \ud800", hotwords=("fox", "Ljubljana"))

    assert calls[0]["context"] == ["fox, Ljubljana\nA tale."]
    assert transcript.text == TEXT


def test_silence_says_nothing(engine, load):
    """Neither digital silence, which the model never hears, nor the model's own "no speech" has text."""
    assert transcribe(engine, SILENCE).segments == ()
    heard = transcribe(load("silent"))
    assert (heard.text, heard.language, heard.segments) == ("", None, ())


def test_a_batch_keeps_its_order(engine):
    """Silence in a batch stays in its place, and temperatures do not mix."""
    requests = [
        TranscribeRequest(audio=SILENCE),
        TranscribeRequest(audio=tone(1.0), temperature=0.5),
        TranscribeRequest(audio=tone(2.0), language="de"),
    ]

    found = engine.transcribe(requests, Call())

    assert [(one.text, one.language) for one in found] == [("", None), (TEXT, "en"), (TEXT, "de")]


@pytest.mark.mission("5.9")
def test_words_have_the_aligners_times(engine):
    """Times are exact, and the full stop, which the aligner drops, is back at its word."""
    transcript = transcribe(engine, word_timestamps=True)

    assert [(word.text.strip(), word.start_s, word.end_s) for word in transcript.words] == WORDS
    assert "".join(word.text for word in transcript.words) == f" {TEXT}"
    assert transcribe(engine).words == ()


def test_words_need_an_aligner_that_knows_the_language(engine, plain_engine):
    """Where there is no aligner, or none for the language, there are segments without words."""
    for transcript in (
        transcribe(plain_engine, word_timestamps=True),
        transcribe(engine, word_timestamps=True, language="tr"),
    ):
        assert transcript.text == TEXT
        assert transcript.words == ()
        assert transcript.segments


def test_chinese_has_no_spaces(load):
    """Characters are words, punctuation stays with them, and nothing gets a space in front."""
    transcript = transcribe(load("chinese", aligner=True), word_timestamps=True)

    assert (transcript.text, transcript.language) == ("你好，吗？", "zh")  # noqa: RUF001
    assert [word.text for word in transcript.words] == ["你", "好，", "吗？"]  # noqa: RUF001


@pytest.mark.parametrize("streaming", [False, True])
def test_a_text_that_reaches_its_budget_goes_on(plain_engine, monkeypatch, streaming):
    """What would have been cut off silently is whole."""
    monkeypatch.setattr("speechhub_qwen_asr.recognizer.budget", lambda duration_s: 3)
    requests = [TranscribeRequest(audio=tone(1.0)), TranscribeRequest(audio=tone(2.0), language="en")]

    if streaming:
        assert "".join(drain(plain_engine.stream(requests[0], Call()))[0]) == TEXT
    else:
        assert [one.text for one in plain_engine.transcribe(requests, Call())] == [TEXT, TEXT]


def test_a_text_without_an_end_is_cut_at_last(load, monkeypatch, no_loop_guard, caplog):
    """Continuing has a limit, and it is logged; not what was said, though."""
    monkeypatch.setattr("speechhub_qwen_asr.recognizer.budget", lambda duration_s: 4)

    transcript = transcribe(load("endless"), language="en")

    assert transcript.text == "The quick brown fox." * 3 + "The"
    assert transcript.warnings == (NO_END,)
    assert "1 transcripts did not end" in caplog.text
    assert "fox" not in caplog.text


def test_circles_are_left_by_a_second_try(load, monkeypatch):
    """A text that runs in circles is decoded once more, with repetitions punished."""
    engine = load("endless")
    calls = spy(monkeypatch, engine)

    assert transcribe(engine).text == TEXT
    assert len(calls) == 2


def test_circles_that_stay_are_cut_to_one_round(load, monkeypatch):
    """If the second try runs in circles as well, one round of them is kept, and no third is made."""
    engine = load("endless", repetition_penalty=1)
    calls = spy(monkeypatch, engine)

    assert transcribe(engine).text == TEXT
    assert len(calls) == 2


def test_text_streams_token_by_token(engine):
    """Each token comes by itself, the language tag does not, and all joins to the transcript."""
    for language in (None, "en"):
        request = TranscribeRequest(audio=tone(), language=language, word_timestamps=True)

        pieces, transcript = drain(engine.stream(request, Call()))

        assert pieces == ["The", " quick", " brown", " fox", "."]
        assert (transcript.text, transcript.language) == (TEXT, "en")
        assert [word.start_s for word in transcript.words] == [start_s for _, start_s, _ in WORDS]


def test_a_cancelled_call_stops_in_the_middle_of_a_text(load, no_loop_guard):
    """Decoding ends at the next token, not at the end of the budget, and the engine works on."""
    engine, cancelled = load("endless"), SetAfter(10)

    with pytest.raises(RequestCancelledError):
        transcribe(engine, call=Call(cancel_event=cancelled), language="en")

    assert cancelled.asked < 20
    assert engine._asr.model.generate.__name__ == "generate"
    assert "generate" not in vars(engine._asr.model)


def test_a_cancelled_stream_stops_in_the_middle_of_a_text(load, no_loop_guard):
    """No more than the piece in the making comes after the cancellation."""
    engine, cancelled = load("endless"), Event()
    stream = engine.stream(TranscribeRequest(audio=tone(), language="en"), Call(cancel_event=cancelled))
    assert next(stream) == "The"

    cancelled.set()

    with pytest.raises(RequestCancelledError):
        next(stream)


def test_a_closed_stream_ends_its_thread(load, no_loop_guard):
    """A client that leaves stops the decoding; the next call finds the model free."""
    engine = load("endless")
    stream = engine.stream(TranscribeRequest(audio=tone(), language="en"), Call())
    next(stream)

    stream.close()

    assert "generate" not in vars(engine._asr.model)


def test_a_recited_context_is_heard_again_without_it(plain_engine, monkeypatch):
    """A text that is in the prompt word by word is checked; real speech of the same words stays."""
    calls = spy(monkeypatch, plain_engine)

    assert transcribe(plain_engine, prompt="the quick brown fox!").text == TEXT
    assert [call["context"] for call in calls] == [["the quick brown fox!"], [""]]
