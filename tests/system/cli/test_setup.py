"""``speechhub setup``: what it says, when it asks, and what it does."""

import json
import re
from pathlib import Path

import pytest

from speechhub.cli import _setting_up, _terminal
from speechhub.environments import install
from speechhub.environments.builds import CudaCard, Driver
from speechhub.gpu.values import GpuDevice
from speechhub.services.machine import Machine
from tests.fakes.model_store import served
from tests.system.cli.test_pull_known import REPOS

GB = 1_000_000_000
LICENCE = "https://github.com/index-tts/index-tts/blob/main/LICENSE"
TABLE = f"""\
GPU: NVIDIA GeForce GTX 1650, 4.3 GB, driver 550.54.15
Build of PyTorch: cu126, because the driver is 550.54.15 and the GPU NVIDIA GeForce GTX 1650 (compute \
capability 7.5)

what                            download      disk          memory  licence
engine qwen-asr, PyTorch cu126  about 3.5 GB  about 6.5 GB
engine indextts, PyTorch cu126  about 500 MB  about 6.5 GB
model qwen3-asr-0.6b            about 1.9 GB  about 1.9 GB  2.9 GB  Apache-2.0
model indextts-2                about 8.9 GB  about 8.9 GB  3.9 GB  bilibili-Model-Use-License, to accept
together                        about 15 GB   about 24 GB

Free disk: 90 GB
Licence to accept for indextts-2: bilibili-Model-Use-License, {LICENCE}
Licences of the parts of indextts-2: MIT, Apache-2.0, CC-BY-NC-4.0
The models take turns on the GPU: it needs the memory of the larger one.
Left out: the part aligner of qwen3-asr-0.6b, for word timestamps, 1.8 GB; --with aligner fetches it
"""


@pytest.fixture
def here(monkeypatch):
    """A machine with a card of 4 GB, and what its facts are replaced by; `builds` follow installations."""
    facts = {
        "card": GpuDevice(
            index=0, uuid="", name="NVIDIA GeForce GTX 1650", driver="550.54.15", cuda="12.4",
            compute_capability="7.5", total_bytes=4 * 1024**3,
        ),
        "driver": Driver(
            version="550.54.15", cards=(CudaCard(name="NVIDIA GeForce GTX 1650", capability=(7, 5)),)
        ),
        "host_memory_bytes": 16 * GB,
        "free_bytes": 90 * GB,
        "builds": {},
    }  # fmt: skip
    monkeypatch.setattr(_setting_up, "look_here", lambda settings: Machine(**facts))
    return facts


@pytest.fixture
def installed(here, monkeypatch):
    """Installations that only leave word of what they were asked for."""
    asked = []

    def install_engine(source, engines_dir, *, mirror, wishes, say):
        say(f"installing {source.distribution}")
        asked.append((source.distribution, wishes.build, engines_dir))
        here["builds"][source.name] = wishes.build

    monkeypatch.setattr(install, "install_engine", install_engine)
    return asked


