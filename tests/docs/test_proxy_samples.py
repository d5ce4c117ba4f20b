"""The samples for proxies agree with the settings, and with the server's other files."""

import re

import pytest
import yaml

from speechhub.settings import Settings
from tests.docs.pages import ROOT

NGINX = (ROOT / "deploy/nginx/speechhub.conf").read_text("utf-8")
CADDY = (ROOT / "deploy/caddy/Caddyfile").read_text("utf-8")
INGRESS = yaml.safe_load((ROOT / "deploy/kubernetes/ingress.yaml").read_text("utf-8"))
ANNOTATIONS = {
    name.removeprefix("nginx.ingress.kubernetes.io/"): value
    for name, value in INGRESS["metadata"]["annotations"].items()
}
NGINX_DEFAULT_S = 60
"""After so long without traffic nginx ends a connection. Source: its documentation, proxy_read_timeout."""


def nginx_value(directive):
    [value] = re.findall(rf"^\s*{directive}\s+(\w+);$", NGINX, re.MULTILINE)
    return value


@pytest.mark.parametrize("direction", ["read", "send"])
@pytest.mark.parametrize("sample", ["nginx", "ingress"])
def test_the_server_ends_what_is_idle_before_the_proxy_does(sample, direction):
    """A quiet WebSocket, and a request whose engine is slow, outlive the proxy's default."""
    if sample == "nginx":
        limit_s = int(nginx_value(f"proxy_{direction}_timeout").removesuffix("s"))
    else:
        limit_s = int(ANNOTATIONS[f"proxy-{direction}-timeout"])

    assert limit_s > NGINX_DEFAULT_S
    assert limit_s > max(Settings().request_timeout_s, Settings().realtime_idle_timeout_s)


def test_caddy_has_no_time_limit_for_what_is_quiet():
    """Caddy limits neither a WebSocket nor an answer on its own, and the sample does not make it."""
    assert not re.search(r"timeout|stream_close_delay", CADDY)


def test_the_largest_upload_passes_every_proxy():
    """Each sample lets through a little more than the server takes, whose own refusal clients then see."""
    mebibytes = [nginx_value("client_max_body_size"), ANNOTATIONS["proxy-body-size"]]
    [megabytes] = re.findall(r"max_size (\d+)MB", CADDY)
    limits = [int(size.removesuffix("m")) * 2**20 for size in mebibytes] + [int(megabytes) * 10**6]

    for limit in limits:
        assert Settings().max_upload_bytes < limit < 1.1 * Settings().max_upload_bytes


def test_nothing_is_buffered():
    """Speech, events and uploads pass as they come."""
    assert (nginx_value("proxy_buffering"), nginx_value("proxy_request_buffering")) == ("off", "off")
    assert (ANNOTATIONS["proxy-buffering"], ANNOTATIONS["proxy-request-buffering"]) == ("off", "off")
    assert re.search(r"flush_interval -1$", CADDY, re.MULTILINE)


def test_the_ingress_leads_to_the_service():
    """It names the Service and the port of the other example."""
    objects = yaml.safe_load_all((ROOT / "deploy/kubernetes/speechhub.yaml").read_text("utf-8"))
    service = next(one for one in objects if one["kind"] == "Service")
    [rule] = INGRESS["spec"]["rules"]
    [path] = rule["http"]["paths"]

    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] in [port["name"] for port in service["spec"]["ports"]]
    assert INGRESS["spec"]["tls"][0]["hosts"] == [rule["host"]]
