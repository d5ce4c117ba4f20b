"""Which host a request names, which way it came, and which names are right."""

import socket

import pytest

from speechhub.errors import HostNotAllowedError, InvalidHostError
from speechhub.http.context import KEY, RequestContext, context_of
from speechhub.http.edges.hosts import is_loopback, named, named_host
from speechhub.settings.hosts import pattern


def scope(*hosts, server="127.0.0.1", client="127.0.0.1", version="1.1", kind="http"):
    return {
        "type": kind,
        "http_version": version,
        "headers": [(b"accept", b"*/*"), *((b"host", host.encode("latin-1")) for host in hosts)],
        "server": (server, 8000),
        "client": (client, 50_000),
        "state": {KEY: RequestContext(request_id="req_1", path="/")},
    }


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8000", "localhost"),
        ("localhost.", "localhost"),
        ("localhost:", "localhost"),
        (" speech.example.org:443 ", "speech.example.org"),
        ("my_service:8000", "my_service"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("[::1]:8000", "[::1]"),
        ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
    ],
)
def test_a_host_is_named_without_its_port(host, name):
    """Names are compared in lower case, without a port or the root's dot."""
    assert named_host(scope(host)) == name


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("  ",),
        ("a", "b"),
        ("localhost", "localhost"),
        ("", "localhost"),
        ("localhost, evil.example",),
        ("user@localhost",),
        ("http://localhost",),
        ("localhost/..",),
        ("localhost:80:80",),
        ("localhost:http",),
        ("localhost:100000",),
        ("[::1",),
        ("::1",),
        ("[1.2.3.4]",),
        ("[:::1]",),
        ("exämple.org",),
        ("a b",),
        (".",),
        ("a" * 256,),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_what_names_no_host_or_several_is_refused(hosts, kind):
    """No request without exactly one host gets further."""
    with pytest.raises(InvalidHostError):
        named_host(scope(*hosts, kind=kind))


@pytest.mark.parametrize("version", ["1", "1.0"])
@pytest.mark.parametrize("hosts", [(), ("",)])
def test_old_clients_need_not_name_a_host(version, hosts):
    """HTTP/1.0 has no such header; Granian makes an empty one of none."""
    assert named_host(scope(*hosts, version=version)) is None
    with pytest.raises(InvalidHostError):
        named_host(scope("a", "b", version=version))


@pytest.mark.parametrize(
    ("server", "client", "loopback"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "::1", True),
        ("::", "::ffff:127.0.0.1", True),
        ("0.0.0.0", "192.168.0.2", False),
        ("::", "fd00::2", False),
        ("192.168.0.1", "192.168.0.1", False),
        ("hub", "127.0.0.1", False),
        ("/run/hub.sock", "127.0.0.1", False),
    ],
)
def test_the_way_is_told_by_the_address_that_took_the_request(server, client, loopback):
    """Where the server listens on all addresses, the client's tells which of them it was."""
    assert is_loopback(scope("x", server=server, client=client)) is loopback


@pytest.mark.parametrize("missing", [{"server": None}, {"server": ("0.0.0.0", 1), "client": None}, {}])
def test_ways_that_have_no_address(missing):
    """What has no addresses, such as a socket with a path, is no loopback interface."""
    assert is_loopback(missing) is False


@pytest.mark.parametrize(
    ("entry", "made"),
    [
        ("Speech.Example.org", "speech.example.org"),
        ("speech.example.org:8443", "speech.example.org"),
        ("*.example.org", "*.example.org"),
        ("*", "*"),
        ("nas", "nas"),
        ("https://speech.example.org", None),
        ("speech.*.org", None),
        ("a b", None),
        ("", None),
        ("*.", None),
    ],
)
def test_entries_of_the_setting(entry, made):
    """Names, all names below one, or any; what cannot be a host is told from them."""
    assert pattern(entry) == made


async def passed(given, *allowed, has_keys=False):
    """Tell whether a request is let in."""
    seen = []

    async def app(inner, receive, send):
        seen.append(inner)

    try:
        await named(app, allowed, has_keys=has_keys)(given, None, None)
    except HostNotAllowedError:
        return False
    return seen == [given]


OWN = socket.gethostname()


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8000",
        "LOCALHOST",
        "app.localhost",
        "127.0.0.1:8000",
        "127.1",
        "0x7f.1",
        "192.168.0.1",
        "[::1]:8000",
        OWN,
        f"{OWN}:8000",
        f"{OWN}.local",
        "host.docker.internal:8000",
        "host.containers.internal",
    ],
)
async def test_own_names_are_right_over_the_loopback_interface(host):
    """No page can have one of these names."""
    assert await passed(scope(host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evillocalhost",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io:8000",
        "1.2.3.4.example",
        f"{OWN}.evil.example",
        "internal",
        "evil.internal",
        "xn--lcalhost-n4a",
    ],
)
@pytest.mark.parametrize("server", ["127.0.0.1", "0.0.0.0", "::1", "::"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_rebound_name_is_refused(host, server, kind):
    """A page that an attacker's name leads to this machine is told from the machine's own."""
    client = "::1" if ":" in server else "127.0.0.1"
    given = scope(host, server=server, client=client, kind=kind)

    assert not await passed(given)
    assert host.partition(":")[0] in str(context_of(given).log["host"])


async def test_names_from_the_setting():
    """What the operator names is right, and then only that, whichever way a request comes."""
    allowed = ("speech.example.org", "*.lan")

    assert await passed(scope("speech.example.org"), *allowed)
    assert await passed(scope("nas.lan:8000"), *allowed)
    assert await passed(scope("localhost"), *allowed)
    assert not await passed(scope("lan"), *allowed)
    assert not await passed(scope("evil.example"), *allowed)
    assert not await passed(scope("evil.example", server="0.0.0.0", client="172.17.0.1"), *allowed)
    assert await passed(scope("evil.example"), "*")


async def test_where_names_are_not_asked_for():
    """A page has no key, and from elsewhere a stranger needs no browser."""
    assert await passed(scope("evil.example"), has_keys=True)
    assert await passed(scope("evil.example"), "speech.example.org", has_keys=True)
    assert await passed(scope("nas.lan", server="0.0.0.0", client="192.168.0.9"))
    assert await passed(scope("", version="1"))
