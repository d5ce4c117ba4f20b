"""Work that ends in time, with real weights: texts without an end, repeats, and calls that are cancelled."""

from dataclasses import dataclass
from threading import Event, Thread

import faster_whisper.transcribe as fw
import numpy as np
import pytest

from speechhub.engine import Audio, Call, RequestCancelledError, TranscribeRequest
from speechhub_whisper import engine as engine_module
from speechhub_whisper.clips import Clip
from speechhub_whisper.decoder import Wish
from speechhub_whisper.work import Work

from .conftest import ENGLISH_2, word_error_rate

PATIENCE_S = 60.0
PAUSE = np.zeros(16_000 * 2 // 3, np.float32)


@dataclass
class Generated:
    temperature: float
    tokens: list[int]


@pytest.fixture
def generated(engine, monkeypatch):
    """Every text that CTranslate2 makes: at which temperature, and how long those of a batch are."""
    calls = []
    model = engine._model.model
    generate = model.generate

    def spy(*args, **options):
        results = generate(*args, **options)
        tokens = [len(result.sequences_ids[0]) for result in results]
        calls.append(Generated(options.get("sampling_temperature", 0.0), tokens))
        return results

    monkeypatch.setattr(model, "generate", spy)
    return calls


@pytest.mark.invariant("bounded-decoding")
def test_a_wrong_language_does_not_run_away(transcribe, clip, generated):
    """Three seconds in a language that the request got wrong cost a few budgets, and give no nonsense."""
    transcript = transcribe(clip("en")[: 16_000 * 3], language="la")

    assert max(max(call.tokens) for call in generated) <= 106
    assert sum(sum(call.tokens) for call in generated) <= 6 * 106
    assert all(segment.avg_logprob >= -1.5 for segment in transcript.segments)
    assert all(segment.compression_ratio <= 2.4 for segment in transcript.segments)


@pytest.mark.parametrize(
    "wish", [{}, {"prompt": "The lamp of the Olde Lyghthouse."}, {"word_timestamps": True}]
)
def test_an_ordinary_clip_is_as_without_budgets(transcribe, clip, monkeypatch, wish):
    """Budgets change no token of what ends by itself."""
    bounded = transcribe(clip("en")[: 16_000 * 3], language="en", **wish)
    monkeypatch.setattr(Work, "max_length", lambda _self, _prompt_tokens, limit: limit)

    assert transcribe(clip("en")[: 16_000 * 3], language="en", **wish) == bounded


@pytest.mark.parametrize(
    ("text", "seek", "kept"),
    [
        (" The old lighthouse stood at the edge of the cliff.", 614, False),  # said again, in 0.3 s
        (" Thank you all for watching, and please subscribe to my channel.", 614, False),
        (" And to all who watch.", 614, True),
        (" Yes.", 635, True),
        (" The old lighthouse stood at the edge of the cliff.", 350, True),  # there is time enough for it
    ],
)
def test_the_last_moments_hold_no_sentence(engine, clip, monkeypatch, text, seek, kept):
    """Whisper fills what follows the last word with a text of its own: that is not what was said."""
    said = " The old lighthouse stood at the edge of the cliff. Every evening, the keeper climbed."

    def segment(text, seek):
        return fw.Segment(
            id=1,
            seek=seek,
            start=seek / 100,
            end=6.4,
            text=text,
            tokens=[*engine._model.hf_tokenizer.encode(text, add_special_tokens=False).ids, 50_364, 50_400],
            avg_logprob=-0.2,
            compression_ratio=1.0,
            no_speech_prob=0.0,
            words=None,
            temperature=0.0,
        )

    monkeypatch.setattr(
        engine._model, "transcribe", lambda *_, **__: ([segment(said, 0), segment(text, seek)], None)
    )
    found = engine._decoder.decode_one(
        clip("en"), Clip(start_s=0.0, end_s=6.41), Wish(language="en", task="transcribe")
    )

    assert [one.text for one in found] == [said] + [text] * kept


def test_repeats_are_decoded_once(transcribe, clip, generated):
    """A recording that says the same nine times is heard in one go, every round of it."""
    transcript = transcribe(np.concatenate([clip("en2"), PAUSE] * 9), language="en")

    assert word_error_rate(" ".join([ENGLISH_2] * 9), transcript.text) <= 0.03
    assert [call.temperature for call in generated] == [0.0]


def test_a_single_clip_that_repeats_itself_needs_two_temperatures(transcribe, clip, generated):
    """A refrain within one clip is believed when a second temperature hears it too."""
    transcript = transcribe(np.concatenate([clip("en2"), PAUSE] * 4)[: 16_000 * 28], language="en")

    assert word_error_rate(" ".join([ENGLISH_2] * 4), transcript.text) <= 0.03
    assert 0.6 not in {call.temperature for call in generated}


@pytest.mark.parametrize(
    ("step", "how"),
    [
        ("find_clips", "transcribe"),
        ("encode", "transcribe"),
        ("generate", "transcribe"),
        ("generate", "stream"),
        ("align", "stream"),
    ],
)
def test_cancelling_ends_the_call_wherever_it_is(engine, transcribe, clip, monkeypatch, step, how):
    """A call ends while CTranslate2, or the voice detector, still works, and the next call is served."""
    owner = engine_module if step == "find_clips" else engine._model.model
    native, begun, let_go = getattr(owner, step), Event(), Event()

    def held(*args, **options):
        begun.set()
        assert let_go.wait(PATIENCE_S), "native code goes on until it is done"
        return native(*args, **options)

    monkeypatch.setattr(owner, step, held)
    samples, cancelled, ends = clip("en2")[: 16_000 * 2], Event(), []
    audio = Audio(samples=samples, sample_rate=16_000)
    request = TranscribeRequest(audio=audio, language="en", word_timestamps=True)

    def ask():
        call = Call(cancel_event=cancelled)
        try:
            list(engine.stream(request, call)) if how == "stream" else engine.transcribe([request], call)
        except RequestCancelledError as error:
            ends.append(error)

    client = Thread(target=ask)
    client.start()
    try:
        assert begun.wait(PATIENCE_S)
        cancelled.set()
        client.join(PATIENCE_S / 2)
        assert len(ends) == 1, "the call ended, and the step still goes on"
    finally:
        let_go.set()
        client.join()

    assert "bread" in transcribe(samples, language="en").text


def test_what_was_cancelled_takes_no_further_step(engine, transcribe, clip, generated):
    """A call that is cancelled before its second step leaves the model to the next one."""
    cancelled = Event()
    request = TranscribeRequest(audio=Audio(samples=clip("en2"), sample_rate=16_000), language="en")
    cancelled.set()
    wish = Wish(language="en", task="transcribe", stop=Call(cancel_event=cancelled).raise_if_cancelled)
    clip_of_it = Clip(start_s=0.0, end_s=request.audio.duration_s)

    with pytest.raises(RequestCancelledError):
        list(engine._decoder.decode_one(request.audio.samples, clip_of_it, wish))
    engine._model.forget()

    assert generated == []
    assert "bread" in transcribe(clip("en2"), language="en").text
