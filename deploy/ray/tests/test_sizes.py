"""How many hubs fit on which cluster."""

import pytest

from speechhub.errors import ConfigurationError
from speechhub_ray.options import options_of
from speechhub_ray.sizes import count_of, sizes_of


def sizes(has, count=None, gpus=None, cpus=None):
    found = sizes_of(has, count=count, gpus=gpus, cpus=cpus)
    assert options_of(found)
    return found["replicas"], found["gpus_per_replica"], found["cpus_per_replica"]


@pytest.mark.parametrize(
    ("has", "asked", "found"),
    [
        ({"CPU": 16, "GPU": 4}, {}, (4, 1, 2)),
        ({"CPU": 4, "GPU": 4}, {}, (4, 1, 1)),
        ({"CPU": 16, "GPU": 4}, {"gpus": 2}, (2, 2, 2)),
        ({"CPU": 16, "GPU": 4}, {"gpus": 0}, (1, 0, 16)),
        ({"CPU": 16}, {"count": 2}, (2, 0, 8)),
        ({"CPU": 16, "GPU": 4}, {"gpus": 0, "count": 3, "cpus": 0.5}, (3, 0, 0.5)),
        ({"CPU": 2}, {}, (1, 0, 2)),
        ({"CPU": 1}, {}, (1, 0, 1)),
        ({"CPU": 2}, {"count": 8}, (8, 0, 0.25)),
        ({"CPU": 2}, {"count": 20, "cpus": 0.1}, (20, 0, 0.1)),
    ],
)
def test_what_fits_is_dealt_out(has, asked, found):
    assert sizes(has, **asked) == found


@pytest.mark.parametrize(
    ("has", "asked", "named"),
    [
        ({"CPU": 2}, {"count": 99}, "--replicas"),
        ({"CPU": 16, "GPU": 4}, {"count": 5}, "--gpus-per-replica 0"),
        ({"CPU": 16, "GPU": 1}, {"gpus": 2}, "--gpus-per-replica 0"),
        ({"CPU": 2}, {"gpus": 1}, "the cluster has 0"),
        ({"CPU": 2}, {"cpus": 64}, "--cpus-per-replica"),
        ({}, {}, "the cluster has 0"),
    ],
)
def test_what_does_not_fit_is_refused(has, asked, named):
    with pytest.raises(ConfigurationError, match=named):
        sizes(has, **asked)


@pytest.mark.parametrize("gpus", [0.5, 1.5])
def test_parts_of_gpus_are_refused(gpus):
    with pytest.raises(ConfigurationError, match="whole GPUs"):
        sizes({"CPU": 16, "GPU": 4}, gpus=gpus)


def test_replicas_are_a_number_or_auto():
    assert [count_of(text) for text in ("auto", "1", "12")] == [None, 1, 12]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "none", "\u0663", "\u00b2"])
def test_other_replicas_are_refused(text):
    with pytest.raises(ConfigurationError, match="--replicas"):
        count_of(text)
