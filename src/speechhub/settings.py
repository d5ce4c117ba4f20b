"""Settings: defaults ← TOML file ← ``.env`` ← environment ``SPEECHHUB_*``.

This is the only module that reads the environment. Every setting has a name in the TOML file and, in upper
case behind ``SPEECHHUB_``, in the environment; tables and lists are written as JSON there, and a list of
plain words also with commas.
"""

import hmac
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from dotenv import dotenv_values
from msgspec import Meta

from speechhub.errors import ConfigurationError
from speechhub.mirrors import MIRRORS, MODELSCOPE

PREFIX = "SPEECHHUB_"
SERVICE_LINK = re.compile(
    PREFIX + r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
    "|" + PREFIX + r"(\w+_)?PORT=(tcp|udp|sctp)://.*"
)
"""Variables that Kubernetes gives every container for a Service named speechhub, or speechhub-something.
Source: Kubernetes' documentation, "Service", environment variables."""


Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Limit = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0)]


class Secret:
    """A text that nothing prints by accident: not `repr`, not a format string, not a JSON encoder."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that the operator adds to an engine: a table ``[models.NAME]`` in the TOML file."""

    engine: str
    """Name of the engine that runs it, such as ``whisper``."""
    path: Path | None = None
    """Folder with the model's files; used as it is."""
    hub: str | None = None
    """Repository ``owner/name`` on the model hub, or ``owner/name@revision``."""
    files: tuple[str, ...] = ()
    """Files of the repository that the model needs; empty means all."""
    prefix: str = ""
    """Folder inside the repository that the files are in."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes that the model knows; empty if unknown."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator can set."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all."""
    port: Port = 8000
    """Port to listen on; 0 picks a free one."""
    home: Path = Path("~/.speechhub")
    """Folder for models, voices and engine environments; made when needed."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much to log."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """``auto`` is ``console`` on a terminal and ``json`` elsewhere."""
    cors_origins: tuple[str, ...] = ()
    """Origins that browsers may call from; ``*`` for any."""
    api_keys: tuple[Secret, ...] = ()
    """Keys that clients must show, one of them each; empty lets everybody in."""
    api_keys_file: Path | None = None
    """File with further keys, one a line, such as a container's secret; lines with ``#`` are comments."""
    admin_keys: tuple[Secret, ...] = ()
    """Keys of operators: the routes under ``/v1/engines`` then need one of them, and other routes take them
    too. Without any, who may use the server may operate it."""
    metrics_open: bool = False
    """Whether ``/metrics`` answers without an API key, for a Prometheus that has none."""

    stt_model: str | None = None
    """Model behind ``whisper-1`` and OpenAI's other names; unset picks the best that can run."""
    tts_model: str | None = None
    """Model behind ``tts-1`` and OpenAI's other names; unset picks the best that can run."""
    aliases: dict[str, str] = {}
    """Further model names: ``{"my-name": "whisper-base"}``."""
    voice_aliases: dict[str, str] = {}
    """Voice names that stand for others: ``{"alloy": "joe"}``; they win over the built-in mapping."""
    models: dict[str, ModelSettings] = {}
    """Models of your own: name → {engine, path or hub, …}."""
    engines: dict[str, dict[str, Any]] = {}
    """Options of engines: name → {option: value}; each engine's page lists them."""
    preload: tuple[str, ...] = ()
    """Models to load at start; they still unload when idle."""
    accept_licenses: tuple[str, ...] = ()
    """Licences with conditions that you have read and accept: ids of licences or of models, or ``all``.
    Models under other such licences are refused."""

    max_upload_bytes: Count = 50 * 1024 * 1024
    """Largest request body."""
    upload_idle_timeout_s: Seconds = 30.0
    """How long an upload may stand still before it is given up with 408."""
    rate_limit_per_minute: Limit = 0
    """Requests for speech or transcripts that one caller may make in a minute, more are refused with 429; 0
    is no limit. A caller is an API key or, where there are none, an address."""
    concurrency_limit: Limit = 0
    """Requests for speech or transcripts that one caller may have running or waiting at a time, more are
    refused with 429; 0 is no limit."""
    max_audio_s: Seconds = 2 * 3600
    """Longest recording, after decoding."""
    max_input_chars: Count = 10_000
    """Longest text to speak; OpenAI's own limit is 4096. 10,000 characters are some ten minutes of speech,
    and all of it has to be made within `request_timeout_s`."""
    max_voices: Count = 100
    """How many custom voices, and how many consents, the library may hold."""
    max_reference_bytes: Count = 10 * 1024 * 1024
    """Largest recording of a custom voice or of a consent, as a file. Source: OpenAI's openapi.yaml."""
    max_reference_s: Seconds = 30.0
    """Longest recording of a custom voice or of a consent, after decoding."""
    voice_features_bytes: Limit = 1024**3
    """How much disk engines may use for what they compute from custom voices, so that a restart or a switch
    does not compute it again; 0 keeps nothing."""
    speech_format: Literal["wav", "mp3", "opus", "aac", "flac", "pcm"] = "wav"
    """`response_format` of speech where a request names none; OpenAI's own model names always mean mp3."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda:0`` …; auto takes the first GPU where there is one."""
    cpu_exclusive: bool = False
    """Whether the CPU, like a GPU, holds one engine at a time."""
    cpu_memory_bytes: Annotated[int, Meta(ge=0)] = 0
    """Memory that resident CPU engines may take together; 0 means three quarters of the machine's."""
    batch_audio_s: Seconds = 120.0
    """Audio, in seconds, that waiting requests may bring together into one call of an engine that takes
    several recordings. Less needs less memory and lets others in sooner, more transcribes more in a
    minute."""
    recycle_after_calls: Limit = 0
    """Calls of an engine after which its process is replaced, as soon as nobody waits for it; 0 means never.
    For an engine that loses memory in a way that it does not tell."""
    threads: Annotated[int, Meta(ge=0)] = 0
    """CPU threads for each engine; 0 means one for each core."""
    queue_limit: Count = 32
    """Requests that may wait for one model; more are refused with 503."""
    queue_limit_s: Seconds = 120.0
    """Work that may wait for one model, in seconds as predicted from what was measured; more is refused with
    503, though one request may always wait. Less means quicker refusals, more means longer waits."""
    stt_max_wait_s: Seconds = 30.0
    """How long a transcription may wait for another engine's work on an exclusive device before it gets its
    turn, whatever a switch costs. Less favours transcription over speech, and costs more switches."""
    tts_max_wait_s: Seconds = 30.0
    """The same for speech."""
    switch_reluctance: Share = 1.0
    """When to switch between engines on an exclusive device: once the waiting of the others, added up, is
    this many switch times for each request that waits for the resident. Less evens out waits, more saves
    switches."""
    switch_min_stay: Share = 2.0
    """Shortest visit of an engine that still has work, in switch times; 2 keeps two thirds of the time for
    work."""
    switch_speculation: Share = 0.7
    """Probability, learnt from past requests, from which the next engine is made ready before anybody asks; 1
    or more means never. Less hides more switches, and makes more in vain."""
    switch_timeout_s: Seconds = 30.0
    """Longest switch from one engine to another on a device."""
    first_load_timeout_s: Seconds = 120.0
    """Longest first load of a model, when nothing of it is in the page cache."""
    stop_timeout_s: Seconds = 2.0
    """How long a worker may take to stop when asked, before it is killed."""
    standby: Literal["auto", "on", "off"] = "auto"
    """Whether the engine that is likely next on a GPU waits in a process of its own, its imports done and
    nothing of it on the GPU; auto where the machine has memory for its model and 2 GiB to spare."""
    heartbeat_timeout_s: Annotated[float, Meta(ge=0)] = 30.0
    """How long an engine at work may give no sign of life, because native code holds Python's lock, before it
    is killed; 0 means for ever."""
    request_timeout_s: Seconds = 600.0
    """Longest time from the end of the upload to the answer; OpenAI's clients wait 600 s."""
    idle_unload_s: Annotated[float, Meta(ge=0)] = 300.0
    """Unload an engine that had nothing to do for so long; 0 means never."""
    stalled_after_s: Annotated[float, Meta(ge=0)] = 0.0
    """``/health`` says ``degraded`` when somebody waits and nothing moves for so long; 0 means the longest
    load and switch together or, while an engine works, the longest request."""
    shutdown_timeout_s: Seconds = 15.0
    """How long running requests may take to finish when the server stops."""

    mirror: Literal["none", "china"] = "none"
    """Where packages and models come from: ``none`` is the usual places, ``china`` mirrors near there."""
    hf_endpoint: str | None = None
    """Model hub to download from, such as https://hf-mirror.com; unset means the mirror's, or else
    huggingface_hub's own."""
    model_hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where models are looked for first; what ModelScope does not have comes from Hugging Face's hub."""
    modelscope_endpoint: str = MODELSCOPE
    """ModelScope's address, for `model_hub`."""
    offline: bool = False
    """Never download: use only what is on disk."""

    @property
    def modelscope(self) -> str | None:
        """Address of ModelScope's hub, if it is to be asked."""
        return self.modelscope_endpoint if self.model_hub == "modelscope" else None

    @property
    def models_dir(self) -> Path:
        """Where the model store keeps its files."""
        return self.home / "models"

    @property
    def voices_dir(self) -> Path:
        """Where the library of custom voices keeps its files."""
        return self.home / "voices"

    @property
    def voice_features_dir(self) -> Path:
        """Where engines keep what they compute from custom voices."""
        return self.voices_dir / "features"

    @property
    def licences_file(self) -> Path:
        """Where it is written which licences were accepted by command; beside the models, as they concern."""
        return self.models_dir / ".licences.json"

    @property
    def engines_dir(self) -> Path:
        """Where engines have environments of their own."""
        return self.home / "engines"


