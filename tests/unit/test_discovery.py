"""Plugins are found by their entry points; a broken one is listed and harms nothing."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from speechhub.discovery import discover
from speechhub.engine import API_VERSION, Slot
from speechhub.errors import ConfigurationError

SPEC = """
from speechhub.engine import EngineSpec, Slot, {capabilities}
SPEC = EngineSpec(
    name={name!r}, slot=Slot({slot!r}), factory="nowhere:Engine", capabilities={capabilities}(),
    api_version={api_version},
)
"""


class Plugins:
    """Distributions in a folder, as pip leaves them: a module and a dist-info."""

    def __init__(self, folder):
        self.folder = folder
        self.modules = []

    def install(self, name, *, group="speechhub.stt", value=None, source="", version="1.0"):
        """Write a distribution *name* with one module of that name and one entry point."""
        module = name.replace("-", "_")
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(source)
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value or module + ':SPEC'}\n")

    def engine(self, name, *, engine="", slot="stt", api_version=API_VERSION, **fields):
        """Write a distribution with the spec of an engine."""
        capabilities = f"{slot.title()}Capabilities"
        source = SPEC.format(
            name=engine or name, slot=slot, capabilities=capabilities, api_version=api_version
        )
        self.install(name, source=source, **{"group": f"speechhub.{slot}", **fields})

    def discover(self):
        """Discover what is in the folder, whatever else is installed."""
        found = importlib.metadata.distributions(path=[str(self.folder)])
        return discover([point for distribution in found for point in distribution.entry_points])


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    made = Plugins(tmp_path)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


def test_engines_come_by_slot_and_name(plugins):
    """Each engine is there with its spec, its distribution and its environment's Python."""
    plugins.engine("zebra", slot="stt", version="2.1")
    plugins.engine("ant", slot="stt")
    plugins.engine("bee", slot="tts")

    found = plugins.discover()

    assert [(e.spec.slot, e.spec.name, e.distribution) for e in found.engines] == [
        (Slot.STT, "ant", "ant 1.0"),
        (Slot.STT, "zebra", "zebra 2.1"),
        (Slot.TTS, "bee", "bee 1.0"),
    ]
    assert {e.python for e in found.engines} == {Path(sys.executable)}
    assert found.broken == ()


def test_what_is_installed_is_found(plugins):
    """Without arguments, the entry points of all installed distributions are read."""
    plugins.engine("ant", slot="stt")
    plugins.engine("bee", slot="tts")

    names = {engine.spec.name for engine in discover().engines}

    assert {"ant", "bee"} <= names


@pytest.mark.scenario("broken-plugin")
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import gone_library", "ModuleNotFoundError: No module named 'gone_library' (in broken.py:1)"),
        ("raise SystemError('bad wheel')", "SystemError: bad wheel"),
        ("SPEC = 1 +", "SyntaxError: "),
        ("OTHER = 1", "AttributeError: "),
        ("SPEC = 1", "ConfigurationError: broken:SPEC is not a speechhub.engine.EngineSpec."),
        ("from speechhub.engine import EngineSpec as SPEC", "ConfigurationError: broken:SPEC is not a "),
    ],
)
def test_a_broken_plugin_is_listed_and_harms_nothing(plugins, source, error):
    """The plugin stands under `broken` with its reason; the others work."""
    plugins.install("broken", source=source, version="0.3")
    plugins.engine("ant")

    found = plugins.discover()

    assert [engine.spec.name for engine in found.engines] == ["ant"]
    [broken] = found.broken
    assert broken.entry_point == "speechhub.stt: broken = broken:SPEC"
    assert broken.distribution == "broken 0.3"
    assert broken.error.startswith(error)


def test_an_engine_in_the_wrong_group_is_broken(plugins):
    """A TTS engine among the STT plugins would be offered for what it cannot do."""
    plugins.engine("bee", slot="tts", group="speechhub.stt")

    [broken] = plugins.discover().broken

    assert "bee:SPEC is a tts engine, but is registered in the group speechhub.stt" in broken.error


def test_an_engine_for_a_newer_api_is_broken(plugins):
    """It may need what this hub does not have; an older API is kept compatible."""
    plugins.engine("bee", api_version=API_VERSION + 1)
    plugins.engine("ant", api_version=API_VERSION)

    found = plugins.discover()

    assert [engine.spec.name for engine in found.engines] == ["ant"]
    assert f"written for engine API {API_VERSION + 1}, this speechhub has {API_VERSION}: upgrade" in (
        found.broken[0].error
    )


def test_two_plugins_with_one_name_are_an_error_that_names_both(plugins):
    """Either choice would surprise somebody, so the operator chooses."""
    plugins.engine("bee", engine="same", version="1.5")
    plugins.engine("wasp", engine="same")

    with pytest.raises(
        ConfigurationError, match=r"named 'same': one of bee 1\.5 and one of wasp 1\.0\. Uninst"
    ):
        plugins.discover()


def test_one_name_in_both_slots_is_an_error_too(plugins):
    """Operators set an engine's options by its name alone."""
    plugins.engine("bee-ears", engine="bee", slot="stt")
    plugins.engine("bee-mouth", engine="bee", slot="tts")

    with pytest.raises(ConfigurationError, match="Two engines are named 'bee'"):
        plugins.discover()


def test_an_entry_point_without_distribution_is_read(plugins):
    """Entry points that were made by hand, as tests do, have no distribution to name."""
    plugins.engine("ant")
    bare = importlib.metadata.EntryPoint(name="ant", value="ant:SPEC", group="speechhub.stt")

    [engine] = discover([bare]).engines

    assert engine.distribution == "unknown distribution"
