"""``doctor``: each setting that cannot work is named before a request meets it."""

import json
import os
import sys
from dataclasses import replace

import pytest

from speechhub.engine import Compute
from speechhub.gpu.nvml import NvmlMonitor
from speechhub.gpu.traces import Trace
from tests.fakes.gpus import FakeGpus

BROKEN = {
    "an unknown option": (
        {"ENGINES": {"echo-stt": {"fial": True}}},
        "engines.echo-stt.fial: the engine has no such option. Did you mean fail?",
    ),
    "a value of the wrong type": (
        {"ENGINES": {"echo-tts": {"sample_rate": "fast"}}},
        "engines.echo-tts.sample_rate: Engine option 'sample_rate' must be int, not 'fast'.",
    ),
    "an unknown engine": ({"ENGINES": {"ecko-stt": {"fail": True}}}, "ecko-stt"),
    "an unknown model to preload": (
        {"PRELOAD": ["echo-sst"]},
        "preload: there is no model 'echo-sst'. Did you mean echo-stt",
    ),
    "a model to preload that is not installed": (
        {"PRELOAD": ["qwen3-asr-0.6b"]},
        "preload: The model 'qwen3-asr-0.6b' is not installed here. Install its engine: speechhub",
    ),
    "a voice alias to nothing": (
        {"VOICE_ALIASES": {"narrator": "sinne"}},
        "voice_aliases.narrator: no model has a voice 'sinne'.",
    ),
    "a voice alias to an alias": (
        {"VOICE_ALIASES": {"a": "b", "b": "alloy"}},
        "voice_aliases.a: 'b' is an alias itself, and aliases of aliases are not looked up.",
    ),
    "a model alias to nothing": ({"ALIASES": {"fast": "echo-sst"}}, "aliases.fast"),
    "a default to nothing": ({"STT_MODEL": "echo-sst"}, "stt_model"),
    "a model without its folder": (
        {"MODELS": {"echo-stt": {"engine": "echo-stt", "path": "/nowhere/weights"}}},
        "there is no folder /nowhere/weights",
    ),
    "a model of an unknown engine": ({"MODELS": {"m": {"engine": "ecko"}}}, "models.m"),
    "an option of an engine that is not installed": (
        {"ENGINES": {"qwen-asr": {"dtype": "float32"}}},
        "the engine 'qwen-asr' is not installed. Install it: speechhub engines install qwen-asr. Then",
    ),
    "a model of an engine that is not installed": (
        {"MODELS": {"m": {"engine": "indextts", "path": "/srv/m"}}},
        "models.m: the engine 'indextts' is not installed. Install it: speechhub engines install indextts.",
    ),
    "a default that is not installed": (
        {"STT_MODEL": "qwen3-asr-0.6b"},
        "Its engine is not installed: speechhub engines install qwen-asr",
    ),
    "a sample's key": (
        {"API_KEYS": "good-one,change-me"},
        "settings: Setting SPEECHHUB_API_KEYS in the environment: key 2 is 'change-me', a placeholder",
    ),
    "an address for a name": (
        {"ALLOWED_HOSTS": "https://speech.example.org"},
        "allowed_hosts: 'https://speech.example.org' is not a host name",
    ),
    "an origin that no page has": (
        {"CORS_ORIGINS": "https://chat.example.org/"},
        "cors_origins: 'https://chat.example.org/' is not an origin.",
    ),
    "an unknown device": ({"DEVICE": "cuda:7"}, "cuda:7"),
    "an unknown device of an engine": ({"ENGINES": {"echo-stt": {"device": "gpu"}}}, "gpu"),
}


@pytest.fixture
def settings(monkeypatch):
    """Set settings by their names in the environment."""

    def set_all(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"SPEECHHUB_{name}", value if isinstance(value, str) else json.dumps(value))

    return set_all


@pytest.mark.scenario("sample-key")
@pytest.mark.parametrize(("wrong", "said"), BROKEN.values(), ids=BROKEN)
def test_a_setting_that_cannot_work_is_a_failure(run, settings, wrong, said):
    """The exit status is 1 and one line names the setting, what is wrong with it and what there is."""
    settings(**wrong)

    shown = run("doctor")

    assert shown.exit_code == 1
    assert any(said in line for line in shown.stdout.splitlines() if line.startswith("FAIL")), shown.stdout


