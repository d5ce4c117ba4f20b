"""A loaded engine with the real model, and clips of human speech for it."""

from pathlib import Path

import av
import numpy as np
import pytest

from speechhub.engine import Audio, LoadContext
from speechhub.store import ModelStore
from speechhub_pocketsphinx import EN_US
from speechhub_pocketsphinx.engine import PocketSphinxEngine

CLIPS = Path(__file__).parent / "clips"
RATE = 16_000


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A model store that may only use the installed wheel."""
    return ModelStore(tmp_path_factory.mktemp("models"), hf_endpoint=None, offline=True)


@pytest.fixture(scope="session")
def model_dir(store):
    return store.resolve(EN_US)


@pytest.fixture(scope="session")
def make(model_dir):
    """Load an engine with some options."""

    def load(**options):
        engine = PocketSphinxEngine()
        engine.load(LoadContext(model=EN_US.id, model_dir=model_dir, options=options))
        return engine

    return load


@pytest.fixture(scope="session")
def engine(make):
    return make(sessions=2)


@pytest.fixture(scope="session")
def clip():
    """Return human speech, by the name of its clip."""

    def read(name):
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        with av.open(str(CLIPS / f"{name}.ogg")) as container:
            frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        return Audio(samples=samples, sample_rate=RATE)

    return read
