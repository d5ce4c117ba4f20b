"""Base classes of engines, which plugins subclass."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import ClassVar, final

from speechhub.domain.audio import Audio
from speechhub.domain.transcript import Hypothesis, Transcript
from speechhub.domain.voice import Voice
from speechhub.engine.call import Call, LoadContext
from speechhub.engine.live import LiveSession, LiveSessions
from speechhub.engine.memory import DeviceMemory
from speechhub.engine.options import ListenRequest, SynthesizeRequest, TranscribeRequest
from speechhub.errors import EngineError


class Engine(ABC):
    """The life of an engine: made without arguments, loaded once, used, closed. One per process.

    Plugins derive from its subclasses, one for each slot; see `speechhub.engine.slots`.
    """

    @abstractmethod
    def load(self, context: LoadContext) -> None:
        """Make the model ready, warm-up included; called once, before anything else.

        Import heavy libraries here or at the top of the module: this module is imported in the worker only.

        Raises:
            EngineLoadError: The model cannot be loaded; say why and what the operator can do.
            ConfigurationError: One of `context.options` is wrong.
        """

    def prepare(self, context: LoadContext) -> None:  # noqa: B027  # most engines' imports are all there is
        """Do the part of `load` that needs no device: late imports, tables. Optional, and often not called.

        The host calls this in a process that stands by while another engine uses the device. Whatever takes
        memory on the device, such as creating a CUDA context, belongs in `load`; with PyTorch even
        ``pin_memory()`` and ``torch.cuda.get_device_capability()`` create one. The host has asked the kernel
        to read `context.model_dir` ahead; it is None where the files are not known yet.

        Weights of up to `context.host_memory_bytes` may be kept in the host's memory, so that `load` only has
        to copy them; `Held` keeps them, and withholds them from `load` if they are out of date.

        Raises:
            EngineLoadError: Preparing failed; `load` will report the cause again.
        """

    def remarks(self) -> Sequence[str]:
        """Return what operators should know about how the model was loaded on this device, in sentences.

        For example, what had to be given up for lack of memory. Called once after `load`; the host shows it
        with the model, in `device_note`, until the model is loaded again. Clients can read it: name no paths.
        """
        return ()

    def memory(self) -> DeviceMemory | None:
        """Return how much device memory the engine holds now; None if its libraries do not tell.

        Called after each call, from the same thread, so it must be quick. If the figure grows with every
        call, the host restarts the process while no request waits for it. With PyTorch these are
        ``torch.cuda.memory_allocated()`` and ``torch.cuda.memory_reserved()``.
        """
        return None

    def close(self) -> None:  # noqa: B027  # most engines have nothing to close
        """Release what would outlive the process, such as temporary files; the last call, made at most once.

        The process ends right afterwards, which frees all memory: there is no need to free it here.
        """


class SttEngine(Engine):
    """Turns speech into text."""

    most_sessions: ClassVar[int] = 64
    """How many live sessions are kept; for another one, the one that was idle for longest is forgotten."""

    @abstractmethod
    def transcribe(self, batch: Sequence[TranscribeRequest], call: Call) -> list[Transcript]:
        """Transcribe up to `SttCapabilities.max_batch` recordings; return one transcript for each, in order.

        Call ``call.raise_if_cancelled()`` between steps.

        Raises:
            RequestCancelledError: Raised by *call*; let it pass.
            EngineOutOfMemoryError: The batch does not fit; the host tries smaller ones.
            InvalidValueError: The engine cannot work with a value that only it can judge.
        """

    def stream(self, request: TranscribeRequest, call: Call) -> Generator[str, None, Transcript]:
        """Yield pieces of text as they become final; return the whole transcript.

        The pieces join to the transcript's text. The host closes the generator when the client has left.
        Declare `SttCapabilities.streaming` if you override this; the default yields once, at the end.
        """
        [transcript] = self.transcribe([request], call)
        yield transcript.text
        return transcript

    def begin(self, request: ListenRequest) -> LiveSession:  # noqa: ARG002  # those that override it need it
        """Begin to hear an utterance that is being spoken; return the session that hears it.

        Declare `SttCapabilities.live_sessions` if you override this. The session gets the request's audio
        afterwards, by `LiveSession.feed`; here only its language, prompt and hotwords matter.

        Raises:
            EngineOutOfMemoryError: There is not enough memory for another session.
            InvalidValueError: The engine cannot work with a value that only it can judge.
        """
        raise EngineError(f"{type(self).__name__} has no live sessions.")

    @final
    def listen(self, request: ListenRequest, call: Call) -> Hypothesis:
        """Do what one request asks of its session; the host calls this, and keeps the sessions.

        Raises:
            LiveSessionLostError: The request goes on with a session that is not here, or no longer.
        """
        return self._live_sessions.listen(request, call, self.begin)

    @final
    def end_sessions(self) -> None:
        """Close all sessions; the host calls this before `close`."""
        self._live_sessions.close()

    @cached_property
    def _live_sessions(self) -> LiveSessions:
        return LiveSessions(self.most_sessions)  # not in __init__, which engines need not call


class TtsEngine(Engine):
    """Turns text into speech."""

    @abstractmethod
    def voices(self) -> Sequence[Voice]:
        """Return the loaded model's voices; called once after `load`.

        They need not be known earlier: a model's spec may name none of them, or only some. Only a model that
        clones should name all of its voices in the spec, since the hub does not load it to ask.
        """

    @abstractmethod
    def synthesize(self, request: SynthesizeRequest, call: Call) -> Iterator[Audio]:
        """Yield the speech piece by piece, each as soon as it exists; all pieces have one sample rate.

        A generator is the natural form. The host takes a piece, sends it on, and asks for the next;
        it closes the generator when the client has left.

        Raises:
            RequestCancelledError: Raised by *call*; let it pass.
            EngineOutOfMemoryError: The text does not fit.
            InvalidValueError: The engine cannot work with a value that only it can judge.
        """
