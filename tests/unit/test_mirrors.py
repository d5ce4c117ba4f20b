"""One table of mirrors, and everything agrees with it."""

import re
import tomllib
import typing
from pathlib import Path

import pytest

from speechhub.mirrors import MIRRORS, MODELSCOPE, TorchSource
from speechhub.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_setting_knows_the_table():
    """Each profile can be set, and nothing else."""
    kinds = typing.get_args(typing.get_type_hints(Settings)["mirror"])

    assert set(kinds) == set(MIRRORS)


@pytest.mark.mission("1.2", "1.4")
def test_uvs_indexes_are_the_tables():
    """What pyproject.toml offers to uv are the addresses of the profile."""
    indexes = {index["name"]: index["url"] for index in PYPROJECT["tool"]["uv"]["index"]}
    china = MIRRORS["china"]

    assert indexes["tsinghua-pypi"] == china.python_index
    assert indexes["tsinghua-pytorch"] == china.torch[0].of("cu126")


@pytest.mark.mission("14.3")
@pytest.mark.parametrize(
    ("env", "endpoint"),
    [
        ({}, None),
        ({"SPEECHHUB_MIRROR": "china"}, MIRRORS["china"].hf_endpoint),
        ({"SPEECHHUB_MIRROR": "china", "SPEECHHUB_HF_ENDPOINT": "http://127.0.0.1:9"}, "http://127.0.0.1:9"),
        ({"SPEECHHUB_MIRROR": "china", "HF_ENDPOINT": "http://127.0.0.1:9"}, None),
    ],
)
def test_the_profile_names_the_model_hub(env, endpoint, tmp_path, monkeypatch):
    """Unless the operator names one, in our setting or in huggingface_hub's."""
    monkeypatch.chdir(tmp_path)

    assert load_settings(environ={"SPEECHHUB_HOME": str(tmp_path)} | env).hf_endpoint == endpoint


def test_modelscope_is_asked_where_it_is_wanted(tmp_path, monkeypatch):
    """Its address is known, and can be another."""
    monkeypatch.chdir(tmp_path)
    home = {"SPEECHHUB_HOME": str(tmp_path)}
    wanted = home | {"SPEECHHUB_MODEL_HUB": "modelscope"}

    assert load_settings(environ=home).modelscope is None
    assert load_settings(environ=wanted).modelscope == MODELSCOPE
    other = wanted | {"SPEECHHUB_MODELSCOPE_ENDPOINT": "http://127.0.0.1:9"}
    assert load_settings(environ=other).modelscope == "http://127.0.0.1:9"


def test_every_profile_ends_with_the_usual_place():
    """A mirror is never alone."""
    assert {mirror.torch[-1] for mirror in MIRRORS.values()} == {MIRRORS["none"].torch[0]}


def test_folders_of_wheels_end_with_a_slash():
    """Pip takes an address without one for a file."""
    assert TorchSource(url="http://127.0.0.1/w", flat=True).of("cpu") == "http://127.0.0.1/w/cpu/"
    assert TorchSource(url="http://127.0.0.1/w").of("cpu") == "http://127.0.0.1/w/cpu"


def test_the_commands_take_python_from_the_same_place():
    """scripts/serve and scripts/test let uv fetch a Python from the mirror that the table names."""
    script = (ROOT / "scripts" / "_bootstrap.sh").read_text("utf-8")

    assert f"UV_PYTHON_INSTALL_MIRROR={MIRRORS['china'].python_builds}\n" in script


@pytest.mark.mission("12.2")
def test_containers_are_built_from_the_same_places():
    """The script of the Containerfile knows the same profiles, and the same addresses."""
    script = (ROOT / "deploy" / "mirrors.sh").read_text("utf-8")
    china = MIRRORS["china"]

    assert set(re.findall(r"^(\w+)\)", script, re.MULTILINE)) == set(MIRRORS)
    assert f"mirror={china.apt}\n" in script
    assert f":={china.python_index}}}" in script
    assert f":={china.python_builds}}}" in script
