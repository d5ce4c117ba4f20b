"""Client secrets: how long they are valid, and what is kept of them."""

import pytest

from speechhub.errors import RateLimitedError
from speechhub.http.client_secrets import ClientSecrets


class Clock:
    now = 1000.5

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_secret_is_valid_until_it_expires(clock):
    """It is never valid for less than was asked for."""
    secrets = ClientSecrets(clock=clock)
    value, made = secrets.create({"type": "realtime"}, 10, key=3)

    assert value.startswith("ek_")
    assert made.expires_at == 1011
    found = secrets.find(value.encode())
    assert (found.session, found.key, found.expires_at) == ({"type": "realtime"}, 3, 1011)
    clock.now = 1010.9
    assert secrets.find(value.encode()) == found
    clock.now = 1011
    assert secrets.find(value.encode()) is None
    assert len(secrets) == 0


def test_what_is_nearly_a_secret_is_none(clock):
    secrets = ClientSecrets(clock=clock)
    value, _ = secrets.create(None)

    for wrong in ("", "ek_", value[:-1], value + "0", value.upper(), value.removeprefix("ek_")):
        assert secrets.find(wrong.encode()) is None


def test_secrets_are_all_different(clock):
    secrets = ClientSecrets(clock=clock)

    assert len({secrets.create(None)[0] for _ in range(100)}) == 100


def test_no_secret_is_kept(clock):
    """What the store holds cannot be turned into a secret."""
    secrets = ClientSecrets(clock=clock)
    value, _ = secrets.create("session")

    assert value.removeprefix("ek_") not in repr(vars(secrets))


def test_the_store_is_bounded(clock):
    """Those that have expired make room; else the caller is told when the first will."""
    secrets = ClientSecrets(clock=clock, at_a_time=3)
    values = [secrets.create(number, 100 + number)[0] for number in range(3)]

    with pytest.raises(RateLimitedError) as refused:
        secrets.create(None)
    assert refused.value.retry_after_s == pytest.approx(100.5)
    clock.now += 101
    secrets.create(None)
    assert [secrets.find(value.encode()) is not None for value in values] == [False, True, True]


def test_large_sessions_take_no_more_memory_than_there_is(clock, monkeypatch):
    """A prompt may have 60 KB, and there may be ten thousand secrets."""
    monkeypatch.setattr("speechhub.http.client_secrets.MOST_BYTES", 1000)
    secrets = ClientSecrets(clock=clock)
    value, _ = secrets.create("x" * 600, 10)

    with pytest.raises(RateLimitedError, match="no room"):
        secrets.create("x" * 600, 100)

    assert secrets.find(value.encode()) is not None
    clock.now += 11
    secrets.create("x" * 600, 100)


def test_a_secret_can_be_learned_from_another_hub(clock):
    """What one tells the other opens a socket there, and cannot be turned into the secret."""
    here, there = ClientSecrets(clock=clock), ClientSecrets(clock=clock)
    value, made = here.create({"type": "realtime"}, 10, key=3)

    there.learn(made)

    assert value.removeprefix("ek_") not in repr(made)
    assert there.find(value.encode()) == here.find(value.encode())
    clock.now = 1011
    assert there.find(value.encode()) is None


def test_a_hub_that_comes_later_learns_what_is_valid(clock):
    """Those that have expired are not worth telling, although they are still there."""
    secrets, newcomer = ClientSecrets(clock=clock), ClientSecrets(clock=clock)
    values = [secrets.create(None, 100 + number)[0] for number in range(3)]
    clock.now += 100.6

    for secret in secrets.valid():
        newcomer.learn(secret)

    assert [newcomer.find(value.encode()) is not None for value in values] == [False, True, True]
    assert len(newcomer) == 2
    assert len(secrets.valid()) == 2


def test_a_secret_that_is_known_needs_no_room(clock):
    """A hub that tells all of them of a secret also tells itself, and may be full by then."""
    secrets = ClientSecrets(clock=clock, at_a_time=1)
    value, made = secrets.create(None)

    secrets.learn(made)

    assert secrets.find(value.encode()) == made


def test_secrets_of_others_count(clock):
    """What other hubs made takes memory here too, and within the same limits."""
    here, there = ClientSecrets(clock=clock, at_a_time=1), ClientSecrets(clock=clock)
    here.create(None, 100)

    with pytest.raises(RateLimitedError) as refused:
        here.learn(there.create(None)[1])

    assert refused.value.retry_after_s == pytest.approx(100.5)
