"""What users see of an engine's phases."""

import typing

import pytest

from speechhub.engine import Slot
from speechhub.http.schemas.models import ModelState
from speechhub.lifecycle.scheduler.states import MOVES, Phase, public_state


@pytest.mark.parametrize(
    ("phase", "slot", "shown"),
    [
        (None, Slot.STT, "NONE"),
        (Phase.LOADING, Slot.STT, "LOADING"),
        (Phase.READY, Slot.STT, "STT"),
        (Phase.READY, Slot.TTS, "TTS"),
        (Phase.DRAINING, Slot.TTS, "UNLOADING"),
        (Phase.STOPPING, Slot.TTS, "UNLOADING"),
        (Phase.VERIFYING, Slot.STT, "UNLOADING"),
    ],
)
def test_each_phase_is_shown_as_one_state(phase, slot, shown):
    """An engine counts as unloading until its memory is proved free."""
    assert public_state(phase, slot.public_state) == shown


def test_every_phase_has_its_moves():
    """A phase without a row in the table could never be left."""
    assert set(MOVES) == set(Phase)


def test_the_api_names_every_phase():
    """What a model's state may be in an answer is what its worker's phase may be, or that it has none."""
    assert set(typing.get_args(ModelState)) == {"unloaded", *Phase}
