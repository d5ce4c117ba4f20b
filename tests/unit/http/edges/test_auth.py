"""Keys: what a request shows, and whether it is right."""

import pytest

from speechhub.http.client_secrets import ClientSecrets
from speechhub.http.edges import auth
from speechhub.http.edges.auth import ApiKeys, Keyring, credentials
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
        ([(b"xi-api-key", b"abc")], [b"abc"]),
        ([(b"authorization", b"Bearer x"), (b"api-key", b"abc")], [b"x", b"abc"]),
    ],
)
def test_credentials(headers, keys):
    """A key stands behind Bearer or in Azure's header; an empty one is none."""
    assert credentials({"headers": headers}) == keys


@pytest.mark.parametrize(
    ("kind", "offered", "keys"),
    [
        ("websocket", ["realtime", "openai-insecure-api-key.a.b-c", "openai-organization.x"], [b"a.b-c"]),
        ("websocket", ["openai-insecure-api-key."], []),
        ("websocket", [], []),
        ("http", ["openai-insecure-api-key.abc"], []),
    ],
)
def test_a_subprotocol_may_be_a_key(kind, offered, keys):
    """Of a WebSocket only: pages have no other place for it."""
    assert credentials({"type": kind, "headers": [], "subprotocols": offered}) == keys


def test_what_keys_prove():
    """A right one among others decides; a secret counts for its maker, and leads nothing."""
    secrets = ClientSecrets()
    value = secrets.create("session", 60, key=2)[0].encode()
    ring = Keyring(ApiKeys([Secret("a"), Secret("b")]), ApiKeys([Secret("boss")]), secrets)

    def judged(*shown, is_socket=True):
        it = ring.judge(list(shown), is_socket=is_socket)
        return it.trusted, it.proven, it.number, it.leads, it.secret and it.secret.session

    assert judged() == (False, False, None, False, None)
    assert judged(b"x") == (False, False, None, False, None)
    assert judged(b"x", b"b") == (True, True, 2, False, None)
    assert judged(b"boss") == (True, True, None, True, None)
    assert judged(value) == (True, True, 2, False, "session")
    assert judged(value, is_socket=False) == (False, False, None, False, None)


def test_without_keys_all_is_trusted_but_an_old_secret():
    """Its client expects a session that the server does not know any more."""
    ring = Keyring(ApiKeys([]))

    assert ring.judge([], is_socket=True).trusted
    assert ring.judge([b"anything"], is_socket=True).trusted
    assert not ring.judge([b"anything"], is_socket=True).proven
    assert not ring.judge([b"ek_old"], is_socket=True).trusted
    assert ring.judge([b"ek_old"], is_socket=False).trusted


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
