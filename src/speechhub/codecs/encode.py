"""Encodes speech in the format that a client asked for, while it is still being synthesized.

All output is mono, at 24 kHz unless the client asks for another rate, whatever rate the engine has: clients
of the OpenAI API rely on that, and for `pcm` the data does not even say it (contract §3).
"""

import io
import struct
from enum import StrEnum
from typing import BinaryIO, Final, Protocol, cast

import av
import numpy as np
from av.audio import AudioFrame, AudioStream
from av.codec.context import Flags
from numpy.typing import NDArray

from speechhub.codecs.ffmpeg import limit_ffmpeg
from speechhub.codecs.resample import StreamResampler, resample
from speechhub.domain.audio import Audio

OUTPUT_RATE: Final = 24_000
"""Sample rate of the output unless the client asks for another, in hertz. Source: recorded OpenAI answers,
contract §3."""
MIN_RATE: Final = 8_000
MAX_RATE: Final = 48_000
"""Range of sample rates that a client can ask for, in hertz. Source: Groq's API reference and speaches,
CreateSpeech."""
HEAD_BYTES: Final = 4096
"""Most bytes that a file's headers take: a frame for MP3, a few dozen bytes for WAV and FLAC."""
MOST_WAV_BYTES: Final = 0xFFFFFFFF - 36
"""Largest data size that a WAV header can state."""
_MPEG_RATES: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class SpeechFormat(StrEnum):
    """The formats that a client can ask for."""

    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    FLAC = "flac"
    WAV = "wav"
    PCM = "pcm"

    @property
    def media_type(self) -> str:
        """The Content-Type of the bytes."""
        return "audio/mpeg" if self is SpeechFormat.MP3 else f"audio/{self.value}"

    @property
    def in_packets(self) -> bool:
        """Whether the encoder holds back sound until a packet of it is full."""
        return self not in (SpeechFormat.WAV, SpeechFormat.PCM)

    @property
    def sample_rates(self) -> tuple[int, ...]:
        """The rates that the format supports, in hertz; empty means all from `MIN_RATE` to `MAX_RATE`.

        Source: ISO/IEC 13818-3 and 14496-3; RFC 6716, section 2.
        """
        match self:
            case SpeechFormat.MP3 | SpeechFormat.AAC:
                return _MPEG_RATES
            case SpeechFormat.OPUS:
                return (8_000, 12_000, 16_000, 24_000, 48_000)
            case _:
                return ()


class Encoder:
    """Encodes a stream of mono audio; lives for one stream.

    The pieces that `encode` and `finish` return join to one valid file. Its headers state its length only
    after `patched` has rewritten them at the end. Use it from one thread at a time.

    Args:
        audio_format: format of the output.
        source_rate: sample rate of the input, in hertz.
        output_rate: sample rate of the output, in hertz; one that the format supports.
        bit_rate: bits per second of a compressed output; None means the format's usual ones.
        whole: whether `patched` will be called, for headers that state the length.
    """

    def __init__(
        self,
        audio_format: SpeechFormat,
        *,
        source_rate: int,
        output_rate: int = OUTPUT_RATE,
        bit_rate: int | None = None,
        whole: bool = False,
    ) -> None:
        self._resampler = StreamResampler(source_rate, output_rate)
        self._pipe = PatchedPipe() if whole else _Pipe()
        self._writer = _writer(audio_format, self._pipe, output_rate, bit_rate)

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Take the next samples; return all bytes that are ready, which may be none.

        Args:
            samples: float32, shape (n_samples,); clipped to [-1, 1].
        """
        self._write(self._resampler.process(samples))
        return self._pipe.take()

    def finish(self) -> bytes:
        """Return what is left; the stream ends here."""
        self._write(self._resampler.finish())
        self._writer.close()
        return self._pipe.take()

    def patched(self, head: bytes) -> bytes:
        """Return the beginning of the file with headers that state its length.

        Args:
            head: The first `HEAD_BYTES` that `encode` and `finish` returned, or all of a shorter file.
        """
        return self._pipe.patched(head) if isinstance(self._pipe, PatchedPipe) else head

    def _write(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            self._writer.write(to_pcm16(samples))


def encode_all(audio: Audio, audio_format: SpeechFormat) -> bytes:
    """Encode *audio* as a file whose headers state its length, if the format has such headers."""
    pcm16 = to_pcm16(resample(audio, OUTPUT_RATE).samples)
    file = io.BytesIO()
    if audio_format is SpeechFormat.WAV:
        file.write(wav_header(pcm16.nbytes, OUTPUT_RATE))
        file.write(pcm16.tobytes())
        return file.getvalue()
    writer = _writer(
        audio_format, file, OUTPUT_RATE
    )  # FLAC rewrites its header at the end, because this file can seek
    for start in range(0, len(pcm16), OUTPUT_RATE):  # FFmpeg copies its input: a second at a time
        writer.write(pcm16[start : start + OUTPUT_RATE])
    writer.close()
    return file.getvalue()


def to_pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Clip and round to int16, little-endian; shape (n_samples,)."""
    pcm16: NDArray[np.int16] = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")
    return pcm16


def wav_header(data_bytes: int | None, sample_rate: int, *, width: int = 2, channels: int = 1) -> bytes:
    """Return the header of a WAV file of PCM; *data_bytes* is None if the length is not known yet.

    *width* is the size of a sample, in bytes; one of 1 byte is unsigned.
    Source: Multimedia Programming Interface and Data Specifications 1.0; 0xFFFFFFFF as OpenAI streams.
    """
    unknown, frame_bytes = 0xFFFFFFFF, width * channels
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", unknown if data_bytes is None else 36 + data_bytes, b"WAVE"),
        *(b"fmt ", 16, 1, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, 8 * width),
        *(b"data", unknown if data_bytes is None else data_bytes),
    )


