"""Turns an uploaded recording into mono float32, trusting nothing that the file says about itself.

Three locks keep a file from reaching anything but its own bytes: the demuxer comes from our own table
(``sniff``), FFmpeg reads through an object that knows only the upload, and every attempt to open
something else (an external QuickTime reference, say) is refused. Three more keep a small file from
costing much: limits on what FFmpeg allocates and reads, on the CPU time that it takes (``budget``,
``comments``), and on the audio that comes out.
"""

import io
from collections.abc import Callable, Generator, Sequence
from typing import BinaryIO, Final, NoReturn

import av
import numpy as np
from av.audio import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from speechhub.codecs.budget import Budget
from speechhub.codecs.comments import too_many_comments
from speechhub.codecs.ffmpeg import limit_ffmpeg
from speechhub.codecs.mono import Mono
from speechhub.codecs.plain import plain_wav
from speechhub.codecs.sniff import ID3, SUPPORTED, after_id3, sniff
from speechhub.codecs.tracks import TrackChoice, TrackTaken, is_first
from speechhub.domain.audio import Audio
from speechhub.errors import (
    AudioTooCostlyError,
    AudioTooShortError,
    CorruptAudioError,
    RequestCancelledError,
    UnsupportedAudioError,
)

MIN_DURATION_S: Final = 0.1
"""Shortest audio worth a model's time. Source: OpenAI's answer to shorter files."""

MAX_BROKEN_PACKETS: Final = 1_000
"""A damaged recording loses these without complaint; more, and it is not a recording."""

BLOCK_S: Final = 30.0
"""Length of a block, in seconds: short recordings are one, which nothing has to copy."""

MAX_STREAMS: Final = 100
"""Streams of all kinds in one file: films have a dozen audio tracks, and forty of subtitles."""

READS_PER_BYTE: Final = 8
"""How often over FFmpeg may read the file: an index that points to the same bytes a million times
would otherwise keep a thread busy for hours."""

DECODERS: Final = frozenset(
    {
        *("aac", "ac3", "alac", "eac3", "flac", "gsm", "gsm_ms", "opus", "libopus", "speex", "vorbis"),
        *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"),
        *("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb"),
        *("adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_u8"),
        *(f"pcm_{kind}{bits}{end}" for kind in "su" for bits in (16, 24, 32) for end in ("le", "be")),
        *(f"pcm_f{bits}{end}" for bits in (32, 64) for end in ("le", "be")),
    }
)
"""FFmpeg decoders that may run; nothing that draws pictures or reads playlists is among them."""

_CONTAINER_OPTIONS: Final = {
    "protocol_whitelist": "none",
    "codec_whitelist": ",".join(sorted(DECODERS)),  # keeps the probing of streams from decoding video
    "fflags": "-genpts",  # PyAV asks for it; it reads ahead, and we need no time stamps
    "max_streams": str(MAX_STREAMS),
}
_MOV_OPTIONS: Final = {"enable_drefs": "0", "use_absolute_path": "0"}

_CORRUPT: Final = "Audio file might be corrupted or unsupported."


def decode(
    source: bytes | BinaryIO,
    *,
    sample_rate: int,
    max_duration_s: float,
    cancelled: Callable[[], bool] | None = None,
) -> Audio:
    """Decode one audio track of *source*, mixed to mono and resampled.

    Arguments and errors are those of `decode_blocks`.
    """
    blocks = decode_blocks(
        source, sample_rate=sample_rate, max_duration_s=max_duration_s, cancelled=cancelled
    )
    return Audio(samples=joined(list(blocks)), sample_rate=sample_rate)


def decode_blocks(
    source: bytes | BinaryIO,
    *,
    sample_rate: int,
    max_duration_s: float,
    cancelled: Callable[[], bool] | None = None,
    block_s: float = BLOCK_S,
    audio_track: str | None = None,
    on_track: Callable[[TrackTaken], None] | None = None,
) -> Generator[NDArray[np.float32]]:
    """Decode one audio track of *source* block by block, mixed to mono and resampled.

    Bound by the CPU: ask for the next block in a thread, any one. It shares nothing with other calls. What
    is wrong with a recording shows when decoding gets there, be it after many good blocks.

    Args:
        source: the whole file, or an open binary file that can seek; it is read from its start and
            left open.
        sample_rate: of the result, in hertz.
        max_duration_s: longest result, in seconds; decoding stops there, whatever a header claims.
        cancelled: asked every few milliseconds; decoding stops when it says yes.
        block_s: length of a block, in seconds; the last is shorter.
        audio_track: which track, as `TrackChoice` takes it; None leaves the choice to the recording.
        on_track: told which track is decoded, where there are several; of the last, where the ones before
            turned out to be empty.

    Yields:
        float32, shape (n_samples,), range [-1, 1]; at least one block, none empty. Each is the caller's own.

    Raises:
        UnsupportedAudioError: not audio, or in a container or codec that is not on the list.
        AudioTrackError: there is no track such as *audio_track* that can be decoded.
        CorruptAudioError: a known container that cannot be decoded.
        AudioTooShortError: less than `MIN_DURATION_S` of audio.
        AudioTooLongError: more than *max_duration_s* of audio.
        AudioTooCostlyError: it takes far more CPU time than its audio explains.
        RequestCancelledError: *cancelled* said yes.
    """
    file = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
    budget = Budget()
    if not file.seek(0, io.SEEK_END):
        raise UnsupportedAudioError("The audio file is empty.")
    start, demuxer = after_id3(file), sniff(file)
    if demuxer is None:
        raise UnsupportedAudioError(f"Unrecognized file format. Supported formats: {SUPPORTED}.")
    file.seek(start)
    if file.read(len(ID3)) == ID3 or too_many_comments(file, demuxer, start):
        raise AudioTooCostlyError
    upload = _Upload(file, start, cancelled, budget)
    file.seek(0)
    mono = Mono(sample_rate, max_duration_s, block_s)
    choice = TrackChoice(audio_track, DECODERS, on_track)
    plain = plain_wav(file, sample_rate) if demuxer == "wav" and is_first(audio_track) else None
    if plain is not None:
        broken = 0
        for samples in plain:
            upload.check()
            mono.add_pcm16(samples)
            budget.audio_s = mono.duration_s
            yield from budget.apart(mono.take())
    else:
        broken = yield from _decode_with_ffmpeg(upload, demuxer, mono, choice)
    rest = mono.finish()
    upload.check()
    if not mono.length:
        choice.check_sound()
    if broken and not mono.length:
        raise CorruptAudioError(_CORRUPT)
    if mono.length < MIN_DURATION_S * sample_rate:
        raise AudioTooShortError(
            f"Audio file is too short. Minimum audio length is {MIN_DURATION_S} seconds."
        )
    yield from rest


