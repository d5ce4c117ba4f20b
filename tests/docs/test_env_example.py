"""The file .env.example names every setting with its default, and nothing else."""

import re
import sys
from pathlib import Path

import msgspec
import pytest

from speechhub.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

import generate_docs  # noqa: E402 - the path comes first
from _setting_docs import read_setting_docs  # noqa: E402

ASSIGNMENT = re.compile(r"^# (SPEECHHUB_[A-Z_]+)=(.*)$", re.MULTILINE)


def test_it_is_what_the_generator_writes():
    """The committed file is up to date with the settings; scripts/generate_docs.py makes it so."""
    assert (ROOT / ".env.example").read_text("utf-8") == generate_docs.env_example()


@pytest.mark.mission("1.6")
def test_it_names_every_setting_and_no_other():
    """Each field of Settings is there once, and besides them only the path of the TOML file."""
    names = [name for name, _ in ASSIGNMENT.findall((ROOT / ".env.example").read_text("utf-8"))]

    fields = [f"SPEECHHUB_{field.upper()}" for field in Settings.__struct_fields__]
    assert names == ["SPEECHHUB_CONFIG", *fields]


@pytest.mark.mission("18.4")
def test_uncommenting_everything_changes_nothing(tmp_path, monkeypatch):
    """What the file shows as defaults are the defaults, written as the environment wants them."""
    text = (ROOT / ".env.example").read_text("utf-8")
    (tmp_path / ".env").write_text(ASSIGNMENT.sub(r"\1=\2", text), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    shown = load_settings(current_folder=True, environ={})

    (tmp_path / ".env").unlink()
    assert msgspec.structs.asdict(shown) == msgspec.structs.asdict(load_settings(environ={}))


def test_a_setting_without_docstring_is_refused():
    """The generator names the field that nobody has explained."""
    source = 'class Settings:\n    a: int = 1\n    """Explained."""\n    b: int = 2\n    c: int = 3\n'

    with pytest.raises(ValueError, match=r"Settings\.b"):
        read_setting_docs(source, "Settings")
