"""The conformance kit imports an engine's description in a process of its own."""

import importlib
import sys
import traceback

import pytest

from speechhub.engine.testing import check_stt_engine


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a plugin's modules into a folder on the path, import the package and return its spec."""
    names = []

    def write(name, init, **modules):
        names.append(name)
        folder = tmp_path / name
        folder.mkdir()
        spec = (
            "from speechhub.engine import EngineSpec, Slot, SttCapabilities\n"
            f"SPEC = EngineSpec(name='{name}', slot=Slot.STT, factory='{name}.engine:Engine',"
            " capabilities=SttCapabilities())\n"
        )
        (folder / "__init__.py").write_text(spec + init)
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
        return importlib.import_module(name).SPEC

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for module in [m for m in sys.modules if m.partition(".")[0] in names]:
        del sys.modules[module]


def test_a_description_that_imports_its_engine_is_caught(plugin):
    """The spec's module must not import the factory's: the hub would load the engine to read the spec."""
    spec = plugin("heavya", "from heavya.engine import Engine\n", engine="class Engine: pass\n")

    with pytest.raises(AssertionError, match=r"imports heavya\.engine, which holds the engine"):
        check_stt_engine(spec)


def test_a_description_that_imports_something_heavy_is_caught(plugin, tmp_path):
    """Neither torch nor a native library belongs into what the hub reads."""
    (tmp_path / "torch.py").write_text("")
    spec = plugin("heavyb", "import torch\n")
    sys.modules.pop("torch")

    with pytest.raises(AssertionError, match="imports torch: move that import to the engine's module"):
        check_stt_engine(spec)


def test_a_description_that_imports_native_code_is_caught(plugin):
    """A library with native code counts as heavy, whatever its name; msgspec stands for it here."""
    spec = plugin("heavyc", "import msgspec\n")

    with pytest.raises(AssertionError, match="imports msgspec: move"):
        check_stt_engine(spec)


def test_a_light_description_passes(plugin):
    """The standard library, numpy and the plugin's own light modules are welcome."""
    spec = plugin("light", "import json, sqlite3, numpy\nfrom light import names\n", names="A = 1\n")

    with pytest.raises(AssertionError, match=r"No module named 'light\.engine'"):
        check_stt_engine(spec)


def test_an_engine_that_cannot_be_imported_says_why_and_where(plugin):
    """The author sees the line of the plugin and the missing module, and nothing of the import machinery."""
    spec = plugin("unfit", "", engine="\nimport gone_library\n")

    with pytest.raises(AssertionError) as caught:
        check_stt_engine(spec)

    said = str(caught.value).partition("\n")[2]
    assert said == (
        "unfit.engine cannot be imported: ModuleNotFoundError: No module named 'gone_library' "
        "(in unfit/engine.py:2)."
    )
    assert "<frozen importlib" not in "".join(traceback.format_exception(caught.value))


def test_a_description_that_cannot_be_imported_anew_says_why_and_where(plugin, tmp_path):
    """A description that needs what the test alone has imported fails in a fresh Python."""
    spec = plugin("stale", "")
    (tmp_path / "stale" / "__init__.py").write_text("import gone_library\n")

    with pytest.raises(AssertionError) as caught:
        check_stt_engine(spec)

    said = str(caught.value).partition("\n")[2]
    assert said == (
        "stale cannot be imported in a fresh Python: ModuleNotFoundError: No module named 'gone_library' "
        "(in stale/__init__.py:1)"
    )


def test_an_installed_plugin_s_description_is_found_by_its_entry_point(plugin, tmp_path):
    """The engine may lie in another package than the spec: the entry point tells where the spec is."""
    (tmp_path / "elsewhere.py").write_text("class Engine: pass\n")
    moved = "import elsewhere, dataclasses as d\nSPEC = d.replace(SPEC, factory='elsewhere:Engine')\n"
    spec = plugin("apart", moved)
    info = tmp_path / "apart-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: apart\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[speechhub.stt]\napart = apart:SPEC\n")

    with pytest.raises(AssertionError, match="Importing apart, which holds the spec, imports elsewhere"):
        check_stt_engine(spec)
    del sys.modules["elsewhere"]
