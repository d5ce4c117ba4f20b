"""The generated parts of docs/design.md: modules by layer, and the tree of errors."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from _page_blocks import with_block

PACKAGE: Final = "speechhub"


def design_page(page: str, root: Path) -> str:
    """Return the page with its generated parts made anew from the sources below *root*."""
    source = root / "src" / PACKAGE
    page = with_block(page, "modules", modules_table(_layers(root), source))
    return with_block(page, "errors", errors_tree(source / "errors"))


def modules_table(layers: list[list[str]], source: Path) -> str:
    """Return a table of the modules of *layers*, the upper ones first, with those of their packages.

    Each says what it is by the first line of its docstring.
    """
    lines = ["| Layer | Module | What it is |", "| --- | --- | --- |"]
    for number, layer in enumerate(layers, 1):
        for name in layer:
            for path in _modules(source, name):
                module = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
                lines.append(f"| {number} | `{module}` | {_first_line(path)} |")
    return "\n".join(lines)


def errors_tree(folder: Path) -> str:
    """Return the classes of errors defined in *folder* as a tree.

    Each has the first line of its docstring beside it, up to a semicolon.
    """
    classes = [
        node
        for path in sorted(folder.glob("*.py"))
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    meanings = {node.name: _summary(ast.get_docstring(node)) for node in classes}
    below: dict[str, list[str]] = {}
    for node in classes:
        for base in node.bases:
            below.setdefault(ast.unparse(base), []).append(node.name)
    (top,) = below["Exception"]
    rows = list(_branches(top, below, "", ""))
    width = max(len(row) for row, _ in rows) + 2
    return "\n".join(
        [
            "```text",
            *(f"{row:{width}}{meanings[name].partition(';')[0].rstrip('.')}" for row, name in rows),
            "```",
        ]
    )


def _layers(root: Path) -> list[list[str]]:
    """Return the modules of each layer that import-linter checks, the upper layers first.

    Raises:
        ValueError: pyproject.toml has no contract of this kind for the whole package, or several.
    """
    config: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    contracts = [
        one
        for one in config["tool"]["importlinter"]["contracts"]
        if one["type"] == "layers" and one["containers"] == [PACKAGE]
    ]
    if len(contracts) != 1:
        raise ValueError(f"pyproject.toml needs one contract of layers for {PACKAGE}, not {len(contracts)}.")
    return [
        [module.strip(" ()") for part in layer.split("|") for module in part.split(":")]
        for layer in contracts[0]["layers"]
    ]


def _modules(source: Path, name: str) -> Iterator[Path]:
    """Give the file of a module, or that of a package and those of the packages in it."""
    folder = source / name
    if not folder.is_dir():
        yield folder.with_suffix(".py")
        return
    yield from sorted(folder.rglob("__init__.py"), key=lambda path: path.parts[:-1])


def _branches(name: str, below: dict[str, list[str]], stem: str, indent: str) -> Iterator[tuple[str, str]]:
    """Give each row of the tree from *name* down, with the name in it."""
    yield stem + name, name
    children = below.get(name, [])
    for child in children:
        last = child == children[-1]
        yield from _branches(
            child, below, indent + ("└── " if last else "├── "), indent + ("    " if last else "│   ")
        )


def _first_line(path: Path) -> str:
    return _summary(ast.get_docstring(ast.parse(path.read_text("utf-8")))).replace("``", "`")


def _summary(docstring: str | None) -> str:
    return (docstring or "").partition("\n")[0]
