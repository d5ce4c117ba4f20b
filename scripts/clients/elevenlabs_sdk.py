"""ElevenLabs' client for Python: speech of a text, and of words as they are written."""

import re
import time
from collections.abc import Iterator

from calls import (
    KEY,
    SERVER,
    TEXT,
    TLS_SERVER,
    WRONG_KEY,
    UnexpectedAnswerError,
    call,
    check,
    is_mp3,
    refused,
)
from elevenlabs import VoiceSettings  # type: ignore[import-not-found]
from elevenlabs.client import ElevenLabs  # type: ignore[import-not-found]
from elevenlabs.core import ApiError  # type: ignore[import-not-found]

SENTENCES = f"{TEXT} It jumps over the dog. Then it sleeps."
MODEL = "eleven_multilingual_v2"
RATE = 24_000
PCM = f"pcm_{RATE}"

client = ElevenLabs(base_url=SERVER, api_key=KEY)
# convert_realtime speaks TLS whatever the address says.
secure = ElevenLabs(base_url=TLS_SERVER, api_key=KEY)


def words() -> Iterator[str]:
    """Yield a text as a language model writes it."""
    yield from re.findall(r"\S+\s*", SENTENCES)


def written(count: list[int]) -> Iterator[str]:
    """Yield the text three times, a word every 100 ms, and count the words."""
    for word in [*words()] * 3:
        time.sleep(0.1)
        count[0] += 1
        yield word


def length_s(pcm: bytes) -> float:
    """Return the length of samples, in seconds."""
    return len(pcm) / 2 / RATE


whole_s = 0.0

with call("voices.get_all"):
    voices = client.voices.get_all().voices
    check(voices and all(voice.voice_id and voice.name for voice in voices), voices)

with call("voices.get"):
    voice = client.voices.get(voices[0].voice_id)
    check(voice.voice_id == voices[0].voice_id, voice)

with call("text_to_speech.convert"):
    spoken = b"".join(client.text_to_speech.convert("alloy", text=SENTENCES))
    check(is_mp3(spoken), spoken[:20])

with call(f"text_to_speech.convert, {PCM}"):
    settings = VoiceSettings(stability=0.5, similarity_boost=0.75, speed=1.0)
    spoken = b"".join(
        client.text_to_speech.convert(
            "alloy",
            text=SENTENCES,
            model_id=MODEL,
            output_format=PCM,
            language_code="en",
            voice_settings=settings,
        )
    )
    whole_s = length_s(spoken)
    check(whole_s > 1 and len(spoken) % 2 == 0, whole_s)

with call("text_to_speech.convert, a voice of the list"):
    spoken = b"".join(client.text_to_speech.convert(voices[0].voice_id, text=TEXT, output_format=PCM))
    check(length_s(spoken) > 0.5, length_s(spoken))  # noqa: PLR2004 - four words

with call("text_to_speech.convert, a voice of ElevenLabs"):
    # The one in the examples of the client's documentation.
    spoken = b"".join(client.text_to_speech.convert("JBFqnCBsd6RMkjVDRZzb", text=TEXT, output_format=PCM))
    check(length_s(spoken) > 0.5, length_s(spoken))  # noqa: PLR2004 - four words

with call("text_to_speech.stream"):
    spoken = b"".join(client.text_to_speech.stream("alloy", text=SENTENCES, model_id=MODEL))
    check(is_mp3(spoken), spoken[:20])

with call("text_to_speech.convert_realtime"):
    spoken = b"".join(secure.text_to_speech.convert_realtime("alloy", text=words(), model_id=MODEL))
    check(is_mp3(spoken), spoken[:20])

with call(f"text_to_speech.convert_realtime, {PCM}"):
    spoken = b"".join(secure.text_to_speech.convert_realtime("alloy", text=words(), output_format=PCM))
    check(whole_s / 2 < length_s(spoken) < whole_s * 1.5, (whole_s, length_s(spoken)))

with call("text_to_speech.convert_realtime, sound before the text ends"):
    count = [0]
    sounded = secure.text_to_speech.convert_realtime("alloy", text=written(count), output_format=PCM)
    at = [count[0] for _ in sounded]
    check(at[0] < count[0], at)

with refused("text_to_speech.convert, unknown voice", 400):
    b"".join(client.text_to_speech.convert("no-such-voice", text=TEXT))

with refused("text_to_speech.convert, wrong key", 401):
    b"".join(ElevenLabs(base_url=SERVER, api_key=WRONG_KEY).text_to_speech.convert("alloy", text=TEXT))

for what, voice_id, key in (("unknown voice", "no-such-voice", KEY), ("wrong key", "alloy", WRONG_KEY)):
    with call(f"text_to_speech.convert_realtime, {what}: ApiError"):
        other = ElevenLabs(base_url=TLS_SERVER, api_key=key)
        try:
            spoken = b"".join(other.text_to_speech.convert_realtime(voice_id, text=words()))
        except ApiError as error:
            # The message, or the reason of the close if that came while the client was writing.
            told = error.body["message"] if isinstance(error.body, dict) else error.body
            check(told, error)
        else:
            raise UnexpectedAnswerError(f"was not refused: {len(spoken)} bytes")
