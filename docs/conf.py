"""Sphinx configuration of the site, docs/ as HTML; ``nox -s site`` builds it into site/.

The pages are plain Markdown that a forge renders directly. What only the site needs, its navigation, is here.
Warnings are errors: a link to a page or heading that does not exist fails the build. The site loads nothing
from other hosts, and the build fetches nothing.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
CONTENTS = {
    "Start": ["getting-started", "clients", "troubleshooting", "faq", "comparison"],
    "Use": ["http-api", "elevenlabs", "cli", "voices", "engines/index", "openapi-differences"],
    "Set up": ["configuration", "containers", "hardware", "cuda", "mirrors"],
    "Run": ["deployment-checklist", "operations", "security", "metrics", "alerts"],
    "Extend": ["writing-an-engine"],
    "Understand": ["design", "lifecycle", "glossary"],
    "Prove": ["verification", "benchmarks"],
    "中文": ["zh/README", "zh/getting-started", "zh/mirrors"],
}
"""Headings of the navigation, each with its pages, in the order in which a newcomer needs them."""
NOT_SHOWN = {"mission"}
"""Pages that stay in the repository: they are about the list of tasks that speechhub began with."""
NAMED = {page for pages in CONTENTS.values() for page in pages}
CONTENTS["Prove"] += sorted({path.stem for path in DOCS.glob("*.md")} - NAMED - NOT_SHOWN - {"index"})
ENGINES = sorted(path.stem for path in (DOCS / "engines").glob("*.md") if path.stem != "index")

project = "speechhub"
release = re.findall(r'__version__ = "(.+)"', (ROOT / "src/speechhub/__init__.py").read_text("utf-8"))[0]
extensions = ["myst_parser"]
exclude_patterns = ["_static", *(f"{name}.md" for name in NOT_SHOWN)]
nitpicky = True

myst_heading_anchors = 4  # anchors for headings as forges make them
pygments_style = "friendly"
pygments_dark_style = "github-dark"
highlight_language = "text"

html_theme = "furo"
html_title = f"speechhub {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/mark.svg"
html_copy_source = False
html_show_sphinx = False
copyright = "the authors of speechhub, under Apache-2.0"  # noqa: A001 - Sphinx requires this name
html_theme_options = {
    "light_logo": "mark.svg",
    "dark_logo": "mark.svg",
    "navigation_with_keys": True,
    "light_css_variables": {"color-brand-primary": "#0a6c74", "color-brand-content": "#0a6c74"},
    "dark_css_variables": {"color-brand-primary": "#4fc3cc", "color-brand-content": "#4fc3cc"},
}


def contents(groups: dict[str, list[str]]) -> str:
    """Return the toctree directives of the navigation."""
    return "\n".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"
        for caption, pages in groups.items()
    )


def for_the_site(_app: "Sphinx", docname: str, source: list[str]) -> None:
    """Adapt a page to the site, without changing the numbers of its lines."""
    text = source[0]
    # The navigation replaces the link to the index.
    text = re.sub(r"^\[Index\]\(.*\)$", "", text, count=1, flags=re.MULTILINE)
    # The site has only docs/; tests/docs checks that linked files outside exist.
    text = re.sub(r"\[`?([^\]`]+)`?\]\((?:\.\./)+([^)#]+\.\w+)\)", outside(docname), text)
    for name in NOT_SHOWN:
        text = re.sub(rf"\[([^\]]+)\]\({name}\.md\)", rf"\1 (`docs/{name}.md`)", text)
    if docname == "index":
        text += contents(CONTENTS)
    elif docname == "engines/index":
        text += contents({"Engines": ENGINES})
    source[0] = text


def outside(docname: str) -> Callable[[re.Match[str]], str]:
    """Return a function that replaces a page's link out of docs/ with the file's path."""
    folder = (DOCS / docname).parent

    def shown(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / link[0].rpartition("(")[2].rstrip(")")))
        if path.is_relative_to(DOCS):
            return link[0]
        name = path.relative_to(ROOT)
        return f"`{name}`" if name.name in link[1] or str(name) == link[1] else f"{link[1]} (`{name}`)"

    return shown


def setup(app: "Sphinx") -> None:
    """Register the hook that adapts the pages."""
    app.connect("source-read", for_the_site)
