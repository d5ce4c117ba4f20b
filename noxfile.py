"""Tasks of the project, the same locally and in CI; ``scripts/test`` runs them all.

    nox -s quick
    nox -s lint types tests docs site manifests conformance fuzz_api
    nox -s "plugin(dist='speechhub-piper')"
    nox -s ray

All but site, manifests, plugin and ray use the repository's .venv, which they make or bring up to date;
conformance, clients, live_clients, pythons, upgrade and fuzz_api keep more environments in .venvs. Each
engine plugin is tested in an environment of its own, because the native dependencies of engines conflict. A
plugin with pins of its own gets exactly those, and PyTorch for the CPU. Everything is installed from the
lock, requirements/*.txt. speechhub-ray has an environment of its own because Ray takes 250 MB.
"""

import os
import platform
import sys
from pathlib import Path
from typing import NoReturn

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "scripts"))

import _pip_config  # noqa: E402 - the path comes first
import _stamp  # noqa: E402

from speechhub.environments.pins import parse_pins  # noqa: E402 - _pip_config made it importable

PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
PIP = _pip_config.pip_configuration(os.environ)
NO_UV = bool(os.environ.get("NO_UV")) or _pip_config.needs_pip(PIP)

RAY = "deploy/ray"
PINS = "plugins/{dist}/src/*/engine-requirements.txt"
"""Where a plugin carries its exact set of packages; such a plugin cannot live beside the hub's."""
RAY_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
RAY_MACHINES = ("x86_64", "aarch64")
"""What Ray 2.60 has wheels for; it has no source distribution."""
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"

SLIPS = ("containerPort:", "pathType:", "minReplicas:", "backendRefs:")
"""Fields of manifests whose names are misspelt, so that the check of manifests has to find it."""

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests", "docs", "site", "manifests", "conformance", "plugin", "ray"]
nox.options.default_venv_backend = "virtualenv" if NO_UV else "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_external_run = False
os.environ.update(_pip_config.uv_environment(PIP, os.environ, hashed=True))
# Without it, each worker of a plugin's tests compiles PyTorch's 5000 modules again where
# PYTHONDONTWRITEBYTECODE is set.
os.environ["UV_COMPILE_BYTECODE"] = "1"


@nox.session(venv_backend="none")
def quick(session: nox.Session) -> None:
    """Run lint, types and the tests without processes, two at a time: an answer within a minute."""
    session.run(hub_python(session), "scripts/_quick.py")


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check style, format, layers and shell scripts; run all checks even if one fails."""
    python = hub_python(session)
    scripts = [str(path) for path in (*Path("scripts").iterdir(), Path(".ci/run")) if is_shell(path)]
    commands = [
        [python, "-m", "ruff", "check"],
        [python, "-m", "ruff", "format", "--check"],
        [str(Path(python).with_name("lint-imports"))],
        [str(Path(python).with_name("lint-imports")), f"{RAY}/pyproject.toml"],
        [str(Path(python).with_name("shellcheck")), *scripts],
    ]
    failed = 0
    for command in commands:
        try:
            session.run(*command, env={"PYTHONPATH": f"{RAY}/src"})  # .venv has no speechhub-ray
        except nox.command.CommandFailed:
            failed += 1
    if failed:
        session.error(f"{failed} of {len(commands)} checks failed")


@nox.session(venv_backend="none")
def types(session: nox.Session) -> None:
    """Check all types strictly: the hub, the plugins, speechhub-ray, the scripts."""
    python = hub_python(session)
    plugins = [str(Path(folder).relative_to(ROOT) / "src") for folder in _stamp.plugin_folders("test")]
    plugins += [str(path.relative_to(ROOT).parents[1]) for path in ROOT.glob(PINS.replace("{dist}", "*"))]
    session.run(python, "-m", "mypy", "src", *plugins, f"{RAY}/src", "scripts", "noxfile.py")


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run all tests of the hub; arguments after ``--`` go to pytest."""
    arguments = session.posargs or ["tests", "--ignore=tests/docs", "--durations=10"]
    session.run(hub_python(session), "-m", "pytest", *report("tests"), *arguments)


