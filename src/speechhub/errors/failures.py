"""Failures on the server: settings, files, engines; and clients that left."""

from speechhub.errors.base import SpeechhubError


class ConfigurationError(SpeechhubError):
    """A setting or a plugin is wrong."""

    code = "configuration_error"


class ModelFilesError(SpeechhubError):
    """A model's files are missing, damaged or cannot be fetched."""

    code = "model_files_unavailable"

    @property
    def public(self) -> str:
        """That they are not available, without the folders and hubs that were searched."""
        return (
            "The files of the model are not available on this server; its log tells the operator which files "
            "are missing, and what to do."
        )


class VoiceDamagedError(SpeechhubError):
    """The files of a custom voice, or of a consent, cannot be read; they are left as they are."""

    code = "voice_damaged"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The files of {what} are damaged on the server. Its log and 'speechhub doctor' tell the "
            "operator more. All other voices can be used."
        )


class LicenceNotAcceptedError(SpeechhubError):
    """A model's licence has conditions that the operator has not accepted; the model was not started."""

    code = "license_not_accepted"

    def __init__(self, model: str, licence: str, licence_url: str = "") -> None:
        where = f" ({licence_url})" if licence_url else ""
        super().__init__(
            f"The licence of model {model!r} has conditions, and the operator of this server has not "
            f"accepted it: {licence}{where}. To accept it: speechhub models pull {model} --accept-license, "
            f"or SPEECHHUB_ACCEPT_LICENSES={model}."
        )

    @property
    def public(self) -> str:
        """All of `message`: the only address in it is that of the licence."""
        return self.message


class EngineError(SpeechhubError):
    """An engine failed; the message never holds a transcript, input text or audio."""

    code = "engine_error"


class EngineLoadError(EngineError):
    """An engine could not load its model."""

    code = "engine_load_failed"
    again: bool = False
    """Whether another attempt may succeed: in a new process, or on another device."""


class EngineDeviceError(EngineLoadError):
    """The engine's environment cannot compute on the device, with any model.

    Libraries or kernels are missing, or the driver is too old; the message says which, and what to install.
    """

    code = "engine_device_unusable"


class EngineOutOfMemoryError(EngineError):
    """The device or the host does not have enough memory for this request."""

    code = "engine_out_of_memory"


class EngineCrashedError(EngineError):
    """The worker process ended while it served a request."""

    code = "engine_crashed"
    device_lost: bool = False
    """Whether it ended because it could no longer use its device."""


class LiveSessionLostError(EngineError):
    """The engine does not have the live session that a request goes on with; no client sees this.

    Its worker was replaced, a call of the session failed, or the session was idle for too long. The hub has
    all audio of the utterance, and begins another session with it.
    """

    code = "live_session_lost"

    def __init__(self) -> None:
        super().__init__("The engine has no such live session, or no longer. Begin another one.")


class EngineProtocolError(EngineError):
    """The worker broke the protocol between hub and worker."""

    code = "engine_protocol_error"


class RequestCancelledError(SpeechhubError):
    """The client has left."""

    code = "request_cancelled"


class AnswerUnreadError(RequestCancelledError):
    """The client has stopped reading its answer."""

    def __init__(self, idle_timeout_s: float) -> None:
        super().__init__(f"The client read nothing of its answer for {idle_timeout_s:g} s.")
