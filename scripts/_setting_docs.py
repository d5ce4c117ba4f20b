"""Reader of the settings' docstrings, from which the documentation is generated.

Standard library only. Python drops the docstring under a field, so it is read from the source text.
"""

import ast
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDoc:
    """One setting as its source describes it."""

    name: str
    docstring: str
    starts_group: bool
    """Whether an empty line in the source sets it apart from the field before."""


def read_setting_docs(source: str, class_name: str) -> list[SettingDoc]:
    """Return the fields of a class in the order of the source.

    Args:
        source: Text of the Python module.
        class_name: Class in it whose annotated fields are the settings.

    Raises:
        ValueError: There is no such class, or a field has no docstring; the message names it.
    """
    bodies = [n.body for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == class_name]
    if not bodies:
        raise ValueError(f"The source has no class {class_name}.")
    docs: list[SettingDoc] = []
    end_of_last = 0
    for node, after in zip(bodies[0], [*bodies[0][1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = _text(after)
            if not text:
                raise ValueError(f"{class_name}.{node.target.id} has no docstring.")
            starts_group = node.lineno > end_of_last + 1
            docs.append(SettingDoc(name=node.target.id, docstring=text, starts_group=starts_group))
        end_of_last = node.end_lineno or node.lineno
    return docs


def _text(node: ast.stmt | None) -> str:
    """Return a docstring as one line; empty if *node* is none."""
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
    return ""