class _Pipe:
    """A sink for FFmpeg that cannot seek, so that headers are never rewritten."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(data)
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class PatchedPipe:
    """A sink for FFmpeg in which it may rewrite the headers, even after they were handed out."""

    def __init__(self) -> None:
        self._parts = bytearray()
        self._taken = 0
        """How much of the file was handed out; the rest is in `_parts`."""
        self._at = 0
        self._patches: list[tuple[int, bytes]] = []

    def write(self, data: bytes) -> int:
        """Write at the current position, as files do."""
        data = bytes(data)
        old = data[: max(0, self._taken - self._at)]
        if old:
            self._patches.append((self._at, old))
        start = self._at + len(old) - self._taken
        self._parts[start : start + len(data) - len(old)] = data[len(old) :]
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another position, as in files."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._taken + len(self._parts)}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the current position."""
        return self._at

    def seekable(self) -> bool:
        """Return that it can seek."""
        return True

    def take(self) -> bytes:
        """Return what was written since the last call, at the end of the file."""
        data = bytes(self._parts)
        self._parts.clear()
        self._taken += len(data)
        return data

    def patched(self, head: bytes) -> bytes:
        """Return the beginning of the file with everything that was rewritten since."""
        made = bytearray(head)
        for place, data in self._patches:
            assert place + len(data) <= len(made), "FFmpeg goes back to headers alone"  # noqa: S101
            made[place : place + len(data)] = data
        return bytes(made)


_File = _Pipe | PatchedPipe | BinaryIO


class _Writer(Protocol):
    """Writes int16 samples to a file or a pipe, and the length into the header if the file can seek."""

    def write(self, samples: NDArray[np.int16]) -> None: ...

    def close(self) -> None: ...


def _writer(
    audio_format: SpeechFormat, file: _File, sample_rate: int, bit_rate: int | None = None
) -> _Writer:
    match audio_format:
        case SpeechFormat.WAV:
            return _PcmWriter(file, sample_rate)
        case SpeechFormat.PCM:
            return _PcmWriter(file, None)
        case _:
            return _MuxWriter(audio_format, file, sample_rate, bit_rate)


class _PcmWriter:
    """Writes uncompressed samples, after an optional header."""

    def __init__(self, file: _File, rate: int | None) -> None:
        """Begin a WAV at *rate*, in hertz; None leaves out the header."""
        self._file = file
        self._rate = rate
        self._data_bytes = 0
        if rate is not None:
            self._file.write(wav_header(None, rate))

    def write(self, samples: NDArray[np.int16]) -> None:
        self._data_bytes += self._file.write(samples.tobytes())

    def close(self) -> None:
        if self._rate is not None and not isinstance(self._file, _Pipe) and self._data_bytes < MOST_WAV_BYTES:
            self._file.seek(0)
            self._file.write(wav_header(self._data_bytes, self._rate))


_MUXERS: Final[dict[SpeechFormat, tuple[str, str, int | None, dict[str, str]]]] = {
    # format: (libavformat muxer, libavcodec encoder, bits per second, muxer options)
    SpeechFormat.MP3: ("mp3", "libmp3lame", 128_000, {"write_xing": "0", "id3v2_version": "0"}),
    SpeechFormat.AAC: ("adts", "aac", 96_000, {}),
    # without the 8 kB of padding that FFmpeg leaves for tags
    SpeechFormat.FLAC: ("flac", "flac", None, {"metadata_header_padding": "0"}),
    # An Ogg page is written when it is full; by default that takes a second of speech.
    SpeechFormat.OPUS: ("ogg", "libopus", 64_000, {"page_duration": "100000"}),
}


MAX_BITS_PER_SAMPLE: Final = 6
"""Most bits per sample of a compressed stream. Source: ISO/IEC 14496-3, 6144 bits for the 1024 samples of an
AAC frame."""


class _MuxWriter:
    """A compressed stream, written by FFmpeg."""

    def __init__(
        self, audio_format: SpeechFormat, file: _File, sample_rate: int, wanted_bit_rate: int | None
    ) -> None:
        limit_ffmpeg()
        muxer, encoder, usual_bit_rate, options = _MUXERS[audio_format]
        bit_rate = usual_bit_rate and (wanted_bit_rate or usual_bit_rate)
        if isinstance(file, PatchedPipe) and audio_format is SpeechFormat.MP3:
            options = options | {"write_xing": "1"}
        self._container = av.open(
            file,
            "w",
            format=muxer,
            # bitexact leaves out the encoder's name and version; flush_packets writes each packet at once
            container_options={"flush_packets": "1", "fflags": "+bitexact"} | options,
        )
        self._stream = cast(
            "AudioStream", self._container.add_stream(encoder, rate=sample_rate, layout="mono")
        )
        self._stream.codec_context.flags |= Flags.bitexact
        if bit_rate:
            self._stream.bit_rate = min(bit_rate, sample_rate * MAX_BITS_PER_SAMPLE)
        self._sample_rate = sample_rate
        self._position = 0

    def write(self, samples: NDArray[np.int16]) -> None:
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._sample_rate
        frame.pts = self._position
        self._position += len(samples)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.start_encoding()  # otherwise an empty stream would have no header
        self._container.mux(self._stream.encode(None))
        self._container.close()
