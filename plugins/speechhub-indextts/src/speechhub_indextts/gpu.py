"""The GPU that is found at load: its kind, the memory that CUDA itself takes, and its errors."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from speechhub.engine import LoadContext, card_key, explain_cuda
from speechhub_indextts.economy import LONGEST_S, PACES, Effort
from speechhub_indextts.packages import torch
from speechhub_indextts.placement import RUNTIME_BYTES, Placement
from speechhub_indextts.settings import IndexTtsSettings

log = logging.getLogger(__name__)

NAME: Final = "indextts"
"""Name of the engine in settings and commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The GPU that an engine is loaded on."""

    capability: tuple[int, int]
    memory_bytes: int
    """Memory that may be used, including CUDA's own part."""
    runtime_bytes: int
    """CUDA's own part: measured, or assumed if the driver reported no memory before."""


def meet(context: LoadContext) -> Gpu:
    """Create CUDA's context, and return what it takes and what is left.

    Raises:
        EngineDeviceError: The environment cannot compute there.
        EngineOutOfMemoryError: There is not enough memory even for the context.
    """
    device = context.device
    with explained(device):
        square = torch.ones(1, 8, 64, device=device)
        torch.nn.functional.conv1d(square @ square.mT, torch.ones(8, 8, 1, device=device)).sum().item()
        torch.cuda.empty_cache()
        free_bytes = int(torch.cuda.mem_get_info(device)[0])
        capability = torch.cuda.get_device_capability(device)
    if context.memory_bytes is None:
        return Gpu(
            capability=capability, memory_bytes=free_bytes + RUNTIME_BYTES, runtime_bytes=RUNTIME_BYTES
        )
    runtime_bytes = max(0, context.memory_bytes - free_bytes)
    log.info("CUDA itself takes %.2f GB", runtime_bytes / 1e9)
    return Gpu(capability=capability, memory_bytes=context.memory_bytes, runtime_bytes=runtime_bytes)


def key_of(context: LoadContext) -> str:
    """Return the key under which the card and the model are remembered."""
    name = torch.cuda.get_device_name(context.device)
    return card_key(card=name, model=context.model, library=f"torch {torch.__version__}")


def wanted_effort(settings: IndexTtsSettings, generation: str) -> Effort:
    """Return the effort that the operator's options ask for."""
    seconds = (
        settings.max_mel_tokens / PACES[generation].codes_per_s if settings.max_mel_tokens else LONGEST_S
    )
    return Effort(segment_s=seconds, beams=settings.num_beams)


def spared(settings: IndexTtsSettings, placement: Placement, generation: str) -> IndexTtsSettings:
    """Return the operator's options, reduced by what the plan had to give up."""
    if not placement.steps:
        return settings
    pace, effort = PACES[generation], placement.effort
    tokens = int(pace.segment_tokens * effort.segment_s / LONGEST_S)
    codes = int(pace.codes_per_s * effort.segment_s)
    return dataclasses.replace(
        settings,
        num_beams=effort.beams,
        segment_tokens=min(settings.segment_tokens or tokens, tokens),
        max_mel_tokens=min(settings.max_mel_tokens or codes, codes),
    )


@contextmanager
def explained(device: str) -> Iterator[None]:
    """Raise CUDA's errors in words for operators, and all other errors unchanged."""
    try:
        yield
    except Exception as error:
        if (meaning := explain_cuda(error, engine=NAME, device=device, **_card(device))) is not None:
            raise meaning from error
        raise


def _card(device: str) -> dict[str, Any]:
    """Return name and capability of a GPU; nothing if it no longer answers."""
    try:
        return {
            "card": torch.cuda.get_device_name(device),
            "capability": torch.cuda.get_device_capability(device),
        }
    except Exception:  # noqa: BLE001  # no driver, no CUDA, or a context that is gone
        return {}
