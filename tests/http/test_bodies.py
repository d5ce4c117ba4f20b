"""Bodies: as large as the route needs, counted while they are held, and nothing is left of them."""

import asyncio
import json

import httpx2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from speechhub.http.edges.bodies import SMALL_BODY_BYTES
from speechhub.services.account import PLACES, Account
from speechhub.services.spool import SPOOL_BYTES, Spool
from tests.generated import examples
from tests.http.conftest import wav

JSON = {"content-type": "application/json"}


def nothing_is_held(hub):
    return [hub.account.held(place) for place in PLACES] == [0, 0]


@pytest.mark.scenario("large-small-body")
@pytest.mark.parametrize(
    "path",
    [
        "/v1/engines/load",
        "/v1/engines/switch",
        "/v1/engines/unload",
        "/v1/engines/pin",
        "/v1/engines/unpin",
        "/v1/audio/voice_consents/cons_1",
    ],
)
@pytest.mark.parametrize("announced", [True, False])
async def test_a_route_that_reads_a_name_takes_no_more(http, hub, path, announced):
    """Said beforehand or found out: a large body for a small route is a 413, and little of it is read."""
    read = 0

    async def body():
        nonlocal read
        for _ in range(64):
            read += 16_384
            yield b" " * 16_384

    headers = JSON | ({"content-length": str(64 * 16_384)} if announced else {})
    answer = await http.post(path, content=body(), headers=headers)

    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "server_error"
    assert f"{SMALL_BODY_BYTES} bytes" in answer.json()["error"]["message"]
    assert read <= 2 * SMALL_BODY_BYTES
    assert nothing_is_held(hub)


