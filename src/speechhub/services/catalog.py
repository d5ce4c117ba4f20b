"""Catalog of the models that are here: resolves the names of models and voices that clients use."""

import re
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from speechhub.domain.names import composed
from speechhub.engine import EmotionMode, ModelPart, Slot, SttCapabilities, TtsCapabilities, Voice
from speechhub.environments.known import KnownEngine, bare, known_model, near_model, spellings
from speechhub.errors import (
    ConfigurationError,
    InvalidValueError,
    ModelNotFoundError,
    ModelNotInstalledError,
    NoDefaultModelError,
    WrongTaskError,
)
from speechhub.errors.excerpt import quoted
from speechhub.placement import Placement
from speechhub.services.models import SttModel, TtsModel, typed

OPENAI_MODELS: Final[Mapping[str, Slot]] = {
    "whisper-1": Slot.STT,
    "gpt-transcribe": Slot.STT,
    "gpt-4o-transcribe": Slot.STT,
    "gpt-4o-mini-transcribe": Slot.STT,
    "gpt-4o-mini-transcribe-2025-12-15": Slot.STT,
    "gpt-live-transcribe": Slot.STT,
    "gpt-realtime-whisper": Slot.STT,
    "tts-1": Slot.TTS,
    "tts-1-hd": Slot.TTS,
    "gpt-4o-mini-tts": Slot.TTS,
    "gpt-4o-mini-tts-2025-12-15": Slot.TTS,
    "gpt-realtime": Slot.TTS,
}
"""Names that clients have hard-coded; each stands for the default model of its slot, and is listed.
Source: OpenAI's openapi.yaml, CreateTranscriptionRequest.model, CreateSpeechRequest.model,
AudioTranscription.model and RealtimeSessionCreateRequestGA.model."""

DIARIZING: Final = "gpt-4o-transcribe-diarize"
"""OpenAI's name for a model that tells speakers apart; only such a model may go by it."""

_DATED: Final = re.compile(r"(?P<name>.+)-\d{4}-\d{2}-\d{2}")
_UNLISTED: Final = {
    # OpenAI's versions by month, then Azure's names
    re.compile(r"tts-1(-hd)?(-\d{4})?|tts|tts-hd"): Slot.TTS,
    # models of realtime sessions, which speak here what they are given
    re.compile(r"gpt-realtime(?!-whisper)-[\w.-]+|gpt-4o(-mini)?-realtime-preview(-[\d-]+)?"): Slot.TTS,
    # Azure's name, then Groq's
    re.compile(r"whisper|whisper-large-v3(-turbo)?|distil-whisper-large-v3-en"): Slot.STT,
}
"""Further names that clients have hard-coded; understood, and not listed."""

OPENAI_VOICES: Final = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse",
    "marin", "cedar",
)  # fmt: skip
"""Voices that clients have hard-coded. Source: OpenAI's openapi.yaml, VoiceIdsShared."""

