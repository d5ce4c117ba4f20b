"""Arguments of the application, as a config file of Ray Serve gives them."""

import pytest

from speechhub.errors import ConfigurationError
from speechhub_ray.options import ROUTER, Options, options_of


def test_without_arguments_there_is_one_hub_without_a_gpu():
    assert options_of({}) == Options(replicas=1, gpus_per_replica=0, router=ROUTER)


def test_numbers_may_come_as_text_and_as_whole_floats():
    """As they do from YAML, from the environment, and from Ray's resources."""
    options = options_of({"replicas": "3", "gpus_per_replica": 2.0, "cpus_per_replica": "1.5", "settle_s": 5})

    assert (options.replicas, options.gpus_per_replica) == (3, 2)
    assert (options.cpus_per_replica, options.settle_s) == (1.5, 5.0)
    assert isinstance(options.gpus_per_replica, int)


def test_settings_and_files_pass_on():
    options = options_of({"config": "/etc/speechhub", "settings": {"queue_limit": 7}})

    assert (options.config, options.settings) == ("/etc/speechhub", {"queue_limit": 7})


@pytest.mark.parametrize("gpus", [0.5, "0.5", 1.25, float("nan"), float("inf"), "nan"])
def test_a_fraction_of_a_gpu_is_refused_with_the_reason(gpus):
    with pytest.raises(ConfigurationError, match="a hub needs whole GPUs"):
        options_of({"gpus_per_replica": gpus})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"replica": 2}, "Unknown argument replica; there are replicas, "),
        ({"replicas": "many"}, "replicas"),
        ({"gpus_per_replica": "all"}, "speechhub_ray.app"),
        ({"gpus_per_replica": [1]}, "speechhub_ray.app"),
        ({"settings": ["a"]}, "settings"),
        ({"replicas": 0}, "above 0"),
        ({"replicas": -1}, "above 0"),
        ({"gpus_per_replica": -1}, "at least 0"),
        ({"cpus_per_replica": 0}, "above 0"),
        ({"cpus_per_replica": float("nan")}, "above 0"),
        ({"settle_s": -1}, "settle_s"),
        ({"settle_s": float("inf")}, "settle_s"),
    ],
)
def test_what_is_wrong_is_named(arguments, says):
    with pytest.raises(ConfigurationError, match=says):
        options_of(arguments)
