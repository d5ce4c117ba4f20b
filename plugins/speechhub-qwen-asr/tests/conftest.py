"""Tiny checkpoints, and engines that run on them through the real qwen-asr."""

import warnings

import numpy as np
import pytest

from speechhub.engine import Audio, Call, LoadContext, TranscribeRequest
from tests.fakes.babble import babble, wav_of

torch = pytest.importorskip("torch", reason="PyTorch is not installed here")
torch.set_num_threads(1)  # with 2 threads on 2 busy cores the same calls take 5 to 40 times as long
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its libraries warn while they are imported, which speechhub cannot fix
    pytest.importorskip("qwen_asr", reason="qwen-asr is not installed here")

from speechhub_qwen_asr.engine import QwenAsrEngine  # noqa: E402  # it needs the two above

from .tiny_checkpoint import build_aligner, build_asr, build_polyglot, build_script  # noqa: E402

CHINESE = ("你", "好", "，", "吗", "？")  # noqa: RUF001  # full-width, as the model writes them
TEXT = "The quick brown fox."
WORDS = [("The", 0.16, 0.32), ("quick", 0.48, 0.64), ("brown", 0.8, 0.96), ("fox.", 1.12, 1.28)]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Return the folder of a checkpoint by its kind; each is built once, when it is wanted."""
    home, made = tmp_path_factory.mktemp("checkpoints"), {}
    makers = {
        "random": build_asr,
        "script": build_script,
        "silent": lambda out: build_script(out, language="None", text_tokens=()),
        "chinese": lambda out: build_script(out, language="Chinese", text_tokens=CHINESE),
        "endless": lambda out: build_script(out, endless=True),
        "polyglot": lambda out: build_polyglot(
            out,
            {
                "English": ([babble(10, seed=91)], ("The", " quick", " brown", " fox", ".")),
                "Chinese": ([high_babble(10, seed=92)], CHINESE),
            },
        ),
        "aligner": build_aligner,
    }

    def folder(kind):
        if kind not in made:
            made[kind] = makers[kind](home / kind)
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def load(checkpoints):
    """Load an engine on a checkpoint, in float32, in which the aligner's times are exact."""

    def loaded(kind, *, aligner=False, **options):
        options = {"dtype": "float32"} | options
        if aligner:
            options["aligner"] = str(checkpoints("aligner"))
        engine = QwenAsrEngine()
        engine.load(LoadContext(model="tiny", model_dir=checkpoints(kind), threads=1, options=options))
        return engine

    return loaded


@pytest.fixture(scope="session")
def engine(load):
    """The engine that says TEXT, with an aligner."""
    return load("script", aligner=True)


@pytest.fixture(scope="session")
def plain_engine(load):
    """The engine that says TEXT, without an aligner."""
    return load("script")


def tone(duration_s=3.0):
    """Return something that is no silence."""
    time_s = np.arange(int(16_000 * duration_s)) / 16_000
    samples = (0.3 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    samples.setflags(write=False)  # as a worker hands them over
    return Audio(samples=samples, sample_rate=16_000)


def high_babble(duration_s, seed=1):
    """Return speech without words in a voice higher than that of `babble`: by two thirds of an octave."""
    return babble(duration_s * 1.6, rate=10_000, seed=seed)


def speech_wav(duration_s=3.0):
    """Return a file with what a voice detector takes for speech: the hub keeps noises from this engine."""
    return wav_of(babble(duration_s))


def transcribe(engine, audio=None, call=None, **wish):
    """Transcribe one recording, by default a tone."""
    [transcript] = engine.transcribe([TranscribeRequest(audio=audio or tone(), **wish)], call or Call())
    return transcript