@pytest.fixture
def hub(monkeypatch):
    """A hub that has the models in small."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for fake in served():
        fake.others = REPOS
        monkeypatch.setenv("SPEECHHUB_HF_ENDPOINT", fake.address)
        yield fake


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def a_person(monkeypatch):
    monkeypatch.setattr(_terminal, "attended", lambda: True)


def test_all_of_it_once_and_not_again(run, installed, hub, home):
    """Engines in the build for this driver, models from the hub; the second time there is nothing to do."""
    shown = run("setup", "--yes", "--accept-license")

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith(TABLE)
    assert installed == [
        ("speechhub-qwen-asr", "cu126", home / "engines"),
        ("speechhub-indextts", "cu126", home / "engines"),
    ]
    assert (home / "models/qwen3-asr-0.6b/weights.bin").read_bytes() == b"ears" * 1000
    assert not (home / "models/qwen3-asr-0.6b/aligner").exists()
    assert (home / "models/indextts-2/hf_cache/bigvgan/bigvgan_generator.pt").exists()
    [accepted] = json.loads((home / "models/.licences.json").read_bytes())
    assert accepted["model"] == "indextts-2"
    assert "qwen3-asr-0.6b: 4.0 kB of 4.0 kB, 100%, " in shown.stderr  # progress
    assert shown.stdout.endswith("is already running, restart it.\n")

    downloads = len(hub.downloads())
    again = run("setup")
    assert again.exit_code == 0, again.output
    assert "engine qwen-asr, PyTorch cu126  installed\n" in again.stdout
    assert "\nEverything is already in place.\n" in again.stdout
    assert (len(installed), len(hub.downloads())) == (2, downloads)


def test_what_was_interrupted_goes_on(run, installed, here, hub):
    """What is there is left alone: only the rest is installed."""
    here["builds"]["qwen-asr"] = "cu126"

    shown = run("setup", "--yes", "--accept-license")

    assert [it[0] for it in installed] == ["speechhub-indextts"]
    assert "engine qwen-asr, PyTorch cu126  installed\n" in shown.stdout


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ((), ["--yes", "--accept-license"]),
        (("--yes",), ["--accept-license", LICENCE]),
        (("--accept-license",), ["--yes"]),
    ],
)
def test_without_a_terminal_it_stops(run, installed, hub, home, words, missing):
    """It says which options stand for the answers; --yes is no answer about a licence."""
    shown = run("setup", *words)

    assert shown.exit_code == 1
    assert shown.stdout.startswith(TABLE)
    assert "There is no terminal to ask at, so nothing was installed." in shown.stderr
    assert all(word in shown.stderr for word in missing)
    assert ("--accept-license" in shown.stderr) is ("--accept-license" in missing)
    assert (installed, hub.requests) == ([], [])
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "answers", "status"),
    [
        ((), "y\ny\n", 0),
        ((), "y\nn\n", 1),
        ((), "n\n", 1),
        (("--yes",), "y\n", 0),
        (("--yes",), "\n", 1),
        (("--accept-license",), "\n", 0),
    ],
)
def test_a_person_is_asked(run, installed, hub, home, a_person, words, answers, status):
    """About the licence, with its address, and whether to go on; nothing is accepted by a no."""
    shown = run("setup", *words, input=answers)

    assert shown.exit_code == status, shown.output
    assert LICENCE in shown.output
    assert len(installed) == (2 if status == 0 else 0)
    assert (home / "models/.licences.json").exists() is (status == 0)


def test_one_engine_and_a_part(run, installed, hub, home):
    """A licence that is not concerned is not asked for."""
    shown = run("setup", "--yes", "--engine", "qwen-asr", "--with", "aligner")

    assert shown.exit_code == 0, shown.output
    assert "model qwen3-asr-0.6b +aligner   about 3.7 GB" in shown.stdout
    assert [it[0] for it in installed] == ["speechhub-qwen-asr"]
    assert (home / "models/qwen3-asr-0.6b/aligner/weights.bin").exists()
    assert not (home / "models/indextts-2").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "piper"), "There is no engine 'piper' for a GPU"),
        (("--with", "tail"), "None of these models has an optional part 'tail'; there are: aligner."),
    ],
)
def test_names_that_do_not_exist(run, installed, words, said):
    """They are told before anything happens."""
    shown = run("setup", "--yes", "--accept-license", *words)

    assert (shown.exit_code, installed) == (1, [])
    assert said in shown.stderr


def test_without_a_gpu_nothing_is_installed(run, here, installed, hub, home):
    """It says why, and what it would be on a machine with one; that is no failure."""
    here |= {"card": None, "driver": None}
    here["problem"] = "The GPU driver does not answer: no library."

    shown = run("setup", "--yes")

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith(
        "Nothing is installed, because no NVIDIA GPU was found here: The GPU driver "
    )
    assert "\nGPU: NVIDIA GeForce GTX 1650, 4.3 GB, driver 580\n" in shown.stdout
    assert "\nmodel indextts-2                about 8.9 GB  about 8.9 GB  3.9 GB  bili" in shown.stdout
    assert "speechhub setup --cpu" in shown.stdout
    assert (installed, hub.requests) == ([], [])
    assert not home.exists()


def test_a_driver_that_tells_of_no_gpu_is_a_fault(run, here, installed):
    """As after an upgrade of the driver, before the machine was started again."""
    here |= {"card": None, "problem": "Driver/library version mismatch."}

    shown = run("setup", "--yes", "--accept-license")

    assert (shown.exit_code, installed) == (1, [])
    assert "Driver/library version mismatch. If it was upgraded, restart the machine" in shown.stderr


def test_for_the_cpu_all_the_same(run, here, installed, hub):
    """A GPU, or none, does not matter then."""
    here |= {"card": None, "driver": None}

    shown = run("setup", "--cpu", "--yes", "--accept-license")

    assert shown.exit_code == 0, shown.output
    assert [it[:2] for it in installed] == [("speechhub-qwen-asr", "cpu"), ("speechhub-indextts", "cpu")]
    assert shown.stdout.startswith("CPU, with 16 GB of memory available\n")


def test_a_card_that_is_too_small(run, here, installed):
    """Nothing fits on it: that is said, and nothing is installed."""
    here["card"] = GpuDevice(
        index=0, uuid="", name="GT 1030", driver="550.1", cuda="12.4", compute_capability="6.1",
        total_bytes=2 * 1024**3,
    )  # fmt: skip

    shown = run("setup", "--yes", "--accept-license")

    assert (shown.exit_code, installed) == (1, [])
    assert "Left out: qwen3-asr-0.6b needs 2.9 GB, more than there is.\n" in shown.stdout
    assert "memory  licence" not in shown.stdout  # no table without a row
    assert "nothing is installed. The engines that come with speechhub need no GPU: start the" in shown.stderr


def test_a_larger_card_is_named(run, here, installed):
    """Engines take the first card; how to have them take the other is told."""
    here["larger_card"] = GpuDevice(
        index=1, uuid="GPU-2", name="RTX 3050", driver="550.1", cuda="12.4", compute_capability="8.6",
        total_bytes=8 * 1024**3,
    )  # fmt: skip

    shown = run("setup")

    assert (
        "Another GPU is larger: RTX 3050, 8.6 GB. To use it, set CUDA_VISIBLE_DEVICES=GPU-2 for"
        in shown.stdout
    )
    assert "Another GPU" not in run("setup", "--cpu").stdout


def test_what_lies_in_a_package_costs_nothing(run, here, installed):
    """Whisper's weights come with its package."""
    here |= {"card": None, "driver": None}

    shown = run("setup", "--engine", "whisper")

    assert shown.exit_code == 0, shown.output
    assert re.search(r"^model whisper-base +in place ", shown.stdout, re.MULTILINE)
    assert "about 0 B" not in shown.stdout


