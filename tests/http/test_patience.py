"""The header X-Request-Timeout."""

import asyncio

import pytest

from tests.http.conftest import wav


def ask(http, kind, seconds):
    headers = {} if seconds is None else {"x-request-timeout": seconds}
    if kind == "speech":
        return http.post("/v1/audio/speech", json={"input": "Hello."}, headers=headers)
    return http.post(
        "/v1/audio/transcriptions", files={"file": wav()}, data={"model": "ears"}, headers=headers
    )


@pytest.mark.parametrize("kind", ["speech", "transcript"])
@pytest.mark.parametrize(("seconds", "expected"), [("2.5", 2.5), ("900", 5), (None, 5)])
async def test_the_shorter_time_counts(http, runner, kind, seconds, expected):
    """The client's or the server's, which is 5 s here; engines are not waited for any longer."""
    before = asyncio.get_running_loop().time()

    assert (await ask(http, kind, seconds)).status_code == 200

    assert before + expected <= runner.deadlines[-1] <= asyncio.get_running_loop().time() + expected


@pytest.mark.parametrize("kind", ["speech", "transcript"])
async def test_work_beyond_it_is_given_up(http, runner, kind):
    """With a 503 that may be tried again; the engine's call is cancelled."""
    runner.gate.clear()

    answer = await ask(http, kind, "0.01")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "request_timeout")
    assert "0.01 s" in answer.json()["error"]["message"]
    assert int(answer.headers["retry-after"]) >= 1
    async with asyncio.timeout(5):
        await runner.cancelled.wait()


@pytest.mark.parametrize("kind", ["speech", "transcript"])
@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf", ""])
async def test_what_is_no_time_is_refused(http, runner, kind, seconds):
    """By its name; nothing runs."""
    answer = await ask(http, kind, seconds)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "X-Request-Timeout")
    assert not runner.requests
