"""The languages that Whisper knows, by ISO code."""

from typing import Final

_CODES: Final = """
en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi
ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd
gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jv su
"""

LANGUAGES: Final = tuple(_CODES.split())
"""In the order of Whisper's vocabulary, which is roughly that of its training data.

Source: LANGUAGES in openai/whisper's tokenizer.py.
"""

CANTONESE: Final = "yue"
"""Known to large-v3 and models derived from it, and to no other Whisper."""

_TO_WHISPER: Final = {"jv": "jw"}
_FROM_WHISPER: Final = {whisper: iso for iso, whisper in _TO_WHISPER.items()}


def to_whisper(iso: str) -> str:
    """Return Whisper's own code for an ISO code; they differ for Javanese."""
    return _TO_WHISPER.get(iso, iso)


def from_whisper(code: str) -> str:
    """Return the ISO code for Whisper's own code."""
    return _FROM_WHISPER.get(code, code)