def load_settings(
    *,
    config_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings from all their sources.

    Args:
        config_file: TOML file; by default ``SPEECHHUB_CONFIG``, else ``speechhub.toml`` in the current
            folder, else ``config.toml`` in the home folder. A file that is named must exist.
        environ: The environment; by default the process's own.
        overrides: Values that win over everything else, by setting name.

    Raises:
        ConfigurationError: A source has an unknown name or a wrong value; the message says which.
    """
    process = os.environ if environ is None else environ
    dotenv = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    env = {**dotenv, **process}
    values: dict[str, Any] = {}
    values |= _read_toml(config_file, env)
    for source, mapping in (("the file .env", dotenv), ("the environment", process)):
        values |= _from_environment(mapping, source)
    values |= dict(overrides or {})
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"Settings: {error}. docs/configuration.md lists all settings.") from error
    return msgspec.structs.replace(
        settings,
        home=settings.home.expanduser().absolute(),
        # HF_ENDPOINT is huggingface_hub's own, and nearer to the operator than a whole profile.
        hf_endpoint=settings.hf_endpoint
        or (None if env.get("HF_ENDPOINT") else MIRRORS[settings.mirror].hf_endpoint),
        api_keys=settings.api_keys + _read_keys(settings.api_keys_file),
    )


def _read_keys(path: Path | None) -> tuple[Secret, ...]:
    if path is None:
        return ()
    try:
        lines = [line.strip() for line in path.expanduser().read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"Cannot read the file of API keys {path}: {type(error).__name__}."
        ) from error
    keys = tuple(Secret(line) for line in lines if line and not line.startswith("#"))
    if not keys:  # the operator wants keys: never serve without
        raise ConfigurationError(f"The file of API keys {path} has none.")
    return keys


def _read_toml(config_file: Path | None, env: Mapping[str, str]) -> dict[str, Any]:
    named = config_file or (Path(env[PREFIX + "CONFIG"]) if env.get(PREFIX + "CONFIG") else None)
    home = Path(env.get(PREFIX + "HOME") or "~/.speechhub").expanduser()
    candidates = [named] if named else [Path("speechhub.toml"), home / "config.toml"]
    for path in candidates:
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigurationError(
                f"Cannot read the configuration file {path}: {error.strerror}."
            ) from error
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"The configuration file {path} is not valid TOML: {error}.") from error
    if named:
        raise ConfigurationError(f"There is no configuration file {named}.")
    return {}


def _from_environment(mapping: Mapping[str, str], source: str) -> dict[str, Any]:
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    values: dict[str, Any] = {}
    for key, text in mapping.items():
        if not key.startswith(PREFIX) or key == PREFIX + "CONFIG" or text == "":
            continue
        if SERVICE_LINK.fullmatch(f"{key}={text}"):
            continue
        name = key.removeprefix(PREFIX).lower()
        if name not in fields:
            raise ConfigurationError(
                f"Unknown setting {key} in {source}. docs/configuration.md lists all settings."
            )
        values[name] = _parse(key, text, fields[name].type)
    return values


def _convert(kind: type, value: Any) -> Path | Secret:
    """Convert the types of settings that msgspec doesn't know."""
    if kind is Secret:
        if isinstance(value, str) and value.strip():
            return Secret(value.strip())
        raise TypeError("Expected a text that is not empty")
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise TypeError(f"Expected a path, got {value!r}")


def _parse(key: str, text: str, kind: Any) -> Any:
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.BoolType) and text.lower() in ("yes", "no", "on", "off"):
        return text.lower() in ("yes", "on")
    if not isinstance(info, (msgspec.inspect.DictType, msgspec.inspect.VarTupleType)):
        return text
    if isinstance(info, msgspec.inspect.VarTupleType) and not text.lstrip().startswith("["):
        words = [word.strip() for word in text.split(",") if word.strip()]
        if not words:  # a template with empty variables: for API keys, "none" would mean "everybody"
            raise ConfigurationError(f"{key} names nothing but commas. Fill it in, or unset it.")
        return words
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{key} must be JSON: {error}.") from error
