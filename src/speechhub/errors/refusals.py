"""Faults of the caller: a request, or its key, that will fail again if it is not changed."""

from collections.abc import Collection

from speechhub.errors.base import SpeechhubError
from speechhub.errors.excerpt import excerpt, quoted


class RequestError(SpeechhubError):
    """The request cannot be served unless it is changed."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        """Name of the request field at fault, as the client wrote it."""

    @property
    def public(self) -> str:
        """All of `message`: it is about what the client sent."""
        return self.message


class InvalidValueError(RequestError):
    """A field has a value outside its range or set."""

    code = "invalid_value"


class UnsupportedValueError(InvalidValueError):
    """A valid value that this model does not support."""

    code = "unsupported_value"


class InvalidLanguageError(InvalidValueError):
    """The language is not a known ISO code or English name."""

    code = "invalid_language_format"

    def __init__(self, language: str, *, param: str = "language") -> None:
        super().__init__(
            f"Invalid language {quoted(language)}. Language parameter must be specified in ISO-639-1 format.",
            param=param,
        )


class MissingValueError(RequestError):
    """A required field is absent or empty."""

    code = "missing_required_parameter"

    def __init__(self, param: str, hint: str = "") -> None:
        super().__init__(f"Missing required parameter: '{param}'.{' ' + hint if hint else ''}", param=param)


class ReplicaNeededError(MissingValueError):
    """Several replicas answer at this address, and the request does not say which one it is to change."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__("replica", _which(names))


class ReplicaNotFoundError(RequestError):
    """No replica of this name answers: it has ended, or never existed."""

    code = "replica_not_found"

    def __init__(self, name: str, names: Collection[str]) -> None:
        super().__init__(f"The replica {quoted(name)} does not answer here. {_which(names)}", param="replica")


def _which(names: Collection[str]) -> str:
    return f"Several replicas answer at this address: add ?replica= with one of {', '.join(sorted(names))}."


class ModelNotFoundError(RequestError):
    """No installed engine serves this model."""

    code = "model_not_found"
    meant = ""
    """Id of the model that the client probably meant; empty without a guess."""

    def __init__(
        self, model: str, *, param: str = "model", known: Collection[str] = (), meant: str = ""
    ) -> None:
        """Name the *known* models, and the one that was probably *meant*."""
        guess = f" Did you mean {meant!r}?" if meant else ""
        hint = (
            f" Installed: {', '.join(sorted(known))}."
            if known
            else " GET /v1/models lists what is installed."
        )
        super().__init__(f"The model {quoted(model)} does not exist.{guess}{hint}", param=param)
        self.meant = meant


class ModelNotInstalledError(ModelNotFoundError):
    """The model is known, but its engine is not installed."""

    def __init__(self, model: str, *, meant: str, advice: str) -> None:
        """Say that the model *meant*, which the client calls *model*, needs its engine, and give *advice*."""
        other = "" if meant == model else f" does not exist. Did you mean {meant!r}? It"
        RequestError.__init__(
            self, f"The model {quoted(model)}{other} is not installed here. {advice}", param="model"
        )
        self.meant = meant


class WrongTaskError(ModelNotFoundError):
    """The model is installed, but for the other task."""

    def __init__(self, model: str, *, does: str, wanted: str, able: Collection[str]) -> None:
        """Say what *model* *does*, that it cannot do what is *wanted*, and which models are *able* to.

        *does* and *wanted* are verbs, such as ``transcribe``.
        """
        others = ", ".join(sorted(able)) or "none is installed"
        RequestError.__init__(
            self,
            f"The model {quoted(model)} can {does}, but cannot {wanted}. Models that {wanted}: {others}.",
            param="model",
        )


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
    """Clients may not delete models; the operator of the server removes their files."""

    code = "model_not_deletable"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model {quoted(model)} belongs to this server and cannot be deleted through the API. "
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


class AudioTrackError(AudioError):
    """The recording lacks the audio track that the client asks for, or has none that can be decoded."""

    def __init__(self, message: str, tracks: str) -> None:
        """Say what is wrong, and which *tracks* the recording has."""
        super().__init__(
            f"{message} Audio tracks of the file: {tracks}. Name one by its number or "
            "language, or omit audio_track.",
            param="audio_track",
        )


class CorruptAudioError(AudioError):
    """The container is known, but its contents cannot be decoded."""


class AudioTooShortError(AudioError):
    """There is not enough audio to work with."""

    code = "audio_too_short"


class AudioTooLongError(AudioError):
    """The decoded audio is longer than the limit."""


class AudioTooCostlyError(AudioError):
    """Decoding the recording takes far more work than audio of its length can need."""

    def __init__(
        self,
        message: str = (
            "This file takes far more work to read than its audio should need: it is damaged, or most of it "
            "is not audio. Convert it, for example with: ffmpeg -i FILE -map 0:a -map_metadata -1 new.flac"
        ),
    ) -> None:
        super().__init__(message)


