"""Check of the port for Home Assistant: whether it is free, or what answers there."""

import socket
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

if TYPE_CHECKING:
    from speechhub.settings import Settings

PATIENCE_S: Final = 5.0
"""How long Home Assistant waits for the answer. Source: its ``components/wyoming/data.py``."""
INFO_BYTES: Final = 4 * 1024 * 1024
"""Longest answer that is read; a hundred voices take 25 kB."""


class _Program(msgspec.Struct, frozen=True):
    name: str = ""
    models: tuple[msgspec.Raw, ...] = ()
    voices: tuple[msgspec.Raw, ...] = ()


class _Info(msgspec.Struct, frozen=True):
    asr: tuple[_Program, ...] = ()
    tts: tuple[_Program, ...] = ()


class _Event(msgspec.Struct, frozen=True):
    type: Literal["info"]
    data: _Info = _Info()
    data_length: Annotated[int, msgspec.Meta(ge=0, le=INFO_BYTES)] = 0


def look(settings: "Settings") -> tuple[bool, str]:
    """Ask the port of *settings* what it offers, as Home Assistant does; starts nothing.

    Args:
        settings: Their `wyoming_port` is not 0.

    Returns:
        Whether all is well, and what was found; otherwise also what to do.
    """
    from speechhub.errors import ConfigurationError
    from speechhub.settings.hosts import reachable
    from speechhub.settings.listening import free_address

    host = settings.wyoming_address
    at = f"{host}:{settings.wyoming_port}"
    try:
        free_address(host, settings.wyoming_port, prefix="wyoming_")
    except ConfigurationError as error:
        taken = error
    else:
        return True, f"{at} is free: the server is not running, or was started with other settings"
    try:
        with socket.create_connection((reachable(host), settings.wyoming_port), PATIENCE_S) as connection:
            connection.settimeout(PATIENCE_S)
            connection.sendall(b'{"type": "describe"}\n')
            info = _read_info(connection)
    except (OSError, msgspec.MsgspecError):
        return False, taken.message
    programs = (*info.asr, *info.tts)
    if not programs:  # as speechhub answers without engines
        return False, (
            f"{at} answers, and offers neither models nor voices. If it is speechhub, install engines and "
            "restart it; otherwise set SPEECHHUB_WYOMING_PORT, or --wyoming-port, to a free port."
        )
    if not any(program.name == "speechhub" for program in programs):
        named = " and ".join(sorted({program.name for program in programs}))
        return False, f"{taken.message} That program speaks Wyoming, and is called {named}."
    models = _counted(sum(len(program.models) for program in info.asr), "model")
    voices = _counted(sum(len(program.voices) for program in info.tts), "voice")
    return True, f"{at} answers, with {models} for speech to text and {voices}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _read_info(connection: socket.socket) -> _Info:
    """Read one event ``info``, whose data stand in its line or behind it.

    Raises:
        msgspec.MsgspecError: Something else came.
    """
    with connection.makefile("rb") as stream:
        head = msgspec.json.decode(stream.readline(INFO_BYTES), type=_Event)
        return (
            msgspec.json.decode(stream.read(head.data_length), type=_Info) if head.data_length else head.data
        )
