"""LiveKit agents with the plugin for OpenAI: speech to text and text to speech outside of a room."""

import asyncio
import wave
from pathlib import Path

from calls import AUDIO, KEY, LONG_AUDIO, TEXT, URL, WRONG_KEY, call, check, refused
from livekit import rtc  # type: ignore[import-not-found]
from livekit.agents import APIConnectOptions, utils  # type: ignore[import-not-found]
from livekit.plugins import openai  # type: ignore[import-not-found]

ONCE = APIConnectOptions(max_retry=0, timeout=30)
TTS_RATE = 24_000


def frame(path: Path) -> rtc.AudioFrame:
    """Return a recording as LiveKit holds audio."""
    with wave.open(str(path)) as file:
        count = file.getnframes()
        return rtc.AudioFrame(file.readframes(count), file.getframerate(), file.getnchannels(), count)


async def recognize(path: Path, *, model: str = "whisper-1", key: str = KEY) -> str:
    """Return what LiveKit hears in a recording."""
    stt = openai.STT(model=model, base_url=URL, api_key=key)
    event = await stt.recognize(frame(path), conn_options=ONCE)
    return str(event.alternatives[0].text)


async def synthesize(*, model: str, voice: str = "alloy", key: str = KEY) -> rtc.AudioFrame:
    """Return the speech that LiveKit gets."""
    tts = openai.TTS(model=model, voice=voice, base_url=URL, api_key=key)
    return await tts.synthesize(TEXT, conn_options=ONCE).collect()


async def main() -> None:
    """Call everything."""
    for model in ("whisper-1", "gpt-4o-mini-transcribe"):
        with call(f"STT.recognize, {model}"):
            check(await recognize(AUDIO, model=model), "no text")
    for model in ("tts-1", "gpt-4o-mini-tts"):
        with call(f"TTS.synthesize, {model}"):
            speech = await synthesize(model=model)
            check(speech.sample_rate == TTS_RATE and speech.samples_per_channel > TTS_RATE // 2, speech)
    with refused("STT.recognize, unknown model", 404):
        await recognize(AUDIO, model="no-such-model")
    with refused("TTS.synthesize, unknown voice", 400):
        await synthesize(model="tts-1", voice="no-such-voice")
    with refused("STT.recognize, too large", 413):
        await recognize(LONG_AUDIO)
    with refused("STT.recognize, wrong key", 401):
        await recognize(LONG_AUDIO, key=WRONG_KEY)
    with refused("TTS.synthesize, wrong key", 401):
        await synthesize(model="tts-1", key=WRONG_KEY)


async def outside_of_a_job() -> None:
    """Give LiveKit the session that a job would have."""
    async with utils.http_context.open():
        await main()


if __name__ == "__main__":
    asyncio.run(outside_of_a_job())
