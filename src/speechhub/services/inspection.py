"""Findings about settings that cannot work with what is installed, before a request meets them."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from speechhub.discovery import InstalledEngine
from speechhub.engine import TtsCapabilities
from speechhub.errors import ModelNotFoundError, ModelNotInstalledError, VoiceDamagedError
from speechhub.placement import Placement
from speechhub.services.catalog import OPENAI_VOICES, Catalog
from speechhub.settings import Settings
from speechhub.settings.faults import near
from speechhub.settings.hosts import is_address, is_loopback, overlap, pattern
from speechhub.store import ModelState, ModelStore
from speechhub.voices import VoiceLibrary

INSTALL_ENGINES = f"{sys.executable} -m pip install 'speechhub[cpu]'"
"""Gives an installation without engines one for each direction; pyproject.toml names them."""
INSTALL_ZEROCONF = f"{sys.executable} -m pip install 'speechhub[zeroconf]'"


_ORIGIN: Final = re.compile(r"[a-z*][a-z0-9+.*-]*://[^/A-Z\s?#]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that an operator should know."""

    subject: str
    """What it is about: a setting, as it is called in the TOML file, or ``engines``."""
    text: str
    """What is wrong, and what to do."""
    breaks: bool
    """Whether requests fail for it; otherwise it may be meant so."""
    stops: bool = False
    """Whether the server refuses to start with it, as with any other setting that cannot be meant so."""
    exposes: bool = False
    """Whether it is not a mistake, but gives others access."""


def inspect(
    settings: Settings,
    *,
    engines: Sequence[InstalledEngine],
    placements: Mapping[str, Placement],
    catalog: Catalog,
    store: ModelStore,
    library: VoiceLibrary,
) -> tuple[Finding, ...]:
    """Compare the settings with what is here; reads the disk a little, starts nothing."""
    return (
        *_strangers(settings),
        *_wyoming(settings),
        *_callers(settings),
        *_missing_engines(engines, placements),
        *_options(settings, engines),
        *_option_folders(placements),
        *_preloads(settings, catalog),
        *_voice_aliases(settings, placements, library),
        *_model_files(settings, placements, store),
        *_licences(settings, placements),
    )


def _strangers(settings: Settings) -> Iterator[Finding]:
    """Look whether the network may use the server; a container has to listen on all of its addresses."""
    if settings.api_keys or is_loopback(settings.host):
        return
    text = (
        f"the server listens on {settings.host} and has no keys, so every program that can reach it may "
        "use it. Set api_keys or api_keys_file, unless only this machine or a proxy reaches it, as with a "
        "container's port that is published on 127.0.0.1."
    )
    yield Finding(subject="host", text=text, breaks=False, exposes=True)


def _wyoming(settings: Settings) -> Iterator[Finding]:
    """Look whether the port for Home Assistant can work, and what it opens: its protocol has no keys."""
    if not settings.wyoming_port:
        if settings.wyoming_zeroconf:
            text = "nothing is announced, because wyoming_port is 0. Set it; 10300 is usual."
            yield Finding(subject="wyoming_zeroconf", text=text, breaks=False)
        return
    host = settings.wyoming_address
    if settings.wyoming_host is not None and not is_address(settings.wyoming_host):
        text = (
            f"{settings.wyoming_host!r} is not an address to listen on. Set it to an IP address of this "
            "machine, or to 0.0.0.0 for all, without a scheme and a port; the port is in wyoming_port."
        )
        yield Finding(subject="wyoming_host", text=text, breaks=True, stops=True)
    elif settings.wyoming_port == settings.port and overlap(host, settings.host):
        text = f"{settings.port} is HTTP's port, too (setting port). Set another for Wyoming; 10300 is usual."
        yield Finding(subject="wyoming_port", text=text, breaks=True, stops=True)
    elif not is_loopback(host) and (settings.api_keys or is_loopback(settings.host)):
        text = (
            f"the port for Home Assistant, {settings.wyoming_port}, is open on {host}, and its protocol has "
            "no keys, so every program that can reach it may use the server. Let a firewall admit Home "
            "Assistant's address alone, or set wyoming_host to an address that only it reaches."
        )
        yield Finding(subject="wyoming_host", text=text, breaks=False, exposes=True)
    if not settings.wyoming_zeroconf:
        return
    if find_spec("zeroconf") is None:
        text = f"the package zeroconf is not installed. Install it: {INSTALL_ZEROCONF}"
        yield Finding(subject="wyoming_zeroconf", text=text, breaks=True, stops=True)
    elif is_loopback(host):
        text = (
            f"the server listens on {host}, so it is announced to this machine alone. Set wyoming_host to "
            "0.0.0.0, or to this machine's address in the network of Home Assistant."
        )
        yield Finding(subject="wyoming_zeroconf", text=text, breaks=False)


