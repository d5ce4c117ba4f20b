"""Compare this server's OpenAPI description with the one that OpenAI publishes, on every path of both.

    .venv/bin/python scripts/compare_openapi.py OPENAPI_JSON              lists every difference
    .venv/bin/python scripts/compare_openapi.py OPENAPI_JSON --check      only what no page explains

OPENAPI_JSON is openapi.json from openai/openai-openapi. docs/openapi-differences.md has a row for each
difference, as it is printed here, and tells why it is there; with --check, one that the page lacks, and one
that is there no more, is a failure.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speechhub.http.app import create_app
from speechhub.hub import Hub
from speechhub.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "openapi-differences.md"
METHODS = ("get", "post", "delete", "put", "patch")
LIMITS = ("minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength")
"""Compared beside types, choices, defaults and parts; texts, examples and formats are not."""

OPEN = frozenset({"any", "any object"})
"""What a schema says that leaves a value's parts open."""

Json = dict[str, Any]
Row = tuple[str, str, str]
"""Place, what only OpenAI says of it, what only speechhub says of it."""


class Document:
    """One OpenAPI document."""

    def __init__(self, document: Json, prefix: str = "") -> None:
        self._document = document
        self._paths = {
            re.sub(r"\{\w+\}", "{}", path.removeprefix(prefix)): item
            for path, item in document["paths"].items()
        }

    @property
    def paths(self) -> frozenset[str]:
        """Paths, with ``{}`` for what varies in them."""
        return frozenset(self._paths)

    def statements(self, paths: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Yield all that the document says of these paths, as place and statement."""
        for path in sorted(paths):
            for method in METHODS:
                if operation := self._paths.get(path, {}).get(method):
                    place = f"{method.upper()} {path}"
                    yield place, "exists"
                    for parameter in map(self._resolved, operation.get("parameters", ())):
                        if parameter["in"] != "path":  # those stand in the path
                            below = f"{place} {parameter['in']} {parameter['name']}"
                            yield below, "required" if parameter.get("required") else "optional"
                            yield from self._schema(parameter["schema"], below)
                    yield from self._bodies(operation.get("requestBody", {}), f"{place} request")
                    for status, response in operation["responses"].items():
                        yield f"{place} responses", status
                        if status == "200":
                            yield from self._bodies(self._resolved(response), f"{place} 200")

    def _bodies(self, holder: Json, place: str) -> Iterator[tuple[str, str]]:
        for kind, content in holder.get("content", {}).items():
            yield place, kind
            if kind in ("application/json", "multipart/form-data"):
                yield from self._schema(content["schema"], place)
            elif kind == "text/event-stream":
                for event in self._choices(content["schema"]):
                    name = event["properties"]["type"]["enum"][0]
                    yield from self._schema(event, f"{place} event {name}")

    def _schema(self, schema: Json, place: str) -> Iterator[tuple[str, str]]:
        choices = self._choices(schema)
        # Where any text will do, a list of texts is a hint.
        any_text = any(choice.get("type") == "string" and "enum" not in choice for choice in choices)
        for default in [
            it["default"] for it in (schema, self._resolved(schema), *choices) if "default" in it
        ]:
            yield place, f"default {json.dumps(default)}"
        for choice in choices:
            if "enum" not in choice:
                yield place, _kind(choice)
            elif not any_text:
                yield from ((place, json.dumps(value)) for value in choice["enum"])
            yield from ((place, f"{key} {choice[key]:g}") for key in LIMITS if key in choice)
            if choice.get("additionalProperties") is False:
                yield place, "nothing else"
            for name, part in choice.get("properties", {}).items():
                separator = "." if " " in place else " "
                below = f"{place}{separator}{name}"
                yield below, "required" if name in choice.get("required", ()) else "optional"
                yield from self._schema(part, below)
            if "items" in choice:
                yield from self._schema(choice["items"], f"{place}[]")

    def _choices(self, schema: Json) -> list[Json]:
        schema = self._resolved(schema)
        nested = schema.get("anyOf") or schema.get("oneOf")
        return [it for one in nested for it in self._choices(one)] if nested else [schema]

    def _resolved(self, node: Json) -> Json:
        while "$ref" in node:
            found: Json = self._document
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node


def _kind(choice: Json) -> str:
    """Return the type of what a schema without further choices describes."""
    if "properties" in choice:
        return "object"
    kind = str(choice.get("type", "any"))
    closed = choice.get("additionalProperties") is False
    return "any object" if kind == "object" and not closed else kind


def differences(theirs: Document, ours: Document) -> list[Row]:
    """Return every place of which the two say different things; no parts where one lacks it."""
    shared = theirs.paths & ours.paths
    said = [by_place(document, shared) for document in (theirs, ours)]
    rows: list[Row] = []
    lacking: tuple[str, ...] = ()
    for place in sorted({**said[0], **said[1]}):
        if place.startswith(lacking):
            continue
        left, right = (one.get(place, set()) for one in said)
        if left != right:
            rows.append((place, ", ".join(sorted(left - right)), ", ".join(sorted(right - left))))
        if not (left and right) or OPEN & (left ^ right):
            lacking = (*lacking, f"{place}.", f"{place}[", f"{place} ")
    return rows


def by_place(document: Document, paths: frozenset[str]) -> dict[str, set[str]]:
    """Gather a document's statements about paths."""
    found: dict[str, set[str]] = {}
    for place, statement in document.statements(paths):
        found.setdefault(place, set()).add(statement)
    return found


def explained() -> list[Row]:
    """Return the rows of the page."""
    rows = []
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:  # noqa: PLR2004
            rows.append((cells[0], cells[1], cells[2]))
    return rows


def main() -> int:
    """List the differences, or check that the page explains them; return the exit code."""
    parser = argparse.ArgumentParser(description="Compare our OpenAPI description with OpenAI's.")
    parser.add_argument("openai", type=Path, help="openapi.json of openai/openai-openapi")
    parser.add_argument("--check", action="store_true", help="fail unless the page has exactly these")
    arguments = parser.parse_args()
    theirs = Document(json.loads(arguments.openai.read_bytes()))
    ours = Document(create_app(Hub.assemble(Settings())).openapi_schema.to_schema(), prefix="/v1")
    rows = differences(theirs, ours)
    shared = sorted(theirs.paths & ours.paths)
    if not arguments.check:
        for place, left, right in rows:
            print(f"| `{place}` | {code(left)} | {code(right)} |")
        print(f"{len(rows)} differences", file=sys.stderr)
        return 0
    missing, stale = set(rows) - set(explained()), set(explained()) - set(rows)
    for text, these in (("not explained", missing), ("no longer there", stale)):
        for place, left, right in sorted(these):
            print(f"{text}: {place}: OpenAI: {left or '-'}; speechhub: {right or '-'}")
    print(f"{len(shared)} paths that both have: {', '.join(shared)}")
    print(f"{len(rows)} differences, {len(missing)} not explained, {len(stale)} explained without need")
    return 1 if missing or stale else 0


def code(text: str) -> str:
    """Mark text as code."""
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    sys.exit(main())
