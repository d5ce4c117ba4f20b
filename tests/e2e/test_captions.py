"""Live captions on the page, in a real browser whose microphone plays a file."""

import io
import re

import pytest

from tests.e2e.browser import browsing
from tests.e2e.conftest import echo_env
from tests.e2e.server import serving, until
from tests.e2e.test_page import KEY, come_with, prefixed, saved
from tests.fakes.babble import talk, wav_of

NAMED = "speech.example.org"
CAPTIONS = "[...document.querySelectorAll('#captions-lines li')]"
FINAL = "document.querySelectorAll('#captions-lines li:not(.partial)').length"
NOTE = "document.querySelector('#captions-note').textContent"
FAILED = "document.querySelector('#captions-note.bad')"
BUTTON = "document.querySelector('#captions-button').textContent"
IDLE = f"{BUTTON} === 'Start the microphone'"
READY = "document.querySelector('#captions-model').options.length"
NO_RESAMPLING = """
    const create = AudioContext.prototype.createMediaStreamSource;
    AudioContext.prototype.createMediaStreamSource = function (stream) {
        if (this.sampleRate === 24000) throw new DOMException("another rate", "NotSupportedError");
        return create.call(this, stream);
    };
"""
"""Makes a browser one that does not resample microphones, as Firefox is."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser into whose microphone somebody says two short utterances, and then a long one."""
    said = tmp_path_factory.mktemp("microphone") / "said.wav"
    said.write_bytes(wav_of(talk(1.5, 0.8, 0.8, 1.5, 25)))
    switches = [
        f"--use-file-for-fake-audio-capture={said}%noloop",
        f"--host-resolver-rules=MAP {NAMED} 127.0.0.1",
    ]
    with browsing(tmp_path_factory.mktemp("profile"), *switches) as page:
        yield page


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with one live session at a time, whose model is loaded, and which has a public name."""
    env = {
        "SPEECHHUB_REALTIME_SESSIONS": "1",
        "SPEECHHUB_REALTIME_PARTIAL_INTERVAL_S": "0.5",
        "SPEECHHUB_ALLOWED_HOSTS": NAMED,
        "SPEECHHUB_PRELOAD": "echo-stt",
    }
    with serving(tmp_path_factory.mktemp("home"), **echo_env(), **env) as made:
        yield made


@pytest.fixture
def page(browser, server):
    """The page of the server, ready to use; without complaints at the end."""
    browser.driver.get(server.url)
    browser.until(READY, "the page offers models")
    yield browser
    assert browser.complaints() == []


def press(page):
    page.find("#captions-button").click()


def captions(page):
    return page.js(f"{CAPTIONS}.map((it) => it.querySelector('p').textContent)")


def sessions(server):
    return server.logged("session")


def caption_all(page, server):
    """Start, wait until both utterances have their text, and stop."""
    before = len(sessions(server))
    press(page)
    page.until(f"{FINAL} >= 2", "both utterances", 30)
    press(page)
    page.until(IDLE, "it stopped")
    until(lambda: len(sessions(server)) > before, "the session ends")
    return sessions(server)[-1]


def test_captions_come_while_one_speaks(page, server):
    """Each utterance has a line, with words before it is over; the meter moves; Stop ends the session."""
    press(page)
    page.until("document.querySelector('#captions-level').value > 0.2", "the meter moves", 30)
    partial = "document.querySelector('#captions-lines .partial p')?.textContent"
    early = page.until(
        f"[{partial}].find((it) => it && it !== '…')", "words of an utterance that goes on", 30
    )
    assert page.js(BUTTON) == "Stop the microphone"
    press(page)
    page.until(IDLE, "it stopped")

    assert early.split()
    assert captions(page)
    assert all(line.split() for line in captions(page))
    assert page.js(NOTE) == "stopped"
    [ended] = sessions(server)[-1:]
    assert (ended["close_code"], ended["closed_by"]) == (1000, "client")


def test_captions_are_saved_copied_and_cleared(page, server, tmp_path):
    """The files hold what the page shows, with times that fit what was said; Clear begins anew."""
    srt = pytest.importorskip("srt")
    webvtt = pytest.importorskip("webvtt")
    caption_all(page, server)
    shown = captions(page)

    assert saved(page, "captions-txt", tmp_path).decode().splitlines() == shown
    cues = list(srt.parse(saved(page, "captions-srt", tmp_path).decode()))
    assert [word for cue in cues for word in cue.content.split()] == " ".join(shown).split()
    assert 0 <= cues[0].start.total_seconds() < cues[-1].end.total_seconds() < 30
    assert [cue.start for cue in cues] == sorted(cue.start for cue in cues)
    captions_file = saved(page, "captions-vtt", tmp_path)
    spoken = [
        word for caption in webvtt.from_buffer(io.BytesIO(captions_file)) for word in caption.text.split()
    ]
    assert spoken == " ".join(shown).split()

    page.find("#captions-copy").click()
    page.until(f"{NOTE} === 'copied'", "they are copied")
    page.find("#captions-clear").click()
    assert captions(page) == []
    assert not page.find("#captions-links").is_displayed()


def test_a_second_session_goes_on_below_the_first(page, server):
    """What was said before stays, and times go on."""
    caption_all(page, server)
    before = captions(page)
    press(page)
    page.until(f"{FINAL} > {len(before)}", "one more utterance", 30)
    press(page)
    page.until(IDLE, "it stopped")

    times = page.js(f"{CAPTIONS}.map((it) => it.querySelector('.time').textContent)")
    assert captions(page)[: len(before)] == before
    assert times == sorted(times)
    assert times[len(before)] > times[len(before) - 1]


def test_stop_waits_for_what_was_begun(page):
    """An utterance that the button cuts off still gets its text."""
    press(page)
    page.until("document.querySelector('#captions-lines .partial')", "somebody speaks", 30)
    press(page)
    page.until(IDLE, "it stopped")

    assert all(line.split() for line in captions(page))
    assert page.js(FINAL) == len(captions(page)) >= 1


def test_captions_are_for_everyone(page, server):
    """The keyboard starts and stops; a screen reader hears each final text once; it fits a narrow screen."""
    page.driver.set_window_size(500, 800)  # the narrowest that Chromium makes
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": False},
    )
    page.find("#captions-button").send_keys("\ue007")  # enter
    page.until(f"{FINAL} >= 2", "both utterances", 30)
    page.driver.switch_to.active_element.send_keys(" ")
    page.until(IDLE, "it stopped")

    read = page.js(
        "[...document.querySelector('#captions-said[role=log]').children].map((it) => it.textContent)"
    )
    unnamed = page.js(
        "[...document.querySelectorAll('#captions :is(select, meter, ol, [role=log])')]"
        ".filter((it) => !it.ariaLabel && !it.labels?.length)"
        ".map((it) => it.id)"
    )
    wider = page.js("document.documentElement.scrollWidth - window.innerWidth")
    page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert read == captions(page)[-5:]
    assert unnamed == []
    assert wider <= 0


def test_the_microphones_own_rate_will_do(browser, server):
    """In a browser that does not resample, the server takes the sound as the microphone gives it."""
    script = browser.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": NO_RESAMPLING}
    )
    try:
        browser.driver.get(server.url)
        browser.until(READY, "the page offers models")
        caption_all(browser, server)

        assert len(captions(browser)) >= 2
        assert browser.complaints() == []
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


# ── Keys ─────────────────────────────────────────────────────────────────────


def test_a_key_is_shown_and_never_written_down(browser, tmp_path):
    """A server with keys takes the page's; neither the key nor what stands for it is in the log."""
    with serving(tmp_path, **echo_env(), SPEECHHUB_API_KEYS=KEY) as server:
        come_with(browser, server, KEY)
        browser.until(READY, "the page offers models")
        ended = caption_all(browser, server)

        assert len(captions(browser)) >= 2
        assert ended["key"] == 1
        assert not re.search(rf"{KEY}|ek_", server.log_text())
        assert browser.complaints() == []
        browser.js("[sessionStorage.clear(), localStorage.clear()]")


