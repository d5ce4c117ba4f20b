"""The prose of sources and pages is plain technical English, as far as a test can tell."""

import ast
import re

import pytest

from tests.docs.pages import ROOT

STILTED = re.compile(r"\b(nobody|whoever|whom)\b", re.IGNORECASE)
MOST_STILTED = 10
"""Lines in sources, pages, plugins and deploy together; a quotation may need one."""
QUESTION = re.compile(r"(Who|Whom|Whose|What|How|Whether|Where|When|Which)\b")


def files(folder, *endings):
    return sorted(path for ending in endings for path in (ROOT / folder).rglob(f"*{ending}"))


def test_few_words_that_no_engineer_uses():
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("src", "docs", "plugins", "deploy")
        for path in files(folder, ".py", ".md")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if STILTED.search(line)
    ]

    assert len(found) < MOST_STILTED, found


@pytest.mark.parametrize("folder", ["src", "plugins", "deploy"])
def test_modules_say_what_they_are(folder):
    """The first line of a module is a noun or a verb; a question word has to be read twice."""
    modules = [path for path in files(folder, ".py") if "tests" not in path.parts]
    assert modules

    found = [
        str(path.relative_to(ROOT))
        for path in modules
        if QUESTION.match(ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
    ]
    assert found == []
