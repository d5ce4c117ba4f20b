"""The directory of what the server offers to clients of Wyoming, and what their names mean."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import structlog
from wyoming.event import Event
from wyoming.info import Info

from speechhub.domain.language import language_name, parse_language
from speechhub.engine import Slot, TtsCapabilities, Voice
from speechhub.errors import InvalidLanguageError, InvalidValueError, UnsupportedValueError
from speechhub.errors.excerpt import quoted
from speechhub.hub import Hub
from speechhub.placement import Placement
from speechhub.store.status import ModelState
from speechhub.voices import CustomVoice
from speechhub.wyoming.client_events import VoiceWish
from speechhub.wyoming.programs import HearingModel, asr_program, tts_program
from speechhub.wyoming.voice_names import ChosenVoice, OfferedVoice, SpeakingModel, VoiceNames

log = structlog.get_logger()

REFRESH_S: Final = 10.0
"""How often the directory is refreshed; Home Assistant asks for it every 30 s."""
_NAMED_VOICES: Final = 20
"""Most voices that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnDisk:
    """What the disk says."""

    installed: frozenset[str]
    """Ids of the models for which the operator need not first accept a licence or supply files."""
    custom: tuple[CustomVoice, ...]
    aliases: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Offer:
    """Everything that is offered at one moment."""

    hearing: tuple[HearingModel, ...]
    """The default model first."""
    names: VoiceNames
    placements: tuple[Placement, ...]
    """Those of the models that speak."""

    @cached_property
    def info(self) -> Event:
        """The offer as clients read it."""
        return Info(
            asr=[asr_program(self.hearing)] if self.hearing else [],
            tts=[tts_program(self.names.offered, self.placements)] if self.placements else [],
        ).event()


