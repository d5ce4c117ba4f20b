"""The files for containers agree with the settings, and with each other."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from speechhub import __version__
from speechhub.mirrors import MIRRORS
from speechhub.settings import Settings, load_settings
from tests.docs.pages import ROOT

FIXED = {"host", "port", "home"}
"""Settings that the image decides, and compose cannot change."""
CONTAINERFILE = (ROOT / "Containerfile").read_text("utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")
QUADLET = (ROOT / "deploy/quadlet/speechhub.container").read_text("utf-8")
KUBERNETES = (ROOT / "deploy/kubernetes/speechhub.yaml").read_text("utf-8")
IMAGE = (ROOT / "compose.image.yaml").read_text("utf-8")
SYSTEMD = (ROOT / "deploy/systemd/speechhub.service").read_text("utf-8")


def composed(*names: str, environ: dict[str, str]) -> dict[str, Any]:
    """Return the service of compose files laid over each other, variables replaced as compose does it."""
    service: dict[str, Any] = {}
    for name in names:
        text = re.sub(
            r"\$\{(\w+):[-?]([^}]*)\}",
            lambda match: environ.get(match[1]) or match[2],
            (ROOT / name).read_text("utf-8"),
        )
        merge(service, yaml.safe_load(text)["services"]["speechhub"])
    service["environment"] = {key: value or "" for key, value in service["environment"].items()}
    return service


def merge(into: dict[str, Any], overlay: dict[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


@pytest.mark.mission("13.5")
@pytest.mark.parametrize("name", sorted(set(Settings.__struct_fields__) - FIXED))
def test_compose_passes_every_setting_on(name):
    """A setting in the shell or in .env reaches the server in the container."""
    variable = f"SPEECHHUB_{name.upper()}"

    default = "speechhub" if name == "allowed_hosts" else ""
    assert f"\n      {variable}: ${{{variable}:-{default}}}\n" in COMPOSE


@pytest.mark.mission("12.8", "13.4")
@pytest.mark.parametrize(
    "text", [COMPOSE, IMAGE, QUADLET, KUBERNETES], ids=["compose", "image", "quadlet", "kubernetes"]
)
def test_folders_that_are_kept_are_mounted(text):
    """Models, voices and temporary files lie in volumes: the root cannot be written."""
    home = re.search(r"SPEECHHUB_HOME=(\S+)", CONTAINERFILE.partition("AS runtime")[2])[1]

    for folder in (f"{home}/models", f"{home}/voices", f"{home}/caches", "/tmp"):
        assert re.search(rf"{re.escape(folder)}\b", text), folder


def test_what_engines_build_lies_apart_from_models():
    """Some of it is pickles: not in the volume that downloads fill, but in one that engines alone write."""
    [place] = re.findall(r"XDG_CACHE_HOME=(\S+)", CONTAINERFILE)

    assert place.startswith("/srv/speechhub/caches/")


@pytest.mark.parametrize(
    "text",
    [COMPOSE, IMAGE, QUADLET, KUBERNETES, SYSTEMD],
    ids=["compose", "image", "quadlet", "kubernetes", "systemd"],
)
def test_the_end_has_time(text):
    """A server that is asked to stop is not killed before running requests have had their time."""
    grace_s = re.search(
        r"(?:stop_grace_period: |StopTimeout=|TimeoutStopSec=|GracePeriodSeconds: )(\d+)", text
    )[1]

    assert int(grace_s) > Settings().shutdown_timeout_s + Settings().stop_timeout_s + 5


@pytest.mark.mission("13.7", "13.8")
@pytest.mark.parametrize("text", [COMPOSE, IMAGE])
def test_no_variable_is_set_twice_once_its_line_is_uncommented(text):
    """Docker refuses a key that occurs twice; podman-compose takes the last."""
    names = re.findall(r"^ +(?:# )?(SPEECHHUB_\w+): ", text, re.MULTILINE)

    assert names
    assert len(names) == len(set(names))


def test_compose_starts_again_and_looks_after_itself():
    """It is there again after a crash; its health is asked for as the image asks; logs are bounded."""
    asked = re.search(r"HEALTHCHECK.*CMD \[\"(\w+)\"\]", CONTAINERFILE)[1]

    assert "\n    restart: unless-stopped\n" in COMPOSE
    assert f"\n      test: [CMD, {asked}]\n" in COMPOSE
    assert re.search(r"\n    mem_limit: \S+\n", COMPOSE)
    assert re.search(r"\n        max-size: \d+m\n", COMPOSE)


def test_nothing_in_the_containerfile_is_too_new_for_podman_4_3():
    """Debian 12's podman builds it: no heredocs, and no options of COPY that it does not know."""
    code = "\n".join(line for line in CONTAINERFILE.splitlines() if not line.startswith("#"))

    assert not re.search(r"<<|COPY[^\n]*--(link|exclude)", code)


