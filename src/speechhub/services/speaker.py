"""Resolves the speaker: the voice and the emotion that a client asked for, as the engine takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from speechhub.codecs.resample import resample
from speechhub.domain.names import composed
from speechhub.engine import Emotion, EmotionMode, Reference, TtsCapabilities, Voice
from speechhub.errors import InvalidValueError, UnsupportedValueError, VoiceNotFoundError
from speechhub.errors.excerpt import quoted
from speechhub.services.catalog import DEFAULT_VOICE, Catalog, foreign_voice
from speechhub.services.models import TtsModel
from speechhub.services.voices import VoiceService
from speechhub.voices import CustomVoice
from speechhub.voices.recording import Recording, clip_bytes
from speechhub.voices.records import VOICE_ID

log = structlog.get_logger()

SHORTEST_CLIP_CHARS: Final = 256
"""A text as long as this is not a name; the shortest file with a second of sound is far longer."""
INSTRUCTIONS_ALPHA: Final = 0.6
"""Strength of an emotion that `instructions` describe. Source: IndexTTS-2's README, on text emotion."""
USUAL_ALPHAS: Final = {EmotionMode.AUDIO: 0.65, EmotionMode.TEXT: 0.65}
"""Strength of an emotion where the request gives none: at 1 a voice no longer sounds like itself. Other
modes have weights of their own. Source: webui.py of index-tts, which starts at 0.65."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionWish:
    """The emotion that a client wants; the HTTP edge has checked that the parts fit the mode."""

    mode: EmotionMode
    audio: str | None = None
    """A clip, or a custom voice."""
    vector: tuple[float, ...] = ()
    text: str | None = None
    alpha: float | None = None
    """0 to 1; None means `USUAL_ALPHAS`."""
    random: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """The voice, emotion and instructions of one speech, as the engine takes them."""

    voice: str
    reference: Reference | None
    emotion: Emotion | None
    instructions: str | None

    @property
    def stored(self) -> tuple[str, ...]:
        """Digests of the references that are voices of the library."""
        found = (self.reference, self.emotion.audio if self.emotion else None)
        return tuple(reference.digest for reference in found if reference is not None and reference.stored)


class Speakers:
    """Finds voices and emotions for one service; lives as long as it."""

    def __init__(self, catalog: Catalog, voices: VoiceService) -> None:
        self._catalog = catalog
        self._voices = voices

    def check(self, voice: str | None, emotion: EmotionWish | None, model: TtsModel) -> None:
        """Refuse what the model cannot do, before it is loaded for it.

        Raises:
            UnsupportedValueError: It cannot clone, or takes no emotion in this way.
        """
        capabilities = model.capabilities
        if emotion and emotion.mode is not EmotionMode.AUTO and emotion.mode not in capabilities.emotions:
            able = ", ".join(capabilities.emotions)
            raise UnsupportedValueError(
                f"Model {model.id!r} does not support emotions given as {emotion.mode.value!r}. "
                + (f"It supports: {able}." if able else "It supports no emotions."),
                param="emotion.mode" if able else "emotion",
            )
        if voice and not capabilities.cloning and (_is_clip(voice) or VOICE_ID.fullmatch(voice)):
            raise _cannot_clone(model)

    async def find(
        self,
        voice: str | None,
        emotion: EmotionWish | None,
        instructions: str | None,
        *,
        own: Sequence[Voice],
        model: TtsModel,
    ) -> Speaker:
        """Return what to tell the engine.

        Args:
            voice: A clip, a custom voice, or whatever `Catalog.voice` takes.
            emotion: None leaves it to the voice, or to the instructions.
            instructions: Become an emotion where the engine can take one in words, but no instructions.
            own: The model's own voices.
            model: What speaks.

        Raises:
            RequestError: There is no such voice, the clip is no good, or the model cannot clone.
        """
        capabilities = model.capabilities
        wish = emotion if emotion and emotion.mode is not EmotionMode.AUTO else None
        if capabilities.instructions:
            told: str | None = instructions
        else:
            told = None
            if emotion is None and instructions and EmotionMode.TEXT in capabilities.emotions:
                wish = EmotionWish(mode=EmotionMode.TEXT, text=instructions, alpha=INSTRUCTIONS_ALPHA)
        reference = await self._voice(voice, own, model)
        return Speaker(
            # With a reference the engine needs no name; a clip's name would be the clip itself.
            voice=self._catalog.voice(voice, own, model.placement) if reference is None else "",
            reference=reference,
            emotion=await self._emotion(wish, capabilities),
            instructions=told,
        )

    async def _voice(self, voice: str | None, own: Sequence[Voice], model: TtsModel) -> Reference | None:
        """Return the reference to speak in; None if the model's own voices are meant."""
        capabilities = model.capabilities
        if voice and _is_clip(voice):
            return await self._clip(voice, capabilities, param="voice")
        found = None
        if voice and (capabilities.cloning or not self._is_own(voice, own)):
            found = await self._voices.pools.disk.run(self._custom, voice, own, cloning=capabilities.cloning)
        if found is not None:
            if not capabilities.cloning:
                raise _cannot_clone(model)
            return await self._stored(found, capabilities, param="voice")
        if capabilities.cloning and not own:
            hint = f"There is no custom voice {quoted(voice)}. " if voice else ""
            raise InvalidValueError(
                f"{hint}Model {model.id!r} has no voices of its own: name a custom voice, give it "
                "an alias such as alloy, or send a clip in base64.",
                param="voice",
            )
        return None

    def _is_own(self, voice: str, own: Sequence[Voice]) -> bool:
        """Return whether a name means one of the model's own voices, if nothing else takes it."""
        wanted = composed(self._catalog.meant(voice))
        known = {composed(key).lower() for one in own for key in (one.id, one.name) if key}
        if wanted.lower() in known:
            return True
        return bool(own) and (wanted.lower() == DEFAULT_VOICE or foreign_voice(wanted) is not None)

    def _custom(self, voice: str, own: Sequence[Voice], *, cloning: bool) -> CustomVoice | None:
        """Return the custom voice that a name means, if it means one; reads the disk."""
        library = self._voices.library
        # Only where it can be honoured: elsewhere, alloy has to mean what it did before.
        if cloning and (found := library.aliased(voice)):
            return found
        wanted = self._catalog.meant(voice)
        if VOICE_ID.fullmatch(wanted):
            return library.voice(wanted, param="voice")
        return None if self._is_own(voice, own) else library.find(wanted)

    async def _emotion(self, wish: EmotionWish | None, capabilities: TtsCapabilities) -> Emotion | None:
        if wish is None:
            return None
        audio = None
        if wish.audio is not None:
            param = "emotion.audio"
            if _is_clip(wish.audio):
                audio = await self._clip(wish.audio, capabilities, param=param)
            elif found := await self._voices.pools.disk.run(self._voices.library.find, wish.audio):
                audio = await self._stored(found, capabilities, param=param)
            else:
                raise InvalidValueError(
                    f"{param} must be a clip in base64 or a data URL, or a custom voice.", param=param
                )
        return Emotion(
            mode=wish.mode,
            audio=audio,
            vector=wish.vector,
            text=wish.text,
            alpha=USUAL_ALPHAS.get(wish.mode, 1.0) if wish.alpha is None else wish.alpha,
            random=wish.random,
        )

    async def _clip(self, text: str, capabilities: TtsCapabilities, *, param: str) -> Reference:
        limit_bytes = self._voices.max_reference_bytes
        decoding = self._voices.pools.decoding
        data = await decoding.run(clip_bytes, text, limit_bytes=limit_bytes, param=param)
        recording = await self._voices.read(data, param=param)
        return await decoding.run(_reference, recording, capabilities)

    async def _stored(self, voice: CustomVoice, capabilities: TtsCapabilities, *, param: str) -> Reference:
        try:
            recording = await self._voices.pools.disk.run(self._voices.library.recording, voice)
        except VoiceNotFoundError as error:  # deleted a moment ago
            raise VoiceNotFoundError(voice.name, param=param) from error
        return await self._voices.pools.decoding.run(_reference, recording, capabilities, stored=True)


def _is_clip(text: str) -> bool:
    return len(text) >= SHORTEST_CLIP_CHARS or text[:5].lower() == "data:"


def _cannot_clone(model: TtsModel) -> UnsupportedValueError:
    return UnsupportedValueError(
        f"Model {model.id!r} cannot clone voices: it takes neither clips nor custom voices. "
        "GET /v1/models shows the capability 'cloning'.",
        param="voice",
    )


def _reference(recording: Recording, capabilities: TtsCapabilities, *, stored: bool = False) -> Reference:
    audio, longest_s = recording.audio, capabilities.longest_reference_s
    if longest_s is not None and audio.duration_s > longest_s:
        log.warning(
            "reference recording is longer than the model uses", duration_s=audio.duration_s, used_s=longest_s
        )
        audio = audio.slice_s(0.0, longest_s)
    return Reference(
        audio=resample(audio, capabilities.reference_sample_rate), digest=recording.digest, stored=stored
    )