async def test_speech_takes_a_clip_for_each_use_and_no_more(http, settings):
    """A model that clones is there: two clips of the largest size have room, and a third has not."""
    clip = "A" * (settings.max_reference_bytes // 3 * 4)
    body = {"input": "Hello.", "model": "mimic", "voice": clip, "emotion": {"audio": clip}}

    fits = await http.post("/v1/audio/speech", json=body)
    too_large = await http.post("/v1/audio/speech", json=body | {"instructions": clip})

    assert fits.status_code == 400, "two clips without any sound are read, and refused for that"
    assert too_large.status_code == 413


async def test_the_longest_text_fits_however_it_is_written(http, settings):
    """Each character as two escapes is twelve bytes; the limit on characters is what refuses it."""
    text = "\U0001f600" * (settings.max_input_chars + 1)
    answer = await http.post(
        "/v1/audio/speech", content=json.dumps({"input": text, "model": "mouth"}), headers=JSON
    )

    assert answer.status_code == 400
    assert "characters" in answer.json()["error"]["message"]


@pytest.mark.scenario("memory-budget")
async def test_json_that_finds_no_room_is_told_when_to_come_back(http, hub):
    """What others hold leaves no room: 503, with the time to wait, and counted."""
    others = hub.account.open()
    others.take("memory", 64 * 1024**2)

    answer = await http.post("/v1/audio/speech", json={"input": "Hello.", "model": "mouth"})

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "server_is_overloaded"
    assert int(answer.headers["retry-after"]) >= 1
    others.close()
    assert nothing_is_held(hub)
    assert (
        await http.post("/v1/audio/speech", json={"input": "Hello.", "model": "mouth"})
    ).status_code == 200


async def test_an_upload_that_finds_no_memory_goes_to_disk(http, hub):
    """Small uploads are served, from a file, while others hold the memory."""
    others = hub.account.open()
    others.take("memory", 64 * 1024**2 - 2000)

    answer = await http.post("/v1/audio/transcriptions", files={"file": wav()}, data={"model": "ears"})

    assert answer.status_code == 200
    others.close()
    assert nothing_is_held(hub)


@pytest.mark.scenario("memory-budget")
async def test_an_upload_that_finds_no_disk_either_is_told_when_to_come_back(http, hub):
    others = hub.account.open()
    others.take("memory", 64 * 1024**2)
    others.take("disk", 2 * 1024**3)

    answer = await http.post("/v1/audio/transcriptions", files={"file": wav()}, data={"model": "ears"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "server_is_overloaded")
    others.close()
    assert nothing_is_held(hub)


async def test_fields_of_a_form_count(http, hub):
    """256 fields of 64 KiB are 16 MiB, and are held as long as a file is."""
    others = hub.account.open()
    others.take("memory", 64 * 1024**2 - 100_000)

    answer = await http.post(
        "/v1/audio/transcriptions",
        files={"file": b""},
        data={f"field{number}": "x" * 60_000 for number in range(4)},
    )

    assert answer.status_code == 503
    others.close()
    assert nothing_is_held(hub)


@given(
    before=st.integers(0, 2 * SPOOL_BYTES),
    pieces=st.lists(st.integers(1, SPOOL_BYTES // 2), max_size=8),
    memory=st.integers(0, 4 * SPOOL_BYTES),
)
def test_a_spool_is_what_was_written_and_counts_where_it_is(before, pieces, memory):
    """Whatever the sizes, and however little memory is left: the file is whole, and freed."""
    account = Account(memory_bytes=memory)
    others = account.open()
    others.take("memory", min(before, memory))
    taken = account.held("memory")
    holding = account.open()
    spool = Spool(holding)
    written = b""
    for number, size in enumerate(pieces):
        written += bytes([number]) * size
        spool.write(bytes([number]) * size)
        assert holding.held("memory") + holding.held("disk") == len(written)
        assert holding.held("memory") <= SPOOL_BYTES
        assert 0 in (holding.held("memory"), holding.held("disk"))

    spool.file.seek(0)
    assert spool.file.read() == written
    spool.close()
    assert account.held("memory") == taken
    assert account.held("disk") == 0


ENDINGS = st.lists(
    st.tuples(
        st.sampled_from(["speech", "sse", "transcript", "json", "form", "voice", "load", "get"]),
        st.sampled_from(["well", "broken", "cancelled", "engine", "closed"]),
        st.integers(0, 200_000),
    ),
    min_size=1,
    max_size=6,
)


@hypothesis_settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(ENDINGS)
async def test_however_requests_end_nothing_is_held(app, hub, runner, endings):
    """Answered, refused, failed, left by the client: once all are over, the account is empty."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        await asyncio.gather(*(request(client, runner, *ending) for ending in endings))

    runner.error = runner.error_after_first = None
    runner.gate.set()
    assert nothing_is_held(hub)


async def request(client, runner, what, how, size):
    """Make one request that ends in one way."""
    runner.error_after_first = RuntimeError("broken") if how == "engine" else None
    if how == "cancelled":
        runner.gate.clear()
    padding = "x" * size
    kwargs = {
        "speech": {"json": {"input": "Hello there.", "model": "mouth", "x": padding}},
        "sse": {"json": {"input": "Hello there.", "model": "mouth", "stream_format": "sse", "x": padding}},
        "transcript": {"files": {"file": wav() + padding.encode()}, "data": {"stream": "true"}},
        "json": {"json": {"input_audio": {"data": padding, "format": "wav"}, "model": "ears"}},
        "form": {"files": {"file": padding.encode()}, "data": {"prompt": padding[:70_000]}},
        "voice": {"files": {"audio_sample": padding.encode()}, "data": {"name": "A", "consent": "none"}},
        "load": {"json": {"model": padding}},
        "get": {},
    }[what]
    path = {
        "speech": "/v1/audio/speech",
        "sse": "/v1/audio/speech",
        "voice": "/v1/audio/voices",
        "load": "/v1/engines/load",
        "get": "/v1/models",
    }.get(what, "/v1/audio/transcriptions")
    if how == "broken" and "json" in kwargs:
        kwargs = {"content": b'{"input": "' + padding.encode(), "headers": JSON}
    made = client.build_request("GET" if what == "get" else "POST", path, **kwargs)
    sending = asyncio.create_task(client.send(made, stream=how == "closed"))
    if how == "cancelled":
        await asyncio.wait([sending], timeout=0.05)
        sending.cancel()
    [answer] = await asyncio.gather(sending, return_exceptions=True)
    if how == "closed" and not isinstance(answer, BaseException):
        await answer.aclose()
    runner.gate.set()
