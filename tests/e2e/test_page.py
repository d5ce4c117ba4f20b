"""The page at the server's address, in a real browser."""

import http.server
import io
import os
import signal
import threading
import wave
from contextlib import contextmanager
from itertools import groupby
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.e2e.browser import browsing
from tests.e2e.conftest import echo_env
from tests.e2e.server import serving, until
from tests.http.conftest import wav

KEY = "schlüssel-1"
OPERATOR = "operator-1"
MODELS_LISTED = "document.querySelectorAll('#model-list li').length"
VOICES_LISTED = "document.querySelector('#voice').options.length"
HEARD = "document.querySelector('#stop').hidden && !document.querySelector('#player').hidden"
NOTE = "document.querySelector('#{}').textContent"


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    """A server that lets everybody in, and whose speech takes a second for each sentence."""
    with serving(tmp_path_factory.mktemp("home"), **echo_env(tts={"work_s": 1.0})) as server:
        yield server


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory):
    """A server that wants a key, and another one of its operators."""
    keys = {"SPEECHHUB_API_KEYS": KEY, "SPEECHHUB_ADMIN_KEYS": OPERATOR}
    with serving(tmp_path_factory.mktemp("home"), **echo_env(), **keys) as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with browsing(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser, open_server):
    """The page of the open server, ready to use."""
    browser.driver.get(open_server.url)
    browser.until(VOICES_LISTED, "the page offers voices")
    yield browser
    assert browser.complaints() == []