class BufferTooSmallError(RequestError):
    """A client committed live audio, and there is next to none."""

    code = "input_audio_buffer_commit_empty"

    def __init__(self, duration_ms: float) -> None:
        super().__init__(
            "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but "
            f"buffer only has {duration_ms:.2f}ms of audio."
        )


class SpeechTooLongError(RequestError):
    """The speech, with its pauses, would last longer than the server allows."""

    code = "speech_too_long"

    def __init__(self, limit_s: float, *, param: str = "input") -> None:
        super().__init__(
            f"The speech would last longer than {limit_s:g} s (setting max_speech_s), pauses included: split "
            "the text, or shorten the pauses.",
            param=param,
        )


class VoiceNotFoundError(RequestError):
    """The library has no such custom voice."""

    code = "voice_not_found"

    def __init__(self, voice: str, *, param: str = "voice_id") -> None:
        super().__init__(
            f"There is no custom voice {quoted(voice)}; GET /v1/audio/voices lists what there is.",
            param=param,
        )


class VoiceExistsError(RequestError):
    """Another custom voice has this name."""

    code = "voice_exists"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A custom voice {quoted(name)} exists already, made from another recording. Delete it first, or "
            "choose another name.",
            param="name",
        )


class VoiceLibraryFullError(RequestError):
    """The library has reached its limit."""

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
            f"There is no consent {quoted(consent)}. POST /v1/audio/voice_consents creates one, and returns "
            "its id.",
            param="consent",
        )


class ConsentInUseError(RequestError):
    """A consent cannot be deleted while custom voices depend on it."""

    code = "consent_in_use"

    def __init__(self, consent: str, voices: Collection[str]) -> None:
        super().__init__(
            f"These voices depend on consent {quoted(consent)}: {', '.join(voices)}. Delete them first.",
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


class BodyTooLargeError(UploadTooLargeError):
    """The body is larger than any request to this route needs."""

    def __init__(self, limit_bytes: int, *, hint: str = "") -> None:
        RequestError.__init__(
            self,
            f"The request body is larger than {limit_bytes} bytes, the most that this route accepts."
            f"{' ' + hint if hint else ''}",
        )


class UploadStalledError(RequestError):
    """The rest of the request body did not arrive, or arrived too slowly."""

    code = "upload_timeout"

    def __init__(self, idle_timeout_s: float, min_bytes_per_s: int) -> None:
        super().__init__(
            "The request body stopped arriving, or arrives too slowly: it must deliver "
            f"{min_bytes_per_s} bytes a second, and may pause for {idle_timeout_s:g} seconds. Send it again, "
            "over a better connection."
        )


class UploadBrokenOffError(RequestError):
    """The client left before its request body was complete, or the chunks are malformed."""

    code = "upload_incomplete"

    def __init__(self) -> None:
        super().__init__(
            "The request body broke off: it is shorter than announced, or its chunks are malformed."
        )


class InvalidHostError(RequestError):
    """The header that names the host is missing, repeated or invalid."""

    code = "invalid_host"

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} Send exactly one, such as 'Host: localhost:8000'.")


class HostNotAllowedError(RequestError):
    """The request names a host that may belong to a foreign web page."""

    code = "host_not_allowed"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The host {excerpt(host)} is not allowed: this server has no API keys, and a web page of that "
            "name could use it from a browser. Ask for localhost or an IP address, or have the server's "
            "operator name the host in the setting allowed_hosts (SPEECHHUB_ALLOWED_HOSTS)."
        )


class OriginNotAllowedError(RequestError):
    """A browser sent the request for a page that may not call the API."""

    code = "origin_not_allowed"

    def __init__(self, origin: str | None) -> None:
        """Name the page's origin, if the browser sent it."""
        super().__init__(
            f"The origin {excerpt(origin or 'of this page')} is not allowed: the request comes from a web "
            "page of another site. The server's operator lets pages call by naming their origins in the "
            "setting cors_origins (SPEECHHUB_CORS_ORIGINS)."
        )


class AuthenticationError(SpeechhubError):
    """The server requires an API key, but the request has none."""

    def __init__(
        self,
        message: str = (
            "You didn't provide an API key. Send it in the header 'Authorization: Bearer YOUR_KEY', or in "
            "'api-key'. The server's operator sets the keys (SPEECHHUB_API_KEYS)."
        ),
    ) -> None:
        super().__init__(message)


class InvalidApiKeyError(AuthenticationError):
    """The request has an API key that is not one of the server's; the message does not repeat it."""

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
            "Only the server's operators may do this: it needs one of their keys (SPEECHHUB_ADMIN_KEYS)."
        )
