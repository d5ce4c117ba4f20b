"""Groq's client for Python, which asks for /openai/v1/... and Groq's names of models."""

import io
import wave

from calls import AUDIO, KEY, LONG_AUDIO, SERVER, TEXT, WRONG_KEY, call, check, refused
from groq import Groq  # type: ignore[import-not-found]

ASKED_RATE = 8000
client = Groq(base_url=SERVER, api_key=KEY, max_retries=0)

with call("models.list"):
    check("echo-stt" in {model.id for model in client.models.list().data}, "no echo-stt")

for model in ("whisper-1", "whisper-large-v3", "whisper-large-v3-turbo"):
    with call(f"audio.transcriptions.create, {model}"):
        heard = client.audio.transcriptions.create(model=model, file=AUDIO)
        check(heard.text, heard)

with call("audio.translations.create, whisper-large-v3"):
    translated = client.audio.translations.create(model="whisper-large-v3", file=AUDIO)
    check(translated.text, translated)

with call("audio.speech.create, wav"):
    spoken = client.audio.speech.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="wav"
    ).read()
    check(spoken.startswith(b"RIFF"), spoken[:20])

with call("audio.speech.create, sample_rate"):
    spoken = client.audio.speech.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="wav", sample_rate=ASKED_RATE
    ).read()
    with wave.open(io.BytesIO(spoken)) as file:
        check(file.getframerate() == ASKED_RATE, f"{file.getframerate()} Hz")

with call("audio.speech.create, voice default"):
    spoken = client.audio.speech.create(
        model="tts-1", voice="default", input=TEXT, response_format="wav"
    ).read()
    check(spoken.startswith(b"RIFF"), spoken[:20])

with refused("audio.transcriptions.create, unknown model", 404):
    client.audio.transcriptions.create(model="no-such-model", file=AUDIO)

with refused("audio.speech.create, unknown voice", 400):
    client.audio.speech.create(model="tts-1", voice="no-such-voice", input=TEXT, response_format="wav")

with refused("audio.transcriptions.create, too large", 413):
    client.audio.transcriptions.create(model="whisper-1", file=LONG_AUDIO)

with refused("audio.transcriptions.create, wrong key", 401):
    Groq(base_url=SERVER, api_key=WRONG_KEY, max_retries=0).audio.transcriptions.create(
        model="whisper-1", file=AUDIO
    )
