"""Custom voices, consents and aliases on disk; the command line and a running server may share them.

The library's folder has ``voices/ID`` and ``consents/ID``, each with its JSON and its recording, and
``aliases.json``. Nothing is kept in memory: changes by another process take effect from the next request.

Damaged entries are left out and reported, never deleted or overwritten; everything else keeps working.
Without free file descriptors, damage cannot be told from that shortage, so reading raises an `OSError` too.
"""

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from speechhub.domain.names import key_of
from speechhub.errors import (
    ConsentInUseError,
    ConsentNotFoundError,
    StorageError,
    VoiceDamagedError,
    VoiceExistsError,
    VoiceLibraryFullError,
    VoiceNotFoundError,
)
from speechhub.errors.unavailable import DISK_FULL, EXHAUSTED
from speechhub.file_lock import LockTakenError
from speechhub.home import (
    Damage,
    OnDamage,
    explained,
    folder_damage,
    read_record,
    silent,
)
from speechhub.voices import folder
from speechhub.voices.aliases import AliasFile
from speechhub.voices.condition import flaws, without_lead
from speechhub.voices.entries import (
    CONSENT_JSON,
    MAX_ENTRY_BYTES,
    RECORDING_WAV,
    VOICE_JSON,
    WHAT,
    RecordT,
    entries,
    mentions,
    read_entry,
    read_entry_recording,
)
from speechhub.voices.recording import Recording
from speechhub.voices.records import (
    CONSENT_ID,
    CONSENT_PREFIX,
    VOICE_ID,
    VOICE_PREFIX,
    Consent,
    CustomVoice,
    checked_label,
    checked_name,
)


