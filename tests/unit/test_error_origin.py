"""Where an exception came from is told without the frames of Python's import machinery."""

import importlib
import sys
import traceback

import pytest

from speechhub.errors.origin import import_fault, readable
from speechhub.worker.failures import describe

GONE = "import gone_library\n"
HIDDEN = f"try:\n    {GONE}except ImportError as e:\n    raise RuntimeError('no') from e\n"


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Write modules, import the first of them as a plugin's engine is imported, and return what it raised."""

    def fail(*modules):
        for name, text in modules:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        module = modules[0][0].removesuffix(".py").replace("/", ".")
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001  # whatever the test wrote
            return error, import_fault(error, module)
        raise AssertionError(f"{module} can be imported")

    monkeypatch.syspath_prepend(tmp_path)
    yield fail
    for name in [name for name in sys.modules if name.partition(".")[0] in ("parrot", "cage")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("modules", "says"),
    [
        (
            [("parrot/ear.py", f"\n\n{GONE}")],
            "ModuleNotFoundError: No module named 'gone_library' (in parrot/ear.py:3)",
        ),
        (
            [("parrot/ear.py", "import parrot.beak\n"), ("parrot/beak.py", f"\n{GONE}")],
            "ModuleNotFoundError: No module named 'gone_library' (in parrot/beak.py:2)",
        ),
        (
            [("parrot/ear.py", "\nimport cage\n"), ("cage.py", f"def shut():\n    {GONE}\nshut()\n")],
            "ModuleNotFoundError: No module named 'gone_library' (in cage.py:2 ← parrot/ear.py:2)",
        ),
        (
            [("parrot/ear.py", "import cage\n"), ("cage.py", "raise OSError('one\\n  two')\n")],
            "OSError: one two (in cage.py:1 ← parrot/ear.py:1)",
        ),
        (
            [("parrot/ear.py", HIDDEN)],
            "RuntimeError: no, because of ModuleNotFoundError: No module named 'gone_library' (in ",
        ),
        (
            [("parrot/ear.py", "from speechhub.engine import Slot\nSlot('nose')\n")],
            "ValueError: 'nose' is not a valid Slot (in ",
        ),
        ([("parrot/ear.py", "raise KeyError\n")], "KeyError (in parrot/ear.py:1)"),
        ([("parrot/ear.py", "A = 1 +\n")], "SyntaxError: invalid syntax (ear.py, line 1)"),
        ([("parrot/ear.py", "import parrot.eye\n")], "ModuleNotFoundError: No module named 'parrot.eye'"),
    ],
)  # fmt: skip
def test_a_failing_import_is_one_line_with_its_place(failing, modules, says):
    """The line says what is missing, who wanted it, and where the plugin began it."""
    _, line = failing(*modules)

    assert line.startswith(says)
    assert "importlib" not in line


def test_a_check_of_ours_is_not_the_place(failing):
    """A plugin whose description is refused finds its own line, not the line of the check."""
    refused = "from speechhub.domain.language import parse_language\nparse_language('parrotish')\n"
    _, line = failing(("parrot/ear.py", refused))

    assert line.startswith("InvalidLanguageError: ")
    assert line.endswith(" (in parrot/ear.py:2)")


def test_a_worker_names_the_engine_s_line(failing):
    """The innermost calls of a load that failed are the plugin's and the worker's."""
    error, _ = failing(("parrot/ear.py", f"\n{GONE}"))

    message = describe(error, loading=True)["message"]

    assert "No module named 'gone_library' (in ear.py:2 <module> ← test_error_origin.py:" in message
    assert "importlib" not in message


def test_a_traceback_without_the_import_machinery(failing):
    """What a test runner prints begins at the import and goes on in the plugin, causes included."""
    error, _ = failing(("parrot/ear.py", HIDDEN))
    assert "importlib" in "".join(traceback.format_exception(error))

    readable(error)

    printed = "".join(traceback.format_exception(error))
    assert "importlib" not in printed.replace("importlib.import_module(module)", "")
    assert printed.count("ear.py") == 2
