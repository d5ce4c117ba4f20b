"""Let the real clients transcribe a minute of speech in real time, and compare with uploads of the same.

    .venv/bin/python scripts/check_live_clients.py                  all that transcribe over the Realtime API
    .venv/bin/python scripts/check_live_clients.py livekit pipecat  these

Piper speaks sentences with a second of silence between them; Whisper hears them, once as uploads and once
from each client while they are spoken. No client may see an error; each has to get one text a sentence, and
its word error rate may be `MARGIN` above that of the uploads. Takes about 80 seconds for each client.
"""

import argparse
import io
import json
import re
import sys
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

import httpx
import jiwer
from _known_clients import SCRIPTS, clients
from check_clients import KEY, calls_of, prepare

from tests.e2e.server import serving

CLIENTS = ("openai-python", "openai-agents", "livekit", "pipecat", "wyoming-openai")
"""Those that scripts/clients/live_transcripts.py knows."""
SENTENCES = (
    "The old lighthouse stood on a rock far out in the bay.",
    "Every evening the keeper climbed the stairs to light the lamp.",
    "He could see the fishing boats come home one after another.",
    "In winter the storms were so strong that his friends stayed away for weeks.",
    "He read his books again and waited for the spring.",
    "One morning a small boat appeared between the rocks.",
    "A young woman waved at him and shouted something against the wind.",
    "She had brought fresh bread and a letter from the harbour master.",
    "The letter said that the lamp would soon be lit by a machine.",
    "The keeper put it on the table and looked at the sea for a long time.",
    "Then he made some tea and asked her to stay for supper.",
    "They talked about the weather until the stars came out.",
)
SPEAKING = {"piper": {"noise_scale": 0.0, "noise_w_scale": 0.0}}
"""The same speech each time."""
RATE = 24_000
SILENCE = bytes(2 * RATE)
MARGIN = 0.01
LIMIT_S = 240


def main() -> int:
    """Run the clients that were chosen; return 1 if one of them heard less than it should."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="CLIENT", help=f"all without any: {', '.join(CLIENTS)}")
    names = parser.parse_args().names
    if unknown := set(names) - set(CLIENTS):
        parser.error(f"no such client: {', '.join(sorted(unknown))}. Clients: {', '.join(CLIENTS)}")
    server = {"SPEECHHUB_OFFLINE": "true", "SPEECHHUB_API_KEYS": json.dumps([KEY])}
    server["SPEECHHUB_ENGINES"] = json.dumps(SPEAKING)
    with tempfile.TemporaryDirectory() as name, serving(Path(name), **server) as started:
        folder = Path(name)
        length_s, uploaded = speak(folder, started.url)
        least = word_error_rate(uploaded)
        print(
            f"{len(SENTENCES)} sentences in {length_s:.0f} s; uploads: word error rate {least:.1%}",
            flush=True,
        )
        environ = {
            "CLIENTS_URL": started.url,
            "CLIENTS_KEY": KEY,
            "CLIENTS_SPEECH": str(folder / "speech.wav"),
            "CLIENTS_AUDIO": str(folder / "utterance-00.wav"),
            "CLIENTS_LONG_AUDIO": str(folder / "speech.wav"),
            "CLIENTS_UTTERANCES": str(len(SENTENCES)),
            "CLIENTS_SPEED": "1",
            "CLIENTS_LIMIT_S": str(length_s + 60),
        }
        failed = [name for name in names or CLIENTS if not heard_well(name, environ, uploaded)]
    print(f"failed: {', '.join(failed)}" if failed else "all heard what the uploads did")
    return 1 if failed else 0


def speak(folder: Path, url: str) -> tuple[float, list[str]]:
    """Write the speech, and each utterance of it; return its length in seconds, and the texts of uploads."""
    texts, speech = [], SILENCE
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{url}/v1/audio", timeout=120, headers=headers) as hub:
        for number, sentence in enumerate(SENTENCES):
            asked = {"model": "tts-1", "voice": "alloy", "input": sentence, "response_format": "pcm"}
            pcm = hub.post("/speech", json=asked).raise_for_status().content
            speech += pcm + SILENCE
            utterance = wav(pcm)
            (folder / f"utterance-{number:02}.wav").write_bytes(utterance)
            files, fields = {"file": ("utterance.wav", utterance)}, {"model": "whisper-1", "language": "en"}
            heard = hub.post("/transcriptions", files=files, data=fields).raise_for_status()
            texts.append(heard.json()["text"])
    speech += SILENCE
    (folder / "speech.wav").write_bytes(wav(speech))
    return len(speech) / 2 / RATE, texts


def wav(pcm: bytes) -> bytes:
    """Return a WAV file of samples."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        file.writeframes(pcm)
    return out.getvalue()


def heard_well(name: str, environ: dict[str, str], uploaded: Sequence[str]) -> bool:
    """Let one client listen; return whether it heard all of it about as well as the uploads."""
    [client] = [client for client in clients() if client.name == name]
    if (commands := prepare(client)) is None:
        return True
    command = [*commands[0][:-1], str(SCRIPTS / "live_transcripts.py")]
    [call] = calls_of(client, command, environ, LIMIT_S)
    if call["error"]:
        print(f"{name}: {call['error']}", flush=True)
        return False
    texts = call["texts"]
    rate, least = word_error_rate(texts), word_error_rate(uploaded)
    print(f"{name}: {len(texts)} texts, word error rate {rate:.1%}", flush=True)
    for before, after in zip(uploaded, texts, strict=False):
        if before.strip() != after.strip():
            print(f"    uploaded: {before}\n    heard:    {after}", flush=True)
    return len(texts) == len(SENTENCES) and rate <= least + MARGIN


def word_error_rate(texts: Sequence[str]) -> float:
    """Return the word error rate of all sentences together."""
    said, heard = (" ".join(re.findall(r"[\w']+", " ".join(each).lower())) for each in (SENTENCES, texts))
    return float(jiwer.wer(said, heard))


if __name__ == "__main__":
    sys.exit(main())
