"""Advice for paths without a route: the route that was meant, and the base URL that leads there."""

import re
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from speechhub.errors import RequestError
from speechhub.errors.excerpt import excerpt, quoted

_AUDIO: Final = ("speech", "transcriptions", "translations", "voices", "voice_consents")
ROUTES: Final = MappingProxyType(
    {name: f"/v1/audio/{name}" for name in _AUDIO}
    | {name: f"/v1/{name}" for name in ("models", "engines", "realtime")}
    | {name: f"/{name}" for name in ("health", "metrics", "schema", "asr", "detect-language")}
)
"""Last part of a route's path → the path."""
MEANINGS: Final = MappingProxyType(
    dict.fromkeys(("speak", "tts", "synthesize", "synthesise", "synthesis", "say"), "speech")
    | dict.fromkeys(("transcribe", "stt", "recognize", "recognise", "inference", "whisper"), "transcriptions")
    | dict.fromkeys(("live", "listen"), "realtime")
    | {"translate": "translations", "speakers": "voices", "consents": "voice_consents"}
    | dict.fromkeys(("healthz", "livez", "readyz", "ping", "status"), "health")
    | dict.fromkeys(("docs", "redoc", "swagger", "openapi", "openapi.json"), "schema")
)
"""What other servers, or people, call a route → the last part of its path."""
ELSEWHERE: Final = frozenset(
    {"chat", "completions", "responses", "embeddings", "images", "moderations", "assistants", "rerank"}
)
"""Parts of OpenAI's paths that have nothing to do with audio."""
_FRAME: Final = frozenset({"", "audio", "api", "openai", "deployments"})
"""Parts of paths that say nothing about the route."""
_CLOSE: Final = 0.75
"""How much of a name must be right: transcripts is near to transcriptions, and speed not to speech."""
_BEGUN: Final = re.compile(r"/v1/(?!v\d)")
"""How the path of a client begins whose base URL is right."""
_VERSION: Final = re.compile(r"v\d[\w.-]*")
_WHOLE: Final = re.compile(
    r".+?(?P<rest>/(?:audio/(?:transcriptions|translations|speech|voices)|models|realtime|engines(?:/\w+)?))/*"
)


def entered_twice(path: str) -> str | None:
    """Return the path of the route that a path ends with, behind more than belongs in front of it.

    So are those of clients whose base URL is itself a route, or has ``/v1`` twice.
    """
    found = _WHOLE.fullmatch(path)
    route = f"/v1{found['rest']}" if found else None
    return None if route == path.rstrip("/") else route


def nearest(path: str) -> str | None:
    """Return the path of the route that a wrong path comes nearest to, or None if it is far from all."""
    for part in reversed(path.lower().split("/")):
        name = part.strip()
        if name in _FRAME or _VERSION.fullmatch(name):
            continue
        if name in ELSEWHERE:
            return None
        known = MEANINGS.get(name, name)
        close = get_close_matches(known, ROUTES, n=1, cutoff=_CLOSE)
        if close:
            return ROUTES[close[0]]
    return None


def advice(path: str, host: str) -> str:
    """Return what to do about a path that no route has: a sentence.

    Args:
        path: As it was asked for.
        host: Name and port of this server, as the client wrote them.
    """
    if route := entered_twice(path):
        return f"The route is {excerpt(route)}: {_base(host)}."
    if route := nearest(path):
        in_front = route.startswith("/v1/") and not _BEGUN.match(path)
        return f"The nearest route is {route}{f': {_base(host)}' if in_front else ''}."
    if ELSEWHERE & set(path.lower().split("/")):
        return "speechhub has only OpenAI's audio API: speech, transcriptions, translations, voices, models."
    return "GET /schema describes all routes."


def _base(host: str) -> str:
    return f"the base URL of a client ends with /v1, such as http://{excerpt(host)}/v1"


class UnknownVersionError(RequestError):
    """The path names a version of the API that the server does not have."""

    def __init__(self, version: str, instead: str) -> None:
        super().__init__(
            f"speechhub has v1 of the API, not {quoted(version)}. Use {excerpt(instead)}; "
            "the base URL of a client ends with /v1."
        )


class UnknownSocketError(RequestError):
    """There is no WebSocket at this path."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no WebSocket at {excerpt(path)}. Live audio has one at /v1/realtime. Recordings go to "
            "POST /v1/audio/transcriptions, where stream=true answers with events while the engine works."
        )
