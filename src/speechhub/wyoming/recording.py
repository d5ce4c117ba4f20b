"""Recording of an utterance: PCM as it comes, in whatever format, as a file that the hub's decoder reads."""

from dataclasses import dataclass
from typing import BinaryIO, Final

from speechhub.codecs.encode import wav_header
from speechhub.codecs.headerless import LIMIT_BYTES
from speechhub.codecs.mono import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from speechhub.errors import AudioTooLongError, UnsupportedAudioError
from speechhub.services.spool import Spool
from speechhub.wyoming.client_events import AudioChunk

WIDTHS: Final = (1, 2, 3, 4)
"""Sizes of a sample, in bytes. One of 1 byte is unsigned, as in WAV files and in `wyoming.audio`; the others
are signed, and little-endian."""


class UtteranceTooLongError(AudioTooLongError):
    """A client sent more audio for one utterance than the server takes."""

    code = "audio_too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """The format of PCM."""

    rate: int
    width: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Size of one sample of every channel."""
        return self.width * self.channels


class UtteranceRecording:
    """One utterance's audio; its spool is closed by the owner.

    The file is a WAV file as an upload has it. Where the format changes within the utterance, another one
    follows, which the decoder takes for the continuation.
    """

    def __init__(self, spool: Spool, *, longest_s: float, most_bytes: int) -> None:
        """Begin without audio.

        Args:
            spool: Takes the audio; empty.
            longest_s: Most audio, in seconds.
            most_bytes: Most audio, in bytes: seconds alone do not bound the bytes of several channels.
        """
        self._spool = spool
        self._longest_s = longest_s
        self._most_bytes = min(most_bytes, LIMIT_BYTES)
        self._shape: _Shape | None = None
        self._start = 0
        """Where the file of the present format begins."""
        self._rest = b""
        """Part of a sample, which the next chunk completes."""
        self._before_s = 0.0
        self._frames = 0
        """Samples of each channel in the present format; *before_s* is the length of all others."""

    @property
    def duration_s(self) -> float:
        """Length so far, in seconds."""
        return self._before_s + (self._frames / self._shape.rate if self._shape else 0.0)

    def add(self, chunk: AudioChunk) -> None:
        """Take what comes next. Part of a sample waits for the rest of it.

        Raises:
            UnsupportedAudioError: The server does not read its format.
            UtteranceTooLongError: That is more audio than the server takes; what came before is kept.
            ServerFullError: All requests together hold as much as they may.
            OSError: The disk has no room.
        """
        shape = _Shape(rate=chunk.rate, width=chunk.width, channels=chunk.channels)
        _check(shape)
        if not chunk.payload:
            return
        if shape != self._shape:
            self._end()
            self._shape, self._rest = shape, b""
        data = self._rest + chunk.payload
        frames = len(data) // shape.frame_bytes
        whole = frames * shape.frame_bytes
        self._check_length(frames / shape.rate, whole)
        if frames and not self._frames:
            self._start = self._spool.size_bytes
            self._spool.write(_header(shape, 0))  # `_end` knows the length
        self._spool.write(data[:whole])
        self._rest = data[whole:]
        self._frames += frames

    def finish(self) -> BinaryIO:
        """Return the file, open and seekable; add nothing afterwards.

        Raises:
            OSError: The disk has no room.
        """
        self._end()
        return self._spool.file

    def _end(self) -> None:
        """Write the length into the header of the present format's file; part of a sample is dropped."""
        if self._shape is None or not self._frames:
            return
        file, size = self._spool.file, self._frames * self._shape.frame_bytes
        if size % 2:
            self._spool.write(b"\0")
        file.seek(self._start)
        file.write(_header(self._shape, size))
        file.seek(self._spool.size_bytes)
        self._before_s += self._frames / self._shape.rate
        self._frames = 0

    def _check_length(self, more_s: float, more_bytes: int) -> None:
        if self.duration_s + more_s > self._longest_s:
            raise UtteranceTooLongError(
                f"The utterance is longer than {self._longest_s:g} seconds, the limit of this server "
                "(setting max_audio_s): send audio-stop earlier.",
                param="audio-chunk",
            )
        if self._spool.size_bytes + more_bytes > self._most_bytes:
            raise UtteranceTooLongError(
                f"The utterance is larger than {self._most_bytes} bytes, the limit of this server (setting "
                "max_upload_bytes): send audio-stop earlier, or 16-bit mono at 16000 Hz.",
                param="audio-chunk",
            )


def _check(shape: _Shape) -> None:
    if shape.width not in WIDTHS:
        raise UnsupportedAudioError(
            f"Samples of {shape.width} bytes cannot be read: width must be one of "
            f"{', '.join(map(str, WIDTHS))}.",
            param="width",
        )
    if not 1 <= shape.channels <= MAX_CHANNELS:
        raise UnsupportedAudioError(
            f"The audio has {shape.channels} channels: channels must be 1 to {MAX_CHANNELS}.",
            param="channels",
        )
    if not MIN_SAMPLE_RATE <= shape.rate <= MAX_SAMPLE_RATE:
        raise UnsupportedAudioError(
            f"The audio has a sample rate of {shape.rate} Hz: rate must be {MIN_SAMPLE_RATE} to "
            f"{MAX_SAMPLE_RATE}.",
            param="rate",
        )


def _header(shape: _Shape, data_bytes: int) -> bytes:
    return wav_header(data_bytes, shape.rate, width=shape.width, channels=shape.channels)
