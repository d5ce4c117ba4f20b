"""OpenAI's client for Python, the newest release or the oldest that can do the same."""

from importlib.metadata import version

from calls import AUDIO, KEY, LONG_AUDIO, TEXT, URL, WRONG_KEY, call, check, is_mp3, refused
from openai import OpenAI

MODERN = int(version("openai").partition(".")[0]) > 1
client = OpenAI(base_url=URL, api_key=KEY, max_retries=0)

with call("models.list"):
    check("echo-stt" in {model.id for model in client.models.list()}, "no echo-stt")

with call("audio.speech.create"):
    spoken = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT).content
    check(is_mp3(spoken), spoken[:20])

with call("audio.speech.create, wav"):
    spoken = client.audio.speech.create(
        model="tts-1", voice="alloy", input=TEXT, response_format="wav"
    ).content  # type: ignore[arg-type,unused-ignore]
    check(spoken.startswith(b"RIFF"), spoken[:20])

with call("audio.transcriptions.create"):
    heard = client.audio.transcriptions.create(model="whisper-1", file=AUDIO)
    check(heard.text, heard)

with call("audio.transcriptions.create, srt"):
    subtitles = client.audio.transcriptions.create(model="whisper-1", file=AUDIO, response_format="srt")
    check("00:00:00,000 -->" in str(subtitles), subtitles)

with call("audio.translations.create"):
    translated = client.audio.translations.create(model="whisper-1", file=AUDIO)
    check(translated.text, translated)

if MODERN:
    with call("audio.transcriptions.create, words"):
        detailed = client.audio.transcriptions.create(
            model="whisper-1", file=AUDIO, response_format="verbose_json", timestamp_granularities=["word"]
        )
        check(detailed.words and detailed.duration == 1.5, detailed)  # noqa: PLR2004 - of the recording

    with call("audio.transcriptions.create, stream"):
        events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=AUDIO, stream=True))
        check(events[-1].type == "transcript.text.done" and events[-1].text, events)

    with call("audio.speech.with_streaming_response"):
        speech = client.audio.speech.with_streaming_response
        with speech.create(model="tts-1", voice="alloy", input=TEXT, response_format="pcm") as pcm:
            check(sum(len(piece) for piece in pcm.iter_bytes()) % 2 == 0, "half a sample")

with refused("audio.transcriptions.create, unknown model", 404):
    client.audio.transcriptions.create(model="no-such-model", file=AUDIO)

with refused("audio.speech.create, unknown voice", 400):
    client.audio.speech.create(model="tts-1", voice="no-such-voice", input=TEXT)  # type: ignore[arg-type,unused-ignore]

with refused("audio.transcriptions.create, too large", 413):
    client.audio.transcriptions.create(model="whisper-1", file=LONG_AUDIO)

with refused("audio.speech.create, wrong key", 401):
    other = OpenAI(base_url=URL, api_key=WRONG_KEY, max_retries=0)
    other.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
