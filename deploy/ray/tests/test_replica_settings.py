"""Settings of a hub that shares its machine with others."""

import os

import pytest

from speechhub.settings import Settings
from speechhub_ray.deployment import as_replica

ALL_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("cpus", "threads", "part"), [(2.0, 2, 0.25), (0.5, 1, 0.0625), (8.0, 8, 1.0), (16.0, 16, 1.0)]
)
def test_threads_and_memory_go_with_the_replica_s_cores(tmp_path, cpus, threads, part):
    settings = as_replica(Settings(home=tmp_path), cpus=cpus, node_cpus=8)

    assert settings.threads == threads
    assert settings.cpu_memory_bytes == int(ALL_BYTES * 0.75 * part)


def test_what_the_operator_has_set_stays(tmp_path):
    settings = as_replica(Settings(home=tmp_path, threads=3, cpu_memory_bytes=10**9), cpus=2, node_cpus=8)

    assert (settings.threads, settings.cpu_memory_bytes) == (3, 10**9)


def test_the_port_for_home_assistant_is_closed(tmp_path):
    assert as_replica(Settings(home=tmp_path, wyoming_port=10300), cpus=2, node_cpus=8).wyoming_port == 0
