"""The manifests beside the package agree with it, with Ray, and with the hub's image."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from speechhub.settings import Settings, read_settings
from speechhub_ray import __main__ as command
from speechhub_ray import app

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/ray"
CONTAINERFILE = (FOLDER / "Containerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))["services"]["speechhub"]
SERVE = yaml.safe_load((FOLDER / "serve.yaml").read_text("utf-8"))
OBJECTS = {one["kind"]: one for one in yaml.safe_load_all((FOLDER / "rayservice.yaml").read_text("utf-8"))}
SERVICE = OBJECTS["RayService"]["spec"]
CLUSTER = SERVICE["rayClusterConfig"]
[WORKERS] = CLUSTER["workerGroupSpecs"]
TEMPLATES = {"head": CLUSTER["headGroupSpec"]["template"], "worker": WORKERS["template"]}
CONFIGS = {"serve.yaml": SERVE, "rayservice.yaml": yaml.safe_load(SERVICE["serveConfigV2"])}
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
END_S = Settings().shutdown_timeout_s + Settings().stop_timeout_s + command.END_S
"""How long the command may take to end."""


def pod(name):
    return TEMPLATES[name]["spec"]


def container(name):
    [only] = pod(name)["containers"]
    return only


# ── What Serve is told ───────────────────────────────────────────────────────


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_serve_takes_the_config(config):
    """Serve ignores fields that it does not know, so each must be one of its own."""
    deploy = ServeDeploySchema.model_validate(config)
    [application] = config["applications"]

    assert set(config) <= set(ServeDeploySchema.model_fields)
    assert set(config["http_options"]) <= set(type(deploy.http_options).model_fields)
    assert set(application) <= set(type(deploy.applications[0]).model_fields)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_builder_takes_the_arguments(config):
    """The import path is the package's builder, and it refuses none of the arguments."""
    [application] = config["applications"]
    options = app.options_of(application["args"])

    assert application["import_path"] == "speechhub_ray.app:app"
    assert callable(app.app)
    assert application["name"] == app.NAME
    assert application["route_prefix"] == "/"
    assert options.gpus_per_replica == 1
    assert options.replicas > 1


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_serve_neither_cuts_requests_nor_queues_them(config):
    """Time limits and queues are the hub's, and what the builder decides is not decided again."""
    [application] = config["applications"]

    assert "request_timeout_s" not in config["http_options"]
    assert "deployments" not in application


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_no_secret_stands_where_the_dashboard_shows_it(config):
    """Keys are in files; a runtime_env has variables that Ray's state API returns."""
    [application] = config["applications"]

    assert "runtime_env" not in application
    assert set(application["args"]) <= {"replicas", "gpus_per_replica", "cpus_per_replica", "config"}


# ── KubeRay ──────────────────────────────────────────────────────────────────


def test_the_versions_are_those_of_the_package():
    """KubeRay is told the version of Ray in the image, and the image is that of this release."""
    lock = (ROOT / "requirements/ray-serve.txt").read_text("utf-8")

    assert f"\nray=={CLUSTER['rayVersion']} " in lock
    for name in TEMPLATES:
        assert container(name)["image"] == f"registry.example.org/speechhub-ray:{PROJECT['version']}"


