"""Turns an uploaded recording into mono float32, trusting nothing that the file claims about itself.

Three locks keep a file from reaching anything but its own bytes: the demuxer comes from our own table
(``sniff``), FFmpeg reads through an object that knows only the upload, and every attempt to open
something else, such as an external QuickTime reference, is refused. Three limits keep a small file from
taking much memory or time: on what FFmpeg allocates and reads, on the CPU time that it takes (``budget``,
``comments``), and on the audio that comes out.
"""

import io
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import BinaryIO, Final, NoReturn

import av
import numpy as np
from numpy.typing import NDArray

from speechhub.codecs.budget import Budget
from speechhub.codecs.comments import too_many_comments
from speechhub.codecs.containers import SUPPORTED
from speechhub.codecs.damage import AudioDamage
from speechhub.codecs.decoders import decoders_for
from speechhub.codecs.ffmpeg import limit_ffmpeg
from speechhub.codecs.foreign import describe
from speechhub.codecs.mono import Mono
from speechhub.codecs.plain import plain_wav
from speechhub.codecs.playback import Blocks, Playback
from speechhub.codecs.sniff import ID3, after_id3, sniff
from speechhub.codecs.tracks import TrackChoice, TrackTaken
from speechhub.codecs.undecodable import explain, name_codecs
from speechhub.codecs.upload import CORRUPT, SCATTERED, Upload
from speechhub.domain.audio import Audio
from speechhub.errors import (
    AudioError,
    AudioTooCostlyError,
    AudioTooShortError,
    AudioTrackError,
    CorruptAudioError,
    UnsupportedAudioError,
)

MIN_DURATION_S: Final = 0.1
"""Shortest audio worth a model's time. Source: OpenAI's answer to shorter files."""

BLOCK_S: Final = 30.0
"""Length of a block, in seconds: a short recording is one block, which is never copied."""

MAX_STREAMS: Final = 100
"""Streams of all kinds in one file: films have a dozen audio tracks, and forty of subtitles."""

_CONTAINER_OPTIONS: Final = {
    "protocol_whitelist": "none",
    "fflags": "-genpts",  # PyAV sets genpts: it reads ahead to make up time stamps, which audio always has
    "max_streams": str(MAX_STREAMS),
}
_BUFFER_BYTES: Final = 32_768
"""Bytes that are read at once; PyAV's default."""
_SMALL_BUFFER_BYTES: Final = 4096
"""The same for demuxers that seek before each chunk."""
_MOV_OPTIONS: Final = {"enable_drefs": "0", "use_absolute_path": "0"}


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
    damage: AudioDamage | None = None,
) -> Generator[NDArray[np.float32]]:
    """Decode one audio track of *source* block by block, mixed to mono and resampled.

    Bound by the CPU: ask for the next block in a thread, any one. It shares no state with other calls. An
    error in a recording is raised when decoding gets there, possibly after many good blocks.

    Args:
        source: the whole file, or an open, seekable binary file; it is read from its start and left open.
        sample_rate: of the result, in hertz.
        max_duration_s: longest result, in seconds; decoding stops there, whatever a header claims.
        cancelled: asked every few milliseconds; decoding stops when it says yes.
        block_s: length of a block, in seconds; the last is shorter.
        audio_track: which track, as `TrackChoice` takes it; None leaves the choice to the recording.
        on_track: told which track is decoded, if there are several; told again where that one turned out to
            be empty and the next is tried.
        damage: collects what is wrong with the recording but does not prevent decoding.

    Yields:
        float32, shape (n_samples,), range [-1, 1]; at least one block, none empty. Each is the caller's own.

    Raises:
        UnsupportedAudioError: not audio, or in a container or codec that is not on the list.
        AudioTrackError: no track that can be decoded matches *audio_track*.
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
        raise UnsupportedAudioError(
            describe(file) or f"Unrecognized file format. Supported formats: {SUPPORTED}."
        )
    file.seek(start)
    if file.read(len(ID3)) == ID3 or too_many_comments(file, demuxer, start):
        raise AudioTooCostlyError
    upload = Upload(file, cancelled, budget)
    mono = Mono(sample_rate, max_duration_s, block_s)
    playback = Playback(mono, upload, damage or AudioDamage(), max_duration_s)
    choices = partial(TrackChoice, audio_track, decoders_for(demuxer), on_track)
    failure = yield from _play_links(playback, upload, start, demuxer, choices)
    rest = mono.finish()
    upload.check()
    if mono.length < MIN_DURATION_S * sample_rate:
        raise failure or AudioTooShortError(
            f"Audio file is too short. Minimum audio length is {MIN_DURATION_S} seconds."
        )
    yield from rest


def _play_links(
    playback: Playback, upload: Upload, start: int, demuxer: str, choices: Callable[[], TrackChoice]
) -> Generator[NDArray[np.float32], None, AudioError | None]:
    """Play the recording that begins at *start*, and those that were appended to it.

    Returns:
        The error of the first one that could not be played to its end; None if all could.
    """
    failure: AudioError | None = None
    place: int | None = start
    while place is not None:
        upload.open(place, demuxer)
        try:
            yield from _play(playback, upload, demuxer, choices())
        except (CorruptAudioError, UnsupportedAudioError, AudioTrackError) as error:
            upload.check()
            failure = failure or error
            if isinstance(failure, AudioTrackError) and place == start:
                break
            playback.fail()
        place = upload.next_start()
    return failure


def _play(playback: Playback, upload: Upload, demuxer: str, choice: TrackChoice) -> Blocks:
    """Play one recording: the first track with sound among those of *choice*."""
    plain = plain_wav(upload, playback.sample_rate) if demuxer == "wav" and choice.is_first else None
    if plain is not None:
        yield from playback.play_plain(plain)
        return
    began, broken = playback.length, playback.broken
    while True:
        try:
            yield from _play_track(playback, upload, demuxer, choice)
        except (CorruptAudioError, UnsupportedAudioError):
            playback.drop()
            if playback.length > began or not choice.has_more:
                raise
        if playback.length > began:
            return
        if not choice.has_more:
            choice.check_sound()
            if playback.broken > broken:
                raise CorruptAudioError(explain(upload, demuxer) or CORRUPT)
            return


def _play_track(playback: Playback, upload: Upload, demuxer: str, choice: TrackChoice) -> Blocks:
    """Play all that FFmpeg can decode of one track."""
    limit_ffmpeg()
    upload.seek(0)
    try:
        with av.open(
            upload,
            "r",
            format=demuxer,
            container_options=_options_for(demuxer),
            buffer_size=_SMALL_BUFFER_BYTES if demuxer in SCATTERED else _BUFFER_BYTES,
            metadata_errors="replace",  # a tag in an old code page is no reason to refuse the audio
            io_open=_refuse_to_open,
        ) as container:
            if refusal := name_codecs(container.streams.audio, upload, demuxer):
                raise UnsupportedAudioError(refusal)
            yield from playback.play(container, choice.take(container), demuxer)
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        upload.check()
        raise CorruptAudioError(explain(upload, demuxer) or CORRUPT) from error


def _options_for(demuxer: str) -> dict[str, str]:
    # The list keeps FFmpeg from decoding video while it probes the streams.
    options = _CONTAINER_OPTIONS | {"codec_whitelist": ",".join(sorted(decoders_for(demuxer)))}
    return options | _MOV_OPTIONS if demuxer == "mov" else options


def joined(blocks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the blocks as one array; a single one as it is."""
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    """Refuse when FFmpeg wants to open a second file or an address."""
    del url, flags, options
    raise UnsupportedAudioError("The file refers to other files; send one that holds its audio itself.")