# ── When something fails ─────────────────────────────────────────────────────


def refused(browser):
    """Start, and return what the page says of it, in red."""
    press(browser)
    browser.until(f"{FAILED} && {IDLE}", "it fails", 30)
    told = browser.js(NOTE)
    browser.complaints()  # the console has it too; it is read away here
    return told


def test_a_forbidden_microphone_is_named(server, tmp_path):
    """The note says where to allow it."""
    with browsing(tmp_path, "--use-fake-ui-for-media-stream=deny") as browser:
        browser.driver.get(server.url)
        browser.until(READY, "the page offers models")

        assert "Allow it in the browser's address bar" in refused(browser)


def test_a_page_without_tls_says_what_browsers_want(browser, server):
    """Under a name other than localhost the browser hides the microphone, and the note says why."""
    browser.driver.get(server.url.replace("127.0.0.1", NAMED))
    browser.until(READY, "the page offers models")

    assert "only on https:// pages and on localhost" in refused(browser)


def test_too_many_sessions_are_named(browser, server):
    """The server's own message says what to do."""
    browser.driver.get(server.url)
    browser.until(READY, "the page offers models")
    browser.js("window.held = new WebSocket(`ws://${location.host}/v1/realtime?intent=transcription`)")
    browser.until("held.readyState === WebSocket.OPEN", "another session is open")

    told = refused(browser)
    browser.js("held.close()")
    assert "sessions" in told
    until(lambda: sessions(server)[-1]["close_code"] != 1013, "the other session ends")


def test_a_proxy_that_forwards_no_websockets_is_named(browser, server):
    """The note says whose fault it is, which the browser itself does not tell."""
    with prefixed(server, "/speech") as url:
        browser.driver.get(f"{url}/")
        browser.until(READY, "the page offers models")

        assert "must forward WebSockets" in refused(browser)


def test_an_utterance_that_fails_says_so_in_its_line(browser, tmp_path):
    """The session goes on, and what failed is in no file."""
    with serving(tmp_path, **echo_env(stt={"fail": True})) as server:
        browser.driver.get(server.url)
        browser.until(READY, "the page offers models")
        press(browser)
        browser.until(f"{FINAL} >= 2", "both utterances", 30)

        assert all("engine" in line for line in captions(browser)[:2])
        assert browser.js(BUTTON) == "Stop the microphone"
        assert not browser.find("#captions-links").is_displayed()
        press(browser)
        browser.until(IDLE, "it stopped")
        browser.complaints()  # the lines are red


@pytest.mark.parametrize("kind", ["stopped", "killed"])
def test_captions_outlive_the_connection(browser, tmp_path, kind):
    """A server that stops says so, one that is gone does not; either way the text stays, and can be saved."""
    with serving(tmp_path, **echo_env()) as server:
        browser.driver.get(server.url)
        browser.until(READY, "the page offers models")
        press(browser)
        browser.until(f"{FINAL} >= 1", "an utterance", 30)
        if kind == "stopped":
            assert server.stop() == 0
        else:
            server.process.kill()
        browser.until(f"{FAILED} && {IDLE}", "it ends", 30)

        assert ("shutting down" if kind == "stopped" else "was lost") in browser.js(NOTE)
        assert captions(browser)[0].split()
        assert saved(browser, "captions-txt", tmp_path).decode().split()
        browser.complaints()  # the console has it too; it is read away here
