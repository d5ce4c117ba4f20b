"""The settings as people read them: in .env.example, in config.example.toml and in docs/configuration.md."""

import inspect
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import msgspec
from _page_blocks import with_block
from _setting_docs import SettingDoc, read_setting_docs

from speechhub.settings import ModelSettings, Settings, sources, values

ENV_HEAD = """\
# speechhub's settings, each with its default. Copy this file to .env and uncomment what you want to change.
# `speechhub serve` reads .env of the folder that it is started in, if it is yours; other commands do with
# --config . on their line.
# The environment wins over .env, and .env over the TOML file. An empty value means the default.
# Lists are words with commas between them, tables are JSON.
# Made by scripts/generate_docs.py from src/speechhub/settings/values.py: don't edit it here.

# TOML file with settings, or a folder with one; by default ./speechhub.toml for `speechhub serve`, else
# config.toml in the folder SPEECHHUB_HOME.
# SPEECHHUB_CONFIG=
"""

TOML_HEAD = """\
# speechhub's settings, each with its default. Copy this file to ~/.speechhub/config.toml, which every command
# reads, or to speechhub.toml in the folder that you start speechhub in, which `speechhub serve` reads, and
# other commands do with --config . on their line. Uncomment what you want to change.
# The file .env and the environment win over this file. docs/configuration.md says more.
# Made by scripts/generate_docs.py from src/speechhub/settings/values.py: don't edit it here.
"""

GROUPS = {
    "host": "The server",
    "stt_model": "Models and voices",
    "max_upload_bytes": "Requests",
    "device": "Devices and engines",
    "mirror": "Downloads",
}
"""First setting of each group → the group's title."""

UNSET_EXAMPLES = {
    "wyoming_host": "0.0.0.0",
    "wyoming_name": "speechhub-kitchen",
    "api_keys_file": "/run/secrets/speechhub-keys",
    "stt_model": "whisper-base",
    "tts_model": "piper-en-us-joe",
    "hf_endpoint": "https://hf-mirror.com",
}
"""What a setting without a default looks like; in TOML there is no way to write none."""

TABLE_EXAMPLES = {
    "aliases": '[aliases]\nmy-model = "whisper-base"\n',
    "voice_aliases": '[voice_aliases]\nalloy = "joe"\n',
    "models": (
        '[models.whisper-small]\nengine = "whisper"\nhub = "Systran/faster-whisper-small"\n'
        '\n[models.my-model]\nengine = "whisper"\npath = "/srv/models/my-model"\n'
    ),
    "engines": '[engines.whisper]\ndevice = "cpu"\n',
}
"""What a table looks like; tables stand at the end of a TOML file."""

COMPOSE_MARKS = ("      # made by scripts/generate_docs.py from here\n", "      # to here\n")
COMPOSE_FIXED = ("host", "port", "home")
"""Settings that the image decides."""
COMPOSE_DEFAULTS = {"allowed_hosts": "speechhub"}
"""Settings whose default is another in a container: what comes from this machine has the bridge's address
there, so that only a list of hosts tells it from a foreign page; other containers say the service's name."""


def compose_file(text: str) -> str:
    """Return compose.yaml with the list of variables that it passes on regenerated.

    Raises:
        ValueError: The file has no place for the list.
    """
    parts = re.split("|".join(map(re.escape, COMPOSE_MARKS)), text)
    if len(parts) != 3:  # noqa: PLR2004  # before, between, behind
        raise ValueError(f"compose.yaml needs the lines {' and '.join(COMPOSE_MARKS)}, each once.")
    names = [doc.name for doc in _docs() if doc.name not in COMPOSE_FIXED]
    variables = "".join(
        f"      {_variable(name)}: ${{{_variable(name)}:-{COMPOSE_DEFAULTS.get(name, '')}}}\n"
        for name in names
    )
    return f"{parts[0]}{COMPOSE_MARKS[0]}{variables}{COMPOSE_MARKS[1]}{parts[2]}"


