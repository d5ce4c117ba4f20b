"""Settings of an operator: each with its type, default and meaning.

The documentation's pages are made from the docstrings in here.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from speechhub.mirrors import MODELSCOPE
from speechhub.settings.secret import Secret

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Limit = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0)]


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
    """Origins that browsers may call from, such as ``https://chat.example.org``; ``*`` for any. What pages of
    other origins ask for is refused with 403; applications and extensions need not be named."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that the server has beside localhost, its machine's name and IP addresses, such as a proxy's
    public one; ``*.example.org`` for all below one, ``*`` for any. Without `api_keys`, a request over the
    loopback interface that names another host is refused with 403, because a web page may have made it; with
    names set here, so is every other request without them."""
    api_keys: tuple[Secret, ...] = ()
    """Keys of clients: each request must carry one of them. Empty accepts every client."""
    api_keys_file: Path | None = None
    """File with further keys, one a line, such as a container's secret; lines with ``#`` are comments."""
    admin_keys: tuple[Secret, ...] = ()
    """Keys of operators: the routes under ``/v1/engines`` then need one of them, and other routes take them
    too. Without any, every client that may use the server may also operate it."""
    inspectable: bool = False
    """Whether other processes of the server's user, engines' among them, may look into its memory, its
    environment and its open files: for debuggers and profilers that do not run as root, and core dumps."""
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
    """Largest recording to transcribe; other routes take less, and most of them 64 KiB."""
    upload_idle_timeout_s: Seconds = 30.0
    """How long an upload may stand still before it is refused with 408."""
    upload_min_bytes_per_s: Count = 1024
    """Slowest average of an upload, pauses of `upload_idle_timeout_s` aside; slower ones are refused with
    408. A live recording in Opus, the slowest that is usual, brings twice as much."""
    connection_limit: Count = 10_000
    """Connections that may be open at a time; more wait until one ends. Fewer where the system grants fewer
    open files."""
    answer_idle_timeout_s: Seconds = 600.0
    """How long a client may take nothing of its answer before it is cut off. Players that pause take nothing,
    and what they have not taken lies on disk."""
    rate_limit_per_minute: Limit = 0
    """Requests for speech or transcripts that one caller may make in a minute, more are refused with 429; 0
    is no limit. A caller is an API key or, where there are none, an address."""
    concurrency_limit: Limit = 128
    """Requests for speech or transcripts, and uploads of voices, that one caller may have running or waiting
    at a time, more are refused with 429; 0 is no limit."""
    max_audio_s: Seconds = 2 * 3600
    """Longest recording, after decoding."""
    max_input_chars: Count = 10_000
    """Longest text to speak; OpenAI's own limit is 4096. 10,000 characters are some ten minutes of speech,
    and all of it has to be made within `request_timeout_s`."""
    max_speech_s: Seconds = 3600
    """Longest speech that one request may make, pauses counted, as the listener hears it. More than an hour
    takes a large text at a slow `speed`, or long pauses."""
    text_normalization: Literal["auto", "markdown", "none"] = "auto"
    """What is taken for markup in a text to speak, where the request does not say: ``auto`` is Markdown, tags
    and emoji where they are clearly meant as such, unless the engine handles them; ``markdown`` is all that
    Markdown's grammar finds; ``none`` speaks a text as it was sent."""
    max_held_bytes: Count = 64 * 1024**2
    """Memory that the bodies and answers of all requests together may take; uploads and speech go to disk
    instead, JSON with recordings in it is refused with 503. A request that is alone is never refused."""
    max_spool_bytes: Count = 2 * 1024**3
    """Disk that uploads, and speech that listeners have not taken yet, may use together in the folder for
    temporary files; more is refused with 503."""
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
    """``auto``, ``cpu``, ``cuda:0`` …; auto takes the first GPU that an engine can use, else the CPU."""
    cpu_exclusive: bool = False
    """Whether the CPU, like a GPU, holds one engine at a time."""
    cpu_memory_bytes: Annotated[int, Meta(ge=0)] = 0
    """Memory that resident CPU engines may take together; 0 means three quarters of the machine's."""
    batch_audio_s: Seconds = 120.0
    """Audio, in seconds, that waiting requests may bring together into one call of an engine that takes
    several recordings. Lower values need less memory and let other requests in sooner; higher ones
    transcribe more in a minute."""
    recycle_after_calls: Limit = 0
    """Calls of an engine after which its process is replaced, as soon as no request waits for it; 0 means
    never. For an engine that leaks memory and does not report it."""
    threads: Annotated[int, Meta(ge=0)] = 0
    """CPU threads for each engine; 0 means one for each core."""
    queue_limit: Count = 32
    """Requests that may wait for one model; more are refused with 503."""
    queue_limit_s: Annotated[float, Meta(ge=0)] = 0.0
    """How long a request may have to wait for its answer, in seconds as predicted from what was measured, if
    another one waits already; it is refused with 503 otherwise. 0 means as long as it may take at all,
    ``request_timeout_s`` or what its client says. Lower values mean quicker refusals, higher ones longer
    waits."""
    stt_max_wait_s: Seconds = 30.0
    """How long a transcription may wait for another engine's work on an exclusive device before it gets its
    turn, whatever a switch costs. Lower values favour transcription over speech, and cost more switches."""
    tts_max_wait_s: Seconds = 30.0
    """The same for speech."""
    switch_reluctance: Share = 1.0
    """When to switch between engines on an exclusive device: once the waiting of the others, added up, is
    this many switch times for each request that waits for the loaded engine. Lower values even out waits,
    higher ones save switches."""
    switch_min_stay: Share = 2.0
    """Shortest visit of an engine that still has work, in switch times; 2 keeps two thirds of the time for
    work."""
    switch_speculation: Share = 0.7
    """Probability, learnt from past requests, from which the next engine is loaded before a request asks for
    it; 1 or more means never. Lower values hide more switches but cause more unnecessary ones."""
    switch_timeout_s: Seconds = 30.0
    """Longest switch from one engine to another on a device."""
    first_load_timeout_s: Seconds = 120.0
    """Longest first load of a model, when nothing of it is in the page cache. What its engine builds once
    and its installation did not is part of it."""
    stop_timeout_s: Seconds = 2.0
    """How long a worker may take to stop when asked, before it is killed."""
    standby: Literal["auto", "on", "off"] = "auto"
    """Whether the engine that is likely next on a GPU waits in a process of its own, its imports done and
    nothing of it on the GPU; auto where the machine has memory for its model and 2 GiB to spare."""
    heartbeat_timeout_s: Annotated[float, Meta(ge=0)] = 30.0
    """How long an engine at work may not answer, because native code holds Python's lock, before it is
    killed; 0 means for ever."""
    request_timeout_s: Seconds = 600.0
    """Longest time from the end of the upload to the answer; OpenAI's clients wait 600 s."""
    idle_unload_s: Annotated[float, Meta(ge=0)] = 300.0
    """Unload an engine that had nothing to do for so long; 0 means never."""
    stalled_after_s: Annotated[float, Meta(ge=0)] = 0.0
    """``/health`` says ``degraded`` when a request waits and nothing moves for so long; 0 means the longest
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
    def caches_dir(self) -> Path:
        """Where engines keep what they build once; no download comes here, and no other user."""
        return self.home / "caches"

    @property
    def licences_file(self) -> Path:
        """Where it is written which licences were accepted by command; beside the models, as they concern."""
        return self.models_dir / ".licences.json"

    @property
    def engines_dir(self) -> Path:
        """Where engines have environments of their own."""
        return self.home / "engines"

    @property
    def computes_file(self) -> Path:
        """Where it is kept what engines said that they can compute on; it may be deleted."""
        return self.engines_dir / ".compute.json"
