"""The GPUs that CUDA shows to a process, in its order: reads CUDA_VISIBLE_DEVICES as CUDA does. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "CUDA_VISIBLE_DEVICES"
ORDER: Final[dict[str, str]] = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""Variables for each of our processes that uses CUDA, so that it numbers GPUs as the driver does."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}(?![0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A GPU in the driver's list, which is in the order of the PCI bus."""

    uuid: str
    partitioned: bool = False
    """Whether it is divided into slices (MIG); then it cannot be used as a whole."""
    slices: tuple[str, ...] = ()
    """UUIDs of its slices."""

    @property
    def devices(self) -> tuple[str, ...]:
        """UUIDs of its usable devices: the card itself, or its slices."""
        return self.slices if self.partitioned else (self.uuid,)


def visible(cards: Sequence[Card], wish: str | None) -> tuple[str, ...]:
    """Return the UUIDs of ``cuda:0``, ``cuda:1`` … as CUDA numbers them in the order of the PCI bus.

    Entries are numbers, or UUIDs or their first characters. The first entry that names no device ends the
    list, and a device named twice makes the list empty. Of slices, CUDA uses only the first.
    Sources: CUDA Programming Guide, "CUDA Environment Variables"; MIG User Guide, "CUDA Device Enumeration";
    ``torch.cuda._parse_visible_devices``.

    Args:
        cards: The GPUs that the driver reports.
        wish: Value of ``CUDA_VISIBLE_DEVICES``; None if it is not set.
    """
    named = _named(cards, wish) if wish is not None else tuple(own for card in cards for own in card.devices)
    first_slice = next((uuid for uuid in named if any(uuid in card.slices for card in cards)), None)
    return named if first_slice is None else (first_slice,)


def _named(cards: Sequence[Card], wish: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in wish.split(","):
        device = _device(cards, word.strip())
        if device is None:
            break
        if device in found:
            return ()
        found.append(device)
    return tuple(found)


def _device(cards: Sequence[Card], word: str) -> str | None:
    """Return the device that one word of the list names; None if it names none."""
    if word.startswith("MIG-"):
        return _only(own for card in cards for own in card.slices if own.startswith(word))
    if word.startswith("GPU-"):
        uuid = _only(card.uuid for card in cards if card.uuid.startswith(word))
        card = next((card for card in cards if card.uuid == uuid), None)
    else:
        number = _NUMBER.match(word)  # as strtoul does: "1gpu" is 1
        index = int(number[0]) if number else -1
        card = cards[index] if 0 <= index < len(cards) else None
    return next(iter(card.devices), None) if card else None


def _only(found: Iterable[str]) -> str | None:
    """Return the item in *found* if there is exactly one; else None."""
    some = list(found)
    return some[0] if len(some) == 1 else None
