"""Requests of the chaos run, in addition to those of the load test."""

import base64
import contextlib
import json
import random
import time
from collections.abc import Callable
from functools import cache

import numpy as np

from benchmarks.chaos.client import ChaosClient
from benchmarks.chaos.library import Library
from benchmarks.load import good, leaving
from benchmarks.load.client import KEY, STT, TTS, Answer, Client, WrongAnswerError, duration_s, transcript
from benchmarks.load.engines import Clip, samples_of
from tests.unit.codecs.recordings import tone, wav

TRANSLATIONS, VOICES, CONSENTS = "/v1/audio/translations", "/v1/audio/voices", "/v1/audio/voice_consents"
LIMIT_BYTES = 8 * 2**20
"""Largest upload that the server takes: just more than it keeps in memory."""
LONG_S = 180
"""A recording of this length is a file of more than 4 MB, which the server keeps on its disk."""
IDLE_S = 8
"""How long the server lets an upload stall; a busy machine may take seconds for what others do at once."""
STALL_S = IDLE_S + 2.0
"""How long an upload stalls that the server must give up."""
LOOKS = (
    *("/health", "/health/live", "/health/ready", "/metrics", "/v1/models", "/v1/models/whisper-1"),
    *("/v1/audio/voices", "/v1/audio/voices?model=tts-1", "/v1/audio/speech/voices", "/v1/audio/models"),
    *("/v1/audio/voice_consents?limit=100", "/v1/engines", "/schema", "/", "/page/page.js"),
)
HEADS = ("/", "/health", "/v1/models")
"""Paths that are also requested with HEAD, whose answers have no body that could describe an error."""
MODELS = ("whisper-1", "tts-1", "echo-stt", "echo-tts", "echo-clone")
Ask = Callable[[ChaosClient, random.Random], Answer | None]


