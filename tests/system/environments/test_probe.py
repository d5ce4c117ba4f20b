"""``doctor --mirrors`` asks real servers, on the loopback interface, and tells them apart."""

import http.server
import sys
import threading

import pytest

from speechhub import mirrors
from speechhub.environments.probe import Place, places, probe
from speechhub.mirrors import Mirror, TorchSource

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
WHEELS = "".join(
    f'<a href="/w/torch-{version}%2B{build}-{tag}-{tag}-manylinux_2_28_x86_64.whl">x</a>\n'
    for version, build, tag in [
        ("2.9.1", "cpu", TAG),
        ("2.13.0", "cpu", TAG),
        ("2.99.0", "cpu", "cp27"),
        ("2.98.0", "cu126", TAG),
    ]
)


@pytest.fixture
def server(monkeypatch):
    """A server with pages; a page that is no text is a status."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            """Keep quiet."""

        def do_GET(self):
            page = pages.get(self.path, 404)
            body = page.encode() if isinstance(page, str) else b""
            self.send_response(200 if isinstance(page, str) else page)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield pages, f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


def test_the_newest_wheel_for_this_machine_is_found(server):
    """Other builds and other Pythons do not count."""
    pages, url = server
    pages["/whl/cpu/torch/"] = WHEELS

    answer = probe(Place(kind="torch", url=f"{url}/whl/cpu/torch/", build="cpu"))

    assert (answer.works, answer.finding) == (True, "has torch 2.13.0+cpu")
    assert answer.latency_s > 0


@pytest.mark.parametrize(
    ("page", "says"),
    [("<html></html>", f"has no torch +cpu for {TAG}"), (503, "answers 503"), (404, "answers 404")],
)
def test_what_does_not_serve_is_told(server, page, says):
    """An empty index is no better than none."""
    pages, url = server
    pages["/cpu/"] = page

    answer = probe(Place(kind="torch", url=f"{url}/cpu/", build="cpu"))

    assert (answer.works, answer.finding) == (False, says)


def test_nobody_there():
    """A closed port is a finding, not an error."""
    answer = probe(Place(kind="packages", url="http://127.0.0.1:9/simple/pip/"))

    assert not answer.works
    assert answer.finding.startswith("does not answer")


def test_a_folder_of_wheels_is_a_place(tmp_path):
    """What pip is told by find-links comes first."""
    (tmp_path / f"torch-2.13.0+cpu-{TAG}-{TAG}-manylinux_2_28_x86_64.whl").touch()

    assert probe(Place(kind="torch", url=str(tmp_path), build="cpu")).finding == "has torch 2.13.0+cpu"
    assert not probe(Place(kind="torch", url=str(tmp_path / "none"), build="cpu")).works


@pytest.mark.mission("17.2")
def test_the_order_is_that_of_an_installation():
    """The mirror, then the usual place; of the operator's own index, no mirror takes the place."""
    mirror = Mirror(
        python_index="http://m/simple",
        torch=(TorchSource(url="http://m/torch", flat=True), TorchSource(url="http://t/whl")),
        hf_endpoint="http://m/hf",
        apt="m",
    )
    quiet = {"PIP_CONFIG_FILE": "/dev/null"}

    asked = [
        (place.kind, place.url)
        for place in places(mirror, hf_endpoint="http://m/hf", build="cu126", environ=quiet)
    ]

    assert asked == [
        ("packages", "http://m/simple/pip/"),
        ("packages", f"{mirrors.PYPI}/pip/"),
        ("torch", "http://m/torch/cu126/"),
        ("torch", "http://t/whl/cu126/torch/"),
        ("models", "http://m/hf/api/models?limit=1"),
        ("models", f"{mirrors.HUGGING_FACE}/api/models?limit=1"),
        ("apt", "https://m/"),
    ]
    found = places(mirror, hf_endpoint=None, modelscope="http://scope", build="cpu", environ=quiet)
    assert next(place.url for place in found if place.kind == "models") == "http://scope/"
    own = quiet | {"PIP_INDEX_URL": "http://own/simple"}
    found = places(mirror, hf_endpoint=None, build="cpu", environ=own)
    assert [place.url for place in found if place.kind == "packages"] == ["http://own/simple/pip/"]


@pytest.mark.mission("16.9")
def test_doctor_tells_who_serves(server, monkeypatch, tmp_path, capsys, logging_put_back):
    """Each place has a line with its latency, and no password; a kind that nobody serves is a failure."""
    from speechhub.cli import main

    pages, url = server
    dead = TorchSource(url="http://127.0.0.1:9")
    mirror = Mirror(
        python_index=None, torch=(dead, TorchSource(url=f"{url}/whl")), hf_endpoint=None, apt=None
    )
    monkeypatch.setattr(mirrors, "MIRRORS", {"none": mirror, "china": mirror})
    monkeypatch.setattr(mirrors, "HUGGING_FACE", f"{url}/hf")
    monkeypatch.setattr("speechhub.environments.driver.read_driver", lambda: None)
    for name in ("PIP_FIND_LINKS", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"{url}/simple".replace("://", "://me:hush@"))
    monkeypatch.setenv("SPEECHHUB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    pages |= {"/simple/pip/": "x", "/whl/cpu/torch/": WHEELS, "/hf/api/models?limit=1": "[]"}

    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--mirrors"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "ok  build of PyTorch: cpu, because this machine has no NVIDIA driver that answers" in shown
    assert f"ok  packages: {url}/simple/pip/ answers, " in shown
    assert "hush" not in shown
    assert "warn  torch: http://127.0.0.1:9/cpu/torch/ does not answer" in shown
    assert f"ok  torch: would come from {url}/whl/cpu/torch/" in shown
    assert f"ok  models: {url}/hf/api/models?limit=1 answers, " in shown

    del pages["/simple/pip/"]
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--mirrors"])
    assert ended.value.code == 1
    assert "FAIL  packages: no source serves them" in capsys.readouterr().out
