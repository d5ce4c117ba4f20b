"""What looks at a GPU tell: whose memory is whose, and how much a model takes."""

import os

import pytest

from speechhub.lifecycle.own_processes import any_left, own_ids
from speechhub.lifecycle.vacancy import Need, Resident, is_free, resident_of, strangers, taken_bytes
from tests.unit.lifecycle.test_gpu_memory import MB, Look

EMPTY = Look(200 * MB, {})


@pytest.mark.parametrize(
    ("measured", "described", "best"),
    [
        (1, 2, 1),
        (0, 2, 0),
        (None, 2, 2),
        (None, 3800 * MB, 3800 * MB),
        (None, 3800 * MB + 1, 0),  # this card never had so much
        (None, None, 0),
    ],
)
def test_a_need_is_the_best_figure_there_is(measured, described, best):
    need = Need(measured_bytes=measured, described_bytes=described)

    assert need.best_bytes(EMPTY) == best


def test_an_engine_is_known_by_its_own_ids_or_by_what_came_with_it():
    before, after = Look(300 * MB, {7: 100 * MB}), Look(1300 * MB, {7: 100 * MB, 8: 1000 * MB})

    assert resident_of(8, after, before, {8}) == Resident(pid=8, shown=frozenset({8}))
    assert resident_of(5, after, before, ()) == Resident(pid=5, shown=frozenset({8}), certain=False)
    assert resident_of(5, Look(1300 * MB, None), None, ()).shown == frozenset()


@pytest.mark.parametrize(
    ("after", "certain", "most", "taken"),
    [
        # A stranger, 7, grew by 500 MB meanwhile.
        ({7: 600 * MB, 8: 1000 * MB}, True, 900 * MB, 1000 * MB),
        ({7: 600 * MB, 8: 1000 * MB}, False, None, 1000 * MB),
        ({7: 600 * MB, 8: 1000 * MB}, False, 900 * MB, 900 * MB),
        ({8: 1000 * MB}, True, 900 * MB, 1000 * MB),  # the stranger is missing in this look
        ({8: 1000 * MB}, True, None, 1128 * MB),
        ({7: None, 8: None}, True, None, 1500 * MB),
        ({7: None, 8: None}, True, 900 * MB, 900 * MB),
        (None, True, 900 * MB, 900 * MB),
    ],
)
def test_what_an_engine_takes_is_not_what_strangers_take(after, certain, most, taken):
    before = Look(300 * MB, {7: 100 * MB})
    resident = Resident(pid=8, shown=frozenset({8} if after else ()), certain=certain)

    assert taken_bytes(Look(1800 * MB, after), before, resident, most) == taken


def test_what_may_be_ours_must_have_left_the_list():
    """With the host's ids: the process that came as the engine loaded is what went with it."""
    resident = Resident(pid=5, shown=frozenset({8}), certain=False)

    assert not is_free(Look(700 * MB, {7: 400 * MB, 8: 100 * MB}), EMPTY, resident, 0)
    assert is_free(Look(700 * MB, {7: 500 * MB}), EMPTY, resident, 0)
    assert not is_free(Look(700 * MB, {7: 400 * MB}), EMPTY, resident, 0)


def test_strangers_are_those_that_came_or_grew():
    baseline = Look(0, {1: 10 * MB, 2: 20 * MB, 3: None})
    look = Look(0, {1: 10 * MB, 2: 30 * MB, 3: None, 4: 40 * MB})

    assert strangers(look, baseline) == (
        "process 2 (20 MB before, 30 MB now), process 3 (? MB before, ? MB now), process 4 (new, 40 MB)"
    )


def test_ids_of_all_namespaces_are_ours(tmp_path):
    """As on a host whose workers run in containers: its /proc shows a process by all of its ids."""
    folder = tmp_path / "90017"
    folder.mkdir()
    (folder / "status").write_text("Name:\tpython\nNSpid:\t90017\t412\t17\nThreads:\t1\n")

    assert own_ids(90017, [17, 412, 5_000_000, 90017], tmp_path) == {17, 412, 90017}
    assert own_ids(90018, [17], tmp_path) == frozenset()


def test_another_users_process_is_none_of_ours(monkeypatch):
    """Its number was given anew; we may not even signal it."""

    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    monkeypatch.setattr(os, "killpg", forbidden)

    assert not any_left(4711)
