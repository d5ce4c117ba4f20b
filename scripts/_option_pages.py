"""Tables of engines' options, in docs/engines/ and the plugins' READMEs, from their settings classes.

The plugins are parsed and not imported: the environments of most are not the hub's.
"""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from _page_blocks import start, with_block
from _setting_docs import SettingDoc, class_of, read_setting_docs

PAGES: Final = {"qwen-asr": "qwen3-asr"}
"""Plugin → its page below docs/engines, where that is named after the model."""
BLOCK: Final = "options"


def option_pages(root: Path) -> dict[str, str]:
    """Return each page and README that lists options, by its path below *root*, with its table made anew."""
    pages: dict[str, str] = {}
    for plugin in sorted(root.glob("plugins/speechhub-*")):
        table = options_table(plugin, root / "src/speechhub/engine")
        name = plugin.name.removeprefix("speechhub-")
        page, readme = root / f"docs/engines/{PAGES.get(name, name)}.md", plugin / "README.md"
        for path in (page, readme):
            text = path.read_text("utf-8")
            if path == page or start(BLOCK) in text:
                pages[str(path.relative_to(root))] = with_block(text, BLOCK, table)
    return pages


def options_table(plugin: Path, engine_api: Path) -> str:
    """Return a table of what operators can set for the engines of *plugin*.

    Args:
        plugin: Folder of the plugin.
        engine_api: Folder of `speechhub.engine`, whose classes settings derive from.
    """
    sources = [path.read_text("utf-8") for path in (*plugin.glob("src/*/*.py"), *engine_api.glob("*.py"))]
    classes = {
        node.name: source
        for source in reversed(sources)
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }
    (package,) = plugin.glob("src/*/__init__.py")
    by_engine = {
        engine: {doc.name: doc for doc in _settings(kind, classes)}
        for engine, kind in _engines(package.read_text("utf-8"))
    }
    docs = {name: doc for settings in by_engine.values() for name, doc in settings.items()}
    having = {name: [engine for engine in by_engine if name in by_engine[engine]] for name in docs}
    lines = ["| Option | Default | What it does |", "| --- | --- | --- |"]
    for name in sorted(docs, key=lambda name: len(having[name]) == len(by_engine)):
        only = "" if len(having[name]) == len(by_engine) else f"`{'`, `'.join(having[name])}` only: "
        meaning = docs[name].docstring.replace("``", "`").replace("|", "\\|")
        lines.append(f"| `{name}` | {_default(docs[name])} | {only}{meaning} |")
    return "\n".join(lines)


def _engines(source: str) -> Iterator[tuple[str, str]]:
    """Give the name and the settings class of each engine that a plugin's package describes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "EngineSpec":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            match given["name"], given["options"]:
                case ast.Constant(value=str(name)), ast.Call(args=[ast.Name(id=kind)]):
                    yield name, kind


def _settings(kind: str, classes: dict[str, str]) -> Iterator[SettingDoc]:
    """Give the fields of a settings class, its own first."""
    yield from read_setting_docs(classes[kind], kind)
    for base in class_of(classes[kind], kind).bases:
        yield from _settings(ast.unparse(base), classes)


def _default(doc: SettingDoc) -> str:
    value = ast.literal_eval(doc.default)
    if value is None:
        return "not set"
    # JSON's scalars and lists are TOML's.
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"
