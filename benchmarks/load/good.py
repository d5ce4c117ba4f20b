"""Requests that must be served: each returns the answer if it is a refusal, None if it is right."""

import base64
import random

from benchmarks.load.client import STT, TTS, Answer, Client, WrongAnswerError, duration_s, events, transcript
from benchmarks.load.engines import Clip
from tests.unit.codecs.recordings import tone, wav

SENTENCES = (
    "The boats came home before the storm.",
    "She counted the stairs and opened the door.",
    "Nobody had told them about the early train.",
    "Please water the plants while we are away.",
    "There is fresh bread on the kitchen table.",
)
REFERENCE = base64.b64encode(wav(tone(1.2, hz=180.0))).decode()
CLONED_WORDS, CLONED_WORD_S = 6, 0.25
"""Words of a request to echo-clone, and the seconds that it takes to speak one."""
FASTER = 1.25


def transcribe(client: Client, dice: random.Random) -> Answer | None:
    """Request a transcript, in any format and from any container."""
    form = dice.choice(("json", "text", "srt", "verbose_json"))
    clip, body = client.any_clip(dice, response_format=form)
    answer = client.post(STT, body)
    return answer if answer.status != 200 else _check_words(client, clip, transcript(answer.body, form))


def transcribe_events(client: Client, dice: random.Random) -> Answer | None:
    """Request a transcript as events while it is made."""
    clip, body = client.any_clip(dice, stream="true")
    answer = client.post(STT, body)
    if answer.status != 200:
        return answer
    return _check_words(client, clip, events(answer.body, last="transcript.text.done")[-1]["text"])


def speak(client: Client, dice: random.Random) -> Answer | None:
    """Request speech, in any format."""
    text = " ".join(dice.choices(SENTENCES, k=dice.choice((1, 1, 2, 4))))
    form, speed = dice.choice(("wav", "mp3", "opus", "flac", "pcm", "aac")), dice.choice((1.0, 1.0, FASTER))
    answer = client.post(TTS, client.text(text, response_format=form, speed=speed))
    return answer if answer.status != 200 else _check_length(client, answer.body, form, text)


def speak_events(client: Client, dice: random.Random) -> Answer | None:
    """Request speech as events."""
    text = " ".join(dice.choices(SENTENCES, k=2))
    answer = client.post(TTS, client.text(text, response_format="pcm", stream_format="sse"))
    if answer.status != 200:
        return answer
    pieces = events(answer.body, last="speech.audio.done")[:-1]
    data = b"".join(base64.b64decode(piece["audio"]) for piece in pieces)
    return _check_length(client, data, "pcm", text)


def speak_and_hear(client: Client, dice: random.Random) -> Answer | None:
    """Synthesize a text, and transcribe the speech."""
    said = " ".join(dice.sample(SENTENCES, k=2))
    speech = client.post(TTS, client.text(said, response_format="wav"))
    if speech.status != 200:
        return speech
    answer = client.post(STT, client.recording(speech.body))
    if answer.status != 200:
        return answer
    clip = Clip(data=speech.body, said=said, duration_s=duration_s(speech.body, "wav"))
    return _check_words(client, clip, transcript(answer.body, "json"))


def clone(client: Client, dice: random.Random) -> Answer | None:
    """Request speech in the voice of a clip."""
    text = " ".join(dice.choices(("one", "two", "three"), k=CLONED_WORDS))
    fields = {"model": "echo-clone", "voice": REFERENCE, "response_format": "pcm"}
    answer = client.post(TTS, client.text(text, **fields))
    if answer.status != 200:
        return answer
    if abs(duration_s(answer.body, "pcm") - CLONED_WORDS * CLONED_WORD_S) > 0.05:
        raise WrongAnswerError(f"{len(answer.body)} bytes of cloned speech")
    return None


def look(client: Client, dice: random.Random) -> Answer | None:
    """Request a page that every client may see."""
    path = dice.choice(("/health", "/health/live", "/v1/models", "/v1/audio/voices", "/metrics"))
    answer = client.get(path)
    if answer.status == 200 and not answer.body:
        raise WrongAnswerError(f"nothing at {path}")
    return None if answer.status == 200 else answer


def _check_words(client: Client, clip: Clip, text: str) -> None:
    if not client.engines.hears(clip, text):
        raise WrongAnswerError(f"heard {text!r} of {clip.said!r}")


def _check_length(client: Client, data: bytes, form: str, text: str) -> None:
    heard_s, words = duration_s(data, form), len(text.split())
    least_s, most_s = (words * each for each in client.engines.word_s)
    if not least_s / FASTER <= heard_s <= most_s:
        raise WrongAnswerError(f"{heard_s:.2f} s of {form} for {words} words")
