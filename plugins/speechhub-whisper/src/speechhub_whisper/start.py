"""Start of a model: load it and run every part of it once, so that nothing fails at the first request."""

from speechhub.engine import EngineDeviceError, EngineLoadError, LoadContext
from speechhub_whisper.compute import NOT_SUPPORTED, device_error
from speechhub_whisper.decoder import Decoder
from speechhub_whisper.model import Model, load_model
from speechhub_whisper.settings import WhisperSettings

PLAINER = ("float16", "float32")
"""Compute types to try where a GPU turns out to lack the best one, in this order."""


def start(context: LoadContext, settings: WhisperSettings) -> tuple[Model, Decoder]:
    """Load the model and decode a second of silence with it.

    On a GPU this opens the libraries that CTranslate2 loads at run time, and shows whether the GPU lacks a
    compute type that CTranslate2 promised; where the operator names none, simpler ones are tried.

    Raises:
        EngineLoadError: The folder has no CTranslate2 Whisper, or the device cannot run it.
        EngineDeviceError: This environment cannot compute on the device.
    """
    wanted = settings.compute_type
    plainer = PLAINER if wanted == "auto" and context.device != "cpu" else ()
    reason: Exception | None = None
    for compute_type in (wanted, *plainer):
        model = load_model(context, compute_type)
        decoder = Decoder(model, settings)
        try:
            decoder.warm_up()
        except RuntimeError as error:  # CTranslate2 raises RuntimeError for everything
            if unusable := device_error(error, context.device):
                raise unusable from error
            if not NOT_SUPPORTED.search(str(error)):
                raise
            reason = error
        else:
            return model, decoder
    if wanted != "auto":
        raise EngineLoadError(
            f"{context.device} does not support compute_type {wanted!r}: remove it, or set 'float16' or "
            f"'float32' ({reason})."
        ) from reason
    raise EngineDeviceError(
        f"Whisper cannot compute on {context.device}: cuBLAS supports none of its compute types there. Set "
        f"this engine's device to 'cpu', or install a newer ctranslate2 ({reason})."
    ) from reason
