"""The page at the root that a browser gets."""

import json
import re

import pytest

from speechhub.engine import EMOTIONS

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_a_browser_gets_the_page(http):
    """The root is a page for a browser, and one line for everybody else."""
    page = await http.get("/", headers=BROWSER)
    line = await http.get("/", headers={"accept": "*/*"})

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>speechhub</title>" in page.text
    assert line.headers["content-type"] == "text/plain; charset=utf-8"
    assert line.text.count("\n") == 1
    assert page.headers["vary"] == line.headers["vary"] == "Accept"


async def test_its_parts_are_served(http):
    """What the page asks for is there, under the type that a browser insists on."""
    page = (await http.get("/", headers=BROWSER)).text
    parts = re.findall(r'(?:src|rel="stylesheet" href)="([^"]+)"', page)

    types = {part: (await http.get("/" + part)).headers["content-type"] for part in parts}

    assert types == {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}


async def test_it_needs_nobody_else(http):
    """The page works without the internet, and its policy forbids to talk to anyone but this server."""
    answers = [await http.get(path, headers=BROWSER) for path in ("/", "/page.js", "/page.css")]

    for answer in answers:
        assert not re.search(r"(?:https?:)?//\w", answer.text)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "connect-src 'self'" in policy
        assert "unsafe" not in policy


async def test_the_script_finds_its_elements(http):
    """Every element that the script asks for by its id is in the page."""
    page = (await http.get("/", headers=BROWSER)).text
    script = (await http.get("/page.js")).text
    wanted = set(re.findall(r'\$\("([\w-]+)"\)', script))

    assert len(wanted) > 20
    assert wanted <= set(re.findall(r'id="([\w-]+)"', page))


async def test_its_emotions_are_the_engines(http):
    """The page offers the emotions that a request can name, and no other."""
    script = (await http.get("/page.js")).text
    [listed] = re.findall(r"const EMOTIONS = (\[.*\]);", script)

    assert tuple(json.loads(listed)) == EMOTIONS


@pytest.mark.parametrize("path", ["/page.js", "/page.css"])
async def test_it_is_no_part_of_the_api(app, path):
    """The description of the API knows nothing of the page's parts."""
    assert path not in app.openapi_schema.paths
