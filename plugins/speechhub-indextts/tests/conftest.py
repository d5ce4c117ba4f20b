"""Tiny checkpoints, and engines that run on them through the real packages."""

import hashlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from speechhub.engine import Audio, Call, LoadContext, Reference, SynthesizeRequest

# NeMo's wheel brings a package "tests" of its own, which would hide the repository's.
sys.modules["tests"] = ModuleType("tests")
sys.modules["tests"].__path__ = [str(Path(__file__).parents[3] / "tests")]

torch = pytest.importorskip("torch", reason="PyTorch is not installed here")
torch.set_num_threads(1)  # with 2 threads on 2 busy cores the same calls take 5 to 40 times as long
pytest.importorskip("pynini", reason="the packages of IndexTTS are not installed here")

from speechhub_indextts.engine import IndexTtsEngine  # noqa: E402  # it needs the two above
from speechhub_indextts.grammars import Grammar, Shelf, prebuild  # noqa: E402
from speechhub_indextts.packages import quiet  # noqa: E402
from speechhub_indextts.settings import IndexTtsSettings  # noqa: E402

from .tiny_checkpoint import build_2, build_25, build_shared  # noqa: E402

SAMPLE_RATE = 22_050
QUICK = {"normalization": False, "num_beams": 1, "diffusion_steps": 2, "segment_tokens": 60, "retry": False}
"""No grammars, which take a minute to build, and little computing; noise is always wrong."""
TEXT = "The first sentence is short. Here is the second one, a little longer. And this ends it."


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Return the folder of a checkpoint by its generation; each is built once, when it is wanted."""
    home, made = tmp_path_factory.mktemp("checkpoints"), {}

    def folder(generation):
        with quiet():
            if not made:
                made["shared"] = build_shared(home / "shared")
            if generation not in made:
                build = {"2": build_2, "2.5": build_25}[generation]
                made[generation] = build(home / f"indextts-{generation}", made["shared"])
        return made[generation]

    return folder


@pytest.fixture(scope="session")
def load(checkpoints):
    """Load an engine of a generation on its tiny checkpoint."""

    def loaded(generation, *, model_dir=None, cache_dir=None, prebuilt_dir=None, **options):
        engine = IndexTtsEngine()
        engine.load(
            LoadContext(
                model=f"indextts-{generation}",
                model_dir=model_dir or checkpoints(generation),
                threads=1,
                options=QUICK | options,
                cache_dir=cache_dir,
                prebuilt_dir=prebuilt_dir,
            )
        )
        return engine

    return loaded


@pytest.fixture(scope="session")
def grammar_of_chinese(tmp_path_factory):
    """Lend the grammar of Chinese, as an installation builds it, in ten seconds, into `folder`."""
    from indextts25.utils import nemo_tn

    folder = tmp_path_factory.mktemp("grammars")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nemo_tn, "_CACHE_DIR", "")  # and put back
        patch.setattr(nemo_tn.get_text_normalizer(), "_cache", {})
        prebuild(folder, ["zh"])
        grammar = Grammar("zh", Shelf(IndexTtsSettings(), work_dir=None, prebuilt_dir=folder))
        grammar.folder = folder
        yield grammar


@pytest.fixture(scope="session", params=["2.5", "2"])
def engine(load, request):
    """An engine of each generation."""
    loaded = load(request.param)
    yield loaded
    loaded.close()


def buzz(duration_s=2.0, hertz=180.0, sample_rate=SAMPLE_RATE):
    """Return something like a voice."""
    phase = np.arange(int(duration_s * sample_rate)) * (2 * np.pi * hertz / sample_rate)
    swell = 1 + 0.5 * np.sin(phase / 60)
    samples = np.sum([np.sin(phase * overtone) / overtone for overtone in range(1, 8)], axis=0) * 0.1 * swell
    samples = samples.astype(np.float32)
    samples.setflags(write=False)  # as a worker hands them over
    return Audio(samples=samples, sample_rate=sample_rate)


def reference(hertz=180.0, *, stored=False, duration_s=2.0):
    """Return a recording of a voice."""
    audio = buzz(duration_s, hertz)
    digest = hashlib.sha256(audio.samples.tobytes()).hexdigest()
    return Reference(audio=audio, digest=digest, stored=stored)


def pieces(engine, text=TEXT, *, call=None, **wish):
    """Return the pieces of a speech, one by one."""
    request = SynthesizeRequest(**{"text": text, "voice": "", "reference": reference(), "seed": 7} | wish)
    return engine.synthesize(request, call or Call())


def speak(engine, text=TEXT, **wish):
    """Return the samples of a whole speech."""
    found = [piece.samples for piece in pieces(engine, text, **wish)]
    return np.concatenate(found) if found else np.zeros(0, np.float32)
