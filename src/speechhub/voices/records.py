"""Records of voices and consents, as stored in their JSON files."""

import re
from typing import Final

import msgspec

from speechhub.domain.names import composed
from speechhub.errors import InvalidValueError, MissingValueError

VOICE_PREFIX: Final = "voice_"
CONSENT_PREFIX: Final = "cons_"
"""Beginnings of ids. Source: OpenAI's examples."""
MAX_NAME_CHARS: Final = 64
"""Longest name; far shorter than the shortest clip in base64, so that the two cannot be confused."""
VOICE_ID: Final = re.compile(rf"{VOICE_PREFIX}[0-9a-f]{{24}}")
CONSENT_ID: Final = re.compile(rf"{CONSENT_PREFIX}[0-9a-f]{{24}}")
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
"""The character that programs write in place of bytes that they could not decode."""
_SEPARATORS: Final = "/\\"
"""Separators of paths; browsers treat the second like the first."""
DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class CustomVoice(msgspec.Struct, frozen=True, kw_only=True):
    """One speaker of the library."""

    id: str
    """``voice_`` and 24 hex digits."""
    name: str
    """Unique in the library, ignoring case; names from earlier versions may have slashes or be decomposed."""
    created_at: int
    """Unix seconds."""
    consent: str = ""
    """Id of the consent that it depends on; empty if `statement` says who agreed."""
    statement: str = ""
    """Who agreed and when, in the operator's words."""
    sha256: str
    """Digest of the recording, `Recording.digest`."""
    duration_s: float
    """Length of the recording, in seconds."""
    warnings: tuple[str, ...] = ()
    """Flaws of the recording, as `flaws` describes them."""

    def __post_init__(self) -> None:
        _check_form("id", self.id, VOICE_ID)
        _check_form("sha256", self.sha256, DIGEST)


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in which a speaker agrees."""

    id: str
    """``cons_`` and 24 hex digits."""
    name: str
    """A label."""
    language: str
    """BCP 47 tag of what is said."""
    created_at: int
    """Unix seconds."""
    sha256: str
    """Digest of the recording."""
    duration_s: float
    """Length of the recording, in seconds."""

    def __post_init__(self) -> None:
        _check_form("id", self.id, CONSENT_ID)
        _check_form("sha256", self.sha256, DIGEST)


def _check_form(field: str, value: str, form: re.Pattern[str]) -> None:
    """Check that a record's value, which names a folder or begins file names, has the form that we write.

    Raises:
        ValueError: It does not.
    """
    if not form.fullmatch(value):
        raise ValueError(f"{field} is not one that speechhub creates")


def checked_name(name: str | None, *, param: str = "name") -> str:
    """Return a name as the library stores it: composed, without surrounding space, and usable in a path.

    Raises:
        MissingValueError: It is absent or blank.
        InvalidValueError: It is too long, has characters that a list or a path cannot show, or could be
            mistaken for an id or a clip.
    """
    checked = checked_label(name, param=param)
    if found := next((char for char in checked if char in _SEPARATORS), None):
        raise InvalidValueError(
            f"{param} may not contain {found!r}: it separates the parts of a path. Use '-' or '_' instead.",
            param=param,
        )
    if checked in (".", ".."):
        raise InvalidValueError(
            f"{param} may not be {checked!r}, which means a folder in paths.", param=param
        )
    return checked


def checked_label(name: str | None, *, param: str = "name") -> str:
    """Return a label as the library stores it: composed, and without surrounding space.

    Raises:
        MissingValueError: It is absent or blank.
        InvalidValueError: It is too long, has characters that a list cannot show, or could be mistaken for an
            id or a clip.
    """
    name = composed((name or "").strip())
    if not name:
        raise MissingValueError(param)
    if len(name) > MAX_NAME_CHARS:
        raise InvalidValueError(
            f"{param} must have at most {MAX_NAME_CHARS} characters, and has {len(name)}.", param=param
        )
    if hidden := next((char for char in name if not char.isprintable() or char == _REPLACED), None):
        raise InvalidValueError(
            f"{param} must have printable characters only, and has U+{ord(hidden):04X} at position "
            f"{name.index(hidden)}, which is invisible.",
            param=param,
        )
    if name.lower().startswith((VOICE_PREFIX, CONSENT_PREFIX, "data:")):
        raise InvalidValueError(f"{param} may not begin like an id or a data URL.", param=param)
    return name