def test_each_wrong_setting_is_named(run, settings):
    """One that is found first hides none of the others."""
    settings(ENGINES={"echo-stt": {"fial": True}}, PRELOAD=["echo-sst"], VOICE_ALIASES={"narrator": "sinne"})

    lines = [line for line in run("doctor").stdout.splitlines() if line.startswith("FAIL")]

    assert [line.split()[1] for line in lines] == [
        "engines.echo-stt.fial:",
        "preload:",
        "voice_aliases.narrator:",
    ]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, False),
        ({"HOST": "127.0.0.2"}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": "localhost"}, False),
        ({"HOST": "0.0.0.0"}, True),
        ({"HOST": "::"}, True),
        ({"HOST": "192.0.2.7"}, True),
        ({"HOST": "0.0.0.0", "ADMIN_KEYS": "mine"}, True),
        ({"HOST": "0.0.0.0", "ALLOWED_HOSTS": "nas.lan"}, True),
        ({"HOST": "0.0.0.0", "API_KEYS": "mine"}, False),
    ],
)
def test_a_server_for_all_of_the_network_is_warned_of(run, settings, values, told):
    """An address that others reach, and no keys: one line, which says what to set, and no failure."""
    settings(**values)

    shown = run("doctor")
    lines = [line for line in shown.stdout.splitlines() if "has no keys" in line]

    assert len(lines) == told
    assert all(line.startswith("warn  host: ") and "api_keys" in line for line in lines)
    assert shown.exit_code == 0


def test_settings_that_work_are_no_finding(run, settings):
    """Options as text, a device, OpenAI's voices and the model's own, and names that stand for models."""
    settings(
        ENGINES={"echo-stt": {"work_s": "0.5", "fail": "false", "device": "cpu"}},
        PRELOAD=["echo-tts", "whisper-1", "ears"],
        ALIASES={"ears": "echo-stt"},
        VOICE_ALIASES={"narrator": "alloy", "Alloy": "nova"},
    )

    shown = run("doctor")

    assert shown.exit_code == 0, shown.stdout
    assert "FAIL" not in shown.stdout


def test_json_is_the_same_for_programs(run, settings):
    """It holds the same findings, and the exit status stays."""
    well = run("doctor", "--json")
    settings(PRELOAD=["echo-sst"])
    ill = run("doctor", "--json")

    assert (well.exit_code, json.loads(well.stdout)["ok"]) == (0, True)
    assert (ill.exit_code, json.loads(ill.stdout)["ok"]) == (1, False)
    [failure] = [it for it in json.loads(ill.stdout)["findings"] if it["verdict"] == "fail"]
    assert failure["subject"] == "preload"
    assert "echo-sst" in failure["finding"]


def test_a_licence_that_no_model_has_is_a_warning(run, settings):
    """It may be for an engine that comes later."""
    settings(ACCEPT_LICENSES=["own-2.0"])

    shown = run("doctor")

    assert shown.exit_code == 0
    assert "warn  accept_licenses: there is no model and no licence named 'own-2.0'." in shown.stdout