class Directory:
    """What the server offers; one for the life of the listener."""

    def __init__(self, hub: Hub) -> None:
        """Describe what is known without the disk; `refresh` adds the rest."""
        self._hub = hub
        placements = hub.control.placements.values()
        self._stt = self._ordered(placements, Slot.STT)
        self._tts = self._ordered(placements, Slot.TTS)
        free = frozenset(p.model.id for p in placements if not p.model.must_accept_licence)
        disk = _OnDisk(installed=free, custom=(), aliases={})
        self._offer = self._made(disk, {p.model.id: p.model.voices for p in self._tts})
        self._installed: frozenset[str] = frozenset()

    def _ordered(self, placements: Iterable[Placement], slot: Slot) -> tuple[Placement, ...]:
        """Return the models of a slot: the default first, those that only tests want last."""
        default = self._hub.catalog.defaults[slot]
        found = (p for p in placements if p.slot is slot)
        return tuple(sorted(found, key=lambda p: (p.model.id != default, p.model.preference < 0, p.model.id)))

    # ── What there is ────────────────────────────────────────────────────────

    @property
    def info(self) -> Event:
        """The `info` event, as the last refresh made it; costs nothing."""
        return self._offer.info

    async def refresh(self) -> None:
        """Read custom voices, licences and what is known of models anew; nothing is loaded.

        Raises:
            OSError: The disk cannot be read.
        """
        disk = await self._hub.pools.disk.run(self._read)
        self._installed = disk.installed
        known = {p.model.id: tuple(await self._hub.runner.voices(p.model.id)) for p in self._tts}
        made = self._made(disk, known)
        if made != self._offer:
            made.info  # noqa: B018 - made here, and not while a client waits for it
            self._offer = made

    async def run(self) -> None:
        """Refresh until cancelled; while that fails, the former info stays, and the log says so once."""
        failing = False
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - clients must still get the former info
                if not failing:
                    log.warning(
                        "cannot refresh what Wyoming offers",
                        error=f"{type(error).__name__}: {error}",
                        remedy="Home Assistant gets the former list meanwhile. Run speechhub doctor.",
                    )
                failing = True
            else:
                failing = False

    def _read(self) -> _OnDisk:
        library = self._hub.voices.library
        # A model that could serve once is not checked again: that would read its files every 10 s.
        fresh = {
            placement.model.id
            for placement in (*self._stt, *self._tts)
            if placement.model.id not in self._installed and self._can_serve(placement)
        }
        return _OnDisk(
            installed=self._installed | fresh,
            custom=tuple(library.voices()) if self._hub.catalog.clones else (),
            aliases=library.aliases() if self._hub.catalog.clones else {},
        )

    def _can_serve(self, placement: Placement) -> bool:
        """Return whether the licence is accepted and the files are here, or come with the first request."""
        if not self._hub.licences.allow(placement.model):
            return False
        status = self._hub.store.status(
            placement.model, local=placement.path, search_path=placement.engine.search_path
        )
        return status.state is not ModelState.MISSING

    def _made(self, disk: _OnDisk, known: Mapping[str, Sequence[Voice]]) -> _Offer:
        default = self._hub.catalog.defaults[Slot.TTS]
        models = []
        for placement in self._tts:
            model, capabilities = placement.model, placement.capabilities
            models.append(
                SpeakingModel(
                    id=model.id,
                    described=model.voices,
                    known=tuple(known[model.id]),
                    clones=isinstance(capabilities, TtsCapabilities) and capabilities.cloning,
                    languages=_codes(model.languages),
                    installed=model.id in disk.installed,
                )
            )
        return _Offer(
            hearing=tuple(
                HearingModel(
                    placement=placement,
                    languages=_codes(placement.model.languages),
                    offered_languages=_codes(_declared(placement)),
                    installed=placement.model.id in disk.installed,
                )
                for placement in self._stt
            ),
            names=VoiceNames(models=tuple(models), default=default, custom=disk.custom, aliases=disk.aliases),
            placements=self._tts,
        )

    # ── What names mean ──────────────────────────────────────────────────────

    def stt_model(self, name: str | None, language: str | None) -> str:
        """Return the id of the model that transcribes.

        Args:
            name: A model's id or alias; None or empty leaves it to the server.
            language: A code, a tag or an English name; None, empty or ``auto`` if it is unknown.

        Raises:
            RequestError: There is no such model, or none for this language.
        """
        code = parse_language(language)
        model = self._hub.catalog.stt(name or None)
        if name or code is None:
            return model.id
        able = [one for one in self._offer.hearing if code in one.languages or not one.languages]
        if any(one.id == model.id for one in able):
            return model.id
        if not able:
            codes = dict.fromkeys(code for one in self._offer.hearing for code in one.languages)
            raise UnsupportedValueError(
                f"No installed model transcribes {_spelled(code)}. Install one that does, or choose one of "
                f"the languages that the models transcribe: {', '.join(codes)}.",
                param="language",
            )
        return min(able, key=self._readiness).id

    def _readiness(self, model: HearingModel) -> tuple[bool, bool, bool, bool, int]:
        """Return a sort key: first the models that can serve, are loaded, and name the language."""
        return (
            not model.installed,
            model.placement.model.preference < 0,
            not self._hub.runner.is_ready(model.id),
            not model.languages,
            -model.placement.model.preference,
        )

    def voice(self, wish: VoiceWish | None) -> ChosenVoice:
        """Return what to speak with.

        Raises:
            RequestError: There is no such voice or speaker, or no voice for the language.
        """
        if wish is None:
            return self._default()
        code = parse_language(wish.language)
        if not wish.name:
            chosen = self._for_language(code) if code else self._default()
        else:
            found = self._offer.names.find(wish.name, self._hub.catalog.meant)
            if found is None:
                raise self._unknown(wish.name)
            chosen = found
        if wish.speaker:
            chosen = self._speaker(chosen, wish.speaker)
        return ChosenVoice(model=chosen.model, voice=chosen.voice, language=code)

    def _default(self) -> ChosenVoice:
        """Return the default model; with its first custom voice, if it has no voices of its own."""
        names = self._offer.names
        default = names.model(names.default or "")
        if default is not None and default.clones and not default.known:
            return names.first(default.id) or ChosenVoice()
        return ChosenVoice()

    def _for_language(self, code: str) -> ChosenVoice:
        offered = self._offer.names.offered
        able = [voice for voice in offered if _speaks(voice, code)]
        if not able:
            if not offered:
                return self._default()  # which says what is missing
            codes = dict.fromkeys(code for voice in offered for code in voice.languages)
            raise UnsupportedValueError(
                f"No voice of this server speaks {_spelled(code)}. Install one that does, or choose one of "
                f"the languages that the voices speak: {', '.join(codes)}.",
                param="language",
            )
        return next((voice for voice in able if voice.model.installed), able[0]).chosen

    def _speaker(self, chosen: ChosenVoice, speaker: str) -> ChosenVoice:
        """Return the voice *speaker* of the model that was chosen by another of its names."""
        names = self._offer.names
        model = names.model(chosen.model or names.default or "")
        if model is None:
            return chosen
        if own := model.own(speaker):
            return ChosenVoice(model=model.id, voice=own.id)
        if chosen.voice is None and model.has_unknown_voices:
            return ChosenVoice(model=model.id, voice=speaker)
        there = ", ".join(voice.id for voice in model.known[:_NAMED_VOICES])
        raise InvalidValueError(
            f"Model {model.id!r} has no speaker {quoted(speaker)}."
            + (f" Its speakers: {there}." if there else " It has no speakers of its own."),
            param="voice.speaker",
        )

    def _unknown(self, name: str) -> InvalidValueError:
        offered = self._offer.names.offered
        shown = ", ".join(voice.name for voice in offered[:_NAMED_VOICES])
        more = f" and {len(offered) - _NAMED_VOICES} more" if len(offered) > _NAMED_VOICES else ""
        return InvalidValueError(
            f"There is no voice {quoted(name)}. "
            + (
                f"Choose one of: {shown}{more}."
                if offered
                else "This server has no voices: install an engine."
            ),
            param="voice.name",
        )


def _speaks(voice: OfferedVoice, code: str) -> bool:
    """Return whether *voice* can speak a language; its model has to take it, too."""
    return all(code in known for known in (voice.languages, voice.model.languages) if known)


def _spelled(code: str) -> str:
    return f"{language_name(code).title()} ({code})"


def _declared(placement: Placement) -> tuple[str, ...]:
    """Return a model's languages; else those that its engine's models have."""
    family = placement.engine.spec.models
    return placement.model.languages or tuple(code for model in family for code in model.languages)


def _codes(languages: Iterable[str]) -> tuple[str, ...]:
    """Return the languages as requests can name them, each once, in order."""
    found: dict[str, None] = {}
    for language in languages:
        try:
            code = parse_language(language)
        except InvalidLanguageError:
            continue
        if code is not None:
            found[code] = None
    return tuple(found)
