"""A loaded engine with the real voice."""

import numpy as np
import pytest

from speechhub.engine import Call, LoadContext, SynthesizeRequest
from speechhub.store import ModelStore
from speechhub_piper import JOE
from speechhub_piper.engine import PiperEngine


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A model store that may only use the installed wheels."""
    return ModelStore(tmp_path_factory.mktemp("models"), hf_endpoint=None, offline=True)


@pytest.fixture(scope="session")
def model_dir(store):
    return store.resolve(JOE)


@pytest.fixture(scope="session")
def engine(model_dir):
    """Joe as he is by default."""
    loaded = PiperEngine()
    loaded.load(LoadContext(model=JOE.id, model_dir=model_dir))
    return loaded


@pytest.fixture
def speak(engine):
    """Have the engine speak; return the pieces."""

    def run(text, **wish):
        return list(engine.synthesize(SynthesizeRequest(text=text, voice="joe", **wish), Call()))

    return run


def joined(pieces):
    """Return all samples in one array."""
    return np.concatenate([piece.samples for piece in pieces])
