"""Names of voices over all models: which name each voice is offered by, and which voice a name means.

Home Assistant stores the names in its pipelines, so a name depends only on what is installed: loading an
engine, choosing another default model, and adding a custom voice change no name that was there before.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from speechhub.domain.names import key_of
from speechhub.engine import Voice
from speechhub.services.catalog import DEFAULT_VOICE, foreign_voice
from speechhub.voices import CustomVoice
from speechhub.voices.records import VOICE_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenVoice:
    """What to speak with; None leaves it to the server."""

    model: str | None = None
    """Id of the model."""
    voice: str | None = None
    """A voice of the model, the id of a custom voice, or a name that the catalog resolves."""
    language: str | None = None
    """ISO 639 code of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakingModel:
    """A TTS model, as far as its voices are concerned."""

    id: str
    described: tuple[Voice, ...]
    """Voices that are known before the model is loaded."""
    known: tuple[Voice, ...]
    """Voices that are known now: the engine's own once the model was loaded."""
    clones: bool
    languages: tuple[str, ...]
    """ISO 639 codes; empty means any."""
    installed: bool = True
    """Whether it can speak; False if the operator must first accept a licence or supply files."""

    @property
    def has_unknown_voices(self) -> bool:
        """Whether its voices are known only once it is loaded."""
        return not (self.known or self.clones)

    def own(self, name: str) -> Voice | None:
        """Return the model's own voice with this id or display name; None if it has none."""
        key = key_of(name)
        return next(
            (v for v in (*self.known, *self.described) if key in (key_of(v.id), key_of(v.name))), None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedVoice:
    """One voice of `info`."""

    name: str
    """Unique over all models."""
    title: str
    """What users see."""
    model: SpeakingModel
    voice: str | None
    """As in `ChosenVoice`; None is the model's first voice, whatever that is."""
    languages: tuple[str, ...]
    """ISO 639 codes, best first; empty means any."""
    speakers: tuple[str, ...] = ()
    """Ids of the model's voices where *voice* is None and there are several."""

    @property
    def chosen(self) -> ChosenVoice:
        """The voice, as it is spoken with."""
        return ChosenVoice(model=self.model.id, voice=self.voice)


@dataclass(frozen=True, kw_only=True)
class VoiceNames:
    """All voices that are offered at one moment, and what names mean."""

    models: tuple[SpeakingModel, ...]
    """The default model first."""
    default: str | None
    """Id of the default model."""
    custom: tuple[CustomVoice, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """The library's aliases: name → id of a custom voice."""

    @cached_property
    def offered(self) -> tuple[OfferedVoice, ...]:
        """All voices, in the order of `models`; each model's own voices first."""
        return tuple(_offered(self.models, self.custom))

    @cached_property
    def _by_key(self) -> Mapping[str, OfferedVoice]:
        return {key_of(one.name): one for one in self.offered}

    def find(self, name: str, meant: Callable[[str], str]) -> ChosenVoice | None:
        """Return what *name* means; None if nothing.

        Args:
            name: A name that is offered, ``MODEL/VOICE``, a voice's id, display name or alias, a model's id,
                or one of OpenAI's names.
            meant: Resolves the aliases of the settings.
        """
        return (
            self._listed(name)
            or self._qualified(name, meant)
            or self._plain(name, meant)
            or self._left_to_default(name, meant)
        )

    def first(self, model: str) -> ChosenVoice | None:
        """Return the first voice that is offered of *model*; None if there is none."""
        return next((one.chosen for one in self.offered if one.model.id == model), None)

    def model(self, name: str) -> SpeakingModel | None:
        """Return the model with this id; None if there is none."""
        return next((model for model in self.models if model.id == name), None)

    def _listed(self, name: str) -> ChosenVoice | None:
        found = self._by_key.get(key_of(name))
        return found.chosen if found else None

    def _qualified(self, name: str, meant: Callable[[str], str]) -> ChosenVoice | None:
        for model in sorted(self.models, key=lambda model: -len(model.id)):
            prefix = f"{model.id}/"
            if not name.startswith(prefix):
                continue
            rest = name.removeprefix(prefix)
            if found := self._of(model, rest, meant):
                return found
            if rest and (model.has_unknown_voices or (model.known and _is_for_any(meant(rest)))):
                return ChosenVoice(model=model.id, voice=rest)
        return self.first(name) or (ChosenVoice(model=name) if self.model(name) else None)

    def _plain(self, name: str, meant: Callable[[str], str]) -> ChosenVoice | None:
        return next(filter(None, (self._of(model, name, meant) for model in self.models)), None)

    def _of(self, model: SpeakingModel, name: str, meant: Callable[[str], str]) -> ChosenVoice | None:
        """Return the voice of *model* that a name means, by the rules of `services.speaker.Speakers`."""
        key, wanted = key_of(name), meant(name)
        if model.clones and (alias := next((v for k, v in self.aliases.items() if key_of(k) == key), None)):
            return ChosenVoice(model=model.id, voice=alias)
        if own := model.own(wanted):
            return ChosenVoice(model=model.id, voice=own.id)
        if model.clones:
            if VOICE_ID.fullmatch(wanted):  # it may be newer than this list
                return ChosenVoice(model=model.id, voice=wanted)
            alike = [voice for voice in self.custom if key_of(voice.name) == key_of(wanted)]
            if alike:
                return ChosenVoice(model=model.id, voice=alike[0].id)
        return None

    def _left_to_default(self, name: str, meant: Callable[[str], str]) -> ChosenVoice | None:
        """Return the default model, with a name that stands for any of its voices or that it may know."""
        default = self.model(self.default or "")
        if default is not None and (_is_for_any(meant(name)) or default.has_unknown_voices):
            return ChosenVoice(model=default.id, voice=name)
        return None


def _is_for_any(name: str) -> bool:
    """Return whether a name stands for some voice of whichever model speaks."""
    return key_of(name) == DEFAULT_VOICE or foreign_voice(name) is not None


def _offered(models: Sequence[SpeakingModel], custom: Sequence[CustomVoice]) -> Iterator[OfferedVoice]:
    """Yield every voice under a name of its own."""
    plain = Counter(key_of(voice.id) for model in models for voice in model.described)
    plain.update(key_of(model.id) for model in models)
    own = set(plain) | {key_of(v.name) for model in models for v in model.described if v.name}
    cloning = sum(model.clones for model in models)
    taken: set[str] = set()
    for model in models:
        # Last what a load adds: it takes no name from what was there before.
        for one in (*_own(model, plain), *_custom(model, custom, own, alone=cloning == 1), *_late(model)):
            key = key_of(one.name)
            if key not in taken:
                taken.add(key)
                yield one


def _own(model: SpeakingModel, plain: Counter[str]) -> Iterator[OfferedVoice]:
    """Yield the voices that are known before the model is loaded; if none are, one entry for them all."""
    for voice in model.described:
        is_plain = plain[key_of(voice.id)] == 1 and "/" not in voice.id
        yield _offer(voice.id if is_plain else f"{model.id}/{voice.id}", voice, model)
    if not model.described and not model.clones:
        spoken = dict.fromkeys(code for voice in model.known for code in voice.languages)
        yield OfferedVoice(
            name=model.id,
            title=model.id,
            model=model,
            voice=None,
            languages=tuple(spoken) or model.languages,
            speakers=tuple(voice.id for voice in model.known) if len(model.known) > 1 else (),
        )


def _late(model: SpeakingModel) -> Iterator[OfferedVoice]:
    """Yield the voices that only the loaded engine names; a single one already has its model's entry."""
    described = {voice.id for voice in model.described}
    if described or model.clones or len(model.known) > 1:
        for voice in model.known:
            if voice.id not in described:
                yield _offer(f"{model.id}/{voice.id}", voice, model)


def _offer(name: str, voice: Voice, model: SpeakingModel) -> OfferedVoice:
    return OfferedVoice(
        name=name,
        title=f"{voice.name or voice.id} — {model.id}",
        model=model,
        voice=voice.id,
        languages=voice.languages or model.languages,
    )


def _custom(
    model: SpeakingModel, custom: Iterable[CustomVoice], own: set[str], *, alone: bool
) -> Iterator[OfferedVoice]:
    """Yield the custom voices; *alone* is whether no other model clones voices.

    A name that a model's own voice has means that voice, as in HTTP requests: the custom voice is offered by
    its id. So is one with a slash in its name, which earlier versions allowed: it looks like ``MODEL/VOICE``.
    """
    seen: set[str] = set()
    for voice in custom if model.clones else ():
        key = key_of(voice.name)
        name = voice.id if key in own or key in seen or "/" in voice.name else voice.name
        seen.add(key)
        yield OfferedVoice(
            name=name if alone else f"{model.id}/{name}",
            title=voice.name if alone else f"{voice.name} — {model.id}",
            model=model,
            voice=voice.id,
            languages=model.languages,
        )
