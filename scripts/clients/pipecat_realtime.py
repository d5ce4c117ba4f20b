"""Pipecat's service for OpenAI's Realtime API: speech to text while it is spoken."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from calls import KEY, SOCKET_URL, UTTERANCES, WRONG_KEY, UnexpectedAnswerError, call, check, spoken
from pipecat.frames.frames import (  # type: ignore[import-not-found]
    Frame,
    InputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.openai.stt import OpenAIRealtimeSTTService  # type: ignore[import-not-found]
from pipecat_pipeline import RefusedError, frames_of

RATE = 24_000
SERVER_VAD = {"type": "server_vad", "silence_duration_ms": 500}


def service(
    model: str, *, turns: dict[str, object] | None = None, key: str = KEY
) -> OpenAIRealtimeSTTService:
    """Return the service; without *turns*, Pipecat's own voice detection says where an utterance ends."""
    return OpenAIRealtimeSTTService(
        base_url=f"{SOCKET_URL}/realtime",
        api_key=key,
        turn_detection=turns or False,
        settings=OpenAIRealtimeSTTService.Settings(model=model),
    )


async def listen(stt: OpenAIRealtimeSTTService, *, own_vad: bool, times: int) -> list[Frame]:
    """Send what the microphone hears; return the frames that came out, up to a number of transcripts."""
    sound = said(own_vad=own_vad)
    return await frames_of(stt, spoken=sound, in_rate=RATE, until=TranscriptionFrame, times=times)


async def said(*, own_vad: bool) -> AsyncIterator[Frame]:
    """Yield what the microphone hears, as one utterance if Pipecat tells where it ends."""
    if own_vad:
        yield VADUserStartedSpeakingFrame()
    async for piece in spoken():
        yield InputAudioRawFrame(piece, RATE, 1)
    if own_vad:
        yield VADUserStoppedSpeakingFrame()


async def transcripts() -> list[str]:
    """Return the text of each utterance that the server tells apart."""
    stt = service("gpt-transcribe", turns=SERVER_VAD)
    return texts(await listen(stt, own_vad=False, times=UTTERANCES))


def texts(frames: Iterable[Frame]) -> list[str]:
    """Return the transcripts among frames."""
    return [frame.text for frame in frames if isinstance(frame, TranscriptionFrame)]


async def main() -> None:
    """Call everything."""
    with call("OpenAIRealtimeSTTService, own VAD"):
        frames = await listen(service("gpt-realtime-whisper"), own_vad=True, times=1)
        check(len(texts(frames)) == 1 and all(texts(frames)), texts(frames))
    with call("OpenAIRealtimeSTTService, server_vad"):
        frames = await listen(service("gpt-transcribe", turns=SERVER_VAD), own_vad=False, times=UTTERANCES)
        check(len(texts(frames)) == UTTERANCES and all(texts(frames)), texts(frames))
        for kind in (ProposedUserStartedSpeakingFrame, ProposedUserStoppedSpeakingFrame):
            # Each is sent up and down the pipeline.
            check(sum(isinstance(frame, kind) for frame in frames) == 2 * UTTERANCES, frames)
    for what, code, model, key in (
        ("wrong key: error", "invalid_api_key", "gpt-transcribe", WRONG_KEY),
        ("unknown model: error", "model_not_found", "no-such-model", KEY),
    ):
        with call(f"OpenAIRealtimeSTTService, {what}"):
            try:
                frames = await listen(service(model, key=key), own_vad=True, times=1)
            except RefusedError as error:
                check(code in str(error), error)
            else:
                raise UnexpectedAnswerError(f"was not refused: {texts(frames)}")


if __name__ == "__main__":
    asyncio.run(main())
