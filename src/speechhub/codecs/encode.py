"""Turns speech into bytes of the format that a client asked for, while it is still being spoken.

Every format leaves at 24 kHz mono, whatever the engine's rate: clients of the OpenAI API assume it, for
`pcm` even blindly (contract §3).
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
"""Sample rate of everything that leaves, in hertz. Source: recorded OpenAI answers, contract §3."""


class SpeechFormat(StrEnum):
    """What speech can be asked for in."""

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


class Encoder:
    """Encodes a stream of mono audio; it lives for one stream.

    The pieces that `encode` and `finish` return join to one valid file, whose headers do not know its
    length. Use it from one thread at a time.

    Args:
        audio_format: what comes out.
        source_rate: sample rate of what goes in, in hertz.
    """

    def __init__(self, audio_format: SpeechFormat, *, source_rate: int) -> None:
        self._resampler = StreamResampler(source_rate, OUTPUT_RATE)
        self._pipe = _Pipe()
        self._writer = _writer(audio_format, self._pipe)

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

    def _write(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            self._writer.write(_to_pcm16(samples))


def encode_all(audio: Audio, audio_format: SpeechFormat) -> bytes:
    """Encode *audio* as a file whose headers tell its length, where the format has such headers."""
    pcm16 = _to_pcm16(resample(audio, OUTPUT_RATE).samples)
    file = io.BytesIO()
    if audio_format is SpeechFormat.WAV:
        file.write(_wav_header(pcm16.nbytes))
        file.write(pcm16.tobytes())
        return file.getvalue()
    writer = _writer(audio_format, file)  # FLAC goes back to its header, because this file can seek
    for start in range(0, len(pcm16), OUTPUT_RATE):  # FFmpeg copies what it gets: a second at a time
        writer.write(pcm16[start : start + OUTPUT_RATE])
    writer.close()
    return file.getvalue()


def _to_pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Clip and round to int16, little-endian; shape (n_samples,)."""
    pcm16: NDArray[np.int16] = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2")
    return pcm16


def _wav_header(data_bytes: int | None) -> bytes:
    """Return the header of a PCM16 WAV; None is a length that nobody knows yet.

    Source: Multimedia Programming Interface and Data Specifications 1.0; 0xFFFFFFFF as OpenAI streams.
    """
    unknown = 0xFFFFFFFF
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", unknown if data_bytes is None else 36 + data_bytes, b"WAVE"),
        *(b"fmt ", 16, 1, 1, OUTPUT_RATE, OUTPUT_RATE * 2, 2, 16),
        *(b"data", unknown if data_bytes is None else data_bytes),
    )


class _Pipe:
    """What FFmpeg writes to: it cannot seek, so headers are written once and for all."""

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


class _Writer(Protocol):
    """Writes int16 samples at `OUTPUT_RATE` to a file or a pipe."""

    def write(self, samples: NDArray[np.int16]) -> None: ...

    def close(self) -> None: ...


def _writer(audio_format: SpeechFormat, file: "_Pipe | BinaryIO") -> _Writer:
    if audio_format in {SpeechFormat.WAV, SpeechFormat.PCM}:
        return _PcmWriter(file, header=_wav_header(None) if audio_format is SpeechFormat.WAV else b"")
    return _MuxWriter(audio_format, file)


class _PcmWriter:
    """The samples as they are, behind an optional header."""

    def __init__(self, file: "_Pipe | BinaryIO", *, header: bytes) -> None:
        self._file = file
        self._file.write(header)

    def write(self, samples: NDArray[np.int16]) -> None:
        self._file.write(samples.tobytes())

    def close(self) -> None:
        pass


_MUXERS: Final[dict[SpeechFormat, tuple[str, str, int | None, dict[str, str]]]] = {
    # format: (libavformat muxer, libavcodec encoder, bits per second, muxer options)
    SpeechFormat.MP3: ("mp3", "libmp3lame", 128_000, {"write_xing": "0", "id3v2_version": "0"}),
    SpeechFormat.AAC: ("adts", "aac", 96_000, {}),
    # without the 8 kB of padding that FFmpeg leaves for tags
    SpeechFormat.FLAC: ("flac", "flac", None, {"metadata_header_padding": "0"}),
    # An Ogg page leaves when it is full; by default that takes a second of speech.
    SpeechFormat.OPUS: ("ogg", "libopus", 64_000, {"page_duration": "100000"}),
}


class _MuxWriter:
    """A compressed stream, written by FFmpeg."""

    def __init__(self, audio_format: SpeechFormat, file: "_Pipe | BinaryIO") -> None:
        limit_ffmpeg()
        muxer, encoder, bit_rate, options = _MUXERS[audio_format]
        self._container = av.open(
            file,
            "w",
            format=muxer,
            # bitexact leaves out the encoder's name and version; flush_packets hands on each packet
            container_options={"flush_packets": "1", "fflags": "+bitexact"} | options,
        )
        self._stream = cast(
            "AudioStream", self._container.add_stream(encoder, rate=OUTPUT_RATE, layout="mono")
        )
        self._stream.codec_context.flags |= Flags.bitexact
        if bit_rate:
            self._stream.bit_rate = bit_rate
        self._position = 0

    def write(self, samples: NDArray[np.int16]) -> None:
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = OUTPUT_RATE
        frame.pts = self._position
        self._position += len(samples)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.start_encoding()  # without this, silence of no length has no header
        self._container.mux(self._stream.encode(None))
        self._container.close()
