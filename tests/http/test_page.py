"""The page at the root that a browser gets."""

import json
import re
from urllib.parse import urljoin

import pytest

from speechhub.engine import EMOTIONS
from speechhub.http.routes.page import PARTS, PATHS

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


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/openai/v1", "/openai/v1/"])
@pytest.mark.parametrize("prefix", ["", "/speech", "/a/b"])
async def test_a_base_url_leads_a_browser_to_the_page(http, path, prefix):
    """The page's parts are found from the root alone, which may lie below a prefix of a proxy's."""
    answer = await http.get(path, headers=BROWSER)

    assert answer.status_code == 307
    assert answer.headers["vary"] == "Accept"
    location = answer.headers["location"]
    assert set(location) <= set("./")
    assert urljoin(f"http://hub{prefix}{path}", location) == f"http://hub{prefix}/"
    line = await http.get(path)  # clients warm up there
    assert (line.status_code, line.text.count("\n")) == (200, 1)


async def test_its_parts_are_served(http):
    """What the page and its modules ask for is there, under the type that a browser insists on."""
    page = (await http.get("/", headers=BROWSER)).text
    wanted = set(re.findall(r'(?:src|rel="stylesheet" href)="page/([^"]+)"', page))
    types = {}

    while missing := wanted - types.keys():
        for name in missing:
            answer = await http.get("/page/" + name)
            types[name] = answer.headers["content-type"]
            wanted |= set(re.findall(r'^import .*"\./([\w.]+)";$', answer.text, re.MULTILINE))
            wanted |= set(re.findall(r'new URL\("\./([\w.]+)", import\.meta\.url\)', answer.text))

    styles = {name for name in types if name.endswith(".css")}
    assert types == {
        name: f"text/{'css' if name in styles else 'javascript'}; charset=utf-8" for name in types
    }
    assert types.keys() == PARTS  # and no other is left behind
    assert (await http.get("/page/index.html")).status_code == 404


async def test_it_needs_nobody_else(http):
    """The page works without the internet, and its policy forbids to talk to anyone but this server."""
    answers = [await http.get(path, headers=BROWSER) for path in ("/", *sorted(PATHS))]

    for answer in answers:
        assert not re.search(r"(?:https?:)?//\w", answer.text)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "connect-src 'self'" in policy
        assert "unsafe" not in policy


async def test_the_script_finds_its_elements(http):
    """Every element that a module asks for by its id is in the page."""
    page = (await http.get("/", headers=BROWSER)).text
    script = "".join([(await http.get(path)).text for path in sorted(PATHS)])
    wanted = set(re.findall(r'(?:\$|note|choose|offer)\("([\w-]+)"', script))

    assert len(wanted) > 40
    assert wanted <= set(re.findall(r'id="([\w-]+)"', page))


async def test_its_emotions_are_the_engines(http):
    """The page offers the emotions that a request can name, and no other."""
    script = (await http.get("/page/speech.js")).text
    [listed] = re.findall(r"const EMOTIONS = (\[.*\]);", script)

    assert tuple(json.loads(listed)) == EMOTIONS


async def test_it_is_no_part_of_the_api(app):
    """The description of the API has nothing of the page's parts."""
    assert not [path for path in app.openapi_schema.paths if path.startswith("/page")]