def test_labels_tell_the_version():
    """The image's default version is the hub's."""
    assert f"\nARG VERSION={__version__}\n" in CONTAINERFILE


@pytest.mark.mission("12.2")
@pytest.mark.parametrize(
    ("names", "environ"),
    [
        (("compose.yaml",), {"SPEECHHUB_MIRROR": "china"}),
        (("compose.yaml", "compose.china.yaml"), {}),
        (("compose.yaml", "compose.gpu.yaml", "compose.china.yaml"), {"SPEECHHUB_MIRROR": ""}),
    ],
    ids=["one setting", "overlay", "overlay with a GPU"],
)
def test_mirrors_serve_the_build_and_the_server(names, environ, tmp_path, monkeypatch):
    """One setting names the mirrors for the build, and all that the running server downloads from."""
    monkeypatch.chdir(tmp_path)
    service = composed(*names, environ=environ)

    settings = load_settings(environ=service["environment"] | {"SPEECHHUB_HOME": str(tmp_path)})

    assert service["build"]["args"]["MIRRORS"] == "china"
    assert settings.mirror == "china"
    assert settings.hf_endpoint == MIRRORS["china"].hf_endpoint


def test_without_the_setting_nothing_is_a_mirror(tmp_path, monkeypatch):
    """Compose alone builds and serves from the usual places."""
    monkeypatch.chdir(tmp_path)
    service = composed("compose.yaml", environ={})

    settings = load_settings(environ=service["environment"] | {"SPEECHHUB_HOME": str(tmp_path)})

    assert service["build"]["args"]["MIRRORS"] == "none"
    assert settings.mirror == "none"
    assert settings.hf_endpoint is None


def test_a_finished_image_runs_as_a_built_one_does():
    """compose.image.yaml builds nothing, insists on an image, and otherwise runs as compose.yaml does."""
    built = composed("compose.yaml", environ={})
    pulled = composed("compose.image.yaml", environ={"IMAGE": "registry.example.org/speechhub:0.1.0-cpu"})

    assert pulled.pop("image") == "registry.example.org/speechhub:0.1.0-cpu"
    assert "${IMAGE:?" in IMAGE
    assert pulled.pop("env_file") == ".env"
    home = re.search(r"SPEECHHUB_HOME=(\S+)", CONTAINERFILE.partition("AS runtime")[2])[1]
    assert pulled.pop("environment") == {
        "SPEECHHUB_HOST": "0.0.0.0",
        "SPEECHHUB_PORT": str(Settings().port),
        "SPEECHHUB_HOME": home,
    }
    for decided in ("image", "build", "environment"):
        del built[decided]
    assert pulled == built


@pytest.mark.mission("18.10")
def test_kubernetes_has_no_key_that_everybody_knows():
    """The example carries no Secret, and no pod starts before its operator has created one."""
    objects = list(yaml.safe_load_all(KUBERNETES))
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    volume = next(one for one in pod["volumes"] if one["name"] == "keys")
    server = pod["containers"][0]
    mount = next(one for one in server["volumeMounts"] if one["name"] == "keys")
    environ = {one["name"]: one["value"] for one in server["env"]}

    assert "Secret" not in {one["kind"] for one in objects}
    assert volume["secret"] == {"secretName": "speechhub-keys", "optional": False}
    assert environ["SPEECHHUB_API_KEYS_FILE"] == f"{mount['mountPath']}/keys"
    assert "kubectl create secret generic speechhub-keys --from-literal=keys=" in KUBERNETES


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((ROOT / "deploy").rglob("*.*")) if path.is_file() and path.suffix != ".pyc"],
    ids=lambda path: path.name,
)
def test_no_example_has_a_placeholder_for_a_key(path):
    """What is copied and started as it is must not be open to everybody who has read the example."""
    assert not re.search(r"change[-_ ]?me|your[-_]?key", path.read_text("utf-8"), re.IGNORECASE)


