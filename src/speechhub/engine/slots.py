"""The table of slots: each kind of work that engines do, and all that differs between the kinds.

Discovery, the worker, records of environments, the catalog and the command line read this table, so that
another kind of work is one more row here and its engine class. Hub, workers and the program that reads an
engine's environment run the same copy of this package: a row stands in all of them or in none.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Hypothesis, Transcript
from speechhub.engine.base import Engine, SttEngine, TtsEngine
from speechhub.engine.capabilities import Capabilities, SttCapabilities, TtsCapabilities
from speechhub.engine.options import ListenRequest, SynthesizeRequest, TranscribeRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A call that the hub can make of an engine."""

    name: str
    """Name of the engine's method, which takes the request and a `Call`."""
    takes: Any
    """Type of the request; a list is a batch, which gets one answer for each request."""
    yields: Any = None
    """Type of the pieces, where the method yields them one by one; None where it returns its answer."""
    returns: Any = None
    """Type of the answer, or of what the generator returns after its pieces; None if that is nothing."""


TRANSCRIBE: Final = Operation(name="transcribe", takes=list[TranscribeRequest], returns=list[Transcript])
STREAM: Final = Operation(name="stream", takes=TranscribeRequest, yields=str, returns=Transcript)
LISTEN: Final = Operation(name="listen", takes=ListenRequest, returns=Hypothesis)
SYNTHESIZE: Final = Operation(name="synthesize", takes=SynthesizeRequest, yields=Audio)


class Slot(StrEnum):
    """Which kind of work an engine does; each member is a row of the table."""

    _value_: str
    engine: type[Engine]
    """Class that engines of the slot derive from."""
    capabilities: type[Capabilities]
    """Class of what they can do; without arguments, it is as little as possible."""
    verb: str
    """What their models do, in a word, for messages."""
    operations: tuple[Operation, ...]
    """What the hub can ask of them."""

    def __new__(  # without the defaults, mypy takes ``Slot("stt")`` for a call with too few arguments
        cls,
        value: str,
        engine: type[Engine] = Engine,
        capabilities: type[Capabilities] = Capabilities,
        verb: str = "",
        operations: tuple[Operation, ...] = (),
    ) -> Self:
        """Make a row; ``Slot("stt")`` finds one."""
        row = str.__new__(cls, value)
        row._value_ = value
        row.engine = engine
        row.capabilities = capabilities
        row.verb = verb
        row.operations = operations
        return row

    STT = "stt", SttEngine, SttCapabilities, "transcribe", (TRANSCRIBE, STREAM, LISTEN)
    TTS = "tts", TtsEngine, TtsCapabilities, "speak", (SYNTHESIZE,)

    @property
    def group(self) -> str:
        """Group of the entry points that lead to specs of its engines."""
        return f"speechhub.{self}"

    @property
    def model_setting(self) -> str:
        """Name of the setting that chooses its default model."""
        return f"{self}_model"

    @property
    def wait_setting(self) -> str:
        """Name of the setting, and of the limit, for how long its requests wait for their turn."""
        return f"{self}_max_wait_s"

    @property
    def public_state(self) -> str:
        """State of a device, as users see it, whose engine is ready and of this slot."""
        return self.value.upper()
