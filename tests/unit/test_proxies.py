"""Which proxy a request goes through, as the environment says."""

import sys

import pytest

from speechhub.errors import ConfigurationError
from speechhub.settings.proxies import check_proxies, hint, is_this_machine, proxy_for

EVERY = dict.fromkeys(
    ("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), "http://proxy.example.org:3128"
)


@pytest.mark.scenario("broken-proxy")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.200.3.4",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "0",
        "localhost",
        "LocalHost.",
        "speech.localhost",
        "[::1]",
        "::1",
        "::1%lo",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_asked_straight(scheme, host):
    """Whatever the variables say, and however the address is written."""
    url = f"{scheme}://{host if ':' not in host or host[0] == '[' else f'[{host}]'}:8000/v1"

    assert is_this_machine(host)
    assert proxy_for(url, EVERY) is None
    assert proxy_for(url, {"ALL_PROXY": "socks4://nonsense:x", "no_proxy": "!"}) is None


@pytest.mark.parametrize(
    "host", ["192.168.1.5", "localhost.example.org", "[::2]", "128.0.0.1", "mylocalhost"]
)
def test_other_machines_are_asked_through_the_proxy(host):
    """Names that only look like this machine's, too."""
    assert not is_this_machine(host)
    assert proxy_for(f"http://{host}:8000", EVERY).url == "http://proxy.example.org:3128"


@pytest.mark.parametrize(
    ("url", "environ", "chosen"),
    [
        ("http://a.example", {"http_proxy": "http://p:1", "HTTP_PROXY": "http://q:2"}, "http_proxy"),
        ("http://a.example", {"HTTP_PROXY": "http://q:2"}, "HTTP_PROXY"),
        ("http://a.example", {"Http_Proxy": "http://q:2"}, "Http_Proxy"),
        ("http://a.example", {"HTTP_PROXY": "http://q:2", "http_proxy": ""}, None),
        ("http://a.example", {"https_proxy": "http://q:2"}, None),
        ("https://a.example", {"https_proxy": "http://q:2", "all_proxy": "http://r:3"}, "https_proxy"),
        ("https://a.example", {"http_proxy": "http://q:2", "all_proxy": "http://r:3"}, "all_proxy"),
        ("http://a.example", {"HTTP_PROXY": "http://q:2", "REQUEST_METHOD": "GET"}, None),
        ("http://a.example", {"ftp_proxy": "http://q:2", "PROXY": "http://q:2"}, None),
        ("http://a.example", {}, None),
    ],
)
def test_the_variable_that_counts(url, environ, chosen):
    """Small letters win, the scheme's own before all_proxy, and an empty one is none."""
    proxy = proxy_for(url, environ)

    assert (proxy and proxy.variable) == chosen


@pytest.mark.parametrize(
    ("exceptions", "url", "straight"),
    [
        ("*", "http://a.example", True),
        ("a.example", "http://a.example", True),
        ("A.Example", "http://a.example", True),
        ("example", "http://a.example", True),
        (".example", "http://a.example", True),
        ("*.example", "http://a.example", True),
        ("b.example, a.example", "http://a.example", True),
        ("b.example a.example", "http://a.example", True),
        ("ample", "http://a.example", False),
        ("a.example:8000", "http://a.example:8000", True),
        ("a.example:8001", "http://a.example:8000", False),
        ("a.example:443", "https://a.example", True),
        ("http://a.example", "http://a.example", True),
        ("10.0.0.0/8", "http://10.3.4.5:8000", True),
        ("10.0.0.0/8", "http://11.3.4.5:8000", False),
        ("10.3.4.5", "http://10.3.4.5:8000", True),
        ("fd00::/8", "http://[fd00::5]:8000", True),
        ("[fd00::5]:8000", "http://[fd00::5]:8000", True),
        ("fd00::5", "http://[fd00:0::5]:8000", True),
        ("", "http://a.example", False),
        (",,", "http://a.example", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY", "No_Proxy"])
def test_exceptions(name, exceptions, url, straight):
    """Names, names below them, ports, addresses and networks, in any case."""
    environ = {**EVERY, name: exceptions}

    assert (proxy_for(url, environ) is None) is straight


def test_a_proxy_needs_no_scheme():
    """host:port is an HTTP proxy, as everywhere."""
    assert proxy_for("http://a.example", {"http_proxy": " p.example:3128 "}).url == "http://p.example:3128"


@pytest.mark.parametrize(
    "value",
    ["http://", "http://:3128", "http://[::1", "http://p:99999", "http://p:port", "http://p:0", "http://a b",
     "://", "http://p\\x", "/"],
)  # fmt: skip
def test_what_is_no_address_is_named(value):
    """The message names the variable, and what belongs there."""
    with pytest.raises(ConfigurationError, match=r"^HTTP_PROXY names .* such as http://proxy") as caught:
        proxy_for("http://a.example", {"HTTP_PROXY": value})

    assert "unset it" in caught.value.message
    with pytest.raises(ConfigurationError, match="HTTP_PROXY"):
        check_proxies({"HTTP_PROXY": value})


@pytest.mark.parametrize("value", ["socks4://p:1080", "ftp://p", "quic://p:1", "file:///etc/passwd"])
def test_unknown_kinds_are_named(value):
    """And those that would do."""
    with pytest.raises(
        ConfigurationError, match=r"https_proxy names .* use one of http://, https://, socks5"
    ):
        proxy_for("https://a.example", {"https_proxy": value})


def test_socks_says_what_to_install(monkeypatch):
    """Its package is not among those that the hub needs; with it, SOCKS is a proxy as any other."""
    environ = {"ALL_PROXY": "socks5h://anna:s3cret@p.example:1080"}
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(ConfigurationError, match="pip install socksio") as caught:
        proxy_for("http://a.example", environ)
    assert "s3cret" not in caught.value.message
    assert "anna" not in caught.value.message

    monkeypatch.setattr("speechhub.settings.proxies._has_socks", lambda: True)

    assert proxy_for("http://a.example", environ).url == environ["ALL_PROXY"]


def test_the_hint_has_no_password():
    """It is printed, and logged."""
    told = hint("http://a.example", {"http_proxy": "http://anna:s3cr@t@p.example:3128"})

    assert told == (
        " Requests go there through the proxy http://p.example:3128 (http_proxy); to go without it, add the "
        "host to NO_PROXY."
    )
    assert hint("http://127.0.0.1:8000", {"http_proxy": "http://p.example:3128"}) == ""
    assert hint("http://a.example", {}) == ""


def test_all_may_be_excepted():
    """A broken proxy that no request takes does not matter."""
    check_proxies({"http_proxy": "socks4://x", "NO_PROXY": "a, *"})
    assert hint("", {"http_proxy": "http://p:1"}) == ""
