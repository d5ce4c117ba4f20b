"""The tree of errors, as the package draws it."""

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

from speechhub import errors

DEFINED = {
    kind
    for module in pkgutil.iter_modules(errors.__path__, "speechhub.errors.")
    for _, kind in inspect.getmembers(import_module(module.name), inspect.isclass)
    if kind.__module__ == module.name
}


NODE = re.compile(r"^((?:[│ ]   |[├└]── )*)(\w+Error)\b", re.MULTILINE)


def drawn():
    """Read the tree: name → name of the parent."""
    parents, path = {}, []
    for stem, name in NODE.findall(errors.__doc__):
        path[len(stem) // 4 :] = [name]
        parents[name] = path[-2] if stem else None
    return parents


def test_every_error_is_where_others_import_it_from():
    """The package has every class that its modules define, and says so."""
    assert {name for name, _ in inspect.getmembers(errors, inspect.isclass)} == set(errors.__all__)
    assert {kind.__name__ for kind in DEFINED} == set(errors.__all__)


@pytest.mark.parametrize("kind", sorted(DEFINED, key=lambda kind: kind.__name__))
def test_tree_shows_what_the_classes_are(kind):
    """A new error is drawn below its parent."""
    parent = kind.__base__.__name__ if kind is not errors.SpeechhubError else None

    assert drawn()[kind.__name__] == parent


def test_every_error_is_made_somewhere():
    """No class, and so no code that clients are told about, is there for nothing."""
    here = Path(errors.__file__).parent
    others = [path for path in here.parent.rglob("*.py") if path.parent != here]
    text = "\n".join(path.read_text("utf-8") for path in others)
    leaves = DEFINED - {parent for kind in DEFINED for parent in kind.__mro__[1:]}

    made = r"(?<!class )(?<!import )\b{}\b[(\n]"
    idle = {kind.__name__ for kind in leaves if not re.search(made.format(kind.__name__), text)}
    assert idle == set()
