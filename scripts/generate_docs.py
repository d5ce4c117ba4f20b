"""Write the files that are made from the source, so that they cannot lie.

    .venv/bin/python scripts/generate_docs.py            writes them
    .venv/bin/python scripts/generate_docs.py --check    tells which are out of date, and writes nothing

They are .env.example, config.example.toml, the tables of docs/configuration.md and the variables in
compose.yaml, from the settings; docs/cli.md, from the help of the command line; the phases of a worker
in docs/lifecycle.md and docs/worker-phases.svg, from the table of legal moves; the list of engines that a
hub knows before they are installed, and the tables of engines' options, from the plugins; the modules and
errors of docs/design.md, from the import-linter layers, the docstrings and the classes; and the tests that
docs/mission.md, docs/error-scenarios.md and docs/verification.md name, from the markers at the tests.
"""

import sys
from pathlib import Path

from _cli_page import cli_page
from _design_page import design_page
from _known_engines import known_engines
from _option_pages import option_pages
from _phase_pages import lifecycle_page, phases_picture
from _settings_pages import compose_file, configuration_page, env_example, toml_example
from _test_pages import PAGES, tested_page, verified

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[str, str]:
    """Return every generated file with its text; a page that is partly written by hand keeps that part."""
    tests = verified(ROOT)
    return {
        ".env.example": env_example(),
        "config.example.toml": toml_example(),
        "docs/configuration.md": configuration_page(_text("docs/configuration.md")),
        "compose.yaml": compose_file(_text("compose.yaml")),
        "docs/cli.md": cli_page(),
        "docs/lifecycle.md": lifecycle_page(_text("docs/lifecycle.md")),
        "docs/worker-phases.svg": phases_picture(),
        "docs/design.md": design_page(_text("docs/design.md"), ROOT),
        "src/speechhub/environments/known.json": known_engines(),
        **option_pages(ROOT),
        **{page: tested_page(_text(page), tests[marker]) for marker, page in PAGES.items()},
    }


def main(arguments: list[str]) -> int:
    """Write or check all generated files; return the exit code."""
    stale = 0
    for name, text in generated().items():
        path = ROOT / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale += 1
        if "--check" in arguments:
            print(f"{name} is out of date; run scripts/generate_docs.py.")
        else:
            path.write_text(text, "utf-8")
            print(f"wrote {name}")
    return 1 if stale and "--check" in arguments else 0


def _text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