@contextmanager
def proxied(answer):
    """Yield the address of a server on the loopback interface that answers with ``answer(handler)``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            """Keep quiet."""

        def do_GET(self):
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            response = answer(self, sent)
            self.send_response(response.status_code)
            for name in ("content-type", "location", "content-security-policy"):
                if name in response.headers:
                    self.send_header(name, response.headers[name])
            self.send_header("content-length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_POST = do_GET  # noqa: N815  # the name is http.server's

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{proxy.server_port}"
    proxy.shutdown()
    proxy.server_close()
    thread.join()


def passed_on(server, handler, path, sent=b""):
    """Have the real server answer."""
    headers = {name: handler.headers[name] for name in ("accept", "content-type") if name in handler.headers}
    return httpx.request(handler.command, server.url + path, headers=headers, content=sent, timeout=60)


@contextmanager
def prefixed(server, prefix):
    """Yield the address of a proxy that has the server in a folder, and nothing else."""

    def answer(handler, sent):
        if not handler.path.startswith(f"{prefix}/"):
            return httpx.Response(404)
        return passed_on(server, handler, handler.path.removeprefix(prefix))

    with proxied(answer) as url:
        yield url + prefix


@contextmanager
def replicated(servers):
    """Yield the address of *servers* behind one, in turns where a request names none, and what was named."""
    named = []

    def answer(handler, sent):
        address = urlsplit(handler.path)
        [name] = parse_qs(address.query).get("replica", [None])
        named.append((handler.command, address.path, name))
        if name is not None and name not in servers:
            return httpx.Response(404, json={"error": {"message": "gone", "code": "replica_not_found"}})
        if name is None and handler.command == "POST" and address.path.startswith("/v1/engines"):
            return httpx.Response(400, json={"error": {"message": "which one?"}})
        name = name or sorted(servers)[len(named) % len(servers)]
        response = passed_on(servers[name], handler, handler.path, sent)
        if address.path != "/health":
            return response
        health = response.json() | {"replica": name, "replicas": sorted(servers)}
        return httpx.Response(200, json=health)

    with proxied(answer) as url:
        yield url, named


def saved(page, link, folder):
    """Return the bytes that a link of the page saves, into a folder of its own."""
    folder = folder / link
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
    )
    page.find(f"#{link}").click()
    [file] = until(lambda: [it for it in folder.glob("*.*") if it.suffix != ".crdownload"], "it is saved")
    return file.read_bytes()


def stored(page):
    """Return the key that the tab remembers, and the one that the browser does."""
    return page.js("[sessionStorage, localStorage].map((it) => it.getItem('speechhub-key'))")


def come_with(page, server, key=None):
    """Open the page of a server in a tab that remembers *key*, or none."""
    page.driver.get(server.url)
    page.js("[sessionStorage.clear(), localStorage.clear()]")
    if key:
        page.js("sessionStorage.setItem('speechhub-key', arguments[0])", key)
    page.driver.refresh()


def transcribe(page, tmp_path, seconds):
    (tmp_path / "said.wav").write_bytes(wav(seconds))
    page.find("#file").send_keys(str(tmp_path / "said.wav"))
    page.find("#listen-button").click()
    page.until("document.querySelector('#transcript-links').offsetParent", "a transcript")


@pytest.mark.parametrize("path", ["/v1/", "/v1", "/openai/v1/", "//v1//"])
def test_the_page_lives_at_every_base_url(browser, open_server, path):
    """A browser that opens the base URL of a client gets the page, whole."""
    browser.driver.get(open_server.url + path)

    browser.until(VOICES_LISTED, "the page offers voices")
    assert browser.driver.current_url == f"{open_server.url}/"
    assert browser.js("document.querySelector('#base-url').textContent") == f"{open_server.url}/v1"
    assert browser.complaints() == []


def test_the_page_lives_below_a_prefix(browser, open_server):
    """Behind a proxy that gives the server a folder of its site, also when it is opened by its base URL."""
    with prefixed(open_server, "/speech") as url:
        for path in ("/", "/v1/"):
            browser.driver.get(f"{url}{path}")

            browser.until(VOICES_LISTED, "the page offers voices")
            assert browser.driver.current_url == f"{url}/"
            assert browser.js("document.querySelector('#base-url').textContent") == f"{url}/v1"
            assert browser.complaints() == []


# ── Speech ───────────────────────────────────────────────────────────────────


def test_sound_begins_before_all_of_it_is_made(page, tmp_path):
    """The first piece is scheduled while the answer still arrives; in the end all of it can be saved."""
    page.fill("#text", "One two three. Four five six. Seven eight nine.")
    page.find("#speak-button").click()
    page.until(HEARD, "all was heard")

    [ended] = page.js(
        "performance.getEntriesByType('resource').filter((it) => it.name.endsWith('/speech'))"
        ".map((it) => it.responseEnd)"
    )
    starts = page.js("starts")
    assert starts[0] < ended - 1000  # two more sentences took a second each
    assert "first sound after" in page.js(NOTE.format("speak-note"))
    with wave.open(io.BytesIO(saved(page, "save-speech", tmp_path))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.getnframes() / 24_000 == pytest.approx(
            page.js("document.querySelector('#player').duration")
        )
        assert file.getnframes() > 9 * 0.2 * 24_000


def test_stop_ends_the_sound_and_the_request(page, open_server):
    """What was made until then stays; the server hears that the client left, and the page can speak again."""
    page.fill("#text", "One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten.")
    page.find("#speak-button").click()
    page.until("starts.length", "sound")
    page.find("#stop").click()

    page.until(HEARD, "it stopped")
    page.until(
        "document.querySelector('[data-state=ready] .state')?.textContent.match(/^loaded · on/)", "idle"
    )
    assert page.js(NOTE.format("speak-note")).startswith("stopped")
    assert 0.1 < page.js("document.querySelector('#player').duration") < 2
    assert page.find("#speak-button").is_enabled()
    took_ms = [it["ms"] for it in open_server.logged("request") if it["path"] == "/v1/audio/speech"]
    assert took_ms[-1] < 5000  # all ten sentences would have taken ten seconds


def test_the_player_takes_over_where_the_sound_is(browser, locked_server):
    """What has arrived and is not yet heard goes on in the player, and is never heard twice at once."""
    come_with(browser, locked_server, KEY)
    browser.until(VOICES_LISTED, "the page offers voices")
    browser.fill("#text", "word " * 80)  # 20 seconds
    browser.find("#speak-button").click()
    browser.until("!document.querySelector('#player').hidden", "all has arrived")
    browser.until("document.querySelector('#live-bar').value > 1", "a second was heard")
    browser.js("document.querySelector('#player').play()")

    browser.until("document.querySelector('#stop').hidden", "the live sound ended")
    assert 1 < browser.js("document.querySelector('#player').currentTime") < 10
    assert not browser.js("document.querySelector('#player').paused")
    assert browser.complaints() == []


# ── Transcripts ──────────────────────────────────────────────────────────────


def test_a_segment_plays_the_recording_from_there(page, tmp_path):
    """A click on a word, and a key on a segment's time, wind the recording; what is heard is lit."""
    transcribe(page, tmp_path, 12.0)
    words = page.find_all("#segments li:nth-child(2) .word")
    position = "document.querySelector('#recording').currentTime"

    words[4].click()
    page.until(f"{position} > 7", "the recording plays on")
    lit = page.js("document.querySelector('#segments [aria-current]').textContent")
    lit_word = page.js("document.querySelector('#segments .heard').textContent")
    page.js("document.querySelector('#recording').pause()")
    times = page.find_all("#segments .time")
    times[0].send_keys("\ue015")  # arrow down
    page.driver.switch_to.active_element.send_keys("\ue007")  # enter
    page.until(f"!document.querySelector('#recording').paused && {position} < 7", "it was wound back")

    assert [time.text for time in times] == ["0:00", "0:05", "0:10"]
    assert len(words) == 10
    assert lit.startswith("0:05")
    assert lit_word in [word.text for word in words]
    assert 5 <= page.js(position) < 7