def formats(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Request a transcript in the formats with times, over a slow or a quick connection."""
    form = dice.choice(("vtt", "verbose_json"))
    fields = {"response_format": form}
    if form == "verbose_json":
        fields["timestamp_granularities[]"] = dice.choice(("word", "segment"))
    clip, body = client.any_clip(dice, **fields)
    if dice.random() < 0.3:
        answer = client.slow_upload(STT, body, pieces=8, pause_s=0.1)
    else:
        answer = client.post(STT, body)
    if answer.status != 200:
        return answer
    if form == "vtt":
        lines = answer.body.decode().splitlines()[1:]
        text = " ".join(line for line in lines if "-->" not in line)
    else:
        text = transcript(answer.body, form)
        times = "words" if "words" in json.loads(answer.body) else "segments"
        if not json.loads(answer.body)[times]:
            raise WrongAnswerError(f"no {times}")
    return _heard(client, clip, text)


def translate(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Request a translation of English to English: the same words."""
    clip, body = client.any_clip(dice, response_format=dice.choice(("json", "text", "srt")))
    answer = client.post(TRANSLATIONS, body)
    if answer.status != 200:
        return answer
    data = answer.body.decode()
    if data.startswith("{"):
        data = json.loads(data)["text"]
    text = " ".join(line for line in data.splitlines() if "-->" not in line and not line.isdecimal())
    return _heard(client, clip, text)


def json_upload(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Send a recording in JSON."""
    clip = dice.choice(client.clips)
    recording = {"format": "wav", "data": base64.b64encode(clip.data).decode()}
    answer = client.ask("POST", STT, {"model": client.engines.stt, "input_audio": recording})
    return answer if answer.status != 200 else _heard(client, clip, transcript(answer.body, "json"))


def long_recording(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Send a recording that the server keeps on its disk: speech, followed by a long silence."""
    clip = dice.choice(client.clips[::5])
    data = _with_silence(clip.data)
    answer = client.post(STT, client.recording(data), in_chunks=dice.random() < 0.5)
    whole = Clip(data=data, said=clip.said, duration_s=LONG_S)
    return answer if answer.status != 200 else _heard(client, whole, transcript(answer.body, "json"))


def webservice(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Send a request as clients of whisper-asr-webservice do."""
    clip = dice.choice(client.clips)
    head = b'--b\r\ncontent-disposition: form-data; name="audio_file"; filename="a"\r\n\r\n'
    body = head + clip.data + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"
    if dice.random() < 0.5:
        answer = client.post("/detect-language", body)
        if answer.status == 200 and json.loads(answer.body)["language_code"] != "en":
            raise WrongAnswerError(f"English is {answer.body!r}")
        return None if answer.status == 200 else answer
    answer = client.post("/asr?output=txt", body)
    return answer if answer.status != 200 else _heard(client, clip, answer.body.decode())


def slow_reader(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Request speech, and read it slowly."""
    text = " ".join(dice.choices(good.SENTENCES, k=4))
    answer = client.slow_reader(TTS, client.text(text, response_format="wav"))
    if answer.status != 200:
        return answer
    heard_s = duration_s(answer.body, "wav")
    least_s, most_s = (len(text.split()) * each for each in client.engines.word_s)
    if not least_s <= heard_s <= most_s:
        raise WrongAnswerError(f"{heard_s:.2f} s for {text!r}, read slowly")
    return None


def impatient(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Request an answer with a short time limit."""
    data, kind = client.text(" ".join(good.SENTENCES * 4))
    headers = {"content-type": kind, "authorization": f"Bearer {KEY}"}
    headers["x-request-timeout"] = dice.choice(("0.05", "0.5", "2"))
    answer = client._exchange("POST", TTS, data, headers)  # noqa: SLF001 - a header of its own
    return None if answer.status == 200 else answer


def stalled_upload(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Stall in mid-upload for longer than the server waits."""
    _, body = client.any_clip(dice)
    return client.slow_upload(STT, body, pieces=2, pause_s=STALL_S)


def look(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Request a page that every client may see."""
    path = dice.choice(LOOKS)
    head = path in HEADS and dice.random() < 0.5
    answer = client.ask("HEAD" if head else "GET", path)
    return None if answer.status == 200 else answer


def nowhere(client: ChaosClient, dice: random.Random) -> Answer:
    """Request a path that does not exist, or use a method that its route does not take."""
    method, path = dice.choice(
        (
            ("GET", "/nowhere"),
            ("GET", "/v2/models"),
            ("DELETE", "/v1/models/whisper-1"),
            ("PUT", "/v1/models"),
            ("GET", "/v1/audio/voices/voice_000000000000000000000000"),
            ("DELETE", "/v1/audio/voice_consents/cons_000000000000000000000000"),
            ("GET", TTS),
        )
    )
    return client.ask(method, path)


def odd_body(client: ChaosClient, dice: random.Random) -> Answer:
    """Send a body of a kind that the route does not take."""
    path, body = dice.choice(
        (
            (TTS, (b'{"input": "Hello."', "application/json")),
            (TTS, (b"[" * 5000 + b"]" * 5000, "application/json")),
            (TTS, (b'{"input": "\xff\xfe"}', "application/json")),
            (TTS, (b"[]", "application/json")),
            (TTS, (b"", "application/json")),
            (STT, (b"plain", "text/plain")),
            (STT, (b"--b--\r\n", "multipart/form-data; boundary=b")),
            (STT, (b"not a form", "multipart/form-data; boundary=b")),
            (STT, (b'{"input_audio": {"data": "====", "format": "wav"}}', "application/json")),
        )
    )
    return client.post(path, body)


def too_large(client: ChaosClient, dice: random.Random) -> Answer:
    """Send too much, announced or in chunks, whose total the server learns late."""
    return client.post(STT, client.recording(bytes(LIMIT_BYTES + 1000)), in_chunks=dice.random() < 0.5)


def operate(client: ChaosClient, dice: random.Random) -> Answer | None:
    """Load, unload or pin a model as an operator does; a pinned model is unpinned again."""
    model, do = dice.choice(MODELS), dice.choice(("load", "unload", "unload", "pin"))
    answer = client.ask("POST", f"/v1/engines/{do}", {"model": model})
    if do == "pin":
        time.sleep(dice.uniform(0.1, 1.5))
        answer = client.ask("POST", "/v1/engines/unpin", {"model": model})
    return None if answer.status == 200 else answer


class VoiceAsks:
    """Custom voices: each request makes, uses and deletes a voice of its own."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def cycle(self, client: ChaosClient, dice: random.Random) -> Answer | None:
        """Add a consent and a voice, use and rename them, then delete or keep them."""
        name = f"Voice {dice.getrandbits(48):x}"
        with self._library.changing("consents", name) as change:
            answer = client.post(CONSENTS, _form(name=name, language="en", recording=_reference(dice)))
            change.made(answer)
        if answer.status != 200:
            return answer
        consent = json.loads(answer.body)["id"]
        with self._library.changing("voices", name) as change:
            answer = client.post(VOICES, _form(name=name, consent=consent, audio_sample=_reference(dice)))
            change.made(answer)
        if answer.status != 200:
            return answer
        voice = json.loads(answer.body)["id"]
        text = client.text(
            "one two three", model="echo-clone", voice=dice.choice((voice, name)), response_format="pcm"
        )
        answer = client.post(TTS, text)
        if answer.status == 200 and abs(duration_s(answer.body, "pcm") - 0.75) > 0.05:
            raise WrongAnswerError(f"{len(answer.body)} bytes of cloned speech")
        spoken = None if answer.status == 200 else answer
        if dice.random() < 0.3:
            new = f"{name} anew"
            with self._library.changing("consents", name, new) as change:
                answer = client.ask("POST", f"{CONSENTS}/{consent}", {"name": new})
                change.renamed(answer, new)
            if answer.status != 200:
                return answer
            return self._deleted(client, dice, (voice, name), (consent, new)) or spoken
        return self._deleted(client, dice, (voice, name), (consent, name)) or spoken

    def _deleted(
        self, client: ChaosClient, dice: random.Random, voice: tuple[str, str], consent: tuple[str, str]
    ) -> Answer | None:
        """Delete or keep a voice and its consent, each given as id and name; return a refusal."""
        if dice.random() < 0.3:
            early = client.ask("DELETE", f"{CONSENTS}/{consent[0]}")
            if early.status < 400:
                raise WrongAnswerError(f"a consent in use was deleted: {early.status}")
        if dice.random() < 0.85:
            for kind, path, (number, name) in (("voices", VOICES, voice), ("consents", CONSENTS, consent)):
                with self._library.changing(kind, name) as change:
                    answer = client.ask("DELETE", f"{path}/{number}")
                    change.deleted(answer)
                if answer.status != 200:
                    return answer
        return None

    def bad_voice(self, client: ChaosClient, dice: random.Random) -> Answer:
        """Add an invalid voice: silent, not audio, or without consent."""
        fields = {"name": f"Bad {dice.getrandbits(48):x}", "consent": "cons_000000000000000000000000"}
        sample = dice.choice((bytes(5000), _reference(dice), b"", wav(tone(1.5) * 0)))
        return client.post(VOICES, _form(audio_sample=sample, **fields))


def unknown_voice(client: ChaosClient, dice: random.Random) -> Answer:
    """Request a voice that does not exist, or the voice of a clip from a model that cannot clone."""
    voice = dice.choice(("nobody", "voice_000000000000000000000000", good.REFERENCE))
    return client.post(TTS, client.text("Hello.", voice=voice))


def left(ask: Callable[[Client, random.Random], None]) -> Ask:
    """Return a request whose client disconnects; any end of the connection is accepted."""

    def asked(client: ChaosClient, dice: random.Random) -> None:
        with contextlib.suppress(OSError):
            ask(client, dice)

    return asked


LEAVING = {
    "leave the upload": left(leaving.leave_the_upload),
    "leave the queue": left(leaving.leave_the_queue),
    "leave at work": left(leaving.leave_at_work),
    "leave the answer": left(leaving.leave_the_answer),
}


@cache
def _with_silence(data: bytes) -> bytes:
    samples = samples_of(data, 16_000)
    padded = np.concatenate([samples, np.zeros(LONG_S * 16_000 - len(samples), np.float32)])
    return wav((padded * 32_767).astype(np.int16))


def _heard(client: ChaosClient, clip: Clip, text: str) -> None:
    if not client.engines.hears(clip, text):
        raise WrongAnswerError(f"heard {text!r} of {clip.said!r}")


def _reference(dice: random.Random) -> bytes:
    return wav(tone(1.2, hz=dice.choice((120.0, 180.0, 240.0))))


def _form(**fields: str | bytes) -> tuple[bytes, str]:
    parts = []
    for name, value in fields.items():
        file = b'; filename="a"' if isinstance(value, bytes) else b""
        data = value if isinstance(value, bytes) else value.encode()
        head = b'--b\r\ncontent-disposition: form-data; name="%b"%b\r\n\r\n' % (name.encode(), file)
        parts.append(head + data + b"\r\n")
    return b"".join(parts) + b"--b--\r\n", "multipart/form-data; boundary=b"
