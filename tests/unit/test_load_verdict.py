"""The load test's verdict: what counts as growth, and which refusals it believes to be documented."""

import random

import pytest

from benchmarks.load.mix import KINDS, documented_refusals
from benchmarks.load.plot import svg
from benchmarks.load.verdict import growth

pytestmark = pytest.mark.mission("17.13")

SECONDS = list(range(900))


def test_what_swings_has_not_grown():
    """Noise, a slow wave and a step within the warm-up are no growth."""
    dice = random.Random(1)
    values = [(50 if at < 100 else 140) + 20 * (at // 60 % 2) + dice.random() for at in SECONDS]

    assert abs(growth(SECONDS, values).grown) < 2


def test_what_leaks_has_grown_by_what_it_leaked():
    """A leak shows through noise and a few wild moments, as much of it as fell into the time that counts."""
    dice = random.Random(2)
    values = [100 + 0.05 * at + 10 * dice.random() + (500 if dice.random() < 0.02 else 0) for at in SECONDS]

    found = growth(SECONDS, values)

    assert found.grown == pytest.approx(0.05 * 0.8 * 900, rel=0.1)
    assert found.most > 500


def test_every_refusal_that_will_do_is_documented():
    """The mix expects nothing of the server that its clients are not told."""
    documented = {(status, code) for status, _, code in documented_refusals()}

    assert {refusal for kind in KINDS.values() for refusal in kind.refusals} <= documented
    assert len(documented) > 20


def test_the_picture_has_a_curve_for_each_name():
    """Names are written beside their curves, whatever they contain."""
    picture = svg(
        "a < b", SECONDS, {"MB": {"hub": SECONDS, "a & b": [5.0] * 900}, "how many": {"c": SECONDS}}
    )

    assert picture.count("<polyline") == 3
    assert "a &amp; b" in picture