_ELEVENLABS_VOICE: Final = re.compile(r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[0-9A-Za-z]{20}")
"""Shape of ElevenLabs' ids of voices, one of which each of its clients has hard-coded."""

DEFAULT_VOICE: Final = "default"
"""What clients of LocalAI call the model's first voice."""


PartsOf = Callable[[Placement], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One name that a client may use for a model."""

    name: str
    placement: Placement
    alias_of: str | None
    """The model's id, where *name* only stands for it."""


class Catalog:
    """All models of this server and the names they go by; made once, never changed."""

    def __init__(
        self,
        placements: Mapping[str, Placement],
        *,
        may_load: Callable[[Placement], bool] = lambda _: True,
        default_models: Mapping[Slot, str | None] | None = None,
        aliases: Mapping[str, str] | None = None,
        voice_aliases: Mapping[str, str] | None = None,
        parts: PartsOf | None = None,
        uninstalled: Sequence[KnownEngine] = (),
    ) -> None:
        """Check the names against each other.

        Args:
            placements: Every model that can be served, by id.
            may_load: Whether the operator lets a model be loaded; of others none becomes a default unless
                there is nothing else, or it is named.
            default_models: The operator's choice for each slot; None takes the best that can run.
            aliases: Further names of models.
            voice_aliases: Voice names that stand for others.
            parts: Names a model's optional parts that are there; by default all are.
            uninstalled: Engines that are known and not installed, for advice.

        Raises:
            ConfigurationError: A default or an alias names a model that is not here.
        """
        self._placements = dict(placements)
        self._may_load = may_load
        self._uninstalled = tuple(uninstalled)
        self._composed = {composed(name): name for name in self._placements}
        self._voice_aliases = {composed(name): voice for name, voice in (voice_aliases or {}).items()}
        self._parts = parts or (lambda placement: [part.name for part in placement.model.parts])
        self.defaults: dict[Slot, str | None] = {
            slot: self._default(slot, (default_models or {}).get(slot)) for slot in Slot
        }
        """Id of the default model of each slot; None where no engine of the slot is installed."""
        self._aliases = {
            name: default for name, slot in OPENAI_MODELS.items() if (default := self.defaults[slot])
        }
        if diarizing := self._diarizing():
            self._aliases[DIARIZING] = diarizing
        for alias, model in (aliases or {}).items():
            target = self._target(model)
            if target is None:
                raise ConfigurationError(
                    f"Setting aliases.{alias}: there is no model {model!r}.{self._advice(model)}"
                )
            self._aliases[composed(alias)] = target

    def _default(self, slot: Slot, wanted: str | None) -> str | None:
        candidates = {name: p for name, p in self._placements.items() if p.slot is slot}
        if wanted is not None:
            if wanted not in candidates:
                raise ConfigurationError(
                    f"Setting {slot.model_setting}: there is no {slot} model {wanted!r}; "
                    f"there are: {', '.join(sorted(candidates)) or 'none'}.{self._advice(wanted)}"
                )
            return wanted
        willing = [p for p in candidates.values() if p.model.preference >= 0]
        if not willing:
            return None
        return max(
            willing, key=lambda p: (self._may_load(p), p.device.kind != "cpu", p.model.preference)
        ).model.id

    def _diarizing(self) -> str | None:
        """Return the model that tells speakers apart: the default if it does, else any; None if none does."""
        able = [
            target
            for target, p in self._placements.items()
            if isinstance(p.capabilities, SttCapabilities) and p.capabilities.diarization
        ]
        default = self.defaults[Slot.STT]
        return default if default in able else min(able, default=None)

    def _target(self, name: str) -> str | None:
        """Return the id of the model that *name* means: a model's id, else an alias, else a client's name."""
        if name in self._placements:
            return name
        name = composed(name)
        slot = slot_of(name)
        return self._composed.get(name) or self._aliases.get(name) or (self.defaults[slot] if slot else None)

    def model(self, name: str | None, slot: Slot) -> Placement:
        """Return what a client means by *name*; None or empty means the default of *slot*.

        Raises:
            WrongTaskError: The model is here, or is known, but in the other slot.
            ModelNotFoundError: There is no such model, or no engine for the slot at all.
        """
        target = self._target(name) if name else self.defaults[slot]
        placement = self._placements.get(target or "")
        if placement is None or placement.slot is not slot:
            if (not name or slot_of(name) is slot) and self.defaults[slot] is None:
                raise NoDefaultModelError(slot.value)
            known = [p.model.id for p in self._placements.values() if p.slot is slot]
            if placement is not None:
                raise WrongTaskError(name or "", does=placement.slot.verb, wanted=slot.verb, able=known)
            raise self._missing(name or "", known, slot)
        return placement

    def stt(self, name: str | None) -> SttModel:
        """Return the model that transcribes, as `model` does."""
        return typed(self.model(name, Slot.STT), SttCapabilities)

    def tts(self, name: str | None) -> TtsModel:
        """Return the model that speaks, as `model` does."""
        return typed(self.model(name, Slot.TTS), TtsCapabilities)

    @property
    def clones(self) -> bool:
        """Whether any model clones voices."""
        found = (placement.capabilities for placement in self._placements.values())
        return any(isinstance(able, TtsCapabilities) and able.cloning for able in found)

    def find(self, name: str) -> ListedModel:
        """Return the model or alias *name*, of whatever slot.

        Raises:
            ModelNotFoundError: There is none.
        """
        target = self._target(name)
        if target is None:
            raise self._missing(name)
        return ListedModel(
            name=name if name in self._placements else composed(name),
            placement=self._placements[target],
            alias_of=None if composed(target) == composed(name) else target,
        )

    def _missing(
        self, name: str, known: Collection[str] = (), slot: Slot | None = None
    ) -> ModelNotFoundError:
        """Return the error for a name that no model has; it says how to get the model, if that is known.

        A model that does not work in *slot* would be refused once it is installed, so it is refused now.
        """
        exact = known_model(name, self._uninstalled)
        candidates = [target for target in self._placements if not known or target in known]
        meant = next(
            (model for model in candidates if bare(name) in spellings(self._placements[model].model)), ""
        )
        if (exact or not meant) and (found := exact or near_model(name, self._uninstalled)):
            if slot and found.engine.slot is not slot:
                return WrongTaskError(name, does=found.engine.slot.verb, wanted=slot.verb, able=known)
            return ModelNotInstalledError(name, meant=name if exact else found.model.id, advice=found.advice)
        return ModelNotFoundError(name, known=known, meant=meant)

    def _advice(self, name: str) -> str:
        """Return how to install the model *name*, for the operator; empty if it is not known."""
        model = known_model(name, self._uninstalled)
        return f" Its engine is not installed: speechhub engines install {model.engine.name}" if model else ""

    def listings(self) -> list[ListedModel]:
        """Return all models, then all aliases, each by name."""
        names = [*sorted(self._placements), *sorted(set(self._aliases) - set(self._placements))]
        return [self.find(name) for name in names]

    def lacks(self, placement: Placement) -> dict[str, ModelPart]:
        """Return the capabilities that the model lacks as it is installed, and the part that each needs."""
        return placement.lacks(self._parts(placement)) if placement.model.parts else {}

    def meant(self, voice: str) -> str:
        """Return what a voice's name stands for according to the settings; itself if for nothing else."""
        return self._voice_aliases.get(composed(voice), voice)

    def voice(self, name: str | None, voices: Sequence[Voice], placement: Placement) -> str:
        """Return the id of the voice that a client means by *name*.

        Args:
            name: A voice of the model, an alias, one of OpenAI's names or of ElevenLabs' ids; None or
                ``default`` means the first voice.
            voices: The model's voices; empty if they are known only once it is loaded.
            placement: The model, for the error's text.

        Raises:
            InvalidValueError: The model has no such voice.
        """
        known = ((key, voice.id) for voice in voices for key in (voice.name, voice.id) if key)
        by_name = {composed(key).lower(): voice for key, voice in known}
        wanted = composed(self.meant(name)) if name else None
        if wanted is not None and wanted.lower() in by_name:
            return by_name[wanted.lower()]
        if wanted is None or wanted.lower() == DEFAULT_VOICE:
            return voices[0].id if voices else ""
        if (number := foreign_voice(wanted)) is not None:
            # Different names, different speakers, as far as the model has them.
            return voices[number % len(voices)].id if voices else ""
        if not voices:
            return self.meant(name or "")
        raise InvalidValueError(
            f"Model {placement.model.id!r} has no voice {quoted(name or wanted)}. Its voices: "
            f"{', '.join(voice.id for voice in voices)}; OpenAI's names work too.",
            param="voice",
        )


def foreign_voice(name: str) -> int | None:
    """Return a number for a voice of OpenAI or ElevenLabs, which stands for a voice here; None for others."""
    if name.lower() in OPENAI_VOICES:
        return OPENAI_VOICES.index(name.lower())
    return zlib.crc32(name.encode()) if _ELEVENLABS_VOICE.fullmatch(name) else None


def slot_of(name: str) -> Slot | None:
    """Return the slot whose default model a client's hard-coded name stands for; None for any other name."""
    dated = _DATED.fullmatch(name)
    if slot := OPENAI_MODELS.get(name) or (OPENAI_MODELS.get(dated["name"]) if dated else None):
        return slot
    return next((slot for names, slot in _UNLISTED.items() if names.fullmatch(name)), None)


def learns(placement: Placement) -> bool:
    """Return whether a model computes something from recordings of speakers."""
    capabilities = placement.capabilities
    return isinstance(capabilities, TtsCapabilities) and (
        capabilities.cloning or EmotionMode.AUDIO in capabilities.emotions
    )