def test_a_transcript_is_saved_as_text_and_subtitles(page, tmp_path):
    """The three files hold the same words, and the subtitles can be read by others."""
    webvtt = pytest.importorskip("webvtt")
    srt = pytest.importorskip("srt")
    transcribe(page, tmp_path, 12.0)

    text = saved(page, "save-txt", tmp_path).decode()
    cues = list(srt.parse(saved(page, "save-srt", tmp_path).decode()))
    captions = webvtt.from_buffer(io.BytesIO(saved(page, "save-vtt", tmp_path)))

    spoken = text.split()
    assert len(spoken) == 24
    assert [word for cue in cues for word in cue.content.split()] == spoken
    assert [word for caption in captions for word in caption.text.split()] == spoken
    assert all(len(line) <= 42 for cue in cues for line in cue.content.splitlines())
    assert cues[-1].end.total_seconds() == 12.0


# ── Models ───────────────────────────────────────────────────────────────────


def test_models_are_loaded_and_unloaded(page):
    """The list shows what is loaded, and its buttons change it."""
    row = "[...document.querySelectorAll('#model-list li')].find((it) => /echo-clone/.test(it.textContent))"
    assert "not loaded · on cpu" in page.js(f"{row}.textContent")

    page.js(f"{row}.querySelector('button').click()")
    page.until(f"{row}.dataset.state === 'ready'", "it is loaded")
    assert "echo-clone" in page.js(NOTE.format("status"))
    page.js(f"{row}.querySelector('button').click()")
    page.until(f"{row}.dataset.state === 'unloaded'", "it is unloaded")


def test_the_page_watches_one_of_several_servers(browser, open_server, tmp_path):
    """It keeps to the one that answered first or was chosen, operates that one, and goes on when it ends."""
    row = "[...document.querySelectorAll('#model-list li')].find((it) => /echo-clone/.test(it.textContent))"
    chosen = "document.querySelector('#replica').value"
    with serving(tmp_path, **echo_env()) as other:
        servers = {"first": open_server, "other": other}
        with replicated(servers) as (url, named):
            browser.driver.get(url)
            browser.until(VOICES_LISTED, "the page offers voices")
            first = browser.js(chosen)
            [second] = servers.keys() - {first}
            look = "document.dispatchEvent(new Event('visibilitychange'))"
            browser.js(look)
            until(lambda: named[-1] == ("GET", "/health", first), "the same server is asked again")
            browser.js(
                "Object.assign(document.querySelector('#replica'), { value: arguments[0] })"
                ".dispatchEvent(new Event('change'))",
                second,
            )
            until(lambda: named[-1] == ("GET", "/health", second), "the other server is asked")
            browser.until(f"{row}?.querySelector('button')", "its models are shown")
            browser.js(f"{row}.querySelector('button').click()")
            browser.until(f"{row}.dataset.state === 'ready'", "it is loaded")
            loaded = {
                name: {it["id"]: it["state"] for it in httpx.get(f"{it.url}/health").json()["models"]}
                for name, it in servers.items()
            }
            operated = [name for method, path, name in named if path.startswith("/v1/engines")]
            polled = [name for method, path, name in named if path == "/health"]
            servers.pop(second)
            browser.js(look)
            browser.until(f"{chosen} === '{first}'", "the page goes on with the first")
            note = browser.js(NOTE.format("models-note"))

    assert operated == [second]
    assert [name for name, _ in groupby(polled)] == [None, first, second]
    assert (loaded[second]["echo-clone"], loaded[first]["echo-clone"]) == ("ready", "unloaded")
    assert note.startswith(f"{second} does not answer any more")
    [refused] = browser.complaints()  # the browser itself reports the one 404
    assert "404" in refused


