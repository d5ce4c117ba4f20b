"""Pipecat's services for OpenAI, each in a pipeline of its own."""

import asyncio
import re
import wave
from pathlib import Path

from calls import AUDIO, KEY, LONG_AUDIO, TEXT, URL, WRONG_KEY, UnexpectedAnswerError, call, check, refused
from pipecat.frames.frames import (  # type: ignore[import-not-found]
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline  # type: ignore[import-not-found]
from pipecat.pipeline.worker import PipelineParams, PipelineWorker  # type: ignore[import-not-found]
from pipecat.processors.frame_processor import (  # type: ignore[import-not-found]
    FrameDirection,
    FrameProcessor,
)
from pipecat.services.openai.stt import OpenAISTTService  # type: ignore[import-not-found]
from pipecat.services.openai.tts import OpenAITTSService  # type: ignore[import-not-found]
from pipecat.workers.runner import WorkerRunner  # type: ignore[import-not-found]

TTS_RATE = 24_000


class RefusedError(Exception):
    """A service told of an answer with an error status."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        code = re.search(r"(?:status: |Error code: )(\d{3})", text)
        self.status = int(code[1]) if code else None


class Collector(FrameProcessor):  # type: ignore[misc]
    """Keeps the frames that pass."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep a frame and hand it on."""
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)


async def frames_of(service: FrameProcessor, *sent: Frame) -> list[Frame]:
    """Send frames through a pipeline with a service; return what came out at either end.

    Raises:
        RefusedError: The service reported an error.
    """
    before, after = Collector(), Collector()
    worker = PipelineWorker(
        Pipeline([before, service, after]),
        params=PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=TTS_RATE),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")  # type: ignore[untyped-decorator]
    async def on_pipeline_started(_worker: PipelineWorker, _frame: Frame) -> None:
        started.set()

    async def send() -> None:
        await started.wait()
        for frame in (*sent, EndFrame()):
            await worker.queue_frame(frame)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), send())
    frames = before.frames + after.frames
    for frame in frames:
        if isinstance(frame, ErrorFrame):
            raise RefusedError(frame.error)
    return frames


async def hear(path: Path, *, model: str = "whisper-1", key: str = KEY) -> str:
    """Return what the service for speech to text hears in a recording."""
    service = OpenAISTTService(base_url=URL, api_key=key, settings=OpenAISTTService.Settings(model=model))
    with wave.open(str(path)) as file:
        audio = file.readframes(file.getnframes())
    frames = await frames_of(
        service,
        VADUserStartedSpeakingFrame(),
        InputAudioRawFrame(audio=audio, sample_rate=16_000, num_channels=1),
        VADUserStoppedSpeakingFrame(),
    )
    texts = [frame.text for frame in frames if isinstance(frame, TranscriptionFrame)]
    if not texts:
        raise UnexpectedAnswerError(f"no transcript among {sorted({type(f).__name__ for f in frames})}")
    return " ".join(texts)


async def speak(*, model: str = "tts-1", key: str = KEY) -> list[TTSAudioRawFrame]:
    """Return the audio that the service for text to speech makes."""
    settings = OpenAITTSService.Settings(model=model, voice="alloy")
    service = OpenAITTSService(base_url=URL, api_key=key, settings=settings)
    frames = await frames_of(service, TTSSpeakFrame(TEXT))
    return [frame for frame in frames if isinstance(frame, TTSAudioRawFrame)]


async def main() -> None:
    """Call everything."""
    for model in ("whisper-1", "gpt-4o-transcribe"):
        with call(f"OpenAISTTService, {model}"):
            check(await hear(AUDIO, model=model), "no text")
    for model in ("tts-1", "gpt-4o-mini-tts"):
        with call(f"OpenAITTSService, {model}"):
            speech = await speak(model=model)
            check(sum(len(frame.audio) for frame in speech) > TTS_RATE, speech)
    with refused("OpenAISTTService, unknown model", 404):
        await hear(AUDIO, model="no-such-model")
    with refused("OpenAITTSService, unknown model", 404):
        await speak(model="no-such-model")
    with refused("OpenAISTTService, too large", 413):
        await hear(LONG_AUDIO)
    with refused("OpenAITTSService, wrong key", 401):
        await speak(key=WRONG_KEY)


if __name__ == "__main__":
    asyncio.run(main())