def test_each_hub_has_a_pod_with_a_gpu():
    """As many pods as hubs, and no hub on the head."""
    args = CONFIGS["rayservice.yaml"]["applications"][0]["args"]
    limits = container("worker")["resources"]["limits"]

    assert WORKERS["replicas"] == WORKERS["minReplicas"] == WORKERS["maxReplicas"] == args["replicas"]
    assert limits["nvidia.com/gpu"] == args["gpus_per_replica"]
    assert WORKERS["rayStartParams"]["num-gpus"] == str(args["gpus_per_replica"])
    assert WORKERS["rayStartParams"]["num-cpus"] == str(args["cpus_per_replica"])
    assert container("worker")["resources"]["requests"]["cpu"] == str(args["cpus_per_replica"])
    assert CLUSTER["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert "nvidia.com/gpu" not in container("head")["resources"]["limits"]


def test_the_settings_are_the_hubs(tmp_path):
    """The file of the ConfigMap is where serveConfigV2 says, and the hub reads it."""
    args = CONFIGS["rayservice.yaml"]["applications"][0]["args"]
    [(name, text)] = OBJECTS["ConfigMap"]["data"].items()
    keys = tomllib.loads(text)["api_keys_file"]
    (tmp_path / "keys").write_text("a-key-of-a-test-with-32-characters\n")
    (tmp_path / name).write_text(text.replace(keys, str(tmp_path / "keys")))

    settings = read_settings(config_file=tmp_path / name).settings

    assert len(settings.api_keys) == 1
    for node in TEMPLATES:
        mounts = {one["name"]: one["mountPath"] for one in container(node)["volumeMounts"]}
        volumes = {one["name"]: one for one in pod(node)["volumes"]}
        assert set(mounts) == set(volumes)
        assert f"{mounts['config']}/{name}" == args["config"]
        assert volumes["config"]["configMap"]["name"] == OBJECTS["ConfigMap"]["metadata"]["name"]
        assert keys == f"{mounts['keys']}/keys"
        assert volumes["keys"]["secret"] == {"secretName": "speechhub-keys", "optional": False}


def test_hubs_share_models_and_voices():
    """A custom voice is there for all hubs; what engines build is each hub's own."""
    text = (FOLDER / "rayservice.yaml").read_text("utf-8")
    claims = {
        one["metadata"]["name"]: one["spec"]["accessModes"]
        for one in yaml.safe_load_all(text)
        if one["kind"] == "PersistentVolumeClaim"
    }
    volumes = {one["name"]: one for one in pod("worker")["volumes"]}
    mounts = {one["name"]: one["mountPath"] for one in container("worker")["volumeMounts"]}
    [home] = [one["value"] for one in container("worker")["env"] if one["name"] == "SPEECHHUB_HOME"]

    for name in ("models", "voices"):
        assert claims[volumes[name]["persistentVolumeClaim"]["claimName"]] == ["ReadWriteMany"]
        assert mounts[name] == f"{home}/{name}"
    assert "emptyDir" in volumes["caches"]
    assert mounts["temporary"] == "/tmp"


def test_rays_ports_are_closed_to_everybody_else():
    """Ray runs code for all who pass its ports: the cluster and KubeRay, with a token; the API's is open."""
    policy = OBJECTS["NetworkPolicy"]["spec"]
    cluster, operator, everybody = policy["ingress"]
    serving = CONFIGS["rayservice.yaml"]["http_options"]["port"]

    for template in TEMPLATES.values():
        assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert policy["policyTypes"] == ["Ingress"]
    assert cluster == {"from": [{"podSelector": policy["podSelector"]}]}
    assert operator["from"][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}
    assert everybody == {"ports": [{"port": serving}]}
    assert CLUSTER["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert "enableIngress" not in CLUSTER["headGroupSpec"]
    assert CLUSTER["authOptions"] == {"mode": "token"}


@pytest.mark.parametrize("node", TEMPLATES)
def test_pods_are_confined_as_the_hubs_are(node):
    """Each pod is as restricted as that of the example without Ray."""
    hub = next(
        one
        for one in yaml.safe_load_all((ROOT / "deploy/kubernetes/speechhub.yaml").read_text("utf-8"))
        if one["kind"] == "Deployment"
    )["spec"]["template"]["spec"]

    for field in ("securityContext", "enableServiceLinks", "automountServiceAccountToken"):
        assert pod(node)[field] == hub[field]
    assert container(node)["securityContext"] == hub["containers"][0]["securityContext"]


@pytest.mark.parametrize("node", TEMPLATES)
def test_no_probe_needs_a_program(node):
    """KubeRay's own probes run wget, which the image lacks; ours are asked for over HTTP."""
    for probe in ("livenessProbe", "readinessProbe"):
        assert set(container(node)[probe]) & {"exec", "httpGet", "grpc", "tcpSocket"} == {"httpGet"}


def test_an_update_needs_no_second_set_of_gpus():
    """A new cluster beside the old one would wait for GPUs for ever."""
    assert SERVICE["upgradeStrategy"] == {"type": "None"}


# ── Containers ───────────────────────────────────────────────────────────────


def test_the_image_sets_what_every_ray_process_needs():
    """The command sets these variables for its own cluster; where KubeRay starts Ray, the image does.

    Ray also writes its token into the user's home, and the root of the container is read-only.
    """
    [block] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", CONTAINERFILE, re.MULTILINE)

    assert dict(re.findall(r"(\w+)=(\S*)", block)) == command.ENVIRONMENT | {"HOME": "/tmp"}


def test_the_readme_of_serve_yaml_names_the_same_variables():
    """Who starts Ray by hand exports them."""
    text = (FOLDER / "serve.yaml").read_text("utf-8")
    exported = [line for line in text.splitlines() if line.startswith("#   export ")]

    assert dict(re.findall(r"(\w+)=(\S*)", "\n".join(exported))) == command.ENVIRONMENT


def test_the_image_is_the_hubs_with_the_lock():
    """It builds on the hub's image, as user 10001, and installs with hashes."""
    assert re.search(
        r"^ARG HUB_IMAGE=localhost/speechhub:gpu\nFROM \$\{HUB_IMAGE\}$", CONTAINERFILE, re.MULTILINE
    )
    assert re.findall(r"^USER (\S+)$", CONTAINERFILE, re.MULTILINE)[-1] == "10001:10001"
    assert "--require-hashes -r /src/requirements/ray-serve.txt" in CONTAINERFILE
    assert f"\nARG VERSION={PROJECT['version']}\n" in CONTAINERFILE
    assert "\nRUN . /src/deploy/mirrors.sh " in CONTAINERFILE


def test_the_context_of_the_build_has_what_is_copied():
    """Everything stays out of a build that .dockerignore does not name."""
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"}
    copied = re.findall(r"^COPY (\S+) ", CONTAINERFILE, re.MULTILINE)

    for path in copied:
        assert (ROOT / path).exists()
        assert any(name == path or name.startswith(f"{path}/") for name in kept), path
    assert {"deploy/ray/pyproject.toml", "deploy/ray/README.md", "deploy/ray/src"} <= kept


def test_compose_runs_the_command_with_the_hubs_limits():
    """One hub for each GPU, on this machine's own address, as confined as the hub alone."""
    hub = yaml.safe_load((ROOT / "compose.image.yaml").read_text("utf-8"))["services"]["speechhub"]

    assert command.main.commands.keys() >= {COMPOSE["command"][1]}
    assert COMPOSE["command"] == ["speechhub-ray", "serve", "--replicas", "auto"]
    for field in ("ports", "environment", "volumes", "env_file", "read_only", "cap_drop", "security_opt"):
        assert COMPOSE[field] == hub[field], field
    assert COMPOSE["deploy"]["resources"]["reservations"]["devices"][0]["count"] == "all"


def test_compose_gives_ray_room():
    """Ray's store lies in shared memory, where containers have 64 MB; its threads count as processes."""
    megabytes = int(COMPOSE["shm_size"].removesuffix("m"))

    assert megabytes * 2**20 > 2 * 150_000_000
    assert COMPOSE["pids_limit"] > 1000


@pytest.mark.parametrize(
    "grace_s",
    [int(COMPOSE["stop_grace_period"].removesuffix("s")), pod("worker")["terminationGracePeriodSeconds"]],
    ids=["compose", "kubernetes"],
)
def test_the_end_has_time(grace_s):
    """Running requests have had their time before anything is killed."""
    assert grace_s > END_S + 5


def test_health_is_asked_of_the_proxy_and_of_a_hub():
    """A proxy without hubs is not healthy, nor is a hub that takes no work."""
    [asked] = re.findall(r"CMD (\[\"healthcheck\".*\])$", CONTAINERFILE, re.MULTILINE)

    assert COMPOSE["healthcheck"]["test"] == ["CMD", *yaml.safe_load(asked)]
    assert yaml.safe_load(asked) == ["healthcheck", "/-/healthz", "/health/ready"]