# ── Keys ─────────────────────────────────────────────────────────────────────


def test_the_page_asks_for_the_key_kindly(browser, locked_server):
    """No error before the key; a wrong one is named; the right one opens all of it, footer included."""
    come_with(browser, locked_server)
    browser.until("document.querySelector('#key').offsetParent", "the question for the key")
    assert browser.complaints() == []
    assert not browser.find("#tools").is_displayed()

    browser.fill("#key", "nonsense")
    browser.find("#key-form button").click()
    browser.until("document.querySelector('#key-note.bad')", "a wrong key is refused")
    browser.fill("#key", KEY)
    browser.find("#key-form button").click()
    browser.until(VOICES_LISTED, "the page opens")
    browser.find("footer a[href='v1/models']").click()
    browser.until("document.querySelector('#viewer').open", "the list of models is shown")

    assert '"echo-tts"' in browser.find("#viewer-text").text
    browser.find("#viewer button").click()
    assert not browser.find("#key-form").is_displayed()
    assert browser.find_all("#model-list button") == []  # this key may not operate
    assert stored(browser) == [KEY, None]

    browser.find("#other-key").click()
    browser.fill("#key", OPERATOR)
    browser.find("#key-form button").click()
    browser.until("document.querySelectorAll('#model-list button').length", "this key may operate")
    assert browser.complaints() == []


def test_the_key_is_remembered_if_wanted(browser, locked_server):
    """With the tick it is there in another tab, until the page is told to forget it."""
    come_with(browser, locked_server)
    browser.until("document.querySelector('#key').offsetParent", "the question for the key")
    browser.find("#key-long").click()
    browser.fill("#key", OPERATOR)
    browser.find("#key-form button").click()
    browser.until(MODELS_LISTED, "the page opens")
    assert stored(browser) == [None, OPERATOR]

    browser.driver.refresh()
    browser.until(VOICES_LISTED, "the page opens by itself")
    assert len(browser.find_all("#model-list button")) == browser.js(MODELS_LISTED)
    assert browser.complaints() == []
    browser.find("#forget").click()
    browser.until("document.querySelector('#key').offsetParent", "the question for the key")
    assert stored(browser) == [None, None]


def test_an_old_key_is_asked_for_again(browser, locked_server):
    """A key that opens the server no more is said to be old, without an error."""
    come_with(browser, locked_server, "of-yesterday")
    browser.until("document.querySelector('#key').offsetParent", "the question for the key")

    assert "no longer accepts the key" in browser.text()
    assert browser.complaints() == []
    assert httpx.get(locked_server.url + "/v1/models").status_code == 401


# ── When something fails ─────────────────────────────────────────────────────


def test_what_was_made_before_a_failure_is_kept(browser, tmp_path):
    """An engine dies between two sentences: the first is kept, and the note says what to do."""
    with serving(tmp_path, **echo_env(tts={"work_s": 1.0})) as server:
        browser.driver.get(server.url)
        browser.until(VOICES_LISTED, "the page offers voices")
        browser.fill("#text", "One two. Three four. Five six.")
        browser.find("#speak-button").click()
        browser.until("starts.length", "sound")
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        browser.until("document.querySelector('#speak-note.bad')", "it fails")
        browser.until(HEARD, "what was made is there")

        [told] = [it for it in browser.complaints() if it.startswith("The speech stopped")]
        assert "Try again" in told
        assert 0.1 < browser.js("document.querySelector('#player').duration") < 0.7  # two tones
        assert browser.find("#speak-button").is_enabled()