class VoiceLibrary:
    """The voices of one server; creates nothing on disk until something is added."""

    def __init__(self, root: Path, *, limit: int, on_damage: OnDamage = silent) -> None:
        """Use the folder *root*, which may hold up to *limit* voices, and as many consents.

        Args:
            root: Folder of the library; it need not exist.
            limit: Most voices, and most consents.
            on_damage: Called each time that something is left out because it cannot be read.
        """
        self._root = root
        self._limit = limit
        self._on_damage = on_damage
        self._voices = root / "voices"
        self._consents = root / "consents"
        self._aliases = AliasFile(root / "aliases.json")

    def recover(self) -> None:
        """Delete what a killed writer left half-done; if that is not possible, report it."""
        if damage := _explained_parent(folder_damage(self._root)):
            self._on_damage(damage)
            return
        try:
            if self._root.exists():
                with folder.writing(self._root, patience_s=0):
                    pass
        except LockTakenError:
            pass  # the process that is writing now does the same
        except OSError as error:
            self._on_damage(_unwritable(self._root, error))

    def damages(self) -> list[Damage]:
        """Check everything in the library, including recordings, and return what cannot be used."""
        aliases = self._aliases.read()
        found = [
            _explained_parent(folder_damage(self._root)),
            *self._entry_damages(self._voices, CustomVoice),
            *self._entry_damages(self._consents, Consent),
            aliases if isinstance(aliases, Damage) else None,
        ]
        return [damage for damage in found if damage is not None]

    def _entry_damages(self, parent: Path, kind: type[RecordT]) -> Iterator[Damage | None]:
        yield _explained_parent(folder_damage(parent))
        for one in entries(parent, kind):
            record = read_entry(one, kind)
            if isinstance(record, Damage):
                yield record
            elif record is not None:
                _, damage = read_entry_recording(one / RECORDING_WAV, record)
                yield damage

    @contextmanager
    def _writing(self) -> Iterator[Path]:
        """Lock the library against changes by others.

        Raises:
            StorageError: Its folder cannot be written, or another process keeps writing there.
            OSError: The disk is full, or one of `EXHAUSTED`.
        """
        try:
            with folder.writing(self._root, patience_s=folder.LOCK_S) as staging:
                yield staging
        except LockTakenError as error:
            raise StorageError(
                f"Another process has been changing the voices in {self._root} for {folder.LOCK_S:g} s. "
                "If it hangs, end it: 'fuser -v' on the file '.lock' there names it."
            ) from error
        except OSError as error:
            if error.errno in (*DISK_FULL, *EXHAUSTED):
                raise
            damage = _unwritable(self._root, error)
            self._on_damage(damage)
            raise StorageError(damage.text) from error

    # ── Voices ───────────────────────────────────────────────────────────────

    def voices(self) -> list[CustomVoice]:
        """Return all voices, the oldest first."""
        return self._all(self._voices, CustomVoice)

    def digests(self) -> set[str]:
        """Return the digests of all voices' recordings, including voices whose record is damaged.

        Raises:
            OSError: It cannot be determined which voices there are.
        """
        found = {voice.sha256 for voice in self.voices()}
        for one in self._damaged(self._voices, CustomVoice):
            recording, _ = read_entry_recording(one / RECORDING_WAV, None)
            if recording is not None:
                found.add(recording.digest)
        if damage := folder_damage(self._voices) or folder_damage(self._root):
            raise OSError(errno.EIO, damage.problem, str(damage.path))
        return found

    def find(self, name: str) -> CustomVoice | None:
        """Return the voice with this id, or with this name in any case; None if there is none.

        Raises:
            VoiceDamagedError: There is one with this id, but its record cannot be read.
        """
        if VOICE_ID.fullmatch(name):
            return self._one(self._voices / name, CustomVoice)
        wanted = key_of(name)
        alike = [voice for voice in self.voices() if key_of(voice.name) == wanted]
        # Earlier versions allowed names that differ only in how an accent is encoded.
        return next((voice for voice in alike if voice.name == name), alike[0] if alike else None)

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
        """Return the recording that *voice* was made from.

        Raises:
            VoiceNotFoundError: It was deleted in the meantime.
            VoiceDamagedError: The file is damaged or was changed.
        """
        one = self._voices / voice.id
        found, damage = read_entry_recording(one / RECORDING_WAV, voice)
        if found is not None:
            return found
        if damage is None or not os.path.lexists(one):
            raise VoiceNotFoundError(voice.name)
        self._on_damage(damage)
        raise VoiceDamagedError(f"custom voice {voice.name!r}")

    def add(self, name: str, recording: Recording, *, consent: str = "", statement: str = "") -> CustomVoice:
        """Add a voice; adding the same recording with the same name and consent again returns the same voice.

        So a client that repeats a request because the answer was lost gets that answer. Silence before the
        first sound is cut off.

        Args:
            name: 1 to `MAX_NAME_CHARS` characters.
            recording: The speaker.
            consent: Id of a consent; if empty, `statement` says who agreed.
            statement: Who agreed and when.

        Raises:
            VoiceExistsError: Another voice has this name.
            ConsentNotFoundError: There is no such consent.
            VoiceLibraryFullError: The limit of voices is reached.
            VoiceDamagedError: The same voice exists, but its recording is damaged.
            InvalidValueError, MissingValueError: The name is not valid.
        """
        recording = without_lead(recording)
        made = CustomVoice(
            id=VOICE_PREFIX + secrets.token_hex(12),
            name=checked_name(name),
            created_at=int(time.time()),
            consent=consent,
            statement=statement,
            sha256=recording.digest,
            duration_s=round(recording.duration_s, 3),
            warnings=flaws(recording),
        )
        with self._writing() as staging:
            if consent:
                self.consent(consent)
            if there := self.find(made.name):
                if (there.name, there.sha256, there.consent, there.statement) == (
                    made.name,
                    made.sha256,
                    consent,
                    statement,
                ):
                    self.recording(there)
                    return there
                raise VoiceExistsError(made.name)
            if self._count(self._voices, CustomVoice) >= self._limit:
                raise VoiceLibraryFullError("voices", self._limit)
            files = {RECORDING_WAV: recording.wav(), VOICE_JSON: msgspec.json.encode(made)}
            folder.publish(files, self._voices / made.id, staging)
        return made

    def remove(self, name: str) -> CustomVoice:
        """Delete a voice, its recording, and the aliases for it; return its record.

        Raises:
            VoiceNotFoundError: There is none with this id or name.
        """
        with self._writing() as staging:
            voice = self.voice(name)
            # Delete the voice first: an alias without its voice does no harm, a voice without its alias does.
            folder.discard(self._voices / voice.id, staging)
            aliases = self.aliases()  # empty if the file is damaged; then it is not changed
            kept = {alias: meant for alias, meant in aliases.items() if meant != voice.id}
            if kept != aliases:
                self._aliases.replace(kept, staging)
        return voice

    # ── Aliases ──────────────────────────────────────────────────────────────

    def aliases(self) -> dict[str, str]:
        """Return the aliases: name in lower case → id of a voice."""
        found = self._aliases.read()
        if isinstance(found, Damage):
            self._on_damage(found)
            return {}
        return found or {}

    def aliased(self, alias: str) -> CustomVoice | None:
        """Return the voice that *alias* stands for; None if it is no alias."""
        key = key_of(alias)
        meant = next((voice for name, voice in self.aliases().items() if key_of(name) == key), None)
        return self.find(meant) if meant else None

    def set_alias(self, alias: str, name: str | None) -> CustomVoice | None:
        """Make *alias* stand for the voice *name*; remove the alias if *name* is None.

        Raises:
            VoiceNotFoundError: There is no such voice.
            InvalidValueError, MissingValueError: The alias is not valid; any alias may be removed.
        """
        key = key_of(checked_name(alias, param="alias") if name else alias)
        with self._writing() as staging:
            voice = self.voice(name) if name else None
            aliases = {name: meant for name, meant in self.aliases().items() if key_of(name) != key}
            if voice:
                aliases[key] = voice.id
            self._aliases.replace(aliases, staging)
        return voice

    # ── Consents ─────────────────────────────────────────────────────────────

    def consents(self) -> list[Consent]:
        """Return all consents, the oldest first."""
        return self._all(self._consents, Consent)

    def consent(self, consent_id: str) -> Consent:
        """Return one consent.

        Raises:
            ConsentNotFoundError: There is none with this id.
        """
        found = None
        if CONSENT_ID.fullmatch(consent_id):
            found = self._one(self._consents / consent_id, Consent)
        if found is None:
            raise ConsentNotFoundError(consent_id)
        return found

    def add_consent(self, name: str, recording: Recording, *, language: str) -> Consent:
        """Add a consent.

        Raises:
            VoiceLibraryFullError: The limit of consents is reached.
            InvalidValueError, MissingValueError: The name is not valid.
        """
        made = Consent(
            id=CONSENT_PREFIX + secrets.token_hex(12),
            name=checked_label(name),
            language=language,
            created_at=int(time.time()),
            sha256=recording.digest,
            duration_s=round(recording.duration_s, 3),
        )
        with self._writing() as staging:
            if self._count(self._consents, Consent) >= self._limit:
                raise VoiceLibraryFullError("consents", self._limit)
            files = {RECORDING_WAV: recording.wav(), CONSENT_JSON: msgspec.json.encode(made)}
            folder.publish(files, self._consents / made.id, staging)
        return made

    def rename_consent(self, consent_id: str, name: str | None) -> Consent:
        """Give a consent another label.

        Raises:
            ConsentNotFoundError: There is none with this id.
            InvalidValueError, MissingValueError: The name is not valid.
        """
        checked = checked_label(name)
        with self._writing() as staging:
            renamed = msgspec.structs.replace(self.consent(consent_id), name=checked)
            path = self._consents / renamed.id / CONSENT_JSON
            # Keep fields that a newer speechhub may have written.
            before = read_record(path, dict[str, Any], limit_bytes=MAX_ENTRY_BYTES)
            kept = before if isinstance(before, dict) else {}
            folder.replace(path, msgspec.json.encode(kept | msgspec.structs.asdict(renamed)), staging)
        return renamed

    def remove_consent(self, consent_id: str) -> None:
        """Delete a consent that no voice depends on.

        Raises:
            ConsentNotFoundError: There is none with this id.
            ConsentInUseError: Voices depend on it.
        """
        with self._writing() as staging:
            consent = self.consent(consent_id)
            resting = [voice.name for voice in self.voices() if voice.consent == consent.id]
            resting += [
                one.name for one in self._damaged(self._voices, CustomVoice) if mentions(one, consent.id)
            ]
            if resting:
                raise ConsentInUseError(consent.id, resting)
            folder.discard(self._consents / consent.id, staging)

    # ── Entries ──────────────────────────────────────────────────────────────

    def _one(self, one: Path, kind: type[RecordT]) -> RecordT | None:
        record = read_entry(one, kind)
        if isinstance(record, Damage):
            self._on_damage(record)
            raise VoiceDamagedError(f"{WHAT[kind]} {one.name!r}")
        return record

    def _all(self, parent: Path, kind: type[RecordT]) -> list[RecordT]:
        """Return the records that can be read, the oldest first; report the others."""
        found: list[RecordT] = []
        if damage := _explained_parent(folder_damage(self._root) or folder_damage(parent)):
            self._on_damage(damage)
        for one in entries(parent, kind):
            record = read_entry(one, kind)
            if isinstance(record, Damage):
                self._on_damage(record)
            elif record is not None:
                found.append(record)
        return sorted(found, key=lambda record: (record.created_at, record.id))

    def _damaged(self, parent: Path, kind: type[RecordT]) -> list[Path]:
        return [one for one in entries(parent, kind) if isinstance(read_entry(one, kind), Damage)]

    def _count(self, parent: Path, kind: type[RecordT]) -> int:
        return sum(read_entry(one, kind) is not None for one in entries(parent, kind))


def _explained_parent(damage: Damage | None) -> Damage | None:
    if damage is None:
        return None
    effect = "No custom voice or consent in this folder can be used or added."
    return explained(damage, effect=effect, aside=damage.path)


def _unwritable(root: Path, error: OSError) -> Damage:
    return Damage(
        path=Path(error.filename or root),
        problem=f"cannot be written: {error.strerror or error}",
        effect="Custom voices that can be read still work; none can be added, changed or deleted.",
        remedy="Give the user that runs speechhub write access, and check that the disk is not full.",
    )
