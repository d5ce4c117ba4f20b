"""Loading with a check of the result: if half precision fails on a card, float32 is used instead."""

import gc
import logging
from dataclasses import replace
from typing import Final, Protocol

from speechhub.engine import EngineLoadError, Float32Cards, LoadContext
from speechhub_indextts.generation import free_cached
from speechhub_indextts.gpu import key_of
from speechhub_indextts.settings import IndexTtsSettings
from speechhub_indextts.soundness import NotNumbersError

log = logging.getLogger(__name__)

DAMAGED: Final = "its weights or the device are damaged. Pull the model again; on a GPU, try another driver."


class Loadable(Protocol):
    """The part of the engine that loading needs."""

    @property
    def is_half(self) -> bool:
        """Whether any model speaks in half precision."""
        ...

    def bring_up(self, context: LoadContext, settings: IndexTtsSettings) -> None:
        """Load the model with these options."""
        ...

    def take_down(self) -> None:
        """Unload it."""
        ...

    def warm_up(self) -> None:
        """Speak once."""
        ...


IN_FLOAT32: Final = "Half precision fails on this GPU, so the model speaks in float32."
"""Remark for operators."""


def load_soundly(engine: Loadable, context: LoadContext, settings: IndexTtsSettings) -> str:
    """Load the model; on a GPU, let it speak once, and load it again in float32 if that fails.

    Returns:
        What operators should know about its arithmetic; empty if nothing is unusual.

    Raises:
        EngineLoadError: It computes NaN or infinity on this device, or float32 does not fit there.
    """
    if context.device == "cpu":
        engine.bring_up(context, settings)
        return ""
    cards, key = Float32Cards(context.work_dir), key_of(context)
    remark = ""
    if settings.dtype == "auto" and key in cards:
        remark = IN_FLOAT32
        log.warning("half precision failed on this GPU before; using float32")
        settings = replace(settings, dtype="float32")
    engine.bring_up(context, settings)
    try:
        engine.warm_up()
    except NotNumbersError as error:
        if not engine.is_half:
            raise EngineLoadError(
                f"The {error} computes no finite numbers, even in float32: {DAMAGED}"
            ) from error
        model = str(error)
    else:
        return remark
    log.warning("the %s computes no finite numbers in half precision; loading it in float32", model)
    engine.take_down()
    gc.collect()
    free_cached(context.device)
    try:
        engine.bring_up(context, replace(settings, dtype="float32"))
        engine.warm_up()
    except NotNumbersError as error:
        raise EngineLoadError(
            f"The {error} computes no finite numbers, even in float32: {DAMAGED}"
        ) from error
    except EngineLoadError as error:
        raise EngineLoadError(
            f"The {model} computes no finite numbers in half precision on this GPU, and in float32: "
            f"{error.message}"
        ) from error
    cards.add(key)
    return IN_FLOAT32
