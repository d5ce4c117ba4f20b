"""A pipeline of Pipecat's around one service, for the scripts that run Pipecat's services."""

import asyncio
import re
from collections.abc import AsyncIterator

from calls import LIMIT_S
from pipecat.frames.frames import EndFrame, ErrorFrame, Frame  # type: ignore[import-not-found]
from pipecat.pipeline.pipeline import Pipeline  # type: ignore[import-not-found]
from pipecat.pipeline.worker import PipelineParams, PipelineWorker  # type: ignore[import-not-found]
from pipecat.processors.frame_processor import (  # type: ignore[import-not-found]
    FrameDirection,
    FrameProcessor,
)
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


def came(collector: Collector, kind: type[Frame]) -> int:
    """Return how many frames of a type passed."""
    return sum(isinstance(frame, kind) for frame in collector.frames)


async def frames_of(
    service: FrameProcessor,
    *sent: Frame,
    spoken: AsyncIterator[Frame] | None = None,
    in_rate: int = 16_000,
    until: type[Frame] | None = None,
    times: int = 1,
) -> list[Frame]:
    """Send frames through a pipeline with a service; return what came out at either end.

    Args:
        service: What is asked.
        sent: What goes in, before the frame that ends the pipeline.
        spoken: What goes in after that, as it comes.
        in_rate: Rate of the sound among it, in hertz.
        until: What has to come out before the pipeline ends; without it, the pipeline ends at once.
        times: How many of them.

    Raises:
        RefusedError: The service reported an error.
        TimeoutError: They did not come.
    """
    before, after = Collector(), Collector()
    worker = PipelineWorker(
        Pipeline([before, service, after]),
        params=PipelineParams(audio_in_sample_rate=in_rate, audio_out_sample_rate=TTS_RATE),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")  # type: ignore[untyped-decorator]
    async def on_pipeline_started(_worker: PipelineWorker, _frame: Frame) -> None:
        started.set()

    async def send() -> None:
        await started.wait()
        for frame in sent:
            await worker.queue_frame(frame)
        if spoken is not None:
            async for frame in spoken:
                await worker.queue_frame(frame)
        try:
            if until is not None:
                async with asyncio.timeout(LIMIT_S):
                    while not (came(after, until) >= times or came(before, ErrorFrame)):  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
        finally:
            await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), send())
    frames = before.frames + after.frames
    for frame in frames:
        if isinstance(frame, ErrorFrame):
            raise RefusedError(frame.error)
    return frames
