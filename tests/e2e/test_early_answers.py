"""Answers that come before the whole body has: every client sees the status, and what is wrong.

Node's fetch and OpenAI's client for it are in node/early.test.mjs.
"""

import asyncio
import http.client
import io
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import aiohttp
import httpx
import pytest
import urllib3

from tests.e2e.conftest import ECHO
from tests.e2e.server import serving

KEY = "right"
FORM = "multipart/form-data; boundary=b"
OPENING = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
CLOSING = b"\r\n--b--\r\n"
STT = "/v1/audio/transcriptions"
SIZES = [20_000, 1_000_000, 20_000_000]
LARGEST = 60_000_000
TIMES = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a key, which refuses recordings above 10 kB."""
    settings = {"SPEECHHUB_API_KEYS": KEY, "SPEECHHUB_MAX_UPLOAD_BYTES": "10000"}
    with serving(tmp_path_factory.mktemp("home"), **ECHO, **settings) as made:
        yield made


# ── clients: each sends a body and returns the status ────────────────────────


def by_httpx(url, body, headers):
    return httpx.post(url, content=body, headers=headers, timeout=30).status_code


def by_httpx_in_chunks(url, body, headers):
    pieces = (body[at : at + 65536] for at in range(0, len(body), 65536))
    return httpx.post(url, content=pieces, headers=headers, timeout=30).status_code


def by_urllib(url, body, headers):
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def by_urllib3(url, body, headers):
    """As requests does."""
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        return pool.request("POST", url, body=body, headers=headers).status


def by_aiohttp(url, body, headers):
    async def ask():
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=io.BytesIO(body), headers=headers) as answer,
        ):
            await answer.read()
            return answer.status

    return asyncio.run(ask())


def by_curl(url, body, headers):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    named = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["curl", "-s", "-H", "Expect:", *named, "--data-binary", "@-", "-w", "%{http_code}"]
    done = subprocess.run([*command, "-o", "/dev/null", url], input=body, capture_output=True, check=True)
    return int(done.stdout)


def by_http_1_0(url, body, headers):
    """A client that keeps no connection and writes everything before it reads."""
    parts = urllib3.util.parse_url(url)
    lines = [f"POST {parts.path} HTTP/1.0", f"host: {parts.host}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((parts.host, parts.port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.read().endswith(b"}}")
        return answer.status


CLIENTS = [by_httpx, by_httpx_in_chunks, by_urllib, by_urllib3, by_aiohttp, by_curl, by_http_1_0]
REFUSALS = {
    401: (STT, FORM, "wrong"),
    404: ("/v1/nowhere", FORM, KEY),
    413: (STT, FORM, KEY),
    415: (STT, "audio/wav", KEY),
}


@pytest.mark.scenario("refused-while-sending")
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("size", "status"), [(size, status) for size in SIZES for status in REFUSALS] + [(LARGEST, 413)]
)
def test_a_refusal_reaches_the_client(server, client, size, status):
    """From a small body to a large one, at once or in chunks, whatever the client does meanwhile."""
    path, kind, key = REFUSALS[status]
    body = OPENING + bytes(size) + CLOSING
    headers = {"content-type": kind, "authorization": f"Bearer {key}"}

    seen = [client(server.url + path, body, headers) for _ in range(TIMES)]

    assert seen == [status] * TIMES


@pytest.mark.scenario("refused-while-sending")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_mistake_in_the_middle_of_a_body_reaches_the_client(server, client):
    """The answer comes as soon as the mistake has, and the rest is thrown away."""
    headers = {"content-type": FORM, "authorization": f"Bearer {KEY}"}
    long = b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\n' + bytes(900_000) + CLOSING
    broken = b"--b\r\nno header\r\n\r\n" + bytes(900_000) + CLOSING

    seen = [client(server.url + STT, body, headers) for body in (long, broken)]

    assert seen == [400, 400]


def test_the_next_request_is_answered(server):
    """A client with a pool goes on as if nothing had happened, on the same connection or on another one."""
    bad = {"content-type": FORM, "authorization": "Bearer wrong"}
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for _ in range(5):
            refused = client.post(STT, content=OPENING + bytes(1_000_000), headers=bad)
            listed = client.get("/v1/models", headers={"authorization": f"Bearer {KEY}"})

            assert refused.json()["error"]["code"] == "invalid_api_key"
            assert listed.status_code == 200
