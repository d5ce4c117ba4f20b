"""What all requests hold together: bounded, and nothing after the last of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.errors import ServerFullError
from speechhub.services.account import PLACES, Account, held_bytes

STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["take", "room", "free", "close"]),
        st.sampled_from(PLACES),
        st.integers(0, 60),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_nothing_is_left(steps):
    """Requests take, give back and end in any order: the sums agree, and hold, and come back to nothing."""
    account = Account(memory_bytes=50, spool_bytes=80)
    requests = [account.open() for _ in range(4)]
    for number, what, place, size in steps:
        request = requests[number]
        if what == "take":
            try:
                request.take(place, size)
            except ServerFullError:
                others = account.held(place) - request.held(place)
                assert others > 0, "a request that is alone is never refused"
        elif what == "room":
            request.room(size)
        elif what == "free":
            request.free(place, size)
        else:
            request.close()
            requests[number] = account.open()
        for each, limit in zip(PLACES, (50, 80), strict=True):
            assert account.held(each) == sum(one.held(each) for one in requests)
            assert account.held(each) <= max(limit, *(one.held(each) for one in requests))

    for request in requests:
        request.close()

    assert [account.held(place) for place in PLACES] == [0, 0]


def test_who_finds_no_room_is_told_when_to_come_back():
    """The refusal is counted, and says when to try again."""
    refused = []
    account = Account(memory_bytes=100, on_refusal=refused.append)
    first, second = account.open(), account.open()
    first.take("memory", 60)

    with pytest.raises(ServerFullError) as error:
        second.take("memory", 41)

    assert error.value.retry_after_s > 0
    assert refused == ["memory"]
    assert not second.room(41)
    assert second.room(40)


def test_what_comes_after_the_end_counts_for_nothing():
    """A thread that ends after its request cannot take anything for ever."""
    account = Account(memory_bytes=10)
    over = account.open()
    over.close()

    over.take("disk", 5)

    assert over.room(5)
    assert [account.held(place) for place in PLACES] == [0, 0]


def test_the_gauge_tells_what_is_held():
    account = Account()
    account.open().take("disk", 7)

    [family] = held_bytes(account)
    assert {sample.labels["place"]: sample.value for sample in family.samples} == {"memory": 0, "disk": 7}
