"""Makes the clips beside this file: run it where speechhub-piper and Debian's espeak-ng are installed.

    python plugins/speechhub-whisper/tests/make_clips.py

The English voice is Piper's en_US-joe-medium (CC0); the others are espeak-ng's. Opus at 16 kbit/s keeps each
clip below 20 kB.
"""

import subprocess
import tempfile
import wave
from pathlib import Path

import av
import numpy as np
import soxr

from speechhub.engine import Call, LoadContext, SynthesizeRequest
from speechhub.store import ModelStore
from speechhub_piper import JOE
from speechhub_piper.engine import PiperEngine

HERE = Path(__file__).parent / "clips"
ENGLISH = {
    "en": "The old lighthouse stood at the edge of the cliff. "
    "Every evening, the keeper climbed the narrow stairs to light the great lamp.",
    "en2": "Making bread at home is easier than most people think. "
    "You only need flour, water, salt, and a little yeast.",
    "en3": "Travellers read the news on small screens now. "
    "Some of them miss the sound of turning pages, while others enjoy the silence.",
}
ESPEAK = {
    "es": "Buenos días, me llamo Carmen y vivo en una pequeña ciudad cerca del mar.",
    "fr": "Bonjour, je voudrais acheter deux billets pour le train de demain matin.",
    "de": "Guten Morgen, ich möchte heute mit dem Zug nach Hamburg fahren.",
}


def piper(text: str, home: Path) -> tuple[np.ndarray, int]:
    """Speak English."""
    engine = PiperEngine()
    folder = ModelStore(home, hf_endpoint=None, offline=True).resolve(JOE)
    engine.load(LoadContext(model=JOE.id, model_dir=folder))
    parts = list(engine.synthesize(SynthesizeRequest(text=text, voice="joe"), Call()))
    return np.concatenate([part.samples for part in parts]), parts[0].sample_rate


def espeak(text: str, language: str, home: Path) -> tuple[np.ndarray, int]:
    """Speak another language."""
    path = home / f"{language}.wav"
    subprocess.run(["espeak-ng", "-v", language, "-s", "150", "-w", str(path), text], check=True)
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.astype(np.float32) / 32768, file.getframerate()


def write(name: str, samples: np.ndarray, sample_rate: int) -> None:
    """Write an Opus file at 16 kHz."""
    pcm = (soxr.resample(samples, sample_rate, 16_000) * 32767).clip(-32768, 32767).astype(np.int16)
    path = HERE / f"{name}.ogg"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=16_000, layout="mono")
        stream.bit_rate = 16_000
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def main() -> None:
    """Make all clips."""
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name, text in ENGLISH.items():
            write(name, *piper(text, home))
        for language, text in ESPEAK.items():
            write(language, *espeak(text, language, home))


if __name__ == "__main__":
    main()
