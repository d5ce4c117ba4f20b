"""Wheels that tests write themselves, where an installer would need an index to build them."""

import tomllib
import zipfile
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "plugins"


def write_wheel(folder, name, version, files, *, requires=(), entry_points=""):
    """Write a wheel with *files* into *folder*."""
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name.replace('_', '-')}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {line}" for line in requires]
    files = files | {
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{info}/entry_points.txt": entry_points} if entry_points else {}),
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
    return path


def plugin_wheel(folder, plugin, version="1.0", *, files=(), **changes):
    """Write a wheel of one of the repository's plugins; *files* come on top of its own."""
    source = PLUGINS / f"speechhub-{plugin}" / "src"
    own = {
        str(path.relative_to(source)): path.read_text("utf-8")
        for path in source.rglob("*")
        if path.suffix in {".py", ".txt"}
    }
    return _plugin_wheel(folder, plugin, version, own | dict(files), changes)


def editable_plugin_wheel(folder, plugin, source, version="1.0", **changes):
    """Write a wheel that leads to the packages in the folder *source*, as PEP 660 has it."""
    return _plugin_wheel(folder, plugin, version, {f"_{plugin}_is_elsewhere.pth": f"{source}\n"}, changes)


def _plugin_wheel(folder, plugin, version, files, changes):
    project = tomllib.loads((PLUGINS / f"speechhub-{plugin}" / "pyproject.toml").read_text("utf-8"))[
        "project"
    ]
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    options = {"requires": project["dependencies"], "entry_points": "".join(points)} | changes
    return write_wheel(folder, project["name"].replace("-", "_"), version, files, **options)