def env_example() -> str:
    """Return the text of .env.example."""
    lines = [ENV_HEAD]
    for doc in _docs():
        if doc.starts_group:
            lines.append("# " + "─" * 40 + "\n")
        lines.append(f"# {doc.docstring.replace('``', '`')}")
        if choices := _choices(doc.name):
            lines.append(f"# One of: {choices}.")
        lines.append(f"# {_variable(doc.name)}={env_value(_default(doc.name))}\n")
    return "\n".join(lines)


def env_value(value: Any) -> str:
    """Return a setting's value as it is written in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)


def toml_example() -> str:
    """Return the text of config.example.toml."""
    lines, tables = [TOML_HEAD], []
    for doc in _docs():
        if doc.starts_group:
            lines.append(f"# ── {GROUPS[doc.name]} ──\n")
        text = textwrap.wrap(_meaning(doc), width=108, initial_indent="# ", subsequent_indent="# ")
        if doc.name in TABLE_EXAMPLES:
            commented = ["# " + line if line else "" for line in TABLE_EXAMPLES[doc.name].splitlines()]
            tables += ["\n".join([*text, *commented, ""])]
            continue
        if choices := _choices(doc.name):
            text.append(f"# One of: {choices}.")
        if _default(doc.name) is None:
            text.append("# Not set by default; for example:")
        lines.append("\n".join([*text, f"# {doc.name} = {toml_value(doc.name)}", ""]))
    return "\n".join([*lines, "# ── Tables; they stand behind everything else ──\n", *tables])


def toml_value(name: str) -> str:
    """Return a setting's default, or an example if it has none, as it is written in TOML."""
    value = _default(name)
    if value is None:
        value = UNSET_EXAMPLES[name]
    if isinstance(value, Path):
        value = str(value)
    # JSON's scalars and lists are TOML's.
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def configuration_page(page: str) -> str:
    """Return the page with its generated part regenerated."""
    return with_block(page, "settings", _tables())


def _tables() -> str:
    lines: list[str] = []
    for doc in _docs():
        if doc.starts_group:
            lines += [*([""] if lines else []), f"### {GROUPS[doc.name]}", "", *_TABLE_HEAD]
        default = _default(doc.name)
        shown = "not set" if default is None else f"`{toml_value(doc.name)}`"
        meaning = _meaning(doc) + (f" One of: {choices}." if (choices := _choices(doc.name)) else "")
        lines.append(f"| `{doc.name}` | `{_variable(doc.name)}` | {shown} | {_cell(meaning)} |")
    lines += ["", "### A model of your own", "", "| Key of `[models.NAME]` | Default | Meaning |"]
    lines += ["| --- | --- | --- |"]
    fields = {field.name: field for field in msgspec.structs.fields(ModelSettings)}
    for doc in read_setting_docs(inspect.getsource(values), "ModelSettings"):
        default = fields[doc.name].default
        shown = "required" if default is msgspec.NODEFAULT else "not set" if not default else f"`{default}`"
        lines.append(f"| `{doc.name}` | {shown} | {_cell(_meaning(doc))} |")
    return "\n".join(lines) + "\n"


_TABLE_HEAD = ("| Name | Environment | Default | Meaning |", "| --- | --- | --- | --- |")


def _docs() -> list[SettingDoc]:
    return read_setting_docs(inspect.getsource(values), "Settings")


def _default(name: str) -> Any:
    return getattr(Settings(), name)


def _variable(name: str) -> str:
    return f"{sources.PREFIX}{name.upper()}"


def _choices(name: str) -> str:
    """Return the values that a setting may have, where they can be counted; empty otherwise."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    kind = msgspec.inspect.type_info(kinds[name])
    return ", ".join(map(str, kind.values)) if isinstance(kind, msgspec.inspect.LiteralType) else ""


def _meaning(doc: SettingDoc) -> str:
    """Return the docstring without the source of its value, which is for developers."""
    return doc.docstring.partition(" Source: ")[0].replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
