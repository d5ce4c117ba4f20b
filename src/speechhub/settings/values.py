"""Settings of an operator: each with its type, default and meaning.

The documentation's pages are generated from the docstrings here.
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
    """ISO 639-1 codes of the languages that the model supports; empty if unknown."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator can set."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all."""
    port: Port = 8000
    """Port to listen on; 0 picks a free one."""
    home: Path = Path("~/.speechhub")
    """Folder for models, voices and engine environments; created when needed."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much to log."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """``auto`` is ``console`` on a terminal and ``json`` elsewhere."""
    cors_origins: tuple[str, ...] = ()
    """Origins that browsers may call from, such as ``https://chat.example.org``; ``*`` for any. Requests from
    pages of other origins are refused with 403; applications and extensions need not be named."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names of the server besides localhost, its machine's name and IP addresses, such as a proxy's
    public name; ``*.example.org`` for all names below one, ``*`` for any. Without `api_keys`, a request over
    the loopback interface that names another host is refused with 403, because a web page may have made it;
    if names are set here, so is every other request that names a different host."""
    api_keys: tuple[Secret, ...] = ()
    """API keys; a client must send one of them. Empty lets every client in."""
    api_keys_file: Path | None = None
    """File with more keys, one per line, such as a container's secret; lines with ``#`` are comments."""
    admin_keys: tuple[Secret, ...] = ()
    """Keys of operators: if set, the routes under ``/v1/engines`` need one of them, and other routes accept
    them too. If unset, every client may operate the server."""
    inspectable: bool = False
    """Whether other processes of the server's user, including engines, may read its memory, environment and
    open files: for debuggers and profilers that do not run as root, and for core dumps."""
    metrics_open: bool = False
    """Whether ``/metrics`` answers without an API key, for a Prometheus that has none."""

    stt_model: str | None = None
    """Model behind ``whisper-1`` and OpenAI's other names; if unset, the best model that can run."""
    tts_model: str | None = None
    """Model behind ``tts-1`` and OpenAI's other names; if unset, the best model that can run."""
    aliases: dict[str, str] = {}
    """Additional model names: ``{"my-name": "whisper-base"}``."""
    voice_aliases: dict[str, str] = {}
    """Voice names that stand for others: ``{"alloy": "joe"}``; they win over the built-in mapping."""
    models: dict[str, ModelSettings] = {}
    """Models of your own: name → {engine, path or hub, …}."""
    engines: dict[str, dict[str, Any]] = {}
    """Options of engines: name → {option: value}; each engine's page lists them."""
    preload: tuple[str, ...] = ()
    """Models to load at start; they are still unloaded when idle."""
    accept_licenses: tuple[str, ...] = ()
    """Licences with conditions that you have read and accept: ids of licences or of models, or ``all``.
    Models under other licences with conditions are refused."""

    max_upload_bytes: Count = 50 * 1024 * 1024
    """Largest recording to transcribe; other routes take less, and most of them 64 KiB."""
    upload_idle_timeout_s: Seconds = 30.0
    """How long an upload may pause before the server ends it with 408."""
    upload_min_bytes_per_s: Count = 1024
    """Slowest average rate of an upload, not counting pauses up to `upload_idle_timeout_s`; slower ones end
    with 408. A live recording in Opus, usually the slowest upload, brings twice as much."""
    connection_limit: Count = 10_000
    """Connections that may be open at a time; more wait until one ends. The limit is lower where the system
    allows fewer open files."""
    answer_idle_timeout_s: Seconds = 600.0
    """How long a client may read nothing of its answer before it is cut off. A paused player reads nothing;
    what it has not read stays on disk."""
    rate_limit_per_minute: Limit = 0
    """Requests for speech or transcripts that one caller may make per minute; more are refused with 429. 0
    means no limit. A caller is an API key or, without keys, an address."""
    concurrency_limit: Limit = 128
    """Requests for speech or transcripts, and uploads of voices, that one caller may have running or waiting
    at a time; more are refused with 429. 0 means no limit."""
    realtime_sessions: Count = 32
    """Live sessions over WebSockets that may be open at a time; a further one is told so, and closed with
    1013. Each also counts as one running request of its caller in `concurrency_limit`."""
    realtime_idle_timeout_s: Seconds = 300.0
    """How long neither side of a live session may send anything before the server closes it with 1001."""
    realtime_max_s: Seconds = 3600.0
    """Longest live session; the server then closes it with 1001, and the client may connect again."""
    realtime_partials: bool = True
    """Whether live transcription sends text while somebody still speaks. It takes more of an engine's time,
    but only time that no request waits for."""
    realtime_partial_interval_s: Seconds = 1.0
    """Shortest time from one transcription of what was said so far to the next; an engine that takes long
    makes fewer."""
    wyoming_port: Port = 0
    """TCP port for Home Assistant's protocol, Wyoming, which has neither keys nor encryption; 10300 is usual.
    0 opens none."""
    wyoming_host: str | None = None
    """Address to listen on for Wyoming; if unset, that of `host`."""
    wyoming_zeroconf: bool = False
    """Whether to announce the Wyoming port in the local network, so that Home Assistant finds it."""
    wyoming_name: str | None = None
    """Name by which the server is announced; if unset, ``speechhub-`` and the name of the machine."""
    max_audio_s: Seconds = 2 * 3600
    """Longest recording, after decoding."""
    max_input_chars: Count = 10_000
    """Longest text to speak; OpenAI's own limit is 4096. 10,000 characters are about ten minutes of speech,
    all of which must be synthesized within `request_timeout_s`."""
    max_speech_s: Seconds = 3600
    """Longest speech that one request may produce, as the listener hears it, pauses included. Only a large
    text at a slow `speed`, or long pauses, take more than an hour."""
    text_normalization: Literal["auto", "markdown", "none"] = "auto"
    """What to treat as markup in a text to speak, unless the request says: ``auto`` is Markdown, tags and
    emoji where they are clearly meant as such, unless the engine handles them itself; ``markdown`` is
    everything that Markdown's grammar finds; ``none`` speaks the text as it was sent."""
    max_held_bytes: Count = 64 * 1024**2
    """Memory that the bodies and answers of all requests together may take. Beyond it, uploads and speech go
    to disk, and JSON that contains recordings is refused with 503. A request that runs alone never is."""
    max_spool_bytes: Count = 2 * 1024**3
    """Disk space that uploads, and speech that clients have not read yet, may use together in the folder for
    temporary files; more is refused with 503."""
    max_voices: Count = 100
    """How many custom voices, and how many consents, the library may hold."""
    max_reference_bytes: Count = 10 * 1024 * 1024
    """Largest recording of a custom voice or of a consent, as a file. Source: OpenAI's openapi.yaml."""
    max_reference_s: Seconds = 30.0
    """Longest recording of a custom voice or of a consent, after decoding."""
    voice_features_bytes: Limit = 1024**3
    """Disk space that engines may use to keep what they compute from custom voices, so that a restart or a
    switch does not compute it again; 0 keeps nothing."""
    speech_format: Literal["wav", "mp3", "opus", "aac", "flac", "pcm"] = "wav"
    """`response_format` of speech if a request names none; with OpenAI's own model names it is always mp3."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda:0`` …; auto takes the first GPU that an engine can use, else the CPU."""
    cpu_exclusive: bool = False
    """Whether the CPU, like a GPU, holds one engine at a time."""
    cpu_memory_bytes: Annotated[int, Meta(ge=0)] = 0
    """Memory that resident CPU engines may take together; 0 means three quarters of the machine's."""
    batch_audio_s: Seconds = 120.0
    """Most audio, in seconds, that is combined from waiting requests into one call, for an engine that takes
    several recordings at once. Lower values need less memory and let other requests in sooner; higher values
    transcribe more per minute."""
    recycle_after_calls: Limit = 0
    """Calls of an engine after which its process is replaced, as soon as no request waits for it; 0 means
    never. For an engine that leaks memory and does not report it."""
    threads: Annotated[int, Meta(ge=0)] = 0
    """CPU threads for each engine; 0 means one for each core."""
    queue_limit: Count = 32
    """Requests that may wait for one model; more are refused with 503."""
    queue_limit_s: Annotated[float, Meta(ge=0)] = 0.0
    """Longest predicted wait for an answer, in seconds, with which a request still joins a queue; if another
    request already waits and the prediction is longer, the new one is refused with 503. 0 means as long as
    the request may take at all: ``request_timeout_s``, or the limit that its client sets. Lower values refuse
    sooner, higher values mean longer waits."""
    stt_max_wait_s: Seconds = 30.0
    """How long a transcription may wait for another engine's work on an exclusive device before it gets its
    turn, whatever a switch costs. Lower values favour transcription over speech, and cost more switches."""
    tts_max_wait_s: Seconds = 30.0
    """The same for speech."""
    switch_reluctance: Share = 1.0
    """When to switch between engines on an exclusive device: once the others' waiting times, added up, reach
    this many switch times for each request that waits for the resident engine. Lower values even out waits,
    higher values save switches."""
    switch_min_stay: Share = 2.0
    """Shortest stay of an engine that still has work, in switch times; 2 leaves two thirds of the time for
    work."""
    switch_speculation: Share = 0.7
    """Probability, learnt from past requests, from which the next engine is prepared before a request asks
    for it; 1 or more means never. Lower values hide more switches but cause more unnecessary ones."""
    switch_timeout_s: Seconds = 30.0
    """Longest switch from one engine to another on a device."""
    first_load_timeout_s: Seconds = 120.0
    """Longest first load of a model, when nothing of it is in the page cache. It includes what the engine
    builds once, if its installation did not build it."""
    stop_timeout_s: Seconds = 2.0
    """How long a worker may take to stop when asked, before it is killed."""
    standby: Literal["auto", "on", "off"] = "auto"
    """Whether the engine that is likely next on a GPU waits in a process of its own, with its imports done
    and nothing on the GPU; auto means where the machine has memory for its model and 2 GiB to spare."""
    heartbeat_timeout_s: Annotated[float, Meta(ge=0)] = 30.0
    """How long a working engine may send no heartbeat, because native code holds Python's lock, before it is
    killed; 0 means it never is."""
    request_timeout_s: Seconds = 600.0
    """Longest time from the end of the upload to the answer; OpenAI's clients wait 600 s."""
    idle_unload_s: Annotated[float, Meta(ge=0)] = 300.0
    """Unload an engine that has been idle for this long; 0 means never."""
    stalled_after_s: Annotated[float, Meta(ge=0)] = 0.0
    """``/health`` reports ``degraded`` when a request waits and nothing happens for this long; 0 means the
    longest load and switch together or, while an engine works, the longest request."""
    shutdown_timeout_s: Seconds = 15.0
    """How long running requests may take to finish when the server stops."""

    mirror: Literal["none", "china"] = "none"
    """Where packages and models come from: ``none`` is the usual sources, ``china`` is mirrors for China."""
    hf_endpoint: str | None = None
    """Model hub to download from, such as https://hf-mirror.com; unset means the mirror's, or else
    huggingface_hub's own."""
    model_hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where to look for models first; what ModelScope does not have comes from Hugging Face's hub."""
    modelscope_endpoint: str = MODELSCOPE
    """ModelScope's address, used with `model_hub`."""
    offline: bool = False
    """Never download: use only what is on disk."""

    @property
    def modelscope(self) -> str | None:
        """Address of ModelScope's hub, if it is used."""
        return self.modelscope_endpoint if self.model_hub == "modelscope" else None

    @property
    def wyoming_address(self) -> str:
        """Address to listen on for Wyoming."""
        return self.wyoming_host or self.host

    @property
    def models_dir(self) -> Path:
        """Folder of the model store."""
        return self.home / "models"

    @property
    def voices_dir(self) -> Path:
        """Folder of the library of custom voices."""
        return self.home / "voices"

    @property
    def voice_features_dir(self) -> Path:
        """Folder for what engines compute from custom voices."""
        return self.voices_dir / "features"

    @property
    def caches_dir(self) -> Path:
        """Folder for what engines build once; downloads do not go here, and other users have no access."""
        return self.home / "caches"

    @property
    def licences_file(self) -> Path:
        """File that records the licences accepted by command; it is stored beside the models."""
        return self.models_dir / ".licences.json"

    @property
    def engines_dir(self) -> Path:
        """Folder of the engines' own environments."""
        return self.home / "engines"

    @property
    def computes_file(self) -> Path:
        """Cache of the devices that engines reported as usable; it may be deleted."""
        return self.engines_dir / ".compute.json"