@nox.session(venv_backend="none")
def coverage(session: nox.Session) -> None:
    """Print which share of each module's lines the tests run in their own process; no share is required."""
    python = hub_python(session)
    arguments = session.posargs or ["-q", "tests/unit", "tests/http", "tests/system"]
    session.run(python, "-m", "coverage", "run", "-m", "pytest", *arguments)
    session.run(python, "-m", "coverage", "report")


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Check that the documentation is complete, and run its examples."""
    session.run(hub_python(session), "-m", "pytest", *report("docs"), "tests/docs", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Build the pages as a site into site/; a link to a missing page or heading is an error."""
    session.install("--require-hashes", "-r", _stamp.lock("site"))
    # Rebuild every page: Sphinx does not notice all changes in docs/conf.py.
    options = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet", "--fresh-env", "--write-all"]
    session.run("sphinx-build", *options, "-d", f"{session.create_tmp()}/doctrees", "docs", "site")
    session.log("site/index.html is the first page")


@nox.session
def manifests(session: nox.Session) -> None:
    """Check the Containerfiles by hadolint, and the examples for Kubernetes by its schemas."""
    session.install("--require-hashes", "-r", _stamp.lock("manifests"))
    clusters = [*sorted(Path("deploy/kubernetes").glob("*.yaml")), Path(RAY, "rayservice.yaml")]
    session.run("hadolint", "Containerfile", f"{RAY}/Containerfile")
    session.run("python", "scripts/check_manifests.py", *map(str, clusters))
    broken = Path(session.create_tmp()) / "broken.yaml"
    for path in clusters:
        for slip in SLIPS:
            text = path.read_text("utf-8")
            if slip in text:  # the check itself is checked
                broken.write_text(text.replace(slip, slip.replace(":", "s:"), 1), "utf-8")
                session.run("python", "scripts/check_manifests.py", str(broken), success_codes=[1])


@nox.session(venv_backend="none")
def conformance(session: nox.Session) -> None:
    """Run the tests of OpenAI's clients for Python and JavaScript against a server on the echo engines."""
    python = hub_python(session)
    session.run(python, "scripts/check_openai_python.py")
    session.run(python, "scripts/check_openai_node.py")


@nox.session(venv_backend="none")
def clients(session: nox.Session) -> None:
    """Run the packages that applications use against a server; arguments choose some, or --each-run."""
    session.run(hub_python(session), "scripts/check_clients.py", *session.posargs)


@nox.session(venv_backend="none")
def live_clients(session: nox.Session) -> None:
    """Let the live clients hear a minute of speech in real time, against uploads; arguments choose some."""
    session.run(hub_python(session), "scripts/check_live_clients.py", *session.posargs)


@nox.session(venv_backend="none")
def fuzz_api(session: nox.Session) -> None:
    """Send requests made from the OpenAPI description to a server; arguments go to check_schemathesis.py."""
    session.run(hub_python(session), "scripts/check_schemathesis.py", *session.posargs)


@nox.session
@nox.parametrize("dist", PLUGINS)
def plugin(session: nox.Session, dist: str) -> None:
    """Test one engine plugin in an environment without the other plugins."""
    folder = f"plugins/{dist}"
    pins = next(ROOT.glob(PINS.format(dist=dist)), None)
    if pins is not None:
        install_pinned(session, dist, pins)
    lock = _stamp.lock(f"plugin-{dist.removeprefix('speechhub-')}")
    session.install("--no-deps", "--require-hashes", "-r", lock)
    session.install("--no-deps", "--no-build-isolation", "--editable", ".", "--editable", folder)
    if pins is not None:
        hub_python(session)  # some of these tests run the hub in its own environment, beside this one
    session.run("python", "-m", "pytest", "-c", "pyproject.toml", *report(dist), f"{folder}/tests")


