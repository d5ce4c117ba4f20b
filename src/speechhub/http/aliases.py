"""Paths that clients use → paths that routes have. Pure.

OpenAI's paths begin with ``/v1``. Clients whose base URL lacks it, clients of Azure and clients of Groq use
other paths; here they are mapped to the same routes.
"""

import re
from dataclasses import dataclass
from typing import Final

REALTIME: Final = "/v1/realtime"
_SLASHES: Final = re.compile("/{2,}")
VERSIONED: Final = re.compile(r"(?:/openai)?/(?P<version>v\d[\w.-]*)(?P<rest>/.*)?")
_UNVERSIONED: Final = re.compile(
    r"(?:/openai)?(?P<rest>/(?:audio|models|realtime|text-to-speech|voices)(?:/.*)?)"
)
_TWICE: Final = re.compile(r"/v1(?P<rest>/v\d/(?:text-to-speech|voices)(?:/.*)?)")
"""Where a client of ElevenLabs, which adds the version itself, has a base URL with one."""
_DEPLOYMENT: Final = re.compile(
    r"/openai/deployments/(?P<deployment>.+)(?P<rest>/audio/(?:transcriptions|translations|speech)|/realtime)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path means."""

    path: str
    """The path of the route; the path as requested, without extra slashes, if it is no alias."""
    deployment: str | None = None
    """Azure's name of the model, if the path has one."""
    is_groq: bool = False
    """Whether the path is one of Groq's, ``/openai/v1/…``, which newer clients of Azure use too."""


def resolve(path: str) -> Target:
    """Return what a path means.

    Args:
        path: Decoded, without the query.
    """
    path = _SLASHES.sub("/", path).rstrip("/") or "/"
    if found := _TWICE.fullmatch(path):
        path = found["rest"]
    if found := _DEPLOYMENT.fullmatch(path):
        return Target(path="/v1" + found["rest"], deployment=found["deployment"])
    if found := _UNVERSIONED.fullmatch(path):
        return Target(path="/v1" + found["rest"])
    if (found := VERSIONED.fullmatch(path)) and found["version"] == "v1":
        rest: str = found["rest"] or ""
        # Clients warm up on their base URL, which is then the root.
        return Target(path=f"/v1{rest}" if rest else "/", is_groq=path.startswith("/openai/"))
    return Target(path=path)
