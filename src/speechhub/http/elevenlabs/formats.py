"""ElevenLabs' output formats, such as ``mp3_44100_128`` and ``ulaw_8000``, made of speechhub's."""

import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from speechhub.codecs import g711
from speechhub.codecs.encode import MAX_RATE, MIN_RATE, SpeechFormat
from speechhub.errors import InvalidValueError
from speechhub.errors.excerpt import quoted

DEFAULT: Final = "mp3_44100_128"
"""Source: ElevenLabs' API reference, Create speech."""
EXAMPLES: Final = "mp3_44100_128, mp3_22050_32, pcm_24000, wav_24000, opus_48000_64, ulaw_8000, alaw_8000"
LAWS: Final = {"ulaw": g711.Law.MU, "alaw": g711.Law.A}
_NAME: Final = re.compile(r"(?P<codec>mp3|[a-z]+)_(?P<rate>\d{4,5})(?:_(?P<kbps>\d{1,3}))?")
_COMPRESSED: Final = {"mp3": SpeechFormat.MP3, "opus": SpeechFormat.OPUS}
_PLAIN: Final = {"pcm": SpeechFormat.PCM, "wav": SpeechFormat.WAV}
MIN_KBPS, MAX_KBPS = 16, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """How audio leaves."""

    made: SpeechFormat
    """What the services make."""
    sample_rate: int
    """In hertz."""
    bit_rate: int | None = None
    """Of a compressed format, in bits per second."""
    law: g711.Law | None = None
    """How samples are coded, for telephones."""

    @property
    def media_type(self) -> str:
        """The Content-Type of the bytes."""
        if self.law is None:
            return self.made.media_type
        return "audio/basic" if self.law is g711.Law.MU else "audio/x-alaw-basic"

    async def coded(self, audio: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Yield *audio* as it leaves; each piece holds whole samples."""
        async for data in audio:
            yield data if self.law is None else g711.encode(np.frombuffer(data, "<i2"), self.law)


def output_format(name: str | None) -> OutputFormat:
    """Return the format that a client names; None means ElevenLabs' default.

    Raises:
        InvalidValueError: speechhub cannot make it.
    """
    found = _NAME.fullmatch(name or DEFAULT)
    codec, rate = (found["codec"], int(found["rate"])) if found else ("", 0)
    kbps = int(found["kbps"]) if found and found["kbps"] else None
    if codec in LAWS and rate == g711.SAMPLE_RATE and kbps is None:
        return OutputFormat(made=SpeechFormat.PCM, sample_rate=rate, law=LAWS[codec])
    made = _COMPRESSED.get(codec) or (_PLAIN.get(codec) if kbps is None else None)
    fits = made is not None and MIN_RATE <= rate <= MAX_RATE
    if made is None or not fits or (made.sample_rates and rate not in made.sample_rates):
        raise InvalidValueError(
            f"output_format {quoted(name or '')} cannot be made. Use CODEC_RATE, or CODEC_RATE_KBPS for mp3 "
            f"and opus, such as {EXAMPLES}.",
            param="output_format",
        )
    if kbps is not None and not MIN_KBPS <= kbps <= MAX_KBPS:
        raise InvalidValueError(
            f"output_format {quoted(name or '')} has a bit rate of {kbps} kbit/s: {MIN_KBPS} to {MAX_KBPS} "
            "are possible.",
            param="output_format",
        )
    return OutputFormat(made=made, sample_rate=rate, bit_rate=kbps and kbps * 1000)
