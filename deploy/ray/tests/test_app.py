"""The Serve application: what Ray does with requests, updates and replicas that end."""

import pytest

from speechhub_ray.app import LINGER_S, MOST_ONGOING, build
from speechhub_ray.options import Options


@pytest.fixture
def deployment(monkeypatch, tmp_path):
    monkeypatch.setenv("SPEECHHUB_HOME", str(tmp_path))
    options = Options(
        replicas=3, gpus_per_replica=1, cpus_per_replica=4.0, settings={"shutdown_timeout_s": 77}
    )
    return build(options)._bound_deployment


def test_the_hub_s_own_queue_decides(deployment):
    """Serve neither holds requests back nor refuses them: no hub takes so many."""
    assert deployment.max_ongoing_requests == MOST_ONGOING >= 10_000
    assert deployment.max_queued_requests == -1


def test_an_update_needs_no_spare_gpu(deployment):
    assert deployment._deployment_config.max_surge_percent == 0


def test_running_requests_have_the_time_that_the_hub_gives_them(deployment):
    assert deployment._deployment_config.graceful_shutdown_timeout_s == 77 + LINGER_S


def test_each_replica_gets_what_was_asked_for(deployment):
    assert deployment.num_replicas == 3
    assert deployment.ray_actor_options == {"num_cpus": 4.0, "num_gpus": 1}
