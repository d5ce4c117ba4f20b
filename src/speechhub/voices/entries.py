"""The folders of voices and of consents, each with a record and a recording, and what is wrong with them."""

import os
import re
import wave
from pathlib import Path
from typing import Final, TypeVar

from speechhub.errors.unavailable import EXHAUSTED
from speechhub.home import Damage, explained, folder_damage, read_record, read_small
from speechhub.voices.recording import RATE, Recording, load_recording
from speechhub.voices.records import CONSENT_ID, VOICE_ID, Consent, CustomVoice

VOICE_JSON, CONSENT_JSON, RECORDING_WAV = "voice.json", "consent.json", "recording.wav"
RecordT = TypeVar("RecordT", CustomVoice, Consent)
MAX_ENTRY_BYTES: Final = 64 * 1024
"""Size limit of the JSON file of a voice or consent."""
MAX_RECORDING_BYTES: Final = 512 * 1024**2
"""Size limit of a recording that is read: an hour and a half."""
RECORDING_SLACK_BYTES: Final = 4096
"""Allowance for the file's header, and for the rounding of its duration."""
_LEFT_OUT: Final = "It is skipped, and all others can be used."
_ID: Final[dict[type, re.Pattern[str]]] = {CustomVoice: VOICE_ID, Consent: CONSENT_ID}
_JSON: Final[dict[type, str]] = {CustomVoice: VOICE_JSON, Consent: CONSENT_JSON}
WHAT: Final[dict[type, str]] = {CustomVoice: "custom voice", Consent: "consent"}


def entries(parent: Path, kind: type) -> list[Path]:
    """Return everything named like a voice, or a consent, folder or not; empty if *parent* is damaged.

    Raises:
        OSError: As `read_small`.
    """
    try:
        return sorted(one for one in parent.iterdir() if _ID[kind].fullmatch(one.name))
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return []


def read_entry(one: Path, kind: type[RecordT]) -> RecordT | Damage | None:
    """Return the record in the folder *one*, or what is wrong with it; None if there is no such folder."""
    damage = folder_damage(one, may_link=False)
    found: RecordT | Damage | None = damage or read_record(
        one / _JSON[kind], kind, limit_bytes=MAX_ENTRY_BYTES
    )
    if found is None and os.path.lexists(one):
        found = Damage(path=one / _JSON[kind], problem="is missing")
    elif not (found is None or isinstance(found, Damage)) and found.id != one.name:
        found = Damage(path=one / _JSON[kind], problem=f"describes {found.id}, which is another entry")
    if isinstance(found, Damage):
        return explained(found, effect=_LEFT_OUT, aside=one)
    return found


def read_entry_recording(
    path: Path, record: CustomVoice | Consent | None
) -> tuple[Recording | None, Damage | None]:
    """Return the recording, or what is wrong with it; without *record*, any valid recording will do."""
    limit_bytes = MAX_RECORDING_BYTES
    if record is not None:
        limit_bytes = min(limit_bytes, int(2 * RATE * max(record.duration_s, 0)) + RECORDING_SLACK_BYTES)
    data = read_small(path, limit_bytes=limit_bytes)
    if data is None:
        found: Recording | Damage = Damage(path=path, problem="is missing")
    elif isinstance(data, Damage):
        found = data
    else:
        try:
            found = load_recording(data)
        except (EOFError, ValueError, wave.Error) as error:
            found = Damage(path=path, problem=f"is truncated, or is not a recording of the library ({error})")
    if isinstance(found, Recording):
        if record is None or found.digest == record.sha256:
            return found, None
        found = Damage(path=path, problem="is not the recording that was added: its SHA-256 differs")
    effect = "This voice cannot be used; all others can."
    return None, explained(found, effect=effect, aside=path.parent)


def mentions(one: Path, consent_id: str) -> bool:
    """Return whether a voice's damaged record still contains a consent's id."""
    data = read_small(one / VOICE_JSON, limit_bytes=MAX_ENTRY_BYTES)
    return isinstance(data, bytes) and consent_id.encode() in data
