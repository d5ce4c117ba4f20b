"""Where settings come from, and which of them wins.

This is the only module that reads the environment. Every setting has a name in the TOML file and, in upper
case behind ``SPEECHHUB_``, in the environment; tables and lists are written as JSON there, and a list of
plain words also with commas.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from dotenv import dotenv_values

from speechhub.errors import ConfigurationError
from speechhub.mirrors import MIRRORS
from speechhub.settings.expected import expected, shown
from speechhub.settings.faults import SECRET, explain, near
from speechhub.settings.placeholders import is_placeholder
from speechhub.settings.secret import Secret
from speechhub.settings.values import Settings

PREFIX = "SPEECHHUB_"
SERVICE_LINK = re.compile(
    PREFIX + r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
    "|" + PREFIX + r"(\w+_)?PORT=(tcp|udp|sctp)://.*"
)
"""Variables that Kubernetes gives every container for a Service named speechhub, or speechhub-something.
Source: Kubernetes' documentation, "Service", environment variables."""


def load_settings(
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings from all their sources.

    Args:
        config_file: TOML file; by default ``SPEECHHUB_CONFIG``, else ``speechhub.toml`` in the current
            folder, else ``config.toml`` in the home folder. A file that is named must exist.
        environ: The environment; by default the process's own.
        overrides: Values that win over everything else, by setting name.

    Raises:
        ConfigurationError: A source has an unknown name or a wrong value; the message says which.
    """
    process = os.environ if environ is None else environ
    dotenv = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    env = {**dotenv, **process}
    values: dict[str, Any] = {}
    values, origins = _read_toml(config_file, env)
    for source, mapping in (("the file .env", dotenv), ("the environment", process)):
        found = _from_environment(mapping, source)
        values |= found
        origins |= {name: f"{PREFIX}{name.upper()} in {source}" for name in found}
    for name, value in (overrides or {}).items():
        values[name] = value
        origins[name] = f"{name} on the command line"
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise ConfigurationError(explain(values, origins, _fit) or f"Settings: {error}.") from error
    for name in SECRET:
        _refuse_placeholders(getattr(settings, name), origins.get(name, ""))
    return msgspec.structs.replace(
        settings,
        home=settings.home.expanduser().absolute(),
        # HF_ENDPOINT is huggingface_hub's own, and nearer to the operator than a whole profile.
        hf_endpoint=settings.hf_endpoint
        or (None if env.get("HF_ENDPOINT") else MIRRORS[settings.mirror].hf_endpoint),
        api_keys=settings.api_keys + _read_keys(settings.api_keys_file, origins.get("api_keys_file", "")),
    )


def _read_keys(path: Path | None, origin: str) -> tuple[Secret, ...]:
    if path is None:
        return ()
    try:
        lines = [line.strip() for line in path.expanduser().read_text("utf-8").splitlines()]
    except OSError as error:
        raise ConfigurationError(
            f"Setting {origin} is {str(path)!r}: it must be a file that the server can read, one key a line; "
            f"but: {error.strerror}."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"Setting {origin} is {str(path)!r}: the file is not UTF-8 text.") from error
    keys = tuple(Secret(line) for line in lines if line and not line.startswith("#"))
    if not keys:  # the operator wants keys: never serve without
        raise ConfigurationError(
            f"Setting {origin} is {str(path)!r}: the file has no keys. Write one on a line, or unset it."
        )
    _refuse_placeholders(keys, origin)
    return keys


def _refuse_placeholders(keys: tuple[Secret, ...], origin: str) -> None:
    """Never serve with a key from a sample: it looks safe, and strangers know it."""
    for number, key in enumerate(keys, 1):
        if is_placeholder(key.reveal()):
            raise ConfigurationError(
                f"Setting {origin}: key {number} is {shown(key.reveal())}, a placeholder as samples have it, "
                "which strangers know. Put a key of your own there, such as one that 'openssl rand -hex 32' "
                "prints."
            )


def _read_toml(config_file: Path | None, env: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the TOML file says, and where it says each."""
    named = config_file or (Path(env[PREFIX + "CONFIG"]) if env.get(PREFIX + "CONFIG") else None)
    home = Path(env.get(PREFIX + "HOME") or "~/.speechhub").expanduser()
    candidates = [named] if named else [Path("speechhub.toml"), home / "config.toml"]
    for path in candidates:
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigurationError(
                f"Cannot read the configuration file {path}: {error.strerror}."
            ) from error
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"The configuration file {path} is not valid TOML: {error}.") from error
        return values, {name: f"{name} in {_place(path, text, name)}" for name in values}
    if named:
        raise ConfigurationError(f"There is no configuration file {named}.")
    return {}, {}


def _place(path: Path, text: str, name: str) -> str:
    """Name the file and, if it can be told, the line in which a setting begins."""
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if begins.match(line)]
    return f"line {lines[0]} of {path}" if lines else f"the file {path}"


def _from_environment(mapping: Mapping[str, str], source: str) -> dict[str, Any]:
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    values: dict[str, Any] = {}
    for key, text in mapping.items():
        if not key.startswith(PREFIX) or key == PREFIX + "CONFIG" or text == "":
            continue
        if SERVICE_LINK.fullmatch(f"{key}={text}"):
            continue
        name = key.removeprefix(PREFIX).lower()
        if name not in fields:
            raise ConfigurationError(
                f"Unknown setting {key} in {source}. "
                + near(name, fields, written=lambda known: PREFIX + known.upper())
            )
        values[name] = _parse(name, f"{key} in {source}", text, fields[name].type)
    return values


def _fit(value: object, kind: Any) -> object:
    return msgspec.convert(value, kind, strict=False, dec_hook=_convert)


def _convert(kind: type, value: Any) -> Path | Secret:
    """Convert the types of settings that msgspec doesn't know."""
    if kind is Secret:
        if isinstance(value, str) and value.strip():
            return Secret(value.strip())
        raise TypeError("Expected a text that is not empty")
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise TypeError(f"Expected a path, got {value!r}")


def _parse(name: str, key: str, text: str, kind: Any) -> Any:
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.BoolType) and text.lower() in ("yes", "no", "on", "off"):
        return text.lower() in ("yes", "on")
    if not isinstance(info, (msgspec.inspect.DictType, msgspec.inspect.VarTupleType)):
        return text
    if isinstance(info, msgspec.inspect.VarTupleType) and not text.lstrip().startswith("["):
        words = [word.strip() for word in text.split(",") if word.strip()]
        if not words:  # a template with empty variables: for API keys, "none" would mean "everybody"
            raise ConfigurationError(f"{key} names nothing but commas. Fill it in, or unset it.")
        return words
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        value = "" if name in SECRET else f" is {shown(text)}"
        raise ConfigurationError(
            f"Setting {key}{value}: it must be {expected(kind)}, written as JSON ({error})."
        ) from error
