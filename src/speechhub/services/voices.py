"""Custom voices: what clients upload, checked, and kept in the library."""

from typing import BinaryIO, Final

import structlog

from speechhub.domain.language import parse_language
from speechhub.errors import InvalidValueError, MissingValueError, UnsupportedValueError
from speechhub.errors.excerpt import quoted
from speechhub.pools import Pools
from speechhub.store import ReferenceCache
from speechhub.voices import Consent, CustomVoice, VoiceLibrary
from speechhub.voices.recording import Recording, read_recording
from speechhub.voices.records import checked_label, checked_name

log = structlog.get_logger()

MAX_PAGE: Final = 100
"""Longest page of a list. Source: OpenAI's openapi.yaml, listVoiceConsents."""


class VoiceService:
    """Adds to the library and removes from it, without blocking the server; one for the server's life."""

    def __init__(
        self,
        library: VoiceLibrary,
        cache: ReferenceCache,
        *,
        max_reference_bytes: int,
        max_reference_s: float,
        pools: Pools | None = None,
    ) -> None:
        self.pools = pools or Pools()
        """The threads that read and write here."""
        self.library = library
        self.cache = cache
        """What engines computed from the library's voices."""
        self.max_reference_bytes = max_reference_bytes
        """Largest recording, as a file."""
        self._max_reference_s = max_reference_s

    async def read(self, source: bytes, *, param: str) -> Recording:
        """Decode and check a recording of a speaker, in a thread.

        It is bytes, no file: a thread cannot be cancelled, and the file of a client that left is closed.

        Raises:
            AudioError: It cannot be used; *param* names the field.
        """
        return await self.pools.decoding.run(
            read_recording, source, max_duration_s=self._max_reference_s, param=param
        )

    async def add(
        self, *, kind: str, name: str | None, sample: BinaryIO | None, consent: str | None
    ) -> CustomVoice:
        """Keep a voice; arguments are what a client said, or None.

        Raises:
            RequestError: One of them will not do.
        """
        if kind == "prompt":
            raise UnsupportedValueError(
                "No installed engine creates a voice from a text; send a recording as audio_sample.",
                param="type",
            )
        if kind != "audio_sample":
            raise InvalidValueError("type must be 'audio_sample'.", param="type")
        checked = checked_name(name)
        if sample is None:
            raise MissingValueError("audio_sample", "Send a recording of the speaker in this field.")
        if consent is None:
            raise MissingValueError("consent", "Send the id that POST /v1/audio/voice_consents gave.")
        await self.pools.disk.run(self.library.consent, consent)
        recording = await self.read(sample.read(), param="audio_sample")
        made = await self.pools.disk.run(self.library.add, checked, recording, consent=consent)
        if made.warnings:
            log.warning("recording of a voice has flaws", voice=made.id, warnings=made.warnings)
        return made

    async def remove(self, name: str) -> CustomVoice:
        """Delete a voice, and what engines computed from it; return what it was.

        Raises:
            VoiceNotFoundError: There is none with this id or name.
        """
        voice = await self.pools.disk.run(self.library.remove, name)
        await self.pools.disk.run(self.cache.sweep)
        return voice

    def recover(self) -> None:
        """Delete what a killed server left unfinished; blocks."""
        self.library.recover()
        self.cache.sweep()

    async def add_consent(
        self, *, name: str | None, recording: BinaryIO | None, language: str | None
    ) -> Consent:
        """Keep a consent; arguments are what a client said, or None.

        Raises:
            RequestError: One of them will not do.
        """
        checked = checked_label(name)
        if language is None or parse_language(language) is None:
            raise MissingValueError("language")
        if recording is None:
            raise MissingValueError("recording", "Send what the speaker said in this field.")
        made = await self.read(recording.read(), param="recording")
        return await self.pools.disk.run(self.library.add_consent, checked, made, language=language)

    async def consents(self, *, after: str | None, limit: int) -> tuple[list[Consent], bool]:
        """Return the consents behind the one called *after*, up to *limit*, and whether there are more.

        Raises:
            RequestError: There is no such consent, or the limit is out of range.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidValueError(f"limit must be between 1 and {MAX_PAGE}, not {limit}.", param="limit")
        found = await self.pools.disk.run(self.library.consents)
        if after:
            ids = [consent.id for consent in found]
            if after not in ids:
                raise InvalidValueError(f"There is no consent {quoted(after)}.", param="after")
            found = found[ids.index(after) + 1 :]
        return found[:limit], len(found) > limit
