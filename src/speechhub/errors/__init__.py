"""Every error that speechhub raises on purpose.

SpeechhubError
├── ConfigurationError            a setting, or a plugin, is wrong: the operator fixes it
├── RequestError                  the caller's fault; asking again unchanged will fail again
│   ├── InvalidValueError
│   │   ├── UnsupportedValueError
│   │   └── InvalidLanguageError
│   ├── MissingValueError
│   ├── ModelNotFoundError
│   │   ├── NoDefaultModelError
│   │   ├── ModelNotInstalledError    it is known, and its engine is not installed
│   │   └── WrongTaskError            a model that speaks was asked to transcribe, or the reverse
│   ├── ModelNotDeletableError        models belong to the operator, not to clients
│   ├── AudioError
│   │   ├── UnsupportedAudioError     not audio, or a container that is not allowed
│   │   ├── AudioTrackError           no such audio track, or one that cannot be decoded
│   │   ├── CorruptAudioError         a known container with broken bytes
│   │   ├── AudioTooShortError
│   │   ├── AudioTooLongError
│   │   └── AudioTooCostlyError       reading it takes far more work than its audio explains
│   ├── SpeechTooLongError            its text and pauses make more than the server lets one answer have
│   ├── VoiceNotFoundError            no such custom voice
│   ├── VoiceExistsError              another custom voice has this name
│   ├── VoiceLibraryFullError
│   ├── ConsentNotFoundError
│   ├── ConsentInUseError             custom voices rest on it
│   ├── UploadTooLargeError
│   │   └── BodyTooLargeError         larger than any request of its route needs
│   ├── UploadStalledError            the body stopped arriving
│   ├── UploadBrokenOffError          the body ended before its end
│   ├── InvalidHostError              the request does not name one host
│   ├── HostNotAllowedError           it names one that may be a foreign page's
│   └── OriginNotAllowedError         a foreign page asks for something to be done
├── AuthenticationError           no API key where one is needed
│   ├── InvalidApiKeyError
│   └── OperatorKeyRequiredError      a client asked for what is an operator's
├── UnavailableError              temporary, try again later; carries retry_after_s
│   ├── QueueFullError
│   ├── RateLimitedError              this caller asked too often, or for too much at a time
│   ├── SwitchTimeoutError
│   ├── RequestTimeoutError
│   ├── EnginePinnedError
│   ├── GpuMemoryError
│   ├── EngineFailingError            its last load failed a moment ago
│   ├── DiskFullError
│   ├── StorageError                  nothing can be written below `home`
│   ├── ServerFullError               all requests together hold too many bytes
│   ├── ServerBusyError               too many requests wait to begin
│   ├── ExhaustedError                no descriptors left, or no memory
│   └── ShuttingDownError
├── ModelFilesError               a model's weights are missing, damaged or unreachable
├── VoiceDamagedError             a custom voice's files cannot be read
├── LicenceNotAcceptedError       the weights' licence has conditions, and the operator has not agreed
├── EngineError                   an engine failed
│   ├── EngineLoadError
│   │   └── EngineDeviceError         its environment cannot compute on the device that it was given
│   ├── EngineOutOfMemoryError
│   ├── EngineCrashedError            the worker process ended
│   └── EngineProtocolError           the worker said something that it may not say
└── RequestCancelledError         the client left and needs no answer
    └── AnswerUnreadError             it is there, and takes nothing

`refusals` has the caller's faults, `unavailable` what a later request may not meet, and `failures` the rest;
`excerpt` cuts what clients wrote;
`origin` says where an exception came from.
The classes know no HTTP: ``speechhub.http.errors`` maps them to statuses.
Standard library only: workers import this package.
"""

from speechhub.errors.base import SpeechhubError
from speechhub.errors.failures import (
    AnswerUnreadError,
    ConfigurationError,
    EngineCrashedError,
    EngineDeviceError,
    EngineError,
    EngineLoadError,
    EngineOutOfMemoryError,
    EngineProtocolError,
    LicenceNotAcceptedError,
    ModelFilesError,
    RequestCancelledError,
    VoiceDamagedError,
)
from speechhub.errors.refusals import (
    AudioError,
    AudioTooCostlyError,
    AudioTooLongError,
    AudioTooShortError,
    AudioTrackError,
    AuthenticationError,
    BodyTooLargeError,
    ConsentInUseError,
    ConsentNotFoundError,
    CorruptAudioError,
    HostNotAllowedError,
    InvalidApiKeyError,
    InvalidHostError,
    InvalidLanguageError,
    InvalidValueError,
    MissingValueError,
    ModelNotDeletableError,
    ModelNotFoundError,
    ModelNotInstalledError,
    NoDefaultModelError,
    OperatorKeyRequiredError,
    OriginNotAllowedError,
    RequestError,
    SpeechTooLongError,
    UnsupportedAudioError,
    UnsupportedValueError,
    UploadBrokenOffError,
    UploadStalledError,
    UploadTooLargeError,
    VoiceExistsError,
    VoiceLibraryFullError,
    VoiceNotFoundError,
    WrongTaskError,
)
from speechhub.errors.unavailable import (
    DiskFullError,
    EngineFailingError,
    EnginePinnedError,
    ExhaustedError,
    GpuMemoryError,
    QueueFullError,
    RateLimitedError,
    RequestTimeoutError,
    ServerBusyError,
    ServerFullError,
    ShuttingDownError,
    StorageError,
    SwitchTimeoutError,
    UnavailableError,
)

__all__ = [
    "AnswerUnreadError",
    "AudioError",
    "AudioTooCostlyError",
    "AudioTooLongError",
    "AudioTooShortError",
    "AudioTrackError",
    "AuthenticationError",
    "BodyTooLargeError",
    "ConfigurationError",
    "ConsentInUseError",
    "ConsentNotFoundError",
    "CorruptAudioError",
    "DiskFullError",
    "EngineCrashedError",
    "EngineDeviceError",
    "EngineError",
    "EngineFailingError",
    "EngineLoadError",
    "EngineOutOfMemoryError",
    "EnginePinnedError",
    "EngineProtocolError",
    "ExhaustedError",
    "GpuMemoryError",
    "HostNotAllowedError",
    "InvalidApiKeyError",
    "InvalidHostError",
    "InvalidLanguageError",
    "InvalidValueError",
    "LicenceNotAcceptedError",
    "MissingValueError",
    "ModelFilesError",
    "ModelNotDeletableError",
    "ModelNotFoundError",
    "ModelNotInstalledError",
    "NoDefaultModelError",
    "OperatorKeyRequiredError",
    "OriginNotAllowedError",
    "QueueFullError",
    "RateLimitedError",
    "RequestCancelledError",
    "RequestError",
    "RequestTimeoutError",
    "ServerBusyError",
    "ServerFullError",
    "ShuttingDownError",
    "SpeechTooLongError",
    "SpeechhubError",
    "StorageError",
    "SwitchTimeoutError",
    "UnavailableError",
    "UnsupportedAudioError",
    "UnsupportedValueError",
    "UploadBrokenOffError",
    "UploadStalledError",
    "UploadTooLargeError",
    "VoiceDamagedError",
    "VoiceExistsError",
    "VoiceLibraryFullError",
    "VoiceNotFoundError",
    "WrongTaskError",
]
