"""Every error that speechhub raises on purpose.

SpeechhubError
├── ConfigurationError            a setting, or a plugin, is wrong: the operator mends it
├── RequestError                  the caller's fault; asking again unchanged will fail again
│   ├── InvalidValueError
│   │   ├── UnsupportedValueError
│   │   └── InvalidLanguageError
│   ├── MissingValueError
│   ├── ModelNotFoundError
│   │   └── NoDefaultModelError
│   ├── ModelNotDeletableError        models belong to the operator, not to clients
│   ├── AudioError
│   │   ├── UnsupportedAudioError     not audio, or a container that is not allowed
│   │   ├── CorruptAudioError         a known container with broken bytes
│   │   ├── AudioTooShortError
│   │   └── AudioTooLongError
│   ├── VoiceNotFoundError            no such custom voice
│   ├── VoiceExistsError              another custom voice has this name
│   ├── VoiceLibraryFullError
│   ├── ConsentNotFoundError
│   ├── ConsentInUseError             custom voices rest on it
│   ├── UploadTooLargeError
│   ├── UploadStalledError            the body stopped arriving
│   └── UploadBrokenOffError          the body ended before its end
├── AuthenticationError           no API key where one is needed
│   ├── InvalidApiKeyError
│   └── OperatorKeyRequiredError      a client asked for what is an operator's
├── UnavailableError              nobody's fault, try later; carries retry_after_s
│   ├── QueueFullError
│   ├── RateLimitedError              this caller asked too often, or for too much at a time
│   ├── SwitchTimeoutError
│   ├── RequestTimeoutError
│   ├── UnloadedError
│   ├── EnginePinnedError
│   ├── GpuMemoryError
│   ├── EngineFailingError            its last load failed a moment ago
│   └── ShuttingDownError
├── ModelFilesError               a model's weights are missing, damaged or unreachable
├── EngineError                   an engine failed
│   ├── EngineLoadError
│   ├── EngineOutOfMemoryError
│   ├── EngineCrashedError            the worker process ended
│   └── EngineProtocolError           the worker said something that it may not say
└── RequestCancelledError         the client left; nobody is waiting for an answer

The classes know no HTTP: ``speechhub.http.errors`` maps them to statuses.
Standard library only: workers import this module.
"""

from collections.abc import Collection


class SpeechhubError(Exception):
    """Base of all errors raised on purpose."""

    code: str | None = None
    """Stable identifier for programs; None where OpenAI's API has none either."""

    @property
    def message(self) -> str:
        """What went wrong and what to do about it, safe to show to a client."""
        return str(self)


class ConfigurationError(SpeechhubError):
    """A setting or a plugin is wrong."""

    code = "configuration_error"


# ── The caller's fault ───────────────────────────────────────────────────────


class RequestError(SpeechhubError):
    """The request cannot be served as it is."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        """Name of the request field at fault, as the client wrote it."""


class InvalidValueError(RequestError):
    """A field has a value outside its range or set."""

    code = "invalid_value"


class UnsupportedValueError(InvalidValueError):
    """A valid value that this model cannot honour."""

    code = "unsupported_value"


class InvalidLanguageError(InvalidValueError):
    """The language is not a known ISO code or English name."""

    code = "invalid_language_format"

    def __init__(self, language: str, *, param: str = "language") -> None:
        super().__init__(
            f"Invalid language {language!r}. Language parameter must be specified in ISO-639-1 format.",
            param=param,
        )


class MissingValueError(RequestError):
    """A required field is absent or empty."""

    code = "missing_required_parameter"

    def __init__(self, param: str, hint: str = "") -> None:
        super().__init__(f"Missing required parameter: '{param}'.{' ' + hint if hint else ''}", param=param)


class ModelNotFoundError(RequestError):
    """No installed engine serves this model."""

    code = "model_not_found"

    def __init__(self, model: str, *, param: str = "model", known: Collection[str] = ()) -> None:
        hint = (
            f" Installed: {', '.join(sorted(known))}."
            if known
            else " GET /v1/models lists what is installed."
        )
        super().__init__(f"The model {model!r} does not exist.{hint}", param=param)


class NoDefaultModelError(ModelNotFoundError):
    """The request names no model, or one of OpenAI's, and no installed engine can stand in."""

    def __init__(self, task: str) -> None:
        RequestError.__init__(
            self,
            f"There is no default {task} model: no installed engine offers one. 'speechhub engines' lists "
            "the engines, and the settings stt_model and tts_model choose a default.",
            param="model",
        )


