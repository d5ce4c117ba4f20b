"""Damaged recordings and odd forms, against a real server: each gets an answer, and nothing is left behind.

``FUZZ_CASES=5000`` runs so many; case numbers in a failure make the same bytes again.
"""

import gzip
import logging
import os
import socket
from collections import Counter
from functools import partial

import httpx
import pytest

from tests.e2e.conftest import ECHO
from tests.e2e.server import serving
from tests.fuzz import intruders
from tests.fuzz.damage import damaged
from tests.fuzz.exchange import exchange, post
from tests.fuzz.forms import odd_form
from tests.fuzz.lookout import Lookout
from tests.fuzz.mixture import Watch, memory_bytes
from tests.fuzz.recordings import good_recordings
from tests.http.conftest import wav

log = logging.getLogger(__name__)

CASES = int(os.environ.get("FUZZ_CASES", "1200"))
FORMS = CASES // 3
SLOWEST_S = 20.0
BOMB_BYTES = 48 * 2**20
"""What no small upload may make the hub take; each of the bombs holds more."""
ALLOWED = {200, 400, 404, 408, 413, 415}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that gives up stalled uploads soon."""
    home = tmp_path_factory.mktemp("home")
    with serving(home, **ECHO, SPEECHHUB_UPLOAD_IDLE_TIMEOUT_S="5") as made:
        made.home = home
        yield made


def check(answer, what, *, hang_up=False, bare=False):
    """Hold one answer against the rules."""
    if answer.status == 0:  # who says that nothing more will come may find the connection closed
        assert hang_up, f"{what}: no answer"
        return
    assert answer.took_s < SLOWEST_S, f"{what}: {answer.took_s:.1f} s"
    assert answer.status in ALLOWED, f"{what}: {answer}"
    if bare and not answer.body:
        assert answer.status == 400
        return
    assert answer.headers["x-request-id"], what
    if answer.status != 200:
        assert answer.error["message"], what


def report(kind, answers):
    slowest_s, what = max((answer.took_s, what) for answer, what in answers)
    statuses = dict(sorted(Counter(answer.status for answer, _ in answers).items()))
    log.info("%d %s: %s; slowest %.2f s: %s", len(answers), kind, statuses, slowest_s, what)


def form_of(recording):
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    return post(
        "/v1/audio/transcriptions", "multipart/form-data; boundary=b", head + recording + b"\r\n--b--\r\n"
    )


@pytest.mark.mission("17.6")
def test_good_recordings_are_heard(server):
    """What the fuzzer starts from is whole, so that it gets past the first check."""
    for name, data in good_recordings().items():
        assert exchange(server.url, form_of(data)).status == 200, name


@pytest.mark.mission("5.7")
@pytest.mark.scenario("corrupt-audio")
def test_damaged_recordings(server):
    """Every damaged recording is transcribed as far as it goes, or refused; the hub is as it was."""
    recordings = good_recordings()
    answers = []
    watch = None

    for number in range(CASES - FORMS):
        what, data = damaged(recordings, number)
        answer = exchange(server.url, form_of(data))
        check(answer, f"damaged(…, {number}), {what}")
        answers.append((answer, what))
        if number == 200 or (number == 0 and CASES - FORMS <= 200):
            watch = Watch(server)

    report("damaged recordings", answers)
    watch.check()
    assert len({answer.status for answer, _ in answers}) > 1, "some are still good, some are not"


@pytest.mark.mission("9.4")
def test_odd_forms(server):
    """Every odd form gets an answer in OpenAI's shape; the hub is as it was."""
    clip = wav(0.5)
    answers = []
    watch = None

    for number in range(FORMS):
        form = odd_form(clip, number)
        answer = exchange(server.url, form.request, hang_up=form.hang_up)
        check(answer, f"odd_form(…, {number}), {form.what}", hang_up=form.hang_up, bare=form.bare)
        answers.append((answer, form.what))
        if number == 100 or (number == 0 and FORMS <= 100):
            watch = Watch(server)

    report("odd forms", answers)
    watch.check()
    assert {200, 400, 415} <= {answer.status for answer, _ in answers}


ODD = (
    *(
        b"%ff",
        b"%00",
        b"%ed%a0%80",
        b"%",
        b"%zz",
        b"%u1234",
        b"\xff\xfe",
        b"\xc3\xa9",
        b"%e2%80%ae",
        b"%0d%0aa",
    ),
    *(
        b"%2e%2e%2f",
        b"x" * 300,
        b"x" * 50_000,
        b"9" * 5000,
        b"1e999999",
        b"NaN",
        b"-1",
        b"9223372036854775808",
    ),
)
"""What a path, a query or a header may hold where somebody tries."""
PLACES = (
    *("/v1/models/", "/v1/audio/voices/", "/v1/audio/voice_consents/", "/page/", "/", "/v9/"),
    *("/openai/deployments/", "/health?", "/v1/models?", "/v1/audio/voices?model="),
    *(
        "/v1/audio/speech/voices?model_id=",
        "/v1/audio/voice_consents?limit=",
        "/v1/audio/voice_consents?after=",
    ),
)
ODD_HEADERS = (
    *("x-request-id", "accept", "content-type", "user-agent", "origin", "authorization", "api-key", "cookie"),
    *("content-encoding", "x-stainless-timeout", "x-stainless-read-timeout", "range", "if-none-match"),
)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd[:12]))
def test_odd_bytes_in_a_head_are_no_fault_of_the_servers(server, odd):
    """In paths, queries and headers: an answer below 500, which does not repeat all of it."""
    heads = [(method, place.encode() + odd, b"") for place in PLACES for method in (b"GET", b"DELETE")]
    if len(odd) < 1000:
        heads += [(b"POST", b"/v1/audio/speech", name.encode() + b": " + odd) for name in ODD_HEADERS]

    for method, path, header in heads:
        lines = [method + b" " + path + b" HTTP/1.1", b"host: localhost", *filter(None, [header])]
        body = b'{"input": "a"}' if method == b"POST" else b""
        lines.append(b"content-length: %d" % len(body))
        answer = exchange(server.url, b"\r\n".join(lines) + b"\r\n\r\n" + body)

        assert 0 < answer.status < 500, (method, path[:60], header[:60], answer)
        assert answer.status == 200 or len(answer.body) < 3000, (method, path[:60], header[:60])


