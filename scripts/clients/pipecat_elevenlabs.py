"""Pipecat's services for ElevenLabs: speech of sentences, and of words as they are written."""

import asyncio
import re
from collections.abc import Iterable

import aiohttp
from calls import KEY, SERVER, TEXT, WRONG_KEY, call, check
from pipecat.frames.frames import (  # type: ignore[import-not-found]
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.services.elevenlabs.tts import (  # type: ignore[import-not-found]
    ElevenLabsHttpTTSService,
    ElevenLabsTTSService,
)
from pipecat.services.tts_service import TextAggregationMode  # type: ignore[import-not-found]
from pipecat_pipeline import TTS_RATE, RefusedError, frames_of

SENTENCES = f"{TEXT} It jumps over the dog. Then it sleeps."
WORDS = [
    LLMFullResponseStartFrame(),
    *(LLMTextFrame(word) for word in re.findall(r"\S+\s*", SENTENCES)),
    LLMFullResponseEndFrame(),
]
"""What a language model writes, word by word."""


def service(
    *, key: str = KEY, mode: TextAggregationMode = TextAggregationMode.SENTENCE
) -> ElevenLabsTTSService:
    """Return the service that has one connection for all that is said."""
    return ElevenLabsTTSService(
        url=SERVER.replace("http", "ws", 1),
        api_key=key,
        text_aggregation_mode=mode,
        settings=ElevenLabsTTSService.Settings(voice="alloy"),
    )


def length_s(frames: Iterable[Frame]) -> float:
    """Return the length of the sound among frames, in seconds."""
    return sum(len(frame.audio) for frame in frames if isinstance(frame, TTSAudioRawFrame)) / 2 / TTS_RATE


async def main() -> None:
    """Call everything."""
    whole_s = 0.0
    with call("ElevenLabsTTSService, a text"):
        frames = await frames_of(service(), TTSSpeakFrame(SENTENCES), until=TTSStoppedFrame)
        whole_s = length_s(frames)
        check(whole_s > 1, whole_s)
    for what, mode in (("sentences", TextAggregationMode.SENTENCE), ("words", TextAggregationMode.TOKEN)):
        with call(f"ElevenLabsTTSService, {what} of a language model"):
            frames = await frames_of(service(mode=mode), *WORDS, until=TTSStoppedFrame)
            check(whole_s / 2 < length_s(frames) < whole_s * 1.5, (whole_s, length_s(frames)))
    async with aiohttp.ClientSession() as session:
        for what, key in (("a text", KEY), ("wrong key: error", WRONG_KEY)):
            with call(f"ElevenLabsHttpTTSService, {what}"):
                http = ElevenLabsHttpTTSService(
                    base_url=SERVER,
                    api_key=key,
                    aiohttp_session=session,
                    settings=ElevenLabsHttpTTSService.Settings(voice="alloy"),
                )
                try:
                    frames = await frames_of(http, TTSSpeakFrame(SENTENCES), until=TTSStoppedFrame)
                except RefusedError:
                    check(key == WRONG_KEY, "was refused")
                else:
                    check(key == KEY, "was not refused")
                    check(whole_s / 2 < length_s(frames) < whole_s * 1.5, (whole_s, length_s(frames)))


if __name__ == "__main__":
    asyncio.run(main())