@nox.session
def ray(session: nox.Session) -> None:
    """Test speechhub-ray, its clusters included; arguments after ``--`` go to pytest."""
    python, machine = "{}.{}".format(*sys.version_info), platform.machine()
    if python not in RAY_PYTHONS or machine not in RAY_MACHINES:
        skip(session, "ray", f"Ray 2.60 has no wheel for Python {python} on {machine}: its tests are skipped")
    session.install("--no-deps", "--require-hashes", "-r", _stamp.lock("ray"))
    folders = (".", RAY, "plugins/speechhub-echo")
    editable = [word for folder in folders for word in ("--editable", folder)]
    session.install("--no-deps", "--no-build-isolation", *editable)
    arguments = session.posargs or [f"{RAY}/tests"]
    session.run("python", "-m", "pytest", "-c", "pyproject.toml", *report("ray"), *arguments)


@nox.session(venv_backend="none")
def full(session: nox.Session) -> None:
    """Run the checks that are too slow for every run: all clients, also live, fuzz_api, chaos, upgrade."""
    for name in ("clients", "live_clients", "fuzz_api", "chaos", "upgrade"):
        session.notify(name)


@nox.session(venv_backend="none")
def chaos(session: nox.Session) -> None:
    """Run clients and inject faults at a real server for five minutes; arguments go to benchmarks.chaos."""
    session.run(hub_python(session), "-m", "benchmarks.chaos", *session.posargs)


@nox.session(venv_backend="none")
def pythons(session: nox.Session) -> None:
    """Install the lock and run tests under every Python that this machine has; arguments choose some."""
    session.run(hub_python(session), "scripts/check_pythons.py", *session.posargs)


@nox.session(venv_backend="none")
def upgrade(session: nox.Session) -> None:
    """Install the newest release of everything, whatever the bounds, and report what broke."""
    session.run(hub_python(session), "scripts/check_upgrade.py", *session.posargs)


def install_pinned(session: nox.Session, dist: str, path: Path) -> None:
    """Install a plugin's own set of packages with the CPU build of PyTorch; skip the session without it."""
    pins = parse_pins(path.read_text("utf-8"), path.name)
    torch = [f"{pin}+cpu" for pin in pins.torch]
    if torch:
        # The index that the machine is configured for comes first: it may have the wheel.
        for place in ((), ("--extra-index-url", TORCH_CPU_INDEX)):
            try:
                session.install("--no-deps", *torch, *place)
                break
            except nox.command.CommandFailed:
                session.warn(
                    f"{torch[0]} is not available {'from ' + place[-1] if place else 'as configured'}"
                )
        else:
            skip(session, dist, f"{torch[0]} is not available here: this plugin's tests are skipped")
    lock = Path(session.create_tmp()) / "pins.txt"
    lock.write_text("".join(f"{pin.line}\n" for pin in pins.others), "utf-8")
    session.install("--no-deps", "--require-hashes", "-r", str(lock))


def hub_python(session: nox.Session) -> str:
    """Bring .venv up to date and return its Python."""
    python = ROOT / ".venv" / "bin" / "python"
    # nox may run on another Python (pipx); .venv keeps its own.
    session.run(
        str(python) if python.exists() else sys.executable, "scripts/_bootstrap.py", "test", log=False
    )
    return str(python)


def report(name: str) -> list[str]:
    """Return pytest's options for a report that scripts/test sums up; none when nox is called by hand."""
    folder = os.environ.get("TEST_REPORTS")
    return [f"--junit-xml={folder}/{name}.xml"] if folder else []


def skip(session: nox.Session, name: str, reason: str) -> NoReturn:
    """End a session that this machine lacks something for, so that scripts/test counts it as skipped."""
    if folder := os.environ.get("TEST_REPORTS"):
        Path(folder, f"{name}.xml").write_text('<testsuite tests="1" skipped="1"/>\n', "utf-8")
    session.skip(reason)


def is_shell(path: Path) -> bool:
    """Return whether a file is a shell script."""
    shebangs = (b"#!/bin/sh", b"#!/bin/bash", b"# shellcheck")
    return path.is_file() and path.read_bytes().startswith(shebangs)
