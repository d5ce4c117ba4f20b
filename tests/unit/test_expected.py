"""Values that do not fit their types."""

from typing import Literal

import msgspec
import pytest

from speechhub.settings.expected import MOST_PARTS, misfit

GRANULARITIES = tuple[Literal["word", "segment"], ...]


@pytest.mark.parametrize(("good", "place"), [(MOST_PARTS - 1, f"[{MOST_PARTS - 1}]"), (10 * MOST_PARTS, "")])
def test_a_long_list_is_looked_into_only_so_far(good, place):
    """A request of megabytes must not keep the server from all others; the list is at fault then."""
    looks = 0

    def convert(value, kind):
        nonlocal looks
        looks += 1
        return msgspec.convert(value, kind)

    wrong = misfit(["word"] * good + ["x"], GRANULARITIES, convert)

    assert wrong.place == place
    assert all(choice in wrong.reason for choice in ("word", "segment"))
    assert looks <= 1 + MOST_PARTS
