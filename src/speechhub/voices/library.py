"""Custom voices, consents and aliases on disk; the command line and a running server may share them.

Under the library's folder: ``voices/ID`` and ``consents/ID``, each with its JSON and its recording, and
``aliases.json``. Nothing is held in memory: what another process changes counts from the next request on.
"""

import secrets
import time
from pathlib import Path
from typing import TypeVar

import msgspec

from speechhub.errors import (
    ConsentInUseError,
    ConsentNotFoundError,
    VoiceExistsError,
    VoiceLibraryFullError,
    VoiceNotFoundError,
)
from speechhub.voices import folder
from speechhub.voices.recording import Recording, load_recording
from speechhub.voices.records import (
    CONSENT_ID,
    CONSENT_PREFIX,
    VOICE_ID,
    VOICE_PREFIX,
    Consent,
    CustomVoice,
    checked_name,
)

VOICE_JSON, CONSENT_JSON, RECORDING_WAV = "voice.json", "consent.json", "recording.wav"
RecordT = TypeVar("RecordT", CustomVoice, Consent)


class VoiceLibrary:
    """The voices of one server; makes nothing on disk until something is added."""

    def __init__(self, root: Path, *, limit: int) -> None:
        """Use the folder *root*, which may hold up to *limit* voices, and as many consents."""
        self._root = root
        self._limit = limit
        self._voices = root / "voices"
        self._consents = root / "consents"
        self._aliases = root / "aliases.json"

    def recover(self) -> None:
        """Clear away what a writer left that was killed half-way."""
        if self._root.exists():
            with folder.writing(self._root):
                pass

    # ── Voices ───────────────────────────────────────────────────────────────

    def voices(self) -> list[CustomVoice]:
        """Return all voices, the oldest first."""
        return _read_all(self._voices, VOICE_JSON, CustomVoice)

    def digests(self) -> set[str]:
        """Return the digests of all voices' recordings."""
        return {voice.sha256 for voice in self.voices()}

    def find(self, name: str) -> CustomVoice | None:
        """Return the voice with this id, or this name in whatever case; None if there is none."""
        if VOICE_ID.fullmatch(name):
            return _read(self._voices / name / VOICE_JSON, CustomVoice)
        wanted = name.strip().casefold()
        return next((voice for voice in self.voices() if voice.name.casefold() == wanted), None)

    def voice(self, name: str, *, param: str = "voice_id") -> CustomVoice:
        """Return the voice with this id or name; *param* is the field that an error names.

        Raises:
            VoiceNotFoundError: There is none.
        """
        found = self.find(name)
        if found is None:
            raise VoiceNotFoundError(name, param=param)
        return found

    def recording(self, voice: CustomVoice) -> Recording:
        """Return what *voice* was made from.

        Raises:
            VoiceNotFoundError: It was deleted in the meantime.
        """
        try:
            return load_recording(self._voices / voice.id / RECORDING_WAV)
        except FileNotFoundError as error:
            raise VoiceNotFoundError(voice.name) from error

    def add(self, name: str, recording: Recording, *, consent: str = "", statement: str = "") -> CustomVoice:
        """Keep a voice; the same recording under the same name and consent, once more, is the voice it was.

        So a client that repeats a request whose answer was lost gets its answer.

        Args:
            name: 1 to `MAX_NAME_CHARS` characters.
            recording: The speaker.
            consent: Id of a consent; or empty, and then `statement` says who agreed.
            statement: Who agreed and when.

        Raises:
            VoiceExistsError: Another voice has this name.
            ConsentNotFoundError: There is no such consent.
            VoiceLibraryFullError: There are as many voices as there may be.
            InvalidValueError, MissingValueError: The name will not do.
        """
        made = CustomVoice(
            id=VOICE_PREFIX + secrets.token_hex(12),
            name=checked_name(name),
            created_at=int(time.time()),
            consent=consent,
            statement=statement,
            sha256=recording.digest,
            duration_s=round(recording.duration_s, 3),
        )
        with folder.writing(self._root) as staging:
            if consent:
                self.consent(consent)
            if there := self.find(made.name):
                if (there.name, there.sha256, there.consent, there.statement) == (
                    made.name,
                    made.sha256,
                    consent,
                    statement,
                ):
                    return there
                raise VoiceExistsError(made.name)
            if len(self.voices()) >= self._limit:
                raise VoiceLibraryFullError("voices", self._limit)
            files = {RECORDING_WAV: recording.wav(), VOICE_JSON: msgspec.json.encode(made)}
            folder.publish(files, self._voices / made.id, staging)
        return made

    def remove(self, name: str) -> CustomVoice:
        """Delete a voice, its recording, and the aliases that mean it; return what it was.

        Raises:
            VoiceNotFoundError: There is none with this id or name.
        """
        with folder.writing(self._root) as staging:
            voice = self.voice(name)
            # The voice first: an alias that means nothing is passed over, a voice without its alias is not.
            folder.discard(self._voices / voice.id, staging)
            aliases = self.aliases()
            kept = {alias: meant for alias, meant in aliases.items() if meant != voice.id}
            if kept != aliases:
                folder.replace(self._aliases, msgspec.json.encode(kept), staging)
        return voice

    # ── Aliases ──────────────────────────────────────────────────────────────

    def aliases(self) -> dict[str, str]:
        """Return names, in lower case, that stand for voices: name → id."""
        try:
            return msgspec.json.decode(self._aliases.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}

    def aliased(self, alias: str) -> CustomVoice | None:
        """Return the voice that *alias* stands for, if it stands for one."""
        meant = self.aliases().get(alias.strip().casefold())
        return self.find(meant) if meant else None

    def set_alias(self, alias: str, name: str | None) -> CustomVoice | None:
        """Have *alias* stand for the voice *name*, or for none if that is None.

        Raises:
            VoiceNotFoundError: There is no such voice.
        """
        key = checked_name(alias, param="alias").casefold()
        with folder.writing(self._root) as staging:
            voice = self.voice(name) if name else None
            aliases = self.aliases()
            aliases.pop(key, None)
            if voice:
                aliases[key] = voice.id
            folder.replace(self._aliases, msgspec.json.encode(aliases), staging)
        return voice

    # ── Consents ─────────────────────────────────────────────────────────────

    def consents(self) -> list[Consent]:
        """Return all consents, the oldest first."""
        return _read_all(self._consents, CONSENT_JSON, Consent)

    def consent(self, consent_id: str) -> Consent:
        """Return one consent.

        Raises:
            ConsentNotFoundError: There is none with this id.
        """
        found = None
        if CONSENT_ID.fullmatch(consent_id):
            found = _read(self._consents / consent_id / CONSENT_JSON, Consent)
        if found is None:
            raise ConsentNotFoundError(consent_id)
        return found

    def add_consent(self, name: str, recording: Recording, *, language: str) -> Consent:
        """Keep a consent.

        Raises:
            VoiceLibraryFullError: There are as many as there may be.
            InvalidValueError, MissingValueError: The name will not do.
        """
        made = Consent(
            id=CONSENT_PREFIX + secrets.token_hex(12),
            name=checked_name(name),
            language=language,
            created_at=int(time.time()),
            sha256=recording.digest,
            duration_s=round(recording.duration_s, 3),
        )
        with folder.writing(self._root) as staging:
            if len(self.consents()) >= self._limit:
                raise VoiceLibraryFullError("consents", self._limit)
            files = {RECORDING_WAV: recording.wav(), CONSENT_JSON: msgspec.json.encode(made)}
            folder.publish(files, self._consents / made.id, staging)
        return made

    def rename_consent(self, consent_id: str, name: str | None) -> Consent:
        """Give a consent another label.

        Raises:
            ConsentNotFoundError: There is none with this id.
            InvalidValueError, MissingValueError: The name will not do.
        """
        checked = checked_name(name)
        with folder.writing(self._root) as staging:
            renamed = msgspec.structs.replace(self.consent(consent_id), name=checked)
            path = self._consents / renamed.id / CONSENT_JSON
            folder.replace(path, msgspec.json.encode(renamed), staging)
        return renamed

    def remove_consent(self, consent_id: str) -> None:
        """Delete a consent that no voice rests on.

        Raises:
            ConsentNotFoundError: There is none with this id.
            ConsentInUseError: There are voices that rest on it.
        """
        with folder.writing(self._root) as staging:
            consent = self.consent(consent_id)
            resting = [voice.name for voice in self.voices() if voice.consent == consent.id]
            if resting:
                raise ConsentInUseError(consent.id, resting)
            folder.discard(self._consents / consent.id, staging)


def _read(path: Path, kind: type[RecordT]) -> RecordT | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read_all(parent: Path, name: str, kind: type[RecordT]) -> list[RecordT]:
    try:
        folders = sorted(parent.iterdir())
    except FileNotFoundError:
        return []
    found = [record for one in folders if (record := _read(one / name, kind))]
    return sorted(found, key=lambda record: (record.created_at, record.id))
