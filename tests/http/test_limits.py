"""Limits for each caller: 429 as OpenAI's clients expect it."""

import asyncio

import pytest

from speechhub.errors import EngineCrashedError
from speechhub.settings import Secret, Settings

ORIGIN = "https://a.example"


@pytest.fixture
def settings(tmp_path):
    return Settings(
        home=tmp_path,
        api_keys=(Secret("one"), Secret("two")),
        rate_limit_per_minute=3,
        cors_origins=(ORIGIN,),
    )


async def speak(http, key="one", **headers):
    return await http.post(
        "/v1/audio/speech", json={"input": "Hello."}, headers={"authorization": f"Bearer {key}", **headers}
    )


@pytest.mark.scenario("rate-limit")
async def test_the_limit_counts_down_and_refuses(http):
    """Each answer tells what is left; the one too many is a 429 that tells when to come back."""
    answers = [await speak(http) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [a.headers["x-ratelimit-remaining-requests"] for a in answers] == ["2", "1", "0", "0"]
    refused = answers[-1]
    assert refused.json()["error"]["type"] == "requests"
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 15 <= int(refused.headers["retry-after"]) <= 20
    assert int(refused.headers["retry-after-ms"]) == int(refused.headers["retry-after"]) * 1000
    assert refused.headers["x-ratelimit-limit-requests"] == "3"
    assert refused.headers["x-ratelimit-reset-requests"] in ("1m0s", "59s", "58s")


async def test_another_key_has_its_own_minute(http):
    """What one key used up, another still has."""
    for _ in range(4):
        await speak(http)

    assert (await speak(http, "one")).status_code == 429
    assert (await speak(http, "two")).status_code == 200


async def test_only_work_counts(http):
    """Lists and probes are neither counted nor refused; work by any of its paths is."""
    headers = {"authorization": "Bearer one"}
    for _ in range(10):
        answer = await http.get("/v1/models", headers=headers)
        assert answer.status_code == 200
    assert "x-ratelimit-limit-requests" not in answer.headers

    for path in ("/audio/speech", "/openai/v1/audio/speech", "/openai/deployments/mouth/audio/speech"):
        assert (await http.post(path, json={"input": "Hello."}, headers=headers)).status_code == 200
    for path in ("/v1/audio/transcriptions", "/v1/audio/translations", "/v1/audio/speech/"):
        assert (await http.post(path, headers=headers)).status_code == 429


async def test_a_page_can_read_the_refusal(http):
    """A browser's page sees the 429 and all that it says about waiting."""
    for _ in range(3):
        await speak(http)

    answer = await speak(http, origin=ORIGIN)

    assert answer.status_code == 429
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "x-request-id"} <= exposed


@pytest.mark.scenario("rate-limit")
@pytest.mark.parametrize("settings", [Settings(concurrency_limit=2)])
async def test_requests_at_a_time(http, runner):
    """A third request at a time is refused at once, and let in when one of the two has ended."""
    runner.gate.clear()
    running = [asyncio.create_task(speak(http)) for _ in range(2)]
    await asked_for(runner, 2)

    refused = await speak(http)
    models = await http.get("/v1/models")
    runner.gate.set()
    done = await asyncio.gather(*running)

    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["retry-after"] == "1"
    assert models.status_code == 200
    assert [answer.status_code for answer in done] == [200, 200]
    assert (await speak(http)).status_code == 200


@pytest.mark.parametrize("settings", [Settings(concurrency_limit=1)])
async def test_a_slot_comes_back_however_the_request_ends(http, app, runner):
    """Bad requests, failures, broken streams and clients that leave give their slot back."""
    assert (await http.post("/v1/audio/speech", content=b"{")).status_code == 400
    assert (await http.post("/v1/audio/transcriptions")).status_code in (400, 415)
    runner.error = EngineCrashedError("crash")
    assert (await speak(http)).status_code == 500
    runner.error = None
    runner.error_after_first = EngineCrashedError("crash")
    await abandoned(app, runner)
    runner.error_after_first = None
    runner.gate.clear()
    await abandoned(app, runner)
    runner.gate.set()

    assert (await speak(http)).status_code == 200


async def asked_for(runner, count):
    """Wait until the engine has so many requests."""
    async with asyncio.timeout(10):
        while len(runner.requests) < count:  # noqa: ASYNC110  # the fake has no event for it
            await asyncio.sleep(0)


async def abandoned(app, runner):
    """Ask for speech, and leave when the engine has the request."""
    asked = len(runner.requests)
    incoming = [{"type": "http.request", "body": b'{"input": "Hello."}', "more_body": False}]

    async def receive():
        if incoming:
            return incoming.pop()
        await asked_for(runner, asked + 1)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/audio/speech",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 123),
    }
    await asyncio.gather(app(scope, receive, send), return_exceptions=True)


@pytest.mark.parametrize("settings", [Settings()])
async def test_no_limits_by_default(http):
    """A server that was told of no limits has none, and speaks of none."""
    answers = await asyncio.gather(*(speak(http) for _ in range(40)))

    assert {answer.status_code for answer in answers} == {200}
    assert not [name for name in answers[0].headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize("settings", [Settings(concurrency_limit=1, rate_limit_per_minute=2)])
@pytest.mark.parametrize("path", ["/v1/audio/voices", "/v1/audio/voice_consents"])
async def test_uploads_of_voices_take_a_slot_but_no_rate(http, runner, path):
    """They keep a connection, memory and disk busy as recordings do, but no engine."""
    runner.gate.clear()
    running = asyncio.create_task(speak(http))
    await asked_for(runner, 1)

    refused = await http.post(path)
    runner.gate.set()
    await running

    assert refused.status_code == 429
    for _ in range(5):
        assert (await http.post(path)).status_code != 429
