"""How many connections may be open."""

import asyncio
import resource

import pytest
import structlog

from speechhub.server import connections
from speechhub.server.connections import Descriptors, descriptors, families, granted, watch


@pytest.fixture
def limits(monkeypatch):
    """Set the system's limits, which are asked for and set here."""
    known = {}

    def use(soft, hard):
        known.update(soft=soft, hard=hard)

    def raised(_, pair):
        assert pair[0] <= known["hard"] or known["hard"] == resource.RLIM_INFINITY
        known.update(soft=pair[0], hard=pair[1])

    monkeypatch.setattr(resource, "getrlimit", lambda _: (known["soft"], known["hard"]))
    monkeypatch.setattr(resource, "setrlimit", raised)
    use.known = known
    return use


@pytest.mark.parametrize(
    ("soft", "hard", "allowed"),
    [
        (1024, 524_288, 10_000),
        (1024, resource.RLIM_INFINITY, 10_000),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 10_000),
        (1024, 1024, 640),
        (256, 256, 128),
        (20, 20, 1),
    ],
)
def test_connections_leave_descriptors_for_the_rest(limits, soft, hard, allowed):
    """The soft limit is raised; where it cannot be, fewer connections may be open, and the log says so."""
    limits(soft, hard)

    with structlog.testing.capture_logs() as logs:
        assert granted(10_000) == allowed

    assert [line["event"] for line in logs] == ["fewer connections than connection_limit"] * (
        allowed < 10_000
    )


def test_a_limit_that_suffices_is_left_alone(limits):
    """Nothing is raised that need not be."""
    limits(20_000, 20_000)

    assert granted(100) == 100
    assert limits.known["soft"] == 20_000


def test_other_ports_have_descriptors_of_their_own(limits):
    """They are not taken from what HTTP's connections leave for everything else."""
    limits(1024, 1024)

    assert granted(10_000, besides=192) == 640 - 192 / 1.5


def test_descriptors_are_counted():
    """An open file is one more."""
    before = descriptors().open
    with open(__file__):  # noqa: PTH123  # the descriptor is what matters
        assert descriptors().open == before + 1
    assert descriptors().limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_metrics_tell_the_limits():
    """An operator can watch it come."""
    values = {family.name: family.samples[0].value for family in families(77)}

    assert values["speechhub_connection_limit"] == 77
    assert 0 < values["speechhub_open_files"] < values["speechhub_open_files_limit"]


async def test_the_log_tells_when_no_more_are_accepted(monkeypatch):
    """Once when the limit is reached, and once when it no longer is."""
    counts = iter([10, 15, 20, 21, 12, 12, 500])
    ended = asyncio.Event()

    def now():
        if (count := next(counts, None)) is None:
            ended.set()
            count = 500
        return Descriptors(open=count, limit=500)

    monkeypatch.setattr(connections, "descriptors", now)
    monkeypatch.setattr(connections, "PAUSE_S", 0.0)
    with structlog.testing.capture_logs() as logs:
        watching = asyncio.create_task(watch(10))
        async with asyncio.timeout(10):
            await ended.wait()
        watching.cancel()

    assert [(line["event"].partition(":")[0], line["descriptors"]) for line in logs] == [
        ("connection limit reached", 20),
        ("connections are below their limit again", 12),
        ("connection limit reached", 500),
    ]
