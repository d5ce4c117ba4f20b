"""SpeechRecognition with its recognizer for OpenAI, which finds the server in OpenAI's variables."""

import os
from pathlib import Path

import speech_recognition  # type: ignore[import-not-found]
from calls import AUDIO, KEY, LONG_AUDIO, URL, WRONG_KEY, call, check, refused

os.environ |= {"OPENAI_BASE_URL": URL, "OPENAI_API_KEY": KEY}
recognizer = speech_recognition.Recognizer()


def recognize(path: Path, **options: str) -> str:
    """Return what the recognizer hears in a recording."""
    with speech_recognition.AudioFile(str(path)) as source:
        return str(recognizer.recognize_openai(recognizer.record(source), **options))


with call("recognize_openai"):
    check(recognize(AUDIO), "no text")

with call("recognize_openai, gpt-4o-transcribe; language"):
    check(recognize(AUDIO, model="gpt-4o-transcribe", language="en"), "no text")

with refused("recognize_openai, unknown model", 404):
    recognize(AUDIO, model="no-such-model")

with refused("recognize_openai, unknown language", 400):
    recognize(AUDIO, language="klingon")

with refused("recognize_openai, too large", 413):
    recognize(LONG_AUDIO)

os.environ["OPENAI_API_KEY"] = WRONG_KEY
with refused("recognize_openai, wrong key", 401):
    recognize(AUDIO)