def _decode_with_ffmpeg(
    upload: "_Upload", demuxer: str, mono: Mono, choice: TrackChoice
) -> Generator[NDArray[np.float32], None, int]:
    """Feed the first track with sound to *mono*; yield its blocks, return how many packets were broken."""
    while True:
        try:
            broken = yield from _decode_track(upload, demuxer, mono, choice)
        except (CorruptAudioError, UnsupportedAudioError):
            if mono.length or not choice.has_more:
                raise
        else:
            if mono.length or not choice.has_more:
                return broken


def _decode_track(
    upload: "_Upload", demuxer: str, mono: Mono, choice: TrackChoice
) -> Generator[NDArray[np.float32], None, int]:
    """Feed all that FFmpeg can decode to *mono*; yield its blocks, return how many packets were broken."""
    limit_ffmpeg()
    upload.seek(0)
    try:
        with av.open(
            upload,
            "r",
            format=demuxer,
            container_options=_CONTAINER_OPTIONS | (_MOV_OPTIONS if demuxer == "mov" else {}),
            metadata_errors="replace",  # a tag in an old code page is no reason to refuse the audio
            io_open=_refuse_to_open,
        ) as container:
            broken = yield from _decode_packets(container, choice.take(container), mono, upload)
            mono.flush()
            return broken
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        upload.check()
        raise CorruptAudioError(_CORRUPT) from error


def joined(blocks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the blocks as one array; a single one as it is."""
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """Stand where FFmpeg would open a second file or an address."""
    del url, flags, options
    raise UnsupportedAudioError("The file refers to other files; send one that holds its audio itself.")


def _decode_packets(
    container: InputContainer, stream: AudioStream, mono: Mono, upload: "_Upload"
) -> Generator[NDArray[np.float32], None, int]:
    """Feed all that can be decoded to *mono*; yield its blocks, return how many packets were broken."""
    broken = 0
    packets = container.demux(stream)
    while True:
        upload.check()
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return broken + 1  # the container ends here: what came before it counts
        if packet is None:
            return broken
        try:
            frames = stream.codec_context.decode(packet)
        except av.EOFError:
            return broken
        except av.FFmpegError:
            broken += 1
            if broken > MAX_BROKEN_PACKETS:
                raise
            continue
        for frame in frames:
            mono.add(frame)
        upload.budget.audio_s = mono.duration_s
        yield from upload.budget.apart(mono.take())


class _Upload:
    """All that FFmpeg may read: one file, a bounded number of times, until the caller leaves.

    It has no name, so that no demuxer learns of a path. It begins behind tags of ID3, of which FFmpeg makes a
    list that takes time by the square of its length.
    """

    def __init__(
        self, file: BinaryIO, start: int, cancelled: Callable[[], bool] | None, budget: Budget
    ) -> None:
        self._file = file
        self._start = start
        self.budget = budget
        self._cancelled = cancelled
        self._stopped = False
        self._left = file.seek(0, io.SEEK_END) * READS_PER_BYTE + 2**20

    def read(self, size: int) -> bytes:
        # An exception must not cross FFmpeg (PyAV would keep it for a later call of this thread):
        # say that the file ends here, and let check() tell why.
        if self._left <= 0 or self._is_cancelled() or self.budget.is_spent:
            return b""
        data = self._file.read(size)
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = {io.SEEK_SET: self._start, io.SEEK_CUR: self._file.tell()}
        place = offset + (bases[whence] if whence in bases else self._file.seek(0, io.SEEK_END))
        return -1 if place < self._start else self._file.seek(place) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def check(self) -> None:
        """Raise if reading was cut off."""
        if self._is_cancelled():
            raise RequestCancelledError("The client left while its audio was being decoded.")
        if self._left <= 0:
            raise CorruptAudioError(_CORRUPT)
        self.budget.check()

    def _is_cancelled(self) -> bool:
        if not self._stopped and self._cancelled is not None:
            self._stopped = self._cancelled()
        return self._stopped
