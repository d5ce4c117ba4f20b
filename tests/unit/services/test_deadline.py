"""When a request must be done."""

import asyncio

import pytest

from speechhub.errors import RequestTimeoutError
from speechhub.services.deadline import Deadline


@pytest.mark.parametrize(("wanted_s", "limit_s"), [(None, 60), (2.5, 2.5), (900, 60)])
async def test_the_shorter_limit_counts(wanted_s, limit_s):
    """What the client asks for can shorten the server's limit, and never lengthen it."""
    now = asyncio.get_running_loop().time()

    deadline = Deadline.within(wanted_s, 60)

    assert deadline.limit_s == limit_s
    assert deadline.at == pytest.approx(now + limit_s, abs=1)


async def test_the_work_ends_a_tenth_of_a_second_after_the_deadline(monkeypatch):
    """Waiting is refused at the deadline itself; whatever else goes on is not given seconds more."""
    ends = []
    timeout_at = asyncio.timeout_at
    monkeypatch.setattr(asyncio, "timeout_at", lambda when: ends.append(when) or timeout_at(0))
    deadline = Deadline.within(30, 60)

    with pytest.raises(RequestTimeoutError, match=r"The speech was not done after 30 s\."):
        async with deadline.kept("The speech"):
            await asyncio.sleep(60)

    assert ends == [pytest.approx(deadline.at + 0.1)]
