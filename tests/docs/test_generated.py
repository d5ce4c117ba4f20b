"""The files that scripts/generate_docs.py makes are up to date, and true."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from speechhub.settings import Settings, load_settings
from tests.docs.pages import ROOT, page

sys.path.append(str(ROOT / "scripts"))

import generate_docs

GENERATED = generate_docs.generated()

ASSIGNMENT = re.compile(r"^# ([a-z_]+ = .*)$", re.MULTILINE)


@pytest.mark.mission("16.5")
@pytest.mark.parametrize("name", GENERATED)
def test_it_is_what_the_generator_writes(name):
    """A file is up to date with its source; scripts/generate_docs.py makes it so."""
    assert (ROOT / name).read_text("utf-8") == GENERATED[name]


def test_the_example_configuration_loads(tmp_path, monkeypatch):
    """As it is, with everything commented out, it changes nothing."""
    monkeypatch.chdir(tmp_path)

    shown = load_settings(config_file=ROOT / "config.example.toml", environ={"SPEECHHUB_HOME": "/srv"})

    assert shown == Settings(home=Path("/srv"))


def test_the_example_configuration_shows_the_defaults(tmp_path, monkeypatch):
    """What it shows for a setting is the default, unless it says that this is an example."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "config.example.toml").read_text("utf-8")
    head = text[: text.index("── Tables")]

    shown = [
        match[1]
        for match in ASSIGNMENT.finditer(head)
        if "for example:" not in head[: match.start()].splitlines()[-1]
    ]
    (tmp_path / "all.toml").write_text("\n".join(shown), "utf-8")

    assert len(shown) > 20
    assert load_settings(config_file=tmp_path / "all.toml", environ={}) == load_settings(environ={})


def test_the_example_configuration_can_be_uncommented(tmp_path, monkeypatch):
    """With all of it uncommented, tables and examples too, it is valid and names every setting."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "config.example.toml").read_text("utf-8")
    (tmp_path / "keys").write_text("a-key\n", "utf-8")
    bare = re.sub(r"^# (\[[\w.-]+\]|[a-z_-]+ = .*)$", r"\1", text, flags=re.MULTILINE)
    bare = bare.replace("/run/secrets/speechhub-keys", str(tmp_path / "keys"))
    (tmp_path / "all.toml").write_text(bare, "utf-8")

    settings = load_settings(config_file=tmp_path / "all.toml", environ={})

    assert set(tomllib.loads(bare)) == set(Settings.__struct_fields__)
    assert settings.models
    assert settings.engines


def test_the_page_with_a_lost_mark_is_refused():
    """The generator does not guess where its part of a page belongs."""
    with pytest.raises(ValueError, match="needs the lines"):
        generate_docs.configuration_page(page("configuration.md").replace("<!-- to here -->", ""))
