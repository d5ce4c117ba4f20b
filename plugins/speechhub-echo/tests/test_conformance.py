"""Both engines keep the promises of the engine API."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import speechhub_echo
from speechhub.engine import (
    Audio,
    Call,
    Emotion,
    EmotionMode,
    ListenRequest,
    LoadContext,
    Reference,
    SynthesizeRequest,
    TranscribeRequest,
)
from speechhub.engine.testing import check_stt_engine, check_tts_engine
from speechhub_echo.stt import EchoStt
from speechhub_echo.tts import GAP_S, EchoTts, strongest_hz


def test_stt_conformance():
    """The STT engine passes the published kit."""
    check_stt_engine(speechhub_echo.STT)


def test_tts_conformance():
    """The TTS engine passes the published kit, at another sample rate as well."""
    check_tts_engine(speechhub_echo.TTS)
    check_tts_engine(speechhub_echo.TTS, model="echo-clone")
    check_tts_engine(speechhub_echo.TTS, options={"sample_rate": 16_000})


def test_echo_is_nobody_s_default():
    """Who installs it beside a real engine still gets the real one."""
    models = [*speechhub_echo.STT.models, *speechhub_echo.TTS.models]

    assert all(model.preference < 0 for model in models)


def listened(pieces_s, **fields):
    """Return what the engine hears in speech that comes piece by piece, and the whole audio."""
    engine = EchoStt()
    engine.load(LoadContext(model="echo-stt", model_dir=None))
    noise = np.random.default_rng(5).uniform(-0.5, 0.5, round(16_000 * sum(pieces_s))).astype(np.float32)
    heard, first = [], 0
    for number, piece_s in enumerate(pieces_s):
        samples = noise[first : first + round(16_000 * piece_s)]
        first += len(samples)
        request = ListenRequest(
            session="one",
            audio=Audio(samples=samples, sample_rate=16_000),
            first=number == 0,
            last=number == len(pieces_s) - 1,
            **fields,
        )
        heard.append(engine.listen(request, Call()))
    whole = TranscribeRequest(audio=Audio(samples=noise, sample_rate=16_000), **fields)
    return heard, engine.transcribe([whole], Call())[0].text


@pytest.mark.parametrize("fields", [{}, {"prompt": "uno due tre"}, {"hotwords": ("Xanten", "Ghent")}])
@pytest.mark.parametrize("pieces_s", [[0.3] * 9, [1.0, 0.05, 0.7, 0.0], [2.2], [0.5, 0.5]])
def test_an_utterance_ends_with_the_text_of_its_recording(pieces_s, fields):
    """Whatever the pieces."""
    heard, text = listened(pieces_s, **fields)

    assert heard[-1].text == text
    assert heard[-1].stable_chars == len(text)


def test_the_last_word_of_an_unfinished_utterance_is_revised():
    """Words that have ended stay; so there is something to revise for those who show the text."""
    heard, _ = listened([0.2] * 20)

    revised = 0
    for earlier, later in pairwise(heard):
        assert later.text.startswith(earlier.text[: earlier.stable_chars])
        revised += not later.text.startswith(earlier.text)
    assert revised > 2
    assert len({it.text for it in heard}) > 8


def loaded(model, cache_dir=None):
    engine = EchoTts()
    engine.load(LoadContext(model=model, model_dir=None, cache_dir=cache_dir))
    return engine


def pitch(**fields):
    """Return the strongest frequency of one spoken word."""
    request = SynthesizeRequest(text="word", **{"voice": "low"} | fields)
    return strongest_hz(next(iter(loaded("echo-clone").synthesize(request, Call()))))


def test_a_reference_is_heard_in_the_speech():
    """A voice an octave higher speaks an octave higher."""
    low, high = (
        Reference(audio=Audio(samples=tone(hertz), sample_rate=16_000), digest=str(hertz))
        for hertz in (150, 300)
    )

    assert pitch(reference=high) / pitch(reference=low) == pytest.approx(2, rel=0.05)


@pytest.mark.mission("6.8")
def test_an_emotion_is_heard_in_the_speech():
    """It raises the voice, the more of it the more."""
    angry, slightly = (Emotion(mode=EmotionMode.TEXT, text="angry", alpha=alpha) for alpha in (1.0, 0.3))

    assert pitch() < pitch(emotion=slightly) < pitch(emotion=angry)


def test_a_seed_is_heard_in_the_speech():
    """The same one gives the same tone, another one another."""
    assert pitch(seed=1) == pitch(seed=1) != pitch(seed=2)


def test_pauses_stand_between_sentences():
    """As long as was asked for, and none at the end."""
    whole, paused = (
        sum(
            piece.duration_s
            for piece in loaded("echo-clone").synthesize(
                SynthesizeRequest(text="One. Two. Three.", voice="low", silence_interval_ms=pause_ms), Call()
            )
        )
        for pause_ms in (None, 500)
    )

    assert paused - whole == pytest.approx(2 * (0.5 - GAP_S))


def test_speech_that_follows_a_sentence_begins_with_the_pause():
    """Two calls are as long as one."""

    def duration_s(text, **fields):
        request = SynthesizeRequest(text=text, voice="low", silence_interval_ms=500, **fields)
        return sum(piece.duration_s for piece in loaded("echo-clone").synthesize(request, Call()))

    two_s = duration_s("One.") + duration_s("Two.", follows_sentence=True)

    assert two_s == pytest.approx(duration_s("One. Two."))


def test_a_stored_voice_is_learnt_once(tmp_path):
    """A new process takes what the last one computed; of a clip in a request, nothing is kept."""
    reference = Reference(audio=Audio(samples=tone(150), sample_rate=16_000), digest="d1", stored=True)
    stranger = replace(reference, digest="d2", stored=False)

    for _ in range(2):
        engine = loaded("echo-clone", cache_dir=tmp_path)
        for one in (reference, stranger):
            list(engine.synthesize(SynthesizeRequest(text="word", voice="", reference=one), Call()))
    [kept] = tmp_path.iterdir()
    learnt = kept.read_text()
    kept.write_text("300.0")
    [again] = loaded("echo-clone", cache_dir=tmp_path).synthesize(
        SynthesizeRequest(text="word", voice="", reference=reference), Call()
    )

    assert kept.name == "d1.hz"
    assert float(learnt) == pytest.approx(150, abs=1)
    assert strongest_hz(again) == pytest.approx(2 * pitch(reference=stranger), rel=0.05)


def tone(hertz):
    return (0.3 * np.sin(np.arange(32_000) * 2 * np.pi * hertz / 16_000)).astype(np.float32)
