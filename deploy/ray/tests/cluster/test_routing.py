"""Requests go where their engine is: few loads, short waits, and homes that follow the demand."""

import logging
import math
from collections.abc import Iterator

import pytest

from deploy.ray.tests.cluster.cluster import ECHO, clustered, small_gpus
from deploy.ray.tests.cluster.demand import Answered, mixture, rates, send

log = logging.getLogger(__name__)

RAYS_OWN = "ray.serve._private.request_router.pow_2_router.PowerOfTwoChoicesRequestRouter"
"""Ray Serve's default: the less busy of two random replicas."""
ONE_BY_ONE = {"SPEECHHUB_BATCH_AUDIO_S": "0.1"}
"""No two recordings share a call: each request is the same work."""


def each_s(answers):
    """Return the time from the first answer to the last, for each answer; the first load does not count."""
    times = [answer.at for answer in answers]
    return (max(times) - min(times)) / (len(times) - 1)


def loads(cluster):
    return len(cluster.logged("engine loading"))


def test_homes_save_loads_and_time(tmp_path):
    """Two small GPUs, and as many transcripts as speech: each keeps its engine.

    Ray's own router needs some 55 s for as many requests, on two replicas that switch to and fro.
    """
    (tmp_path / "ours").mkdir()
    (tmp_path / "rays").mkdir()
    gpus = small_gpus(load_s=2, work_s=0.3)

    with clustered(tmp_path / "ours", "--replicas", "2", **gpus) as cluster:
        ours = send(cluster.url, mixture("st", 80), at_a_time=6)
        our_loads = loads(cluster)
    with clustered(tmp_path / "rays", "--replicas", "2", "--router", RAYS_OWN, **gpus) as cluster:
        rays = send(cluster.url, mixture("st", 80), at_a_time=6)
        rays_loads = loads(cluster)

    log.info("%d loads, %.3f s each; Ray: %d, %.3f s", our_loads, each_s(ours), rays_loads, each_s(rays))
    assert len({answer.replica for answer in ours}) == 2
    assert our_loads <= 4
    assert rays_loads > 4  # or the comparison would show nothing
    assert each_s(ours) <= each_s(rays) / 3


def test_homes_follow_the_demand_and_then_nothing_loads(tmp_path):
    """Demand of 1 : 1 deals four replicas out two and two; at 3 : 1 one more speaks, and all stay so."""
    answers: list[Answered] = []

    def homes(slot: str) -> set[str]:
        return {it.replica for it in answers[-32:] if it.slot == slot}

    def until_settled_and_on() -> Iterator[str]:
        """Three of four are speech, until three replicas speak; then twice as many as they have at a time."""
        for slot in mixture("ssst", 480):
            yield slot
            if len(homes("tts")) == 3:
                break
        settled.append(loads(cluster))
        yield from mixture("ssst", 48)

    settled: list[int] = []
    gpus = small_gpus(load_s=1, work_s=0.5) | ONE_BY_ONE
    with clustered(tmp_path, "--replicas", "4", "--settle-s", "5", **gpus) as cluster:
        send(cluster.url, mixture("st", 8), at_a_time=8, answers=answers)
        before = (len(homes("tts")), len(homes("stt")), loads(cluster))
        answers.clear()
        send(cluster.url, until_settled_and_on(), at_a_time=32, answers=answers)
        after = loads(cluster)

    log.info("%s, %s, %s loads; %d requests in %.1f s", before, settled, after, len(answers), answers[-1].at)
    assert before == (2, 2, 4)
    assert (len(homes("tts")), len(homes("stt"))) == (3, 1)
    assert not homes("tts") & homes("stt")
    assert settled == [5]
    assert after == 5
    assert answers[-1].at < 120


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """Two replicas with room for both engines, which work half a second a call."""
    engines = '{"echo-stt": {"work_s": 0.5}, "echo-tts": {"work_s": 0.5}}'
    settings = ECHO | ONE_BY_ONE | {"SPEECHHUB_ENGINES": engines, "SPEECHHUB_STANDBY": "off"}
    with clustered(tmp_path_factory.mktemp("home"), "--replicas", "2", **settings) as cluster:
        yield cluster


@pytest.mark.parametrize("slot", ["stt", "tts"])
def test_two_replicas_do_twice_as_much(workers, slot):
    """In the same cluster, all requests go to one replica, and then to both."""
    first, second = workers.replicas()
    for replica in (first, second):  # its engine is loaded
        send(workers.url, [slot], at_a_time=1, query=f"?replica={replica}")

    one = rates(send(workers.url, [slot] * 9, at_a_time=3, query=f"?replica={first}"))
    both = rates(send(workers.url, [slot] * 18, at_a_time=6))

    log.info("%s: %s, %s", slot, one, both)
    assert set(one) == {first}
    assert set(both) == {first, second}
    assert math.fsum(one.values()) <= 2.05  # an engine that works half a second, one call at a time
    assert math.fsum(both.values()) >= 0.9 * 2 * math.fsum(one.values())
