"""LiteLLM's SDK, which reaches speechhub as a provider that is compatible with OpenAI."""

import litellm  # type: ignore[import-not-found]
from calls import AUDIO, KEY, LONG_AUDIO, TEXT, URL, WRONG_KEY, call, check, is_mp3, refused

PLACE = {"api_base": URL, "api_key": KEY, "max_retries": 0}


def transcription(**options: object) -> str:
    """Return what LiteLLM hears in a recording."""
    with AUDIO.open("rb") as file:
        arguments = {"model": "openai/whisper-1", "file": file} | PLACE | options
        return str(litellm.transcription(**arguments).text)


with call("transcription"):
    check(transcription(), "no text")

with call("transcription, gpt-4o-transcribe"):
    check(transcription(model="openai/gpt-4o-transcribe"), "no text")

with call("transcription, verbose_json"):
    check(transcription(response_format="verbose_json"), "no text")

with call("speech"):
    spoken = litellm.speech(model="openai/tts-1", voice="alloy", input=TEXT, **PLACE).content
    check(is_mp3(spoken), spoken[:20])

with refused("transcription, unknown model", 404):
    transcription(model="openai/no-such-model")

with refused("speech, unknown voice", 400):
    litellm.speech(model="openai/tts-1", voice="no-such-voice", input=TEXT, **PLACE)

with refused("transcription, too large", 413), LONG_AUDIO.open("rb") as long:
    transcription(file=long)

with refused("transcription, wrong key", 401):
    transcription(api_key=WRONG_KEY)
