"""A loaded engine with real weights, and clips of speech for it; make_clips.py made them."""

from pathlib import Path

import jiwer
import numpy as np
import pytest
from faster_whisper.audio import decode_audio

from speechhub.engine import Audio, Call, LoadContext, TranscribeRequest
from speechhub.store import ModelStore
from speechhub_whisper import WHISPER_BASE
from speechhub_whisper.engine import WhisperEngine

CLIPS = Path(__file__).parent / "clips"
ENGLISH = (
    "The old lighthouse stood at the edge of the cliff. "
    "Every evening, the keeper climbed the narrow stairs to light the great lamp."
)
ENGLISH_2 = (
    "Making bread at home is easier than most people think. "
    "You only need flour, water, salt, and a little yeast."
)
ENGLISH_3 = (
    "Travellers read the news on small screens now. "
    "Some of them miss the sound of turning pages, while others enjoy the silence."
)
LONG = " ".join([ENGLISH, ENGLISH_2, ENGLISH_3] * 2)
PAUSE_S = 3.0
NORMALISE = jiwer.Compose(
    [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), jiwer.RemoveMultipleSpaces(), jiwer.Strip()]
)


def word_error_rate(said, heard):
    return jiwer.wer(NORMALISE(said), NORMALISE(heard))


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A model store that may only use the installed wheels."""
    return ModelStore(tmp_path_factory.mktemp("models"), hf_endpoint=None, offline=True)


@pytest.fixture(scope="session")
def model_dir(store):
    return store.resolve(WHISPER_BASE)


@pytest.fixture(scope="session")
def engine(model_dir):
    """Whisper base as it is by default."""
    loaded = WhisperEngine()
    loaded.load(LoadContext(model="whisper-base", model_dir=model_dir))
    return loaded


@pytest.fixture(scope="session")
def clip():
    """Return the samples of a clip, by its language."""

    def read(name):
        return decode_audio(str(CLIPS / f"{name}.ogg"))

    return read


@pytest.fixture(scope="session")
def long_clip(clip):
    """All English clips, twice, with pauses between: several of Whisper's windows."""
    pause = np.zeros(int(PAUSE_S * 16_000), np.float32)
    return np.concatenate([part for name in ("en", "en2", "en3") * 2 for part in (clip(name), pause)])


@pytest.fixture(scope="session")
def long_transcript(engine, long_clip):
    """What the engine hears in the long clip, with words."""
    audio = Audio(samples=long_clip, sample_rate=16_000)
    [transcript] = engine.transcribe([TranscribeRequest(audio=audio, word_timestamps=True)], Call())
    return transcript


@pytest.fixture
def transcribe(engine):
    """Transcribe samples with the engine."""

    def run(samples, **wish):
        audio = Audio(samples=samples, sample_rate=16_000)
        [transcript] = engine.transcribe([TranscribeRequest(audio=audio, **wish)], Call())
        return transcript

    return run