class ModelNotDeletableError(RequestError):
    """Clients may not delete models; whoever runs the server removes their files."""

    code = "model_not_deletable"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model {model!r} belongs to this server and cannot be deleted through the API. "
            "Its operator can, with: speechhub models remove.",
            param="model",
        )


class AudioError(RequestError):
    """The uploaded audio cannot be used."""

    code = "invalid_value"

    def __init__(self, message: str, *, param: str = "file") -> None:
        super().__init__(message, param=param)


class UnsupportedAudioError(AudioError):
    """The bytes are not audio in a container that speechhub opens."""


class CorruptAudioError(AudioError):
    """The container is known, but its contents cannot be decoded."""


class AudioTooShortError(AudioError):
    """There is not enough audio to work with."""

    code = "audio_too_short"


class AudioTooLongError(AudioError):
    """The decoded audio is longer than the limit."""


class VoiceNotFoundError(RequestError):
    """The library has no such custom voice."""

    code = "voice_not_found"

    def __init__(self, voice: str, *, param: str = "voice_id") -> None:
        super().__init__(
            f"There is no custom voice {voice!r}; GET /v1/audio/voices lists what there is.", param=param
        )


class VoiceExistsError(RequestError):
    """Another custom voice has this name."""

    code = "voice_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is a custom voice {name!r} already, made of something else. Delete it first, or choose "
            "another name.",
            param="name",
        )


class VoiceLibraryFullError(RequestError):
    """The library holds as much as it may."""

    code = "voice_limit_reached"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(
            f"The library holds {limit} {what} and takes no more (setting max_voices): delete some first."
        )


class ConsentNotFoundError(RequestError):
    """The library has no such consent."""

    code = "consent_not_found"

    def __init__(self, consent: str) -> None:
        super().__init__(
            f"There is no consent {consent!r}. POST /v1/audio/voice_consents takes one, and gives its id.",
            param="consent",
        )


class ConsentInUseError(RequestError):
    """A consent cannot go while custom voices rest on it."""

    code = "consent_in_use"

    def __init__(self, consent: str, voices: Collection[str]) -> None:
        super().__init__(
            f"These voices rest on consent {consent!r}: {', '.join(voices)}. Delete them first.",
            param="consent_id",
        )


class UploadTooLargeError(RequestError):
    """The request body is larger than the limit."""

    def __init__(self, limit_bytes: int, *, param: str = "file") -> None:
        super().__init__(
            f"Maximum content size limit ({limit_bytes} bytes) exceeded. Send a compressed format such as "
            "mp3, m4a or opus, or split the recording.",
            param=param,
        )


class UploadStalledError(RequestError):
    """The rest of the request body did not arrive."""

    code = "upload_timeout"

    def __init__(self, idle_timeout_s: float) -> None:
        super().__init__(
            f"The request body stopped arriving: hardly anything came for {idle_timeout_s:g} seconds."
        )


class UploadBrokenOffError(RequestError):
    """The client left within its request body, or its chunks make no sense."""

    code = "upload_incomplete"

    def __init__(self) -> None:
        super().__init__(
            "The request body broke off: it is shorter than announced, or its chunks are malformed."
        )


