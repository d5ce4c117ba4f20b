"""Stand-ins for modules that the packages import but hardly use.

indextts2-inference takes two functions of torchaudio, whose wheels on PyPI link CUDA and whose last release
is older than our PyTorch; indextts25-inference has identical ones. NeMo imports a module that compares text
with recordings, which is not used here and needs a C compiler to install.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any, Final

NEMO_AUDIO: Final = "nemo_text_processing.text_normalization.normalize_with_audio"


@contextmanager
def torchaudio_stand_in() -> Iterator[None]:
    """Provide the parts of torchaudio that indextts2-inference needs, while that is imported."""
    from indextts25.utils.common import kaldi_fbank, resample  # noqa: PLC0415  # needs torch

    class Resample:
        """Stands in for torchaudio.transforms.Resample."""

        def __init__(self, orig_freq: int, new_freq: int) -> None:
            self._rates = (orig_freq, new_freq)

        def __call__(self, waveform: Any) -> Any:
            return resample(waveform, *self._rates)

    def fbank(waveform: Any, *, num_mel_bins: int, sample_frequency: float, dither: float) -> Any:
        if dither:
            raise NotImplementedError("The stand-in for torchaudio does not dither.")
        return kaldi_fbank(waveform, num_mel_bins=num_mel_bins, sample_frequency=sample_frequency)

    functional = _module(
        "torchaudio.functional.functional", _hz_to_mel=_never_called, _mel_to_hz=_never_called
    )
    modules = [
        _module(
            "torchaudio",
            transforms=SimpleNamespace(Resample=Resample),
            compliance=SimpleNamespace(kaldi=SimpleNamespace(fbank=fbank)),
        ),
        _module("torchaudio.functional", functional=functional),
        functional,
    ]
    names = [module.__name__ for module in modules]
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(zip(names, modules, strict=True))
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def leave_out_nemo_audio() -> None:
    """Let NeMo's text normalization be imported without the module that compares text with recordings."""
    sys.modules.setdefault(NEMO_AUDIO, _module(NEMO_AUDIO, NormalizerWithAudio=None))


def _module(name: str, **contents: object) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, loader=None)
    vars(module).update(contents)
    return module


def _never_called(*_: object, **__: object) -> Any:
    raise NotImplementedError("The stand-in for torchaudio lacks this function.")
