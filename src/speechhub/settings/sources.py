"""Sources of settings, and their order of precedence.

This is the only module that reads the environment. Every setting has a name in the TOML file and, in upper
case after ``SPEECHHUB_``, in the environment. There, tables and lists are written as JSON; a list of plain
words may also be separated by commas.
"""

import io
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from dotenv.main import DotEnv
from dotenv.variables import Variable, parse_variables

from speechhub.errors import ConfigurationError
from speechhub.errors.encoding import fault_of, fault_of_text, without_mark
from speechhub.mirrors import MIRRORS
from speechhub.settings.expected import expected, shown
from speechhub.settings.faults import SECRET, explain, near
from speechhub.settings.files import (
    DOTENV,
    TOML,
    IgnoredFile,
    SettingsFile,
    is_dotenv,
    left_alone,
    read_found,
    read_named,
)
from speechhub.settings.placeholders import is_placeholder
from speechhub.settings.secret import Secret, is_secret
from speechhub.settings.values import Settings

PREFIX = "SPEECHHUB_"
CONFIG = PREFIX + "CONFIG"
SERVICE_LINK = re.compile(
    PREFIX + r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
    "|" + PREFIX + r"(\w+_)?PORT=(tcp|udp|sctp)://.*"
)
"""Variables that Kubernetes sets in every container for a Service named speechhub, or speechhub-something.
Source: Kubernetes' documentation, "Service", environment variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Settings, and where they come from."""

    settings: Settings
    origins: Mapping[str, str]
    """Name of a setting → where it was written, in words."""
    files: tuple[SettingsFile, ...]
    """Files that were read."""
    ignored: tuple[IgnoredFile, ...]
    """Files in the current folder that were not."""
    hub_named: bool
    """Whether the operator chose the model hub, in the environment or in a file that the operator named: only
    then may it receive HF_TOKEN. A file found in the current folder or a mirror's profile does not count."""


