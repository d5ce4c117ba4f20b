"""Reads from a request's head which engine it is for. Pure.

The body, which names the model, is never seen: it passes through Ray's proxies unread.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs

from speechhub.http.aliases import REALTIME, resolve
from speechhub_ray.waits import Wish

STT: Final = "stt"
TTS: Final = "tts"

_STT_PATHS: Final = frozenset(
    {"/v1/audio/transcriptions", "/v1/audio/translations", "/asr", "/detect-language"}
)
_TTS_PATHS: Final = frozenset({"/v1/audio/speech"})
_TTS_BELOW: Final = "/v1/text-to-speech/"
_VOICE_LISTS: Final = frozenset({"/v1/audio/voices", "/v1/audio/speech/voices", "/v1/voices", "/v2/voices"})
_VOICES_BELOW: Final = "/v1/voices/"
"""Below and in which voices are read that only a loaded engine may know: the hub then loads it."""
_MODEL_HEADERS: Final = (b"serve_multiplexed_model_id", b"serve-multiplexed-model-id")
"""Ray Serve's own header for a model's name; proxies such as nginx drop names with underscores."""


def wish_of(
    path: str,
    query: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    method: str = "POST",
    socket: bool = False,
) -> Wish:
    """Return what a request asks for, as far as its head tells.

    Args:
        path: As the client sent it, decoded: OpenAI's, Azure's, Groq's and ElevenLabs' forms are known.
        query: Raw query string.
        headers: Names in lower case, and values.
        method: Of HTTP; POST works on an engine, and lists of voices may load one.
        socket: Whether it is the handshake of a WebSocket.
    """
    asked = parse_qs(query.decode(errors="replace"))
    replica = next(iter(asked.get("replica", ())), None)
    target = resolve(path)
    named = next((value.decode("latin-1") for name, value in headers if name in _MODEL_HEADERS), None)
    model = named or target.deployment or _first(asked, "deployment", "model", "model_id")
    if socket:
        slot = _slot_of_socket(target.path, asked, target.deployment)
    else:
        slot = _slot_of_request(target.path, method)
    if slot is None:
        return Wish(slot=None, replica=replica, holds_engine=False)
    return Wish(slot=slot, model=model or None, replica=replica, holds_engine=not socket and method == "POST")


def _slot_of_socket(path: str, asked: dict[str, list[str]], deployment: str | None) -> str | None:
    if path == REALTIME:  # as the hub begins its sessions; a client secret may say otherwise, unseen
        speaks = _first(asked, "intent") != "transcription" and (deployment or _first(asked, "model"))
        return TTS if speaks else STT
    return TTS if path.startswith(_TTS_BELOW) else None


def _slot_of_request(path: str, method: str) -> str | None:
    if method == "POST":
        if path in _STT_PATHS:
            return STT
        return TTS if path in _TTS_PATHS or path.startswith(_TTS_BELOW) else None
    if method in {"GET", "HEAD"} and (path in _VOICE_LISTS or path.startswith(_VOICES_BELOW)):
        return TTS
    return None


def _first(asked: dict[str, list[str]], *names: str) -> str | None:
    return next((asked[name][0] for name in names if asked.get(name)), None)