def test_too_little_disk(run, here, installed, hub):
    """Before anything is fetched."""
    here["free_bytes"] = 10 * GB

    shown = run("setup", "--yes", "--accept-license")

    assert (shown.exit_code, installed, hub.requests) == (1, [], [])
    assert "This takes about 24 GB of disk, and 10.0 GB are free." in shown.stderr


def test_plugins_come_from_the_clone_or_from_a_folder(run, installed, tmp_path):
    """By name from the repository that speechhub runs from; --from names another place, and nothing else."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()

    shown = run("setup", "--yes", "--accept-license", "--from", wheels)

    assert (shown.exit_code, installed) == (1, [])
    assert "has no plugin 'qwen-asr'" in shown.stderr


# ── serve --gpu ──────────────────────────────────────────────────────────────


@pytest.fixture
def serving(monkeypatch):
    """A server that only says with which settings it was started."""
    import speechhub.hub

    class StoppedError(Exception):
        """In place of a server."""

    started = []

    def assemble(settings, **_):
        started.append(settings)
        raise StoppedError

    monkeypatch.setattr(speechhub.hub.Hub, "assemble", assemble)
    return started


def test_serving_from_the_gpu(run, installed, hub, serving, monkeypatch):
    """It is set up first; its models are the defaults, but for those that the operator named."""
    monkeypatch.delenv("SPEECHHUB_STT_MODEL")
    monkeypatch.setenv("SPEECHHUB_TTS_MODEL", "own-voice")

    run("serve", "--gpu", "--yes", "--accept-license", "--port", "9000")

    assert len(installed) == 2
    [settings] = serving
    assert (settings.stt_model, settings.tts_model, settings.port) == ("qwen3-asr-0.6b", "own-voice", 9000)


def test_serving_without_a_gpu(run, here, installed, serving):
    """Whoever asks for one is told that there is none."""
    here |= {"card": None, "driver": None}

    shown = run("serve", "--gpu", "--yes")

    assert shown.exit_code == 1
    assert "There is no GPU to use. Without --gpu the server uses the CPU." in shown.stderr
    assert (installed, serving) == ([], [])


@pytest.mark.parametrize("word", ["--yes", "--accept-license"])
def test_answers_go_with_the_gpu(run, serving, word):
    """Alone they would be answers to nothing."""
    assert run("serve", word).exit_code == 2
    assert serving == []


def test_looking_at_this_machine(run, monkeypatch, tmp_path):
    """The real look, with a driver's library that is not there: no GPU, and no failure."""
    from speechhub.environments import driver
    from speechhub.gpu import nvml

    def missing():
        raise OSError("no library")

    monkeypatch.setattr(nvml, "_pynvml", missing)
    monkeypatch.setattr(driver, "read_driver", lambda: None)

    shown = run("setup", "--yes")

    assert shown.exit_code == 0, shown.output
    assert "There is no GPU here." in shown.stdout
    assert not Path(tmp_path / "home").exists()
