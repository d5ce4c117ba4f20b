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
    default: str
    """Its default as the source has it; empty if it has none."""


def read_setting_docs(source: str, class_name: str) -> list[SettingDoc]:
    """Return the fields of a class in the order of the source, without those of its bases.

    Args:
        source: Text of the Python module.
        class_name: Class in it whose annotated fields are the settings.

    Raises:
        ValueError: There is no such class, or a field has no docstring; the message names it.
    """
    body = class_of(source, class_name).body
    docs: list[SettingDoc] = []
    end_of_last = 0
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = _text(after)
            if not text:
                raise ValueError(f"{class_name}.{node.target.id} has no docstring.")
            docs.append(
                SettingDoc(
                    name=node.target.id,
                    docstring=text,
                    starts_group=node.lineno > end_of_last + 1,
                    default=ast.unparse(node.value) if node.value else "",
                )
            )
        end_of_last = node.end_lineno or node.lineno
    return docs


def field_docs(source: str, class_name: str) -> dict[str, str]:
    """Return the docstrings under what a class assigns, such as the members of an enum, by name."""
    body = class_of(source, class_name).body
    return {
        ast.unparse(node.targets[0]): _text(after)
        for node, after in zip(body, [*body[1:], None], strict=True)
        if isinstance(node, ast.Assign)
    }


def class_of(source: str, class_name: str) -> ast.ClassDef:
    """Return a class of a module's source.

    Raises:
        ValueError: There is no such class.
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return node
    raise ValueError(f"The source has no class {class_name}.")


def _text(node: ast.stmt | None) -> str:
    """Return a docstring as one line; empty if *node* is none."""
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
    return ""
