"""Keys: what a request shows, and whether it is right."""

import pytest

from speechhub.http.edges import auth
from speechhub.http.edges.auth import ApiKeys, credentials
from speechhub.settings import Secret


@pytest.mark.parametrize(
    ("headers", "keys"),
    [
        ([], []),
        ([(b"authorization", b"Bearer abc")], [b"abc"]),
        ([(b"authorization", b"bearer  abc ")], [b"abc"]),
        ([(b"authorization", b"Bearer My API Key")], [b"My API Key"]),
        ([(b"authorization", b"Bearer ")], []),
        ([(b"authorization", b"Bearer")], []),
        ([(b"authorization", b"Basic abc")], []),
        ([(b"api-key", b"abc")], [b"abc"]),
        ([(b"api-key", b"")], []),
        ([(b"authorization", b"Bearer x"), (b"api-key", b"abc")], [b"x", b"abc"]),
    ],
)
def test_credentials(headers, keys):
    """A key stands behind Bearer or in Azure's header; an empty one is none."""
    assert credentials({"headers": headers}) == keys


def test_keys_are_numbered():
    """Each key is known by its place; what is nearly a key is none."""
    keys = ApiKeys([Secret("first"), Secret("zweiter Schlüssel")])

    assert keys.number_of(b"first") == 1
    assert keys.number_of("zweiter Schlüssel".encode()) == 2
    assert [keys.number_of(key) for key in (b"", b"firs", b"first ", b"FIRST")] == [None] * 4


def test_every_key_is_compared(monkeypatch):
    """No comparison is left out, whichever key matches: the time tells nothing."""
    compared = []
    monkeypatch.setattr(auth.hmac, "compare_digest", lambda a, b: bool(compared.append((a, b))) or a == b)
    keys = ApiKeys([Secret(name) for name in "abc"])

    for shown in (b"a", b"c", b"x"):
        keys.number_of(shown)

    assert len(compared) == 9
    assert {len(one) for pair in compared for one in pair} == {32}


def test_no_key_is_kept():
    """What the keys object holds cannot be turned into a key."""
    assert b"first" not in repr(vars(ApiKeys([Secret("first")]))).encode()
