"""Licences with conditions: what counts as accepted, and what is remembered."""

import pytest

from speechhub.engine import ModelSpec
from speechhub.errors import LicenceNotAcceptedError
from speechhub.store import Licences
from tests.unit.descriptors import descriptors_left, exhausted

FREE = ModelSpec(id="free", licence="MIT")
BOUND = ModelSpec(
    id="bound", licence="Own-1.0", licence_url="https://example.org/own", must_accept_licence=True
)
OTHER = ModelSpec(id="other", licence="Own-1.0", must_accept_licence=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "models" / ".licences.json"


def test_only_conditions_need_an_answer(path):
    """A free licence is nobody's business; the other is refused, with where to read it and what to do."""
    licences = Licences(path)

    licences.check(FREE)
    with pytest.raises(LicenceNotAcceptedError) as caught:
        licences.check(BOUND)
    for part in ("'bound'", "Own-1.0", "https://example.org/own", "--accept-license", "ACCEPT_LICENSES"):
        assert part in caught.value.message
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("accepted", "bound", "other"),
    [
        (["all"], True, True),
        (["own-1.0"], True, True),
        (["Bound"], True, False),
        (["other"], False, True),
        (["MIT", "free"], False, False),
    ],
)
def test_settings_accept(path, accepted, bound, other):
    """A licence, a model, or all, in whatever case."""
    licences = Licences(path, accepted=accepted)

    assert (licences.allow(BOUND), licences.allow(OTHER)) == (bound, other)


def test_what_a_command_accepts_is_remembered(path):
    """For this model and this licence, by every process on the same home, at once."""
    running = Licences(path)

    assert [model.id for model in Licences(path).accept([FREE, BOUND])] == ["bound"]
    assert Licences(path).accept([BOUND]) == []

    assert running.allow(BOUND)
    assert not running.allow(OTHER)
    assert not running.allow(renewed())
    Licences(path).accept([OTHER, renewed()])
    assert [running.allow(model) for model in (OTHER, renewed(), BOUND)] == [True, True, False]
    assert [it.name for it in path.parent.iterdir()] == [path.name]


def renewed():
    """The model, once its licence has changed."""
    return ModelSpec(id="bound", licence="Own-2.0", must_accept_licence=True)


def test_a_damaged_file_accepts_nothing(path):
    """Who cannot read an answer asks again."""
    Licences(path).accept([BOUND])
    path.write_bytes(path.read_bytes()[:20])

    assert not Licences(path).allow(BOUND)
    Licences(path).accept([BOUND])
    assert Licences(path).allow(BOUND)


def test_without_descriptors_nothing_is_set_aside(path):
    """A file that cannot be opened for want of descriptors is not damaged: what was accepted stays so."""
    licences = Licences(path)
    licences.accept([BOUND])

    with descriptors_left(0), pytest.raises(OSError, match="Too many open files") as error:
        licences.accept([OTHER])
    assert exhausted(error.value)
    assert licences.allow(BOUND)
    assert [it.name for it in path.parent.iterdir()] == [path.name]
