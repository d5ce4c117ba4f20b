"""Programs of the `info` event: one that transcribes with every model, one that speaks with every voice.

Home Assistant takes the first program of each kind and offers nothing of any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wyoming.info import AsrModel, AsrProgram, Attribution, TtsProgram, TtsVoice, TtsVoiceSpeaker

from speechhub import __version__
from speechhub.domain.language import LANGUAGES
from speechhub.placement import Placement
from speechhub.wyoming.voice_names import OfferedVoice

PROGRAM: Final = "speechhub"
"""Name of both programs; Home Assistant names its entities after them."""
_OWN: Final = Attribution(name="speechhub", url="")


@dataclass(frozen=True, slots=True, kw_only=True)
class HearingModel:
    """An STT model, as Wyoming offers it."""

    placement: Placement
    languages: tuple[str, ...]
    """ISO 639 codes, best first; empty means any."""
    offered_languages: tuple[str, ...]
    """ISO 639 codes to offer; empty means all that there are."""
    installed: bool
    """Whether it can transcribe; False if the operator must first accept a licence or supply files."""

    @property
    def id(self) -> str:
        """The model's own id."""
        return self.placement.model.id


def asr_program(models: Sequence[HearingModel]) -> AsrProgram:
    """Return the program that transcribes."""
    return AsrProgram(
        name=PROGRAM,
        description="Speech to text by speechhub",
        attribution=_OWN,
        installed=any(model.installed for model in models),
        version=__version__,
        models=[
            AsrModel(
                name=model.id,
                description=_title(model.placement),
                attribution=attribution(model.placement),
                installed=model.installed,
                version=None,
                languages=list(model.offered_languages or LANGUAGES),
            )
            for model in models
        ],
        supports_transcript_streaming=True,
        requires_external_vad=True,
        # Models are trained on noisy recordings, and suppressing noise removes parts of the speech, too.
        prefers_auto_gain_enabled=True,
        prefers_noise_reduction_enabled=False,
    )


def tts_program(voices: Sequence[OfferedVoice], placements: Sequence[Placement]) -> TtsProgram:
    """Return the program that speaks; *placements* are those of the voices' models, at least."""
    authors = {placement.model.id: attribution(placement) for placement in placements}
    return TtsProgram(
        name=PROGRAM,
        description="Text to speech by speechhub",
        attribution=_OWN,
        installed=any(voice.model.installed for voice in voices),
        version=__version__,
        voices=[
            TtsVoice(
                name=voice.name,
                description=voice.title,
                attribution=authors[voice.model.id],
                installed=voice.model.installed,
                version=None,
                languages=list(voice.languages or LANGUAGES),
                speakers=[TtsVoiceSpeaker(name=speaker) for speaker in voice.speakers] or None,
            )
            for voice in voices
        ],
        supports_synthesize_streaming=True,
    )


def attribution(placement: Placement) -> Attribution:
    """Return where a model's files come from; else its engine, and where its licence can be read."""
    model = placement.model
    if model.hub is not None:
        return Attribution(name=model.hub.repo, url=f"https://huggingface.co/{model.hub.repo}")
    return Attribution(name=placement.engine.spec.name, url=model.licence_url)


def _title(placement: Placement) -> str:
    engine = placement.engine.spec
    what = engine.description.partition(":")[0].partition(";")[0] or engine.name
    return f"{placement.model.id} — {what}"
