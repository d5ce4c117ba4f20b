"""What the engine hears in human speech: in recordings, and while it is spoken."""

from itertools import pairwise

import jiwer
import numpy as np
import pytest

from speechhub.engine import (
    Audio,
    Call,
    ConfigurationError,
    EngineLoadError,
    ListenRequest,
    LiveSessionLostError,
    LoadContext,
    SttEngine,
    TranscribeRequest,
)
from speechhub_pocketsphinx import EN_US
from speechhub_pocketsphinx.engine import PAUSE_S, PocketSphinxEngine

SAID = {
    "leisure": "and mister john dashwood had then leisure to consider how much there might be prudently "
    "in his power to do for them",
    "amiable": "had he married a more amiable woman he might have been made still more respectable than "
    "he was",
}
RATE = 16_000


def word_error_rate(said, heard):
    return jiwer.wer(said, heard.replace("mr", "mister"))


def transcribe(engine, audio, **fields):
    return engine.transcribe([TranscribeRequest(audio=audio, **fields)], Call())[0]


class Speaker:
    """Has an engine hear an utterance piece by piece."""

    def __init__(self, engine, session, audio, piece_s=0.5):
        self.engine, self.session = engine, session
        count = max(1, round(audio.duration_s / piece_s))
        bounds = [number * piece_s for number in range(count)] + [audio.duration_s]
        self.pieces = [audio.slice_s(*it) for it in pairwise(bounds)]
        self.heard = []

    def speak(self):
        """Say the next piece; return whether there are more."""
        place = len(self.heard)
        request = ListenRequest(
            session=self.session,
            audio=self.pieces[place],
            first=place == 0,
            last=place == len(self.pieces) - 1,
        )
        self.heard.append(self.engine.listen(request, Call()))
        return not request.last


@pytest.mark.parametrize(("name", "most"), [("amiable", 0.25), ("leisure", 0.45)])
def test_speech_becomes_text(engine, clip, name, most):
    """More than half of the words, even of a sentence with a name that its dictionary lacks."""
    heard = transcribe(engine, clip(name))

    assert word_error_rate(SAID[name], heard.text) <= most
    assert heard.language == "en"


def test_words_have_times_and_pauses_end_segments(engine, clip):
    """Words of the second sentence lie where it is."""
    one, two = clip("amiable"), clip("leisure")
    silence = np.zeros(2 * RATE, np.float32)
    whole = Audio(samples=np.concatenate([one.samples, silence, two.samples]), sample_rate=RATE)

    heard = transcribe(engine, whole, word_timestamps=True)

    begins_s = one.duration_s + 2
    gaps_s = [later.start_s - earlier.end_s for earlier, later in pairwise(heard.segments)]
    assert min(gaps_s) >= PAUSE_S
    assert max(gaps_s) > 1.5
    second = " ".join(word.text.strip() for word in heard.words if word.start_s > begins_s - 0.5)
    assert word_error_rate(SAID["leisure"], second) < 0.5
    assert any(word.probability < 1 for word in heard.words)
    assert not transcribe(engine, whole).words


def test_text_grows_while_somebody_speaks(engine, clip):
    """Most answers are longer than the one before, and the last one is the recording's text."""
    speaker = Speaker(engine, "growing", clip("amiable"))
    while speaker.speak():
        pass

    lengths = [len(it.text.split()) for it in speaker.heard]
    assert sum(later > earlier for earlier, later in pairwise(lengths)) >= len(lengths) // 2
    assert lengths[len(lengths) // 2] >= lengths[-1] // 3
    assert speaker.heard[-1].text == transcribe(engine, clip("amiable")).text
    assert speaker.heard[-2].stable_chars == 0


@pytest.mark.parametrize("piece_s", [0.03, 0.25, 3.0])
def test_pieces_of_any_length_make_the_same_text(engine, clip, piece_s):
    """And so does what the engine heard before."""
    audio = clip("amiable")
    speaker = Speaker(engine, f"pieces of {piece_s}", audio, piece_s)
    while speaker.speak():
        pass

    assert speaker.heard[-1].text == transcribe(engine, audio).text


def test_two_utterances_and_a_recording_are_heard_at_the_same_time(engine, clip):
    """Each as if it were alone."""
    alone = {name: transcribe(engine, clip(name)).text for name in SAID}
    speakers = {name: Speaker(engine, f"both {name}", clip(name)) for name in SAID}
    speaking = set(SAID)
    while speaking:
        speaking = {name for name in sorted(speaking) if speakers[name].speak()}
        assert transcribe(engine, clip("leisure").slice_s(0.0, 0.3)).duration_s == pytest.approx(0.3)

    assert {name: speaker.heard[-1].text for name, speaker in speakers.items()} == alone


def test_more_utterances_than_decoders_are_heard_when_they_have_ended(engine, clip):
    """They have the same text in the end; and a decoder that is free again goes to the next one."""
    audio = clip("amiable").slice_s(0.0, 2.0)
    first, second, third = (Speaker(engine, f"many {number}", audio) for number in range(3))
    for speaker in (first, second, third):
        while speaker.speak() and len(speaker.heard) < 3:
            pass
    assert first.heard[-1].text
    assert third.heard[-1].text == ""
    while third.speak():
        pass
    engine.listen(ListenRequest(session="many 0", audio=audio, abandon=True), Call())
    fourth = Speaker(engine, "many 3", audio)
    while fourth.speak():
        pass
    while second.speak():
        pass

    assert fourth.heard[-2].text
    assert {it.heard[-1].text for it in (second, third, fourth)} == {transcribe(engine, audio).text}
    with pytest.raises(LiveSessionLostError):
        first.speak()


def test_no_decoders_at_all_is_a_choice(make, clip):
    """The operator saves the memory, and utterances are heard when they have ended."""
    audio = clip("amiable").slice_s(0.0, 2.0)
    engine = make(sessions=0)
    speaker = Speaker(engine, "only", audio)
    while speaker.speak():
        pass

    assert {it.text for it in speaker.heard[:-1]} == {""}
    assert speaker.heard[-1].text == transcribe(engine, audio).text


def test_wrong_options_and_damaged_models_are_explained(make, tmp_path):
    """In a sentence that says what to do."""
    with pytest.raises(ConfigurationError, match="between 0 and 32"):
        make(sessions=33)
    with pytest.raises(EngineLoadError, match="speechhub models verify"):
        PocketSphinxEngine().load(LoadContext(model=EN_US.id, model_dir=tmp_path))


def test_it_has_no_stream_of_its_own():
    """Nothing of a recording's text is final before its end."""
    assert PocketSphinxEngine.stream is SttEngine.stream
