"""A small part of benchmarks/cluster: the policy against a router that knows every time in advance."""

import pytest

from benchmarks.cluster.compare import run


@pytest.mark.parametrize(("workload", "replicas"), [("even", 2), ("voice loop", 2), ("3 : 1", 8)])
def test_waits_stay_within_one_and_a_half_times_the_clairvoyant_router_s_and_switches_are_rare(
    workload, replicas
):
    homes, greedy = (
        run(workload, router, replicas, length_s=700.0, seed=0) for router in ("homes", "greedy")
    )

    assert homes.all_s <= 1.5 * greedy.all_s
    assert homes.switches < 1.0
    assert homes.refused <= greedy.refused
