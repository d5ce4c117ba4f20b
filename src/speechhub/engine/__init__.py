"""The public API for engines: everything a plugin needs, and all that it may use of speechhub.

Write a subclass of `SttEngine` or `TtsEngine`, describe it with an `EngineSpec`, and name the spec in an
entry point of the group ``speechhub.stt`` or ``speechhub.tts``; docs/writing-an-engine.md shows how.

Engines are synchronous. The host creates one engine in a process of its own and calls it from one thread,
one call at a time; the host looks after processes, queues, time-outs and cancellation.
This package needs the standard library and numpy alone, because it is imported inside every engine's own
Python environment.
"""

from speechhub.domain.audio import Audio
from speechhub.domain.script import space_between
from speechhub.domain.transcript import Hypothesis, Segment, Transcript, Word
from speechhub.domain.voice import Voice
from speechhub.engine.base import SttEngine, TtsEngine
from speechhub.engine.call import Call, LoadContext
from speechhub.engine.capabilities import SttCapabilities, TtsCapabilities
from speechhub.engine.cards import Float32Cards, card_key
from speechhub.engine.compute import Compute
from speechhub.engine.cuda import CUDA_ARITHMETIC, CudaArithmetic, arithmetic_of
from speechhub.engine.cuda_faults import explain_cuda
from speechhub.engine.held import Held, Stamp, may_hold, stamp_of
from speechhub.engine.live import LiveSession
from speechhub.engine.memory import DeviceMemory
from speechhub.engine.options import (
    EMOTIONS,
    MAX_SEED,
    MAX_SILENCE_INTERVAL_MS,
    Emotion,
    EmotionMode,
    ListenRequest,
    Reference,
    SynthesizeRequest,
    Task,
    TextPart,
    TranscribeRequest,
)
from speechhub.engine.sentences import split_into_sentences
from speechhub.engine.settings import EngineOption, options_of
from speechhub.engine.slots import Slot
from speechhub.engine.spec import (
    EngineSpec,
    HubSource,
    ModelFile,
    ModelPart,
    ModelSpec,
    WheelFile,
)
from speechhub.engine.spoken import SpokenLanguages
from speechhub.engine.weights import forbid_code_in_weights
from speechhub.errors import (
    ConfigurationError,
    EngineDeviceError,
    EngineError,
    EngineLoadError,
    EngineOutOfMemoryError,
    InvalidValueError,
    LiveSessionLostError,
    RequestCancelledError,
    UnsupportedValueError,
)

API_VERSION = 2
"""Raised when engines can do something that an older hub does not understand: 2 added live sessions.

An engine names the version that it needs in its spec; a hub serves engines of its own and of earlier ones.
"""

__all__ = [
    "API_VERSION",
    "CUDA_ARITHMETIC",
    "EMOTIONS",
    "MAX_SEED",
    "MAX_SILENCE_INTERVAL_MS",
    "Audio",
    "Call",
    "Compute",
    "ConfigurationError",
    "CudaArithmetic",
    "DeviceMemory",
    "Emotion",
    "EmotionMode",
    "EngineDeviceError",
    "EngineError",
    "EngineLoadError",
    "EngineOption",
    "EngineOutOfMemoryError",
    "EngineSpec",
    "Float32Cards",
    "Held",
    "HubSource",
    "Hypothesis",
    "InvalidValueError",
    "ListenRequest",
    "LiveSession",
    "LiveSessionLostError",
    "LoadContext",
    "ModelFile",
    "ModelPart",
    "ModelSpec",
    "Reference",
    "RequestCancelledError",
    "Segment",
    "Slot",
    "SpokenLanguages",
    "Stamp",
    "SttCapabilities",
    "SttEngine",
    "SynthesizeRequest",
    "Task",
    "TextPart",
    "TranscribeRequest",
    "Transcript",
    "TtsCapabilities",
    "TtsEngine",
    "UnsupportedValueError",
    "Voice",
    "WheelFile",
    "Word",
    "arithmetic_of",
    "card_key",
    "explain_cuda",
    "forbid_code_in_weights",
    "may_hold",
    "options_of",
    "space_between",
    "split_into_sentences",
    "stamp_of",
]
