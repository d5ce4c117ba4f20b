"""The shapes of models.

Source: OpenAI's openapi.yaml and recorded answers; field by field in docs/http-api.md.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

ModelState = Literal["unloaded", "loading", "ready", "draining", "stopping", "verifying"]
"""What a model's engine is doing: the phases of its worker, or that it has none. A test compares them."""
Name = Annotated[str, Meta(max_length=256)]
"""Of a model, a voice or a speaker: twice as long as the longest on a model hub."""


class ModelVoice(msgspec.Struct, frozen=True, kw_only=True):
    """A voice among the fields of its model, where clients of speaches read its name."""

    id: str
    name: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    task: str
    """``stt`` or ``tts``."""
    alias_of: str | None = None
    """The model that an alias stands for."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; empty if unknown."""
    device: str
    """Where it runs."""
    device_note: str = ""
    """Why it is not on a better device, and what the operator can do; empty if it is on its best one."""
    state: ModelState
    voices: tuple[ModelVoice, ...] = ()
    """Voices of a TTS model, as far as they are known."""
    capabilities: dict[str, Any] = {}
    """What the model can do, as its engine declares it."""
    licence: str = ""
    """Licence of the weights; empty if unknown."""
    licence_url: str = ""
    """Address of the licence's text."""
    licence_accepted: bool = True
    """Whether the operator has accepted its conditions; true if there are none."""


class AudioModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model, as clients that list speech models read it."""

    id: str
    task: str


class AudioModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All speech models."""

    models: list[AudioModel]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]