def test_damage_below_home_is_a_failure_until_it_is_fixed(run, tmp_path):
    """Each damaged file is named with what to do; --fix moves it aside, and then all is well."""
    damaged = tmp_path / "home" / "voices" / "aliases.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"{")

    ill, mending, well = run("doctor"), run("doctor", "--fix"), run("doctor")

    assert (ill.exit_code, mending.exit_code, well.exit_code) == (1, 0, 0), (ill.stdout, mending.stdout)
    [line] = [line for line in ill.stdout.splitlines() if line.startswith("FAIL")]
    assert f"{damaged} is truncated, or is not JSON" in line
    assert "speechhub doctor --fix" in line
    [moved] = damaged.parent.iterdir()
    assert moved.name.startswith("aliases.json.damaged-")
    assert moved.read_bytes() == b"{"
    assert str(moved) in mending.stdout


@pytest.mark.parametrize(
    ("hint", "line"),
    [
        (None, "  ok  GPUs: none; engines run on the CPU"),
        (Trace(text="The host has one.", broken=False), "warn  GPUs: The host has one. ("),
        (Trace(text="The driver does not answer.", broken=True), "FAIL  GPUs: The driver does not answer. ("),
    ],
)
def test_what_hints_at_a_gpu_without_a_driver(run, monkeypatch, hint, line):
    """A device that was given to this system and does not answer is to be mended; a folder is a remark."""
    monkeypatch.setattr("speechhub.gpu.find.nvml_monitor", lambda: NvmlMonitor(lambda: 1 / 0))
    monkeypatch.setattr("speechhub.gpu.find.trace", lambda root: hint)

    shown = run("doctor")

    assert [it for it in shown.stdout.splitlines() if it.startswith(line)], shown.stdout
    assert shown.exit_code == (hint is not None and hint.broken)


def test_an_engine_that_cannot_use_the_gpu_is_a_failure(run, monkeypatch):
    """With the command that mends it; the list of models has it, too."""
    answer = Compute(kinds=("cpu",), problem="No cuBLAS.", fix="pip install it")
    monkeypatch.setattr("speechhub.hub.find_gpus", lambda: (FakeGpus(), FakeGpus().devices()))
    monkeypatch.setattr("speechhub.hub.computes", lambda *_: {"whisper": answer})

    shown, models = run("doctor"), run("models", "list")

    [line] = [it for it in shown.stdout.splitlines() if it.startswith("FAIL")]
    assert line.startswith("FAIL  engine whisper: It runs on cpu and not on cuda:0: No cuBLAS.")
    assert line.endswith("To change that: pip install it")
    assert "ok  GPUs: cuda:0 is NVIDIA Paper 4000; driver 550.54.15" in shown.stdout
    assert shown.exit_code == 1
    assert "Not on their best device:\n  whisper: It runs on cpu" in models.stdout


@pytest.mark.parametrize(
    ("variable", "order", "line"),
    [
        (None, (0, 1), "cuda:0 is NVIDIA Paper 4000, cuda:1 is NVIDIA Paper 4000; driver 550.54.15"),
        ("0", (0,), "cuda:0 is NVIDIA Paper 4000 (number 0 in nvidia-smi, GPU-0); driver 550.54.15"),
        (
            "2,0",
            (2, 0),
            (
                "cuda:0 is NVIDIA Paper 4000 (number 2 in nvidia-smi, GPU-2), "
                "cuda:1 is NVIDIA Paper 4000 (number 0 in nvidia-smi, GPU-0); driver 550.54.15"
            ),
        ),
    ],
)
def test_the_cards_behind_a_variable_are_named(run, monkeypatch, variable, order, line):
    """Where CUDA_VISIBLE_DEVICES chooses cards, or changes their order, cuda:N alone says little."""
    cards = FakeGpus(count=3).devices()
    gpus = FakeGpus(count=len(order))
    shown = tuple(replace(cards[of], index=n, driver_index=of) for n, of in enumerate(order))
    monkeypatch.setattr(gpus, "devices", lambda: shown)
    monkeypatch.setattr("speechhub.hub.find_gpus", lambda: (gpus, shown))
    monkeypatch.setattr("speechhub.hub.computes", lambda *_: {})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)

    assert f"ok  GPUs: {line}\n" in run("doctor").stdout


@pytest.mark.parametrize(
    ("marks", "writable", "told"),
    [
        ((), True, "speechhub setup"),
        (("/",), False, "--build-arg ENGINES='indextts qwen-asr'"),
        (("/",), True, "setup"),
    ],
)
def test_a_gpu_without_its_engines_is_a_hint(run, monkeypatch, tmp_path, marks, writable, told):
    """Once, and no failure; where the image decides what is installed, its build argument."""
    monkeypatch.setattr("speechhub.hub.find_gpus", lambda: (FakeGpus(), FakeGpus().devices()))
    monkeypatch.setattr("speechhub.hub.computes", lambda *_: {})
    monkeypatch.setattr(sys.modules["speechhub.cli.doctor"], "CONTAINER_MARKS", marks)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    (tmp_path / "home" / "engines").mkdir(parents=True)
    if not writable:
        allowed = os.access
        monkeypatch.setattr(
            os,
            "access",
            lambda path, mode: mode != os.W_OK or (path.name != "engines" and allowed(path, mode)),
        )

    shown = run("doctor")

    [line] = [it for it in shown.stdout.splitlines() if "GPU engines" in it]
    assert line.startswith("warn  GPU engines: those that use a GPU best are not installed: ")
    assert told in line
    assert shown.exit_code == 0


def test_nothing_is_said_of_engines_for_a_gpu_where_there_is_none(run, settings):
    assert "GPU engines" not in run("doctor").stdout


def test_the_cpu_that_the_operator_named_asks_no_engine(run, monkeypatch):
    asked = []
    monkeypatch.setenv("SPEECHHUB_DEVICE", "cpu")
    monkeypatch.setattr("speechhub.hub.find_gpus", lambda: (FakeGpus(), FakeGpus().devices()))
    monkeypatch.setattr("speechhub.hub.computes", lambda engines, *_: asked.extend(engines) or {})

    shown = run("doctor")

    assert shown.exit_code == 0
    assert asked == []
    assert "GPU engines" not in shown.stdout