class AuthenticationError(SpeechhubError):
    """The server asks for an API key, and the request has none."""

    def __init__(
        self,
        message: str = (
            "You didn't provide an API key. Send it in the header 'Authorization: Bearer YOUR_KEY', or in "
            "'api-key'. The server's operator sets the keys (SPEECHHUB_API_KEYS)."
        ),
    ) -> None:
        super().__init__(message)


class InvalidApiKeyError(AuthenticationError):
    """The request has an API key, and it is not one of the server's; the message does not repeat it."""

    code = "invalid_api_key"

    def __init__(self) -> None:
        super().__init__(
            "Incorrect API key provided. The server's operator sets the keys (SPEECHHUB_API_KEYS)."
        )


class OperatorKeyRequiredError(AuthenticationError):
    """The caller may use the server, but not operate it."""

    code = "operator_key_required"

    def __init__(self) -> None:
        super().__init__(
            "This is for the server's operators: it needs one of their keys (SPEECHHUB_ADMIN_KEYS)."
        )


# ── Nobody's fault ───────────────────────────────────────────────────────────


class UnavailableError(SpeechhubError):
    """The request is fine, but cannot be served now."""

    code = "server_is_overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When to ask again, in seconds."""


class QueueFullError(UnavailableError):
    """Too many requests wait for this model."""


class RateLimitedError(UnavailableError):
    """This caller asks too often, or for too much at the same time."""

    code = "rate_limit_exceeded"


class SwitchTimeoutError(UnavailableError):
    """The engine was not ready in time."""

    code = "engine_switch_timeout"


class RequestTimeoutError(UnavailableError):
    """The request was not done by its deadline."""

    code = "request_timeout"


class UnloadedError(UnavailableError):
    """An operator unloaded the engine while the request waited for it."""

    code = "engine_unloaded"


class EnginePinnedError(UnavailableError):
    """An operator pinned another model to the device that this one needs."""

    code = "engine_pinned"

    def __init__(self, model: str, pinned: str, device: str) -> None:
        super().__init__(
            f"Model {model!r} cannot run now: the operator pinned {pinned!r} to {device}, and both do not "
            "fit. Try again later, or ask for the pinned model.",
            retry_after_s=60.0,
        )


class GpuMemoryError(UnavailableError):
    """A GPU's memory did not come back from the engine that left, or others hold it."""

    code = "gpu_memory_not_free"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after_s=10.0)


class EngineFailingError(UnavailableError):
    """The engine could not load its model a moment ago, and is not tried again yet."""

    code = "engine_failing"

    def __init__(self, model: str, cause: SpeechhubError | None, *, retry_after_s: float) -> None:
        super().__init__(
            f"Model {model!r} could not be loaded a moment ago and is tried again later."
            + (f" It said: {cause.message}" if cause else ""),
            retry_after_s=retry_after_s,
        )


class ShuttingDownError(UnavailableError):
    """The server is stopping."""

    code = "server_shutting_down"

    def __init__(self) -> None:
        super().__init__("The server is shutting down.", retry_after_s=5.0)


# ── Engines and their files ──────────────────────────────────────────────────


class ModelFilesError(SpeechhubError):
    """A model's files are missing, damaged or cannot be fetched."""

    code = "model_files_unavailable"


class EngineError(SpeechhubError):
    """An engine failed; the message never holds a transcript, input text or audio."""

    code = "engine_error"


class EngineLoadError(EngineError):
    """An engine could not load its model."""

    code = "engine_load_failed"


class EngineOutOfMemoryError(EngineError):
    """The device or the host has not enough memory for this request."""

    code = "engine_out_of_memory"


class EngineCrashedError(EngineError):
    """The worker process ended while it served a request."""

    code = "engine_crashed"


class EngineProtocolError(EngineError):
    """The worker broke the protocol between hub and worker."""

    code = "engine_protocol_error"


class RequestCancelledError(SpeechhubError):
    """The client has left."""

    code = "request_cancelled"
