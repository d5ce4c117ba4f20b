"""Who a request counts for."""

import pytest

from speechhub.http.context import KEY, RequestContext
from speechhub.http.edges.limits import caller_of


@pytest.mark.parametrize(
    ("key", "client", "caller"),
    [
        (2, ("10.0.0.1", 5), "key 2"),
        (None, ("10.0.0.1", 5), "10.0.0.1"),
        (None, ("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::/64"),
        (None, ("/run/hub.sock", 0), "/run/hub.sock"),
        (None, None, "unknown"),
    ],
)
def test_who_the_caller_is(key, client, caller):
    """A key names its caller; else the address does, for IPv6 the subscriber's network."""
    context = RequestContext(request_id="req_1", path="/asr", key=key)

    assert caller_of({"state": {KEY: context}, "client": client}) == caller