def load_settings(
    *,
    config_file: Path | None = None,
    current_folder: bool = False,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings from all their sources, as `read_settings` does, and return only the settings.

    Raises:
        ConfigurationError: A source has an unknown name or a wrong value; the message says which.
    """
    return read_settings(
        config_file=config_file, current_folder=current_folder, environ=environ, overrides=overrides
    ).settings


def read_settings(
    *,
    config_file: Path | None = None,
    current_folder: bool = False,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Reading:
    """Read the settings from all their sources.

    Args:
        config_file: TOML file, file of variables whose name ends with ``.env``, or folder with
            ``speechhub.toml`` and ``.env``; by default ``SPEECHHUB_CONFIG``, else ``config.toml`` in the home
            folder. A named file or folder must exist.
        current_folder: Whether to read ``speechhub.toml`` and ``.env`` in the current folder, if they are the
            user's own: the first if no TOML file is named, the second if no other ``.env`` is named.
        environ: The environment; by default the process's own.
        overrides: Values that win over everything else, by setting name.

    Raises:
        ConfigurationError: A source has an unknown name or a wrong value; the message says which.
    """
    process = os.environ if environ is None else environ
    named = config_file or (Path(process[CONFIG]).expanduser() if process.get(CONFIG) else None)
    files, ignored = _find_files(named, current_folder=current_folder)
    dotenv_file = next((file for file in files if is_dotenv(file.path)), None)
    dotenv = _variables(dotenv_file, process) if dotenv_file else {}
    if dotenv_file and dotenv.get(CONFIG) and not process.get(CONFIG) and not config_file:
        files = [dotenv_file, *_led_to(Path(dotenv[CONFIG]).expanduser(), dotenv_file)]
    toml = next((file for file in files if not is_dotenv(file.path)), None)
    if toml is None:
        home = Path(process.get(PREFIX + "HOME") or dotenv.get(PREFIX + "HOME") or "~/.speechhub")
        toml = read_named(home.expanduser() / "config.toml", must_exist=False)
        if toml and not process.get(PREFIX + "HOME") and dotenv.get(PREFIX + "HOME") and dotenv_file:
            toml = replace(toml, named=dotenv_file.named)
        files = [*files, *([toml] if toml else [])]
    values, origins = _read_toml(toml)
    theirs = {name for name in values if toml and not toml.named}
    shown = (
        "the file .env" if dotenv_file is None or not dotenv_file.named else f"the file {dotenv_file.path}"
    )
    for source, mapping, own in (
        (shown, dotenv, dotenv_file is None or dotenv_file.named),
        ("the environment", process, True),
    ):
        found = _from_environment(mapping, source)
        values |= found
        origins |= {name: f"{PREFIX}{name.upper()} in {source}" for name in found}
        theirs = theirs - set(found) if own else theirs | set(found)
    for name, value in (overrides or {}).items():
        values[name] = value
        origins[name] = f"{name} on the command line"
        theirs.discard(name)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise ConfigurationError(explain(values, origins, _fit) or f"Settings: {error}.") from error
    for name in SECRET:
        _refuse_placeholders(getattr(settings, name), origins.get(name, ""))
    own_endpoint = settings.hf_endpoint or process.get("HF_ENDPOINT")
    settings = msgspec.structs.replace(
        settings,
        home=settings.home.expanduser().absolute(),
        # HF_ENDPOINT is huggingface_hub's own variable, and more specific than a whole profile.
        hf_endpoint=settings.hf_endpoint
        or (None if process.get("HF_ENDPOINT") else MIRRORS[settings.mirror].hf_endpoint),
        api_keys=settings.api_keys + _read_keys(settings.api_keys_file, origins.get("api_keys_file", "")),
    )
    for one in ignored:
        if any(not getattr(settings, name) for name in one.keys):
            raise ConfigurationError(
                f"{one.text} It seems to hold keys. Without them, anyone could use the server, or operate it."
            )
    return Reading(
        settings=settings,
        origins=origins,
        files=tuple(files),
        ignored=tuple(ignored),
        hub_named=bool(own_endpoint) and "hf_endpoint" not in theirs,
    )


def _find_files(named: Path | None, *, current_folder: bool) -> tuple[list[SettingsFile], list[IgnoredFile]]:
    """Return the files that are used, and those in the current folder that are not."""
    files: list[SettingsFile] = []
    if named is not None and named.is_dir():
        inside = [read_named(named / name, must_exist=False) for name in (TOML, DOTENV)]
        files = [file for file in inside if file is not None]
        if not files:
            raise ConfigurationError(f"The folder {named} has neither {TOML} nor {DOTENV}.")
        return files, []
    if named is not None and (file := read_named(named)):
        files.append(file)
    if not current_folder:
        return files, [] if named else list(left_alone(Path()))
    wanted = [DOTENV] if named is None or not is_dotenv(named) else []
    wanted += [TOML] if named is None else []
    found = [read_found(Path(name)) for name in wanted]
    files += [one for one in found if isinstance(one, SettingsFile)]
    return files, [one for one in found if isinstance(one, IgnoredFile)]


def _led_to(path: Path, by: SettingsFile | None) -> list[SettingsFile]:
    """Return the TOML file that a file of variables names; it is trusted as much as that file."""
    if by is None or by.named:
        file = read_named(path)
        return [file] if file else []
    found = read_found(path)
    if found is None:
        raise ConfigurationError(f"There is no configuration file {path}.")
    if isinstance(found, IgnoredFile):
        raise ConfigurationError(f"{CONFIG} in the file .env: {found.text}")
    return [found]


def _variables(file: SettingsFile, process: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a file, with ``${NAME}`` replaced.

    A file that was only found, not named, may not copy a secret of the environment into a setting that is not
    secret: the secret would become part of an address or of a path.

    Raises:
        ConfigurationError: The file tries to.
    """
    raw = DotEnv(None, stream=io.StringIO(file.text), interpolate=False).dict()
    values: dict[str, str] = {}
    secret = {name for name, value in process.items() if is_secret(name, value)}
    for name, text in raw.items():
        if text is None:
            continue
        atoms = list(parse_variables(text))
        used = {atom.name for atom in atoms if isinstance(atom, Variable)} & secret
        setting = name.removeprefix(PREFIX).lower() if name.startswith(PREFIX) else ""
        if used and not file.named:
            secret.add(name)
            if setting and setting not in SECRET:
                raise ConfigurationError(
                    f"{name} in the file {file.path} contains {', '.join(sorted(used))}, which is secret. "
                    f"Name the file to allow that: --config {file.path}"
                )
        values[name] = "".join(atom.resolve({**process, **values}) for atom in atoms)
    return values


def _read_keys(path: Path | None, origin: str) -> tuple[Secret, ...]:
    if path is None:
        return ()
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"Setting {origin} is {str(path)!r}: it must be a file that the server can read, with one key "
            f"per line: {error.strerror}."
        ) from error
    if fault_of(data):  # its text would show bytes of the key
        raise ConfigurationError(f"Setting {origin} is {str(path)!r}: the file is not UTF-8 text.")
    lines = [line.strip() for line in without_mark(data).decode().splitlines()]
    keys = tuple(Secret(line) for line in lines if line and not line.startswith("#"))
    if not keys:  # the operator wants keys: never serve without them
        raise ConfigurationError(
            f"Setting {origin} is {str(path)!r}: the file has no keys. Write one key per line, or unset it."
        )
    _refuse_placeholders(keys, origin)
    return keys