def _callers(settings: Settings) -> Iterator[Finding]:
    """Look for names of hosts and origins of pages that no request can have."""
    for entry in settings.allowed_hosts:
        if pattern(entry) is None:
            text = f"{entry!r} is not a host name, such as speech.example.org or *.example.org."
            yield Finding(subject="allowed_hosts", text=text, breaks=True, stops=True)
    for entry in settings.cors_origins:
        if entry not in ("*", "null") and not _ORIGIN.fullmatch(entry):
            text = (
                f"{entry!r} is not an origin. An origin is a scheme, a host and an optional port, in "
                "lower case and without a trailing slash, such as https://chat.example.org."
            )
            yield Finding(subject="cors_origins", text=text, breaks=True)


def _missing_engines(
    engines: Sequence[InstalledEngine], placements: Mapping[str, Placement]
) -> Iterator[Finding]:
    if not engines:
        text = f"no engine is installed, so every request is refused. Install engines: {INSTALL_ENGINES}"
        yield Finding(subject="engines", text=text, breaks=False)
    running = {placement.engine.spec.name for placement in placements.values()}
    for engine in engines:
        if engine.spec.models and engine.spec.name not in running:
            kinds = ", ".join(engine.spec.devices)
            text = f"its models are not served: it runs on {kinds}, and this machine has none of these."
            yield Finding(subject=f"engine {engine.spec.name}", text=text, breaks=False)


def _options(settings: Settings, engines: Sequence[InstalledEngine]) -> Iterator[Finding]:
    for engine in engines:
        if engine.spec.options is None:  # it does not tell
            continue
        known = {option.name: option for option in engine.spec.options}
        for name, value in settings.engines.get(engine.spec.name, {}).items():
            subject = f"engines.{engine.spec.name}.{name}"
            if name == "device":
                continue
            if name not in known:
                text = f"the engine has no such option. {near(name, [*known, 'device'])}"
                yield Finding(subject=subject, text=text, breaks=True, stops=True)
            elif problem := known[name].problem_with(value):
                yield Finding(subject=subject, text=problem, breaks=True, stops=True)


def _option_folders(placements: Mapping[str, Placement]) -> Iterator[Finding]:
    """Look for folders that options name in place of a model's part."""
    seen: set[str] = set()
    for placement in placements.values():
        for part in placement.model.parts:
            subject = f"engines.{placement.engine.spec.name}.{part.option}"
            folder = placement.options.get(part.option) if part.option else None
            if isinstance(folder, str) and folder and subject not in seen and not Path(folder).is_dir():
                seen.add(subject)
                yield Finding(subject=subject, text=f"there is no folder {folder}.", breaks=True)


def _preloads(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    for name in settings.preload:
        try:
            catalog.find(name)
        except ModelNotInstalledError as error:
            yield Finding(subject="preload", text=error.message, breaks=True)
        except ModelNotFoundError:
            text = f"there is no model {name!r}. {near(name, (listed.name for listed in catalog.listings()))}"
            yield Finding(subject="preload", text=text, breaks=True)


def _voice_aliases(
    settings: Settings, placements: Mapping[str, Placement], library: VoiceLibrary
) -> Iterator[Finding]:
    speaking = [
        placement for placement in placements.values() if isinstance(placement.capabilities, TtsCapabilities)
    ]
    models = [placement.model for placement in speaking]
    voices = {key for model in models for voice in model.voices for key in (voice.id, voice.name) if key}
    silent = [found.model.id for found in speaking if not found.model.voices and not _clones(found)]
    known = {*map(str.lower, voices), *OPENAI_VOICES}
    for alias, voice in settings.voice_aliases.items():
        if voice.lower() in known or _in_library(voice, library):
            continue
        if voice in settings.voice_aliases:
            text = f"{voice!r} is an alias itself, and aliases of aliases are not looked up. Name a voice."
        else:
            text = f"no model has a voice {voice!r}. {near(voice, {*voices, *OPENAI_VOICES})}"
        if silent:
            text += f" The voices of {', '.join(silent)} are known only once they are loaded."
        yield Finding(subject=f"voice_aliases.{alias}", text=text, breaks=not silent)


def _in_library(voice: str, library: VoiceLibrary) -> bool:
    try:
        return bool(library.find(voice) or library.aliased(voice))
    except (VoiceDamagedError, OSError):  # it is there, and told of elsewhere; or nothing can be told
        return True


def _clones(placement: Placement) -> bool:
    """Return whether a model's voices may all be the library's."""
    return isinstance(placement.capabilities, TtsCapabilities) and placement.capabilities.cloning


def _model_files(
    settings: Settings, placements: Mapping[str, Placement], store: ModelStore
) -> Iterator[Finding]:
    for name in settings.models:
        placement = placements.get(name)
        if placement is None:
            continue
        status = store.status(placement.model, local=placement.path, search_path=placement.engine.search_path)
        if status.state is ModelState.MISSING:
            yield Finding(subject=f"models.{name}", text=status.detail, breaks=True)


def _licences(settings: Settings, placements: Mapping[str, Placement]) -> Iterator[Finding]:
    models = [placement.model for placement in placements.values()]
    known = {"all", *(model.id for model in models), *(model.licence for model in models if model.licence)}
    for name in settings.accept_licenses:
        if name.lower() not in set(map(str.lower, known)):
            text = f"there is no model and no licence named {name!r}. {near(name, known)}"
            yield Finding(subject="accept_licenses", text=text, breaks=False)
