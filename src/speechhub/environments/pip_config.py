"""pip's configuration, read for uv, which does not read it.

A machine that reaches its packages through a mirror, a proxy or a certificate of its own says so to pip; what
we install must come the same way. Standard library only: this runs before anything is installed.
"""

import configparser
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

COMMAND_SECTIONS = ("global", "install")
"""Sections of pip.conf that concern ``pip install``; the later one wins."""

ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}
"""Other spellings that pip accepts for an option."""


def pip_configuration(environ: Mapping[str, str], *, prefix: str = sys.base_prefix) -> dict[str, str]:
    """Read pip's configuration of this machine.

    Args:
        environ: Variables of the process; ``PIP_*`` wins over the files.
        prefix: Where the Python that carries pip is installed; it may hold a pip.conf.

    Returns:
        Option name without dashes in front → value as text; options that hold several values separate them
        by blanks or line ends. Source: pip's documentation, topic "Configuration".
    """
    options: dict[str, str] = {}
    for section in COMMAND_SECTIONS:
        for path in _files(environ, prefix):
            options |= _read_section(path, section)
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            options[_option(name.removeprefix("PIP_"))] = value
    return options


def uv_environment(
    configuration: Mapping[str, str], environ: Mapping[str, str], *, hashed: bool = False
) -> dict[str, str]:
    """Translate the configuration for uv.

    Args:
        configuration: What `pip_configuration` returned.
        environ: Variables of the process; what the user told uv already is left alone.
        hashed: Whether hashes are required. Each version is fixed then, so constraints have no say, and uv
            refuses those without hashes.

    Returns:
        The variables to add to the environment of uv.
    """
    several = {name: value.split() for name, value in configuration.items()}
    wanted = {
        "UV_DEFAULT_INDEX": configuration.get("index-url", ""),
        "UV_INDEX": " ".join(several.get("extra-index-url", ())),
        "UV_FIND_LINKS": ",".join(_present(several.get("find-links", ()))),
        "UV_INSECURE_HOST": " ".join(several.get("trusted-host", ())),
        "UV_CONSTRAINT": " ".join(several.get("constraint", ())),
        "UV_HTTP_TIMEOUT": configuration.get("timeout", "").split(".")[0],
        "SSL_CERT_FILE": configuration.get("cert", ""),
        "SSL_CLIENT_CERT": configuration.get("client-cert", ""),
        "HTTP_PROXY": configuration.get("proxy", ""),
        "HTTPS_PROXY": configuration.get("proxy", ""),
    }
    if wanted["UV_INDEX"]:
        # pip takes the best version from all indexes; uv's own default stops at the first that has the name.
        wanted["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    older_names = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
    told = {
        name: value
        for name, value in wanted.items()
        if value and not (environ.get(name) or environ.get(older_names.get(name, name.lower())))
    }
    return told | {"UV_CONSTRAINT": ""} if hashed else told


def needs_pip(configuration: Mapping[str, str]) -> bool:
    """Return whether pip is configured to use no index at all, for which uv has no variable."""
    return configuration.get("no-index", "").lower() in ("1", "true", "yes", "on")


def _files(environ: Mapping[str, str], prefix: str) -> list[str]:
    """Return pip's configuration files, the one that wins last; files that do not exist included."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    home = environ.get("HOME") or Path.home()
    if sys.platform == "darwin":
        everywhere = ["/Library/Application Support/pip/pip.conf"]
    else:
        folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        everywhere = [f"{folder}/pip/pip.conf" for folder in folders.split(":") if folder]
        everywhere.append("/etc/pip.conf")
    own = [f"{home}/.pip/pip.conf", f"{environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/pip/pip.conf"]
    if sys.platform == "darwin":
        own.append(f"{home}/Library/Application Support/pip/pip.conf")
    if named and Path(named).exists():
        own = []  # a file that is named takes the place of the user's
    return [*everywhere, *own, f"{prefix}/pip.conf", *([named] if named else [])]


def _read_section(path: str, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, "utf-8")
        items = parser.items(section)
    except (configparser.Error, UnicodeDecodeError):
        return {}  # no such section; or a broken file, which pip itself will complain about
    return {_option(name): value for name, value in items if value}


def _option(name: str) -> str:
    name = name.lower().replace("_", "-").removeprefix("--")
    return ALIASES.get(name, name)


def _present(places: Iterable[str]) -> list[str]:
    """Drop folders that do not exist: pip warns about them, uv would stop."""
    full = [place if "://" in place else str(Path(place).expanduser()) for place in places]
    return [place for place in full if "://" in place or Path(place).exists()]