@pytest.fixture
def lookout(server):
    """A recording where the server's working folder is, and an address, that nobody may touch."""
    canary = server.home / "canary.wav"
    canary.write_bytes(wav(1))
    made = Lookout(canary)
    yield made
    made.close()
    canary.unlink()


def test_the_lookout_sees(server, lookout):
    """What the next tests rely on: reading the file, and connecting, is noticed."""
    assert lookout.touched() == set()

    (server.home / "canary.wav").read_bytes()
    socket.create_connection(("127.0.0.1", lookout.port)).close()

    assert lookout.touched() == {"file", "address"}


@pytest.fixture(scope="module")
def client():
    """One for all: a client of its own for each request would take most of the time."""
    with httpx.Client(timeout=60) as made:
        yield made


@pytest.fixture
def upload(client, server):
    """A function that has bytes transcribed."""
    return partial(send, client, server)


def send(client, server, data, name="a.mp3", **fields):
    return client.post(f"{server.url}/v1/audio/transcriptions", files={"file": (name, data)}, data=fields)


def refused(answer, what):
    assert answer.status_code == 400, (what, answer.text)
    assert answer.json()["error"]["param"] == "file", (what, answer.text)


@pytest.mark.scenario("playlist")
def test_uploads_reach_nothing_outside(server, upload, lookout):
    """Playlists, scripts, drawings, subtitles: refused, whatever they name, and nothing is touched."""
    canary = server.home / "canary.wav"
    urls = (
        f"http://127.0.0.1:{lookout.port}/a.wav",
        f"tcp://127.0.0.1:{lookout.port}",
        str(canary),
        f"file:{canary}",
        "canary.wav",
    )
    for url in urls:
        for name, data in intruders.scripts(url):
            refused(upload(data, name), f"{name}: {url}, {data[:10]}")
        refused(upload(url.encode(), url), url)
        refused(upload(intruders.linked_mp4(url), "a.mp4"), f"mp4 → {url}")
    for path in (canary, "canary.wav"):
        refused(upload(intruders.linking_movie(path), "a.mov"), f"mov → {path}")

    assert lookout.touched() == set()


def test_links_in_tags_and_fields_are_not_followed(server, client, upload, lookout):
    """A good recording is heard, whatever its tags, its name and the form's fields point to."""
    for url in (f"http://127.0.0.1:{lookout.port}/a.jpg", str(server.home / "canary.wav")):
        heard = upload(intruders.linking_mp3(url.encode()), url, prompt=url, file_url=url, url=url)
        assert heard.status_code == 200, heard.text
        names = {"known_speaker_names[]": "a", "known_speaker_references[]": url}
        assert upload(wav(1), **names).status_code in (200, 400)
        spoken = {"input": url, "voice": url, "instructions": url}
        assert client.post(f"{server.url}/v1/audio/speech", json=spoken).status_code in (200, 400)

    assert lookout.touched() == set()


@pytest.mark.scenario("foreign-format")
def test_pictures_and_archives_are_refused(server, client, upload):
    """Nothing is unpacked, nothing is drawn: the hub grows by no more than an upload takes."""
    upload(wav(1))
    before = memory_bytes(server.pid)

    for name, data in (*intruders.pictures(), *intruders.archives()):
        refused(upload(data, name), name)
    packed = gzip.compress(bytes(64 * 2**20))
    answer = client.post(
        f"{server.url}/v1/audio/transcriptions",
        content=packed,
        headers={"content-type": "multipart/form-data; boundary=b", "content-encoding": "gzip"},
    )

    assert answer.status_code == 400
    assert memory_bytes(server.pid) - before < BOMB_BYTES


@pytest.mark.scenario("decompression-bomb")
def test_recordings_that_are_huge_once_decoded(client, tmp_path):
    """Hours in a small file stop at the limit, without the memory that they would take."""
    with serving(tmp_path, **ECHO, SPEECHHUB_MAX_AUDIO_S="60") as small:
        send(client, small, wav(1))
        before = memory_bytes(small.pid)

        for name, data in intruders.claimants():
            refused(send(client, small, data, name), name)

        assert memory_bytes(small.pid) - before < BOMB_BYTES
        assert send(client, small, wav(1)).status_code == 200
