"""Packages really come from the mirror, by uv and by pip, and from the usual place what it has not."""

import http.server
import os
import subprocess
import threading
import venv

import pytest

from speechhub.environments.packages import Installer, InstallError, find_uv
from speechhub.mirrors import Mirror, TorchSource
from tests.e2e.wheels import write_wheel

pytestmark = pytest.mark.unhurried

BUILD = "cpu"


class Index:
    """A package index on the loopback interface: folders of wheels, below ``/simple`` or as flat lists."""

    def __init__(self, folder):
        self.folder = folder
        self.asked = []
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                """Keep quiet."""

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                index.asked.append(self.path)
                body = index.answer(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header(
                    "Content-Type", "text/html" if self.path.endswith("/") else "application/zip"
                )
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"" if self.command == "GET" else b"")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    def answer(self, path):
        """Return a wheel, or the list of those of a project."""
        if path.endswith(".whl"):
            wheel = self.folder / path.rpartition("/")[2].replace("%2B", "+")
            return wheel.read_bytes() if wheel.exists() else None
        project = path.rstrip("/").rpartition("/")[2]
        flat = project == BUILD
        names = [wheel.name for wheel in self.folder.glob("*.whl" if flat else f"{project}-*.whl")]
        if not names:
            return None
        return "".join(f'<a href="/files/{n.replace("+", "%2B")}">{n}</a>\n' for n in names).encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def make_index(tmp_path):
    """Make indexes by name, each with a folder for its wheels."""
    made = []

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        made.append(Index(folder))
        return made[-1]

    yield make
    for index in made:
        index.close()


@pytest.fixture
def mirror(make_index):
    return make_index("mirror")


@pytest.fixture
def usual(make_index, tmp_path, monkeypatch):
    """The index that pip is configured for."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    index = make_index("usual")
    (tmp_path / "pip.conf").write_text(
        f"[global]\nindex-url = {index.url}/simple\nfind-links =\nretries = 0\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return index


@pytest.fixture
def python(tmp_path):
    """An environment to install into."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(tmp_path / "env")
    return tmp_path / "env" / "bin" / "python"


@pytest.fixture(params=["uv", "pip"])
def tool(request, monkeypatch):
    """What does the work: uv if it is there, unless somebody does not want it."""
    if request.param == "pip":
        monkeypatch.setenv("NO_UV", "1")
    elif find_uv() is None:
        pytest.skip("there is no uv here")
    return request.param


@pytest.fixture
def said():
    """What people are told."""
    return []


@pytest.fixture
def installer(tool, python, mirror, usual, said):
    profile = Mirror(python_index=f"{mirror.url}/simple", torch=(), hf_endpoint=None, apt=None)
    return Installer(python=python, mirror=profile, say=said.append)


def version_of(python, name):
    """Return the version that is installed, or nothing."""
    program = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def tool_used(tool, python):
    """Tell whether uv or pip left its name."""
    [installed] = python.parent.parent.glob("lib/*/site-packages/parrot-*.dist-info/INSTALLER")
    return installed.read_text().strip() == tool


def test_the_mirror_comes_first(installer, python, mirror, usual, tool):
    """What it has comes from there, and the usual place is not asked."""
    write_wheel(mirror.folder, "parrot", "1.0", {"parrot.py": ""})
    write_wheel(usual.folder, "parrot", "2.0", {"parrot.py": ""})

    installer.install("parrot")

    assert version_of(python, "parrot") == "1.0"
    assert tool_used(tool, python)
    assert usual.asked == []


def test_what_the_mirror_has_not_comes_from_the_usual_place(installer, python, mirror, usual, said):
    """A mirror is never alone, and people are told."""
    write_wheel(usual.folder, "parrot", "2.0", {"parrot.py": ""})

    installer.install("parrot")

    assert version_of(python, "parrot") == "2.0"
    assert "/simple/parrot/" in mirror.asked
    assert "the mirror did not have all of it; once more without it" in said


def test_the_operators_own_index_is_not_replaced(installer, python, mirror, usual, monkeypatch):
    """Whoever names an index means it."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{usual.url}/simple")
    write_wheel(mirror.folder, "parrot", "1.0", {"parrot.py": ""})
    write_wheel(usual.folder, "parrot", "2.0", {"parrot.py": ""})

    installer.install("parrot")

    assert version_of(python, "parrot") == "2.0"
    assert mirror.asked == []


def test_offline_nobody_is_asked(python, mirror, usual):
    """Neither the mirror nor the usual place."""
    profile = Mirror(python_index=f"{mirror.url}/simple", torch=(), hf_endpoint=None, apt=None)

    with pytest.raises(InstallError):
        Installer(python=python, mirror=profile, offline=True, say=list).install("parrot")

    assert mirror.asked == usual.asked == []


@pytest.mark.parametrize("who", ["flat", "index"])
def test_torch_comes_from_the_first_place_with_the_build(
    python, mirror, usual, make_index, tmp_path, said, who
):
    """Lists and indexes are asked in their order, and a wheel of another build is no answer.

    It has another name here: machines may be told which torch to take.
    """
    flat, index = make_index("flat"), make_index("index")
    places = (TorchSource(url=f"{flat.url}/whl", flat=True), TorchSource(url=f"{index.url}/whl"))
    for place in (flat, index, usual):
        write_wheel(place.folder, "nut", "9.0+cu999", {"nut.py": "raise SystemExit('another build')"})
    write_wheel({"flat": flat, "index": index}[who].folder, "nut", "9.0+cpu", {"nut.py": ""})
    (tmp_path / "others.txt").write_text("")
    profile = Mirror(python_index=None, torch=places, hf_endpoint=None, apt=None)

    Installer(python=python, mirror=profile, say=said.append).install_torch(
        ["nut==9.0"], BUILD, tmp_path / "others.txt"
    )

    assert version_of(python, "nut") == "9.0+cpu"
    assert said[0] == "nut==9.0+cpu: not from what pip is configured for"
    assert bool(index.asked) is (who == "index")


def test_a_build_that_nobody_has_is_an_error(python, usual, make_index, tmp_path):
    """The message says how to find out who has which."""
    index = make_index("index")
    write_wheel(index.folder, "nut", "9.0+cu999", {"nut.py": ""})
    profile = Mirror(
        python_index=None, torch=(TorchSource(url=f"{index.url}/whl"),), hf_endpoint=None, apt=None
    )
    (tmp_path / "others.txt").write_text("")

    with pytest.raises(InstallError, match=r"No configured source has nut==9\.0\+cpu .*doctor --mirrors"):
        Installer(python=python, mirror=profile, say=list).install_torch(
            ["nut==9.0"], BUILD, tmp_path / "others.txt"
        )
    assert version_of(python, "nut") == ""
