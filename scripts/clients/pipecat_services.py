"""Pipecat's services for OpenAI, each in a pipeline of its own."""

import asyncio
import wave
from pathlib import Path

from calls import AUDIO, KEY, LONG_AUDIO, TEXT, URL, WRONG_KEY, UnexpectedAnswerError, call, check, refused
from pipecat.frames.frames import (  # type: ignore[import-not-found]
    InputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.openai.stt import OpenAISTTService  # type: ignore[import-not-found]
from pipecat.services.openai.tts import OpenAITTSService  # type: ignore[import-not-found]
from pipecat_pipeline import TTS_RATE, frames_of


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