def test_the_systemd_unit_is_one(tmp_path):
    """The tool of systemd finds no fault with the service, once its program is there."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd here")
    unit = tmp_path / "speechhub.service"
    unit.write_text(SYSTEMD.replace("/opt/speechhub/bin/speechhub", shutil.which("true")), "utf-8")

    done = subprocess.run([analyze, "verify", "--man=no", unit], text=True, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.mission("18.10")
def test_the_systemd_unit_confines_the_service():
    """It writes to folders of its own, gains no rights, and reaches harmless devices and GPUs alone."""
    lines = set(SYSTEMD.splitlines())

    assert lines >= {
        "User=speechhub",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "DevicePolicy=closed",
        "SystemCallFilter=@system-service",
    }
    assert [line for line in lines if line.startswith(("DeviceAllow", "ReadWritePaths"))] == [
        "DeviceAllow=char-nvidia* rw"
    ]


GPU_BASE = re.search(r"^ARG BASE_IMAGE=(\S+)$", CONTAINERFILE, re.MULTILINE)[1]


def run_step(name: str) -> str:
    """Return the one step of the Containerfile that has *name* in it."""
    [step] = [step for step in re.split(r"\n(?=[A-Z]+ )", CONTAINERFILE) if name in step and "RUN" in step]
    return step


def engines_and_build(tmp_path, *, cuda: bool, **arguments: str) -> list[str]:
    """Run the Containerfile's own shell for engines on a pretended base; return the calls that it makes."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/mirrors.sh").write_text("", "utf-8")
    (tmp_path / "cuda").mkdir() if cuda else None
    program = tmp_path / "speechhub"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n', "utf-8")
    program.chmod(0o755)
    shell = re.sub(r"^RUN (--\S+ )*", "", run_step("speechhub engines install")).replace("\\\n", "")
    shell = shell.replace("/usr/local/cuda", f"{tmp_path}/cuda").replace("/srv/speechhub", str(tmp_path))
    shell = shell.replace("command -v hardlink", "false")
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ENGINES": "", "TORCH_BUILD": "", **arguments}
    subprocess.run(["sh", "-ec", shell], cwd=tmp_path, env=environ, check=True)
    calls = tmp_path / "calls"
    return calls.read_text("utf-8").splitlines() if calls.exists() else []


@pytest.mark.mission("12.6")
@pytest.mark.parametrize(
    ("cuda", "arguments", "installed"),
    [
        (True, {}, ["qwen-asr --build cu126", "indextts --build cu126"]),
        (True, {"TORCH_BUILD": "cu130"}, ["qwen-asr --build cu130", "indextts --build cu130"]),
        (True, {"ENGINES": "qwen-asr"}, ["qwen-asr --build cu126"]),
        (True, {"ENGINES": "none"}, []),
        (False, {}, []),
        (False, {"ENGINES": "echo piper"}, ["echo --build cpu", "piper --build cpu"]),
    ],
)
def test_the_image_for_a_gpu_has_its_engines(cuda, arguments, installed, tmp_path):
    """By default, in the build that most cards run; the image for the CPU stays without PyTorch."""
    calls = engines_and_build(tmp_path, cuda=cuda, **arguments)

    assert calls == [f"engines install ./plugins/speechhub-{words}" for words in installed]


@pytest.mark.mission("12.1")
def test_drivers_of_debian_12_are_let_in():
    """The base demands CUDA 12.3, which no GeForce's driver before 545 has; compat would break on them."""
    runtime = CONTAINERFILE.partition("AS runtime")[2]

    assert re.search(r'^ARG REQUIRE_CUDA="cuda>=12\.0"$', runtime, re.MULTILINE)
    assert re.search(r'^    NVIDIA_REQUIRE_CUDA="\$\{REQUIRE_CUDA\}" \\$', runtime, re.MULTILINE)
    assert re.search(r"^ && rm -rf .* /usr/local/cuda\*/compat \\$", runtime, re.MULTILINE)


@pytest.mark.mission("13.2")
def test_a_gpu_is_reserved():
    """The overlay for GPUs asks for all of them; compose.yaml alone for none."""
    gpu = composed("compose.yaml", "compose.gpu.yaml", environ={})

    assert gpu["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    ]
    assert gpu["build"]["args"]["BASE_IMAGE"] == GPU_BASE
    assert gpu["build"]["args"]["REQUIRE_CUDA"] == "cuda>=12.0"
    assert "deploy" not in composed("compose.yaml", environ={})


def test_a_gpu_through_cdi():
    """The other overlay differs in the way that the GPU is named, and in nothing else."""
    gpu = composed("compose.yaml", "compose.gpu.yaml", environ={})
    cdi = composed("compose.yaml", "compose.cdi.yaml", environ={})

    assert cdi.pop("devices") == ["nvidia.com/gpu=all"]
    assert cdi.pop("security_opt") == ["label=disable"]
    del gpu["deploy"], gpu["security_opt"]
    assert cdi == gpu


@pytest.mark.parametrize("name", ["ENGINES", "TORCH_BUILD", "REQUIRE_CUDA"])
def test_build_arguments_pass_through_compose(name):
    """What decides over the image for a GPU can be set in the shell, or in .env."""
    service = composed("compose.yaml", "compose.gpu.yaml", environ={name: "other"})

    assert service["build"]["args"][name] == "other"


def test_other_ways_name_the_gpu():
    """As a device of CDI's, as a resource of the device plugin's, or as a reservation to uncomment."""
    deployment = next(it for it in yaml.safe_load_all(KUBERNETES) if it["kind"] == "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    uncommented = re.sub(
        r"^    # ( *(?:deploy|resources|reservations|devices|-|count|capab))",
        r"    \1",
        IMAGE,
        flags=re.MULTILINE,
    )

    assert "\nAddDevice=nvidia.com/gpu=all\n" in QUADLET
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    reserved = yaml.safe_load(uncommented)["services"]["speechhub"]["deploy"]
    assert reserved == composed("compose.yaml", "compose.gpu.yaml", environ={})["deploy"]
