"""LiveKit agents with the plugin for ElevenLabs: speech of a text, and of words as they are written."""

import asyncio
import re

from calls import KEY, TEXT, URL, WRONG_KEY, UnexpectedAnswerError, call, check, refused
from livekit import rtc  # type: ignore[import-not-found]
from livekit.agents import APIConnectOptions, utils  # type: ignore[import-not-found]
from livekit.plugins import elevenlabs  # type: ignore[import-not-found]
from livekit.plugins.elevenlabs.tts import DEFAULT_VOICE_ID  # type: ignore[import-not-found]

ONCE = APIConnectOptions(max_retry=0, timeout=30)
LIMIT_S = 30
SENTENCES = f"{TEXT} It jumps over the dog. Then it sleeps."


def tts(*, voice: str = "alloy", key: str = KEY, encoding: str = "mp3_22050_32") -> elevenlabs.TTS:
    """Return the plugin with its defaults, the voice and the address apart."""
    return elevenlabs.TTS(voice_id=voice, base_url=URL, api_key=key, encoding=encoding)


async def synthesize(plugin: elevenlabs.TTS) -> rtc.AudioFrame:
    """Return the speech of a whole text."""
    return await plugin.synthesize(SENTENCES, conn_options=ONCE).collect()


async def stream(plugin: elevenlabs.TTS) -> float:
    """Return the length of speech whose words come one by one, in seconds."""
    length_s = 0.0
    async with asyncio.timeout(LIMIT_S), plugin.stream(conn_options=ONCE) as speaking:
        for word in re.findall(r"\S+\s*", SENTENCES):
            speaking.push_text(word)
        speaking.end_input()
        async for event in speaking:
            length_s += event.frame.duration
    return length_s


async def main() -> None:
    """Call everything."""
    whole_s = 0.0
    with call("TTS.list_voices"):
        voices = await tts().list_voices()
        check(voices and all(voice.id and voice.name for voice in voices), voices)
    for encoding in ("mp3_22050_32", "pcm_24000"):
        with call(f"TTS.synthesize, {encoding}"):
            speech = await synthesize(tts(encoding=encoding))
            whole_s = speech.duration
            check(speech.sample_rate == int(encoding.split("_")[1]) and whole_s > 1, speech)
    for encoding in ("mp3_22050_32", "pcm_24000"):
        with call(f"TTS.stream, {encoding}"):
            plugin = tts(encoding=encoding)
            # The second stream goes over the connection of the first.
            lengths_s = [await stream(plugin), await stream(plugin)]
            await plugin.aclose()
            check(all(whole_s / 2 < length_s < whole_s * 1.5 for length_s in lengths_s), (whole_s, lengths_s))
    with call("TTS.synthesize, the plugin's own voice"):
        speech = await synthesize(tts(voice=DEFAULT_VOICE_ID))
        check(speech.duration > 1, speech)
    with refused("TTS.synthesize, unknown voice", 400):
        await synthesize(tts(voice="no-such-voice"))
    with refused("TTS.synthesize, wrong key", 401):
        await synthesize(tts(key=WRONG_KEY))
    with call("TTS.stream, wrong key: ended"):
        try:
            length_s = await stream(tts(key=WRONG_KEY))
        except Exception as error:  # noqa: BLE001 - the plugin has several
            check(not isinstance(error, TimeoutError), error)
        else:
            raise UnexpectedAnswerError(f"was not refused: {length_s} s")


async def outside_of_a_job() -> None:
    """Give LiveKit the session that a job would have."""
    async with utils.http_context.open():
        await main()


if __name__ == "__main__":
    asyncio.run(outside_of_a_job())
