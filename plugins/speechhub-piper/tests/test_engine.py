"""Speech of Piper, with the real voice."""
# ruff: noqa: RUF001  # characters that look like others are the point

import logging
from threading import Event

import numpy as np
import pytest

from speechhub.engine import (
    Audio,
    Call,
    InvalidValueError,
    LoadContext,
    RequestCancelledError,
    SynthesizeRequest,
    TranscribeRequest,
)
from speechhub_piper import JOE
from speechhub_piper.engine import PiperEngine

from .conftest import joined

TEXT = (
    "The old lighthouse stood at the edge of the cliff, watching over the restless sea. "
    "Every evening, the keeper climbed the narrow stairs to light the great lamp. "
    "Ships from distant countries relied on its steady beam to find their way home. "
    "Making bread at home is easier than most people think. "
    "You only need flour, water, salt, and a little yeast."
)


def test_a_piece_for_each_sentence(speak):
    """Five sentences are five pieces, each with a pause after it but the last, at the voice's own rate."""
    pieces = speak(TEXT)

    assert len(pieces) == 5
    assert {piece.sample_rate for piece in pieces} == {22_050}
    assert all(piece.samples.dtype == np.float32 for piece in pieces)
    assert all(not piece.samples[-4_000:].any() for piece in pieces[:-1])
    assert pieces[-1].samples[-4_000:].any()
    assert 15 < sum(piece.duration_s for piece in pieces) < 30


def test_a_call_that_follows_a_sentence_begins_with_the_pause(model_dir):
    """Two calls are one call, sample for sample; what cannot be spoken makes no second pause."""
    engine = PiperEngine()
    options = {"noise_scale": 0, "noise_w_scale": 0, "sentence_silence_s": 0.3}
    engine.load(LoadContext(model=JOE.id, model_dir=model_dir, options=options))

    def said(text, **fields):
        return list(engine.synthesize(SynthesizeRequest(text=text, voice="joe", **fields), Call()))

    one = joined(said("Bread is good. Is it hot?"))
    two = joined([*said("Bread is good."), *said("Is it hot?", follows_sentence=True)])

    assert np.array_equal(one, two)
    assert said("???", follows_sentence=True) == []


def test_the_first_sentence_does_not_wait_for_the_second(engine, monkeypatch):
    """Audio flows as soon as the first sentence is spoken."""
    spoken = []
    run = engine._voice.phoneme_ids_to_audio
    monkeypatch.setattr(engine._voice, "phoneme_ids_to_audio", lambda *args: spoken.append(1) or run(*args))

    next(engine.synthesize(SynthesizeRequest(text=TEXT, voice="joe"), Call()))

    assert len(spoken) == 1


def test_cancelling_stops_between_sentences(engine):
    """A cancelled call speaks no further sentence."""
    cancelled = Event()
    pieces = engine.synthesize(SynthesizeRequest(text=TEXT, voice="joe"), Call(cancel_event=cancelled))
    next(pieces)
    cancelled.set()

    with pytest.raises(RequestCancelledError):
        next(pieces)


def test_the_level_is_even_and_within_full_scale(speak):
    """Sentences are about equally loud, loud enough, and never clipped."""
    pieces = speak(TEXT)

    levels = [
        20 * np.log10(np.sqrt(np.mean(np.square(piece.samples[np.abs(piece.samples) > 0.01]))))
        for piece in pieces
    ]
    assert max(levels) - min(levels) < 4
    assert -24 < np.mean(levels) < -18
    assert np.abs(joined(pieces)).max() < 1


@pytest.mark.mission("17.7")
@pytest.mark.parametrize(
    "text",
    [
        "...", "?!", "😀🎉", "\0", "a\0b", "\ud800", "\u200b\u200d", "\n\n", "-", "́" * 500, ", " * 2000,
        "[[həlˈoʊ]] there", "[[ not closed", "[[]]", "[[[[x]]]]", "[[\n]]", "<speak>hi</speak>", "(en) text",
        "你好世界", "مرحبا", "Ω≈ç√∫", "𝕳𝖊𝖑𝖑𝖔", "\u202eabc", "\uffff\ue000", "_", "^", "$", "# ↓ ↑",
    ],
    ids=ascii,
)  # fmt: skip
def test_any_text_makes_valid_audio(speak, text):
    """Whatever the text, there is audio: finite, in range, and not empty."""
    samples = joined(speak(text))

    assert len(samples) > 1000
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1


def test_brackets_are_read_not_obeyed(engine, monkeypatch):
    """Piper's syntax for raw phonemes does not work from a request."""
    seen = []
    phonemize = engine._voice.phonemize
    monkeypatch.setattr(engine._voice, "phonemize", lambda text: seen.append(text) or phonemize(text))

    list(engine.synthesize(SynthesizeRequest(text="[[X]] and [[[Y]]]", voice="joe"), Call()))

    assert "[[" not in seen[0]
    assert "X" in seen[0]


def test_a_very_long_sentence_comes_in_pieces(speak):
    """A sentence without an end neither fills the memory nor keeps the listener waiting."""
    pieces = speak("and then the keeper climbed the stairs " * 25)

    assert len(pieces) > 3
    assert max(piece.duration_s for piece in pieces) < 20


def test_text_is_not_logged(speak, caplog):
    """Piper's own log, which holds phonemes and text, stays shut."""
    with caplog.at_level(logging.DEBUG):
        speak("Secret ℵ words.")

    assert caplog.text == ""


def test_an_unknown_voice_is_refused(engine):
    """A voice that the model does not have is the request's mistake."""
    with pytest.raises(InvalidValueError, match="it has: joe"):
        next(engine.synthesize(SynthesizeRequest(text="Hi.", voice="jane"), Call()))


def test_slower_by_option(model_dir, speak):
    """The operator can slow the voice down and lengthen the pauses."""
    slow = PiperEngine()
    options = {"length_scale": 1.5, "sentence_silence_s": 0}
    slow.load(LoadContext(model="piper-en-us-joe", model_dir=model_dir, options=options))
    request = SynthesizeRequest(text="Bread is easy to make.", voice="joe")

    slow_s = sum(piece.duration_s for piece in slow.synthesize(request, Call()))

    assert slow_s > 1.2 * sum(piece.duration_s for piece in speak(request.text))


@pytest.mark.mission("15.8")
def test_whisper_understands_every_word(speak, tmp_path):
    """What Piper says, Whisper writes down with at most one word in ten wrong."""
    whisper = pytest.importorskip(
        "speechhub_whisper.engine", reason="speechhub-whisper is not installed here"
    )
    import jiwer
    import soxr

    from speechhub.store import ModelStore
    from speechhub_whisper import WHISPER_BASE

    listener = whisper.WhisperEngine()
    folder = ModelStore(tmp_path, hf_endpoint=None, offline=True).resolve(WHISPER_BASE)
    listener.load(LoadContext(model=WHISPER_BASE.id, model_dir=folder))
    samples = soxr.resample(joined(speak(TEXT)), 22_050, 16_000)

    [transcript] = listener.transcribe(
        [TranscribeRequest(audio=Audio(samples=samples, sample_rate=16_000))], Call()
    )

    plain = jiwer.Compose([jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces()])
    assert jiwer.wer(plain(TEXT), plain(transcript.text)) <= 0.1
    assert transcript.language == "en"
