"""A recording of a speaker: from what a client sent to samples that an engine can learn a voice from."""

import base64
import binascii
import hashlib
import io
import re
import wave
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.decode import decode
from speechhub.domain.audio import Audio
from speechhub.errors import AudioError, AudioTooShortError, InvalidValueError

RATE: Final = 48_000
"""Sample rate of the library's files, in hertz: high enough to lose nothing of common uploads."""
MIN_DURATION_S: Final = 1.0
"""Shortest recording; a voice cannot be learnt from less."""
FRAME_S: Final = 0.02
SILENT_DBFS: Final = -50.0
"""A frame below this level is silence. Rooms are at -60 and quieter, speech above -40."""
MIN_SOUND_S: Final = 0.5
"""Least sound above `SILENT_DBFS`, in seconds."""
MAX_CLIPPED: Final = 0.1
"""Share of samples that may be at full scale; above it, a recording is noise or badly overdriven."""
FULL_SCALE: Final = 0.999
STEP_CHARS: Final = 4 * 64 * 1024
"""How much base64 is decoded at once; a few milliseconds of work."""
_PCM16_SCALE: Final = 32767.0
_DATA_URL: Final = re.compile(r"data:(?:[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A checked recording in memory."""

    pcm16: bytes
    """Mono, signed 16-bit little-endian, at `RATE`."""

    @property
    def digest(self) -> str:
        """SHA-256 of the samples in hex: the same for the same sound, whatever its file format was."""
        return hashlib.sha256(self.pcm16).hexdigest()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.pcm16) / 2 / RATE

    @property
    def audio(self) -> Audio:
        """The samples in the format of engines."""
        samples = np.frombuffer(self.pcm16, "<i2").astype(np.float32) / np.float32(_PCM16_SCALE)
        return Audio(samples=np.clip(samples, -1.0, 1.0), sample_rate=RATE)

    def wav(self) -> bytes:
        """Return the recording as a WAV file."""
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
            file.writeframes(self.pcm16)
        return out.getvalue()


def read_recording(source: bytes | BinaryIO, *, max_duration_s: float, param: str) -> Recording:
    """Decode and check a recording; takes a while, so call it in a thread.

    Args:
        source: A whole file, in any format that can be transcribed.
        max_duration_s: Longest recording.
        param: Name of the request's field, for errors.

    Raises:
        AudioError: It cannot be decoded, is too short or too long, silent, or overdriven.
    """
    try:
        audio = decode(source, sample_rate=RATE, max_duration_s=max_duration_s)
    except AudioError as error:
        error.param = param
        raise
    _check(audio, param)
    return Recording(pcm16=np.rint(np.clip(audio.samples, -1, 1) * _PCM16_SCALE).astype("<i2").tobytes())


def load_recording(data: bytes) -> Recording:
    """Return the recording in a file of the library.

    Raises:
        EOFError, ValueError, wave.Error: The library did not write it, or it is not complete.
    """
    with wave.open(io.BytesIO(data), "rb") as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
            raise ValueError("it has another format")
        length = file.getnframes()
        pcm16 = file.readframes(length)
    if len(pcm16) != 2 * length:
        raise ValueError("it is cut")
    return Recording(pcm16=pcm16)


def clip_bytes(text: str, *, limit_bytes: int, param: str) -> bytes:
    """Return the file in a clip, which is base64 or a data URL with base64 in it.

    A large clip takes a while, so call it in a thread.

    Raises:
        InvalidValueError: It is neither, or larger than *limit_bytes*.
    """
    found = _DATA_URL.match(text)
    if found is None and text[:5].lower() == "data:":
        raise InvalidValueError(
            f"{param} is a data URL without base64; send data:audio/wav;base64,…", param=param
        )
    payload = text[found.end() :] if found else text
    if len(payload) > (limit_bytes + 2) // 3 * 4 + limit_bytes // 16:  # room for line ends
        raise InvalidValueError(f"The clip in {param} is larger than {limit_bytes} bytes.", param=param)
    payload = "".join(payload.split())
    try:
        # In steps, because each holds the interpreter's lock: other threads can run in between.
        data = b"".join(
            base64.b64decode(payload[first : first + STEP_CHARS], validate=True)
            for first in range(0, len(payload), STEP_CHARS)
        )
    except (binascii.Error, ValueError) as error:
        raise InvalidValueError(
            f"{param} is neither a name nor audio in base64 or in a data URL.", param=param
        ) from error
    if len(data) > limit_bytes:
        raise InvalidValueError(f"The clip in {param} is larger than {limit_bytes} bytes.", param=param)
    return data


def _check(audio: Audio, param: str) -> None:
    if audio.duration_s < MIN_DURATION_S:
        raise AudioTooShortError(
            f"The recording of the voice is {audio.duration_s:.1f} s long; send at least "
            f"{MIN_DURATION_S:g} s of speech.",
            param=param,
        )
    sound_s = _sound_s(audio.samples)
    if sound_s == 0:
        raise AudioError("The recording of the voice is silent.", param=param)
    if sound_s < MIN_SOUND_S:
        raise AudioTooShortError(
            f"Only {sound_s:.1f} s of the recording are louder than {SILENT_DBFS:g} dBFS: that is too quiet, "
            "or too little speech.",
            param=param,
        )
    clipped = float(np.mean(np.abs(audio.samples) >= FULL_SCALE))
    if clipped > MAX_CLIPPED:
        raise AudioError(
            f"{clipped:.0%} of the recording is at full scale: it is clipped, or is not speech.", param=param
        )


def _sound_s(samples: NDArray[np.float32]) -> float:
    """Return the total length of all frames that are not silent, in seconds."""
    length = round(FRAME_S * RATE)
    frames = samples[: len(samples) // length * length].reshape(-1, length).astype(np.float64)
    # A constant offset is not sound.
    power = np.var(frames, axis=1)
    return float(np.count_nonzero(power > 10 ** (SILENT_DBFS / 10))) * FRAME_S
