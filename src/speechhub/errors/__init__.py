"""Every error that speechhub raises on purpose.

SpeechhubError
├── ConfigurationError            a setting or a plugin is wrong; the operator must fix it
├── RequestError                  the caller's fault; the same request will fail again
│   ├── InvalidValueError
│   │   ├── UnsupportedValueError
│   │   └── InvalidLanguageError
│   ├── MissingValueError
│   │   └── ReplicaNeededError        several hubs answer at this address, and it must say which one it means
│   ├── ReplicaNotFoundError          no hub of this name answers at this address
│   ├── ModelNotFoundError
│   │   ├── NoDefaultModelError
│   │   ├── ModelNotInstalledError    it is known, but its engine is not installed
│   │   └── WrongTaskError            a model that speaks was asked to transcribe, or vice versa
│   ├── ModelNotDeletableError        models belong to the operator, not to clients
│   ├── AudioError
│   │   ├── UnsupportedAudioError     not audio, or a container that is not allowed
│   │   ├── AudioTrackError           no such audio track, or one that cannot be decoded
│   │   ├── CorruptAudioError         a known container with broken bytes
│   │   ├── AudioTooShortError
│   │   ├── AudioTooLongError
│   │   └── AudioTooCostlyError       decoding takes far more work than audio of its length needs
│   ├── BufferTooSmallError           live audio was committed before there was any
│   ├── SpeechTooLongError            its text and pauses take longer than the server allows
│   ├── VoiceNotFoundError            no such custom voice
│   ├── VoiceExistsError              another custom voice has this name
│   ├── VoiceLibraryFullError
│   ├── ConsentNotFoundError
│   ├── ConsentInUseError             custom voices depend on it
│   ├── UploadTooLargeError
│   │   └── BodyTooLargeError         larger than any request to its route needs
│   ├── UploadStalledError            the body stopped arriving
│   ├── UploadBrokenOffError          the body is incomplete
│   ├── InvalidHostError              the request does not name exactly one host
│   ├── HostNotAllowedError           the request's host name may belong to a foreign web page
│   └── OriginNotAllowedError         the request comes from a foreign web page
├── AuthenticationError           no API key where one is needed
│   ├── InvalidApiKeyError
│   └── OperatorKeyRequiredError      a client asked for something that only operators may do
├── UnavailableError              temporary, try again later; has retry_after_s
│   ├── QueueFullError
│   ├── NotIdleError                  for work that must not wait; no client sees it
│   ├── RateLimitedError              this caller sends too many requests, or too many at once
│   ├── SwitchTimeoutError
│   ├── RequestTimeoutError
│   ├── EnginePinnedError
│   ├── GpuMemoryError
│   ├── EngineFailingError            its last load failed a moment ago
│   ├── DiskFullError
│   ├── StorageError                  custom voices cannot be stored or changed
│   ├── ServerFullError               all requests together hold too many bytes
│   ├── ServerBusyError               too many requests wait to begin
│   ├── ExhaustedError                no file descriptors or memory left
│   └── ShuttingDownError
├── ModelFilesError               a model's weights are missing, damaged or unreachable
├── VoiceDamagedError             a custom voice's files cannot be read
├── LicenceNotAcceptedError       the weights' licence has conditions that the operator has not accepted
├── EngineError                   an engine failed
│   ├── EngineLoadError
│   │   └── EngineDeviceError         its environment cannot compute on its device
│   ├── EngineOutOfMemoryError
│   ├── EngineCrashedError            the worker process ended
│   ├── LiveSessionLostError          the engine no longer has what was said so far
│   └── EngineProtocolError           the worker broke the protocol
└── RequestCancelledError         the client left and needs no answer
    └── AnswerUnreadError             the client is connected, but does not read its answer

`refusals` has the caller's faults, `unavailable` temporary ones, and `failures` the rest;
`excerpt` shortens what clients wrote;
`origin` finds where an exception came from.
The classes do not depend on HTTP: ``speechhub.services.statuses`` maps them to statuses.
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
    LiveSessionLostError,
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
    BufferTooSmallError,
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
    ReplicaNeededError,
    ReplicaNotFoundError,
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
    NotIdleError,
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
    "BufferTooSmallError",
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
    "LiveSessionLostError",
    "MissingValueError",
    "ModelFilesError",
    "ModelNotDeletableError",
    "ModelNotFoundError",
    "ModelNotInstalledError",
    "NoDefaultModelError",
    "NotIdleError",
    "OperatorKeyRequiredError",
    "OriginNotAllowedError",
    "QueueFullError",
    "RateLimitedError",
    "ReplicaNeededError",
    "ReplicaNotFoundError",
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