def _refuse_placeholders(keys: tuple[Secret, ...], origin: str) -> None:
    """Never serve with a placeholder key from a sample: it looks safe, but everyone can know it."""
    for number, key in enumerate(keys, 1):
        if is_placeholder(key.reveal()):
            raise ConfigurationError(
                f"Setting {origin}: key {number} is {shown(key.reveal())}, a placeholder from a sample, "
                "which anyone can guess. Use a key of your own, such as one that 'openssl rand -hex 32' "
                "prints."
            )


def _read_toml(file: SettingsFile | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values in the TOML file, and where each of them is."""
    if file is None:
        return {}, {}
    try:
        values = tomllib.loads(file.text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The configuration file {file.path} is not valid TOML: {error}.") from error
    return values, {name: f"{name} in {_place(file.path, file.text, name)}" for name in values}


def _place(path: Path, text: str, name: str) -> str:
    """Name the file and, if it can be found, the line on which a setting begins."""
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(name)}["']?\s*[=.\]]""")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if begins.match(line)]
    return f"line {lines[0]} of {path}" if lines else f"the file {path}"


def _from_environment(mapping: Mapping[str, str], source: str) -> dict[str, Any]:
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    values: dict[str, Any] = {}
    for key, text in mapping.items():
        if not key.startswith(PREFIX) or key == CONFIG or text == "":
            continue
        if SERVICE_LINK.fullmatch(f"{key}={text}"):
            continue
        name = key.removeprefix(PREFIX).lower()
        if name not in fields:
            raise ConfigurationError(
                f"Unknown setting {key} in {source}. "
                + near(name, fields, written=lambda known: PREFIX + known.upper())
            )
        # To the system a path is bytes, which need not be text.
        if fields[name].type not in (Path, Path | None) and (fault := fault_of_text(text)):
            fault = "is not UTF-8 text" if name in SECRET else fault
            raise ConfigurationError(f"Setting {key} in {source} {fault}.")
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
        if not words:  # a template with empty variables: without API keys, anyone could use the server
            raise ConfigurationError(f"{key} contains only commas. Fill it in, or unset it.")
        return words
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        value = "" if name in SECRET else f" is {shown(text)}"
        raise ConfigurationError(
            f"Setting {key}{value}: it must be {expected(kind)}, written as JSON ({error})."
        ) from error