def test_a_server_that_is_gone_is_named_plainly(browser, tmp_path):
    """The note says what to look for, and has no word of a programmer's."""
    with serving(tmp_path, **echo_env()) as server:
        browser.driver.get(server.url)
        browser.until(VOICES_LISTED, "the page offers voices")
        assert server.stop() == 0
        browser.find("#speak-button").click()
        browser.until("document.querySelector('#speak-note.bad')", "it fails")

        assert "Check that it is running" in browser.js(NOTE.format("speak-note"))
        assert browser.find("#speak-button").is_enabled()
        browser.complaints()  # the console has them too; they are read away here


# ── Modules ──────────────────────────────────────────────────────────────────

SUBTITLES = """
    const [segments, words, done] = arguments;
    const [cut, parts] = ["subtitles", "transcript"].map((it) => import(`${location.origin}/page/${it}.js`));
    Promise.all([cut, parts]).then(([{ cuesOf, vttOf }, { partsOf }]) => {
        const found = partsOf(segments, words);
        done([found.map((it) => it.parts.map((part) => part.text)), vttOf(cuesOf(found))]);
    });
"""


def segment(start, end, text):
    return {"start": start, "end": end, "text": text}


def word(start, end, text):
    return {"start": start, "end": end, "word": text}


@pytest.mark.parametrize(
    ("segments", "words", "parts", "captions"),
    [
        pytest.param(
            [segment(0, 2, " “Stop!” (he said) --> now")],
            [word(0, 0.5, "Stop"), word(0.5, 1, "he"), word(1, 1.5, "said"), word(1.5, 2, "now")],
            [["“", "Stop", "!” (", "he", " ", "said", ") --> ", "now"]],
            ["“Stop!” (he said) -&gt; now"],
            id="punctuation",
        ),
        pytest.param(
            [segment(0, 1, " one two"), segment(1, 2, " two three")],
            [word(0, 0.5, "one"), word(0.5, 1, "tow"), word(1, 1.5, "two"), word(1.5, 2, "three")],
            [["one", " two"], ["two", " ", "three"]],
            ["one two", "two three"],
            id="a word that is not in the text",
        ),
        pytest.param(
            [segment(0, 5, " Hello. Bye.")],
            [word(0, 0.2, "Hello"), word(5, 5, "Bye")],
            [["Hello", ". ", "Bye", "."]],
            ["Hello.", "Bye."],
            id="a last word without time",
        ),
        pytest.param(
            [segment(0, 10, "word " * 30)],
            [],
            [["word " * 29 + "word"]],
            None,
            id="no words have times",
        ),
        pytest.param(
            [segment(0, 20, "今天天气很好" * 10)], [], [["今天天气很好" * 10]], None, id="no spaces"
        ),
    ],
)
def test_segments_become_parts_and_cues(page, segments, words, parts, captions):
    """Words are found in the text where they stand, and no cue is longer than can be read."""
    webvtt = pytest.importorskip("webvtt")

    found, vtt = page.driver.execute_async_script(SUBTITLES, segments, words)
    cues = list(webvtt.from_buffer(io.BytesIO(vtt.encode())))

    assert found == parts
    if captions is not None:
        assert [cue.text for cue in cues] == captions
    said = "".join("".join(it["text"].split()) for it in segments)
    if "-->" not in said:
        assert "".join("".join(cue.text.split()) for cue in cues) == said
    if found == [["Hello", ". ", "Bye", "."]]:
        assert "00:00:00.000 --> 00:00:01.000" in vtt
        assert "00:00:04.000 --> 00:00:05.000" in vtt
    for cue in cues:
        assert cue.end_in_seconds - cue.start_in_seconds <= 7
        assert all(len(line) * (2 if "天" in said else 1) <= 42 for line in cue.text.splitlines())
