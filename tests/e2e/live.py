"""A server with live sessions, looked at from outside."""

from tests.e2e.realtime import eventually
from tests.fuzz.exchange import exchange
from tests.fuzz.leaving import is_idle

METRICS = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n"


def metric(server, name, **labels):
    """Return the sum of a metric's series that have these labels; 0 if there are none."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = exchange(server.url, METRICS).body.decode().splitlines()
    series = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in series if all(word in line for word in wanted))


def sessions_open(server):
    """Return how many sessions are open."""
    return metric(server, "speechhub_sessions_open")


async def quiet(server):
    """Wait until no session is open, and nothing runs or waits."""
    await eventually(lambda: not sessions_open(server), "no session is open")
    await eventually(lambda: is_idle(server), "nothing runs, and nothing waits")
