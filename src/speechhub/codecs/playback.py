"""Decodes the containers of an upload one after another onto one timeline, and passes over broken parts."""

import re
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
import numpy as np
from av.audio import AudioFrame, AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from speechhub.codecs.chunk_index import ChunkIndex
from speechhub.codecs.damage import AudioDamage
from speechhub.codecs.ebml import leads_to
from speechhub.codecs.links import STREAMED_BYTES
from speechhub.codecs.mono import Mono
from speechhub.codecs.plain import PlainWav
from speechhub.codecs.timeline import MIN_GAP_S, Silence, Timeline
from speechhub.codecs.upload import Upload

if TYPE_CHECKING:
    AudioPacket = Packet[AudioStream]  # generic in PyAV's types alone

Blocks = Generator[NDArray[np.float32]]

MAX_BROKEN_PACKETS: Final = 1_000
"""How many more packets may be broken than are whole; with more, the recording is refused."""
MAX_ERRORS: Final = 16
"""How often in a row reading may fail until the container counts as ended."""

TIMED: Final = frozenset({"matroska", "mov", "ogg", "flac", "mpegts", "mpeg", "avi", "asf", "flv", "caf"})
"""Demuxers whose time stamps come from the file. The others only add up what they read."""
GAPLESS: Final = frozenset({"ogg", "flac", "mpegts", "mpeg", "avi"})
"""Containers whose sound has no gaps: a gap is damage. In others the microphone may have been off."""
PROMISING: Final = frozenset({"mov", "flac", "aiff", "tta", "wv"})
"""Demuxers that take a stream's length only from its header."""
CUT_OFF_S: Final = 0.5
"""How many seconds a recording may be shorter than its header says: encoders round."""
MOST_LOST_S: Final = 10.0
"""Longest sound, in seconds, that is estimated for one packet from its size."""
_DURATION: Final = re.compile(r"(\d{2,4}):(\d\d):(\d\d(?:\.\d{1,9})?)")
_TAG: Final = re.compile(rb"ID3[\x02-\x04]\x00|APETAGEX|LYRICSBEGIN|TAG")
"""Tags between and after frames of MP3 and AAC, which contain no sound."""
SILENT_COST: Final = 0.01
"""CPU time that a second of inserted silence may cost, relative to a second of sound: it is not decoded."""
SILENCE_STEP_S: Final = 10.0
"""How much silence is written at once, in seconds."""


class Playback:
    """Decodes containers into *mono*; lives as long as the decoding of one upload."""

    def __init__(self, mono: Mono, upload: Upload, damage: AudioDamage, limit_s: float) -> None:
        self._mono = mono
        self._upload = upload
        self._damage = damage
        self._timeline: Timeline[AudioFrame] = Timeline(limit_s, damage)
        self._limit_s = limit_s
        self.broken = 0
        """Number of packets that could not be decoded, and of errors of containers."""
        self._whole = 0
        self._heard_s = 0.0
        """How much was decoded, in seconds; `_heard_bytes` is the size of its packets."""
        self._heard_bytes = 0
        self._whole_end = 0
        """Where the last packet that was decoded ends."""
        self._holes = _Holes("", upload)

    @property
    def sample_rate(self) -> int:
        """Rate of the result, in hertz."""
        return self._mono.sample_rate

    @property
    def length(self) -> int:
        """Samples so far, silence included."""
        return self._mono.length

    def drop(self) -> None:
        """Go back to the end of the sound already written: the container could not be read further."""
        self._mono.flush()
        self._timeline.drop(self._mono.duration_s)

    def fail(self) -> None:
        """Note that the rest of the container cannot be read."""
        self._damage.unreadable_from(self._timeline.now_s)

    def play_plain(self, wav: PlainWav) -> Blocks:
        """Append samples that need no decoding; yield blocks of *mono*."""
        began_s = self._timeline.now_s
        for samples in wav.pieces:
            self._upload.check()
            self._mono.add_pcm16(samples)
            self._timeline.advance(len(samples) / self._mono.sample_rate)
            yield from self._ready()
        known = wav.length * 2 < STREAMED_BYTES
        self._check_end(began_s, wav.length / self._mono.sample_rate if known else 0.0)

    def play(self, container: InputContainer, stream: AudioStream, demuxer: str) -> Blocks:
        """Append all that can be decoded to *mono*; yield its blocks.

        Raises:
            av.FFmpegError: hardly anything can be decoded.
            AudioError, RequestCancelledError: as `decode_blocks` says.
        """
        began_s, timed = self._timeline.now_s, demuxer in TIMED
        zero = container.start_time
        self._timeline.begin(zero / av.time_base if timed and zero is not None else None)
        promised_s = self._promised_s(container, stream, demuxer)
        self._holes = _Holes(demuxer, self._upload)
        index = ChunkIndex(stream) if demuxer == "avi" else None
        lost_s = 0.0
        for packet in self._packets(container, stream):
            self._holes.look(packet)
            if index is not None:
                index.correct(packet)
            frames = self._decoded(stream, packet)
            if frames is None:
                lost_s += self._lost_s(packet, demuxer)
                continue
            if lost_s and frames:
                yield from self._pass_over(lost_s, demuxer, began_s)
                lost_s = 0.0
            self._heard_bytes += packet.size
            if packet.pos is not None:
                self._whole_end = packet.pos + packet.size
            yield from self._place(frames, began_s, timed=timed)
            yield from self._ready()
        yield from self._put_all(self._timeline.end())
        if self._timeline.now_s > began_s:  # else there was no sound, and another track is tried
            if lost_s >= MIN_GAP_S and timed:
                yield from self._pass_over(lost_s, "", began_s)
            self._check_end(began_s, promised_s)
        self._mono.flush()

    def _place(self, frames: Iterable[AudioFrame], began_s: float, *, timed: bool) -> Blocks:
        for frame in frames:
            time_s = frame.time if timed else None
            length_s = frame.samples / max(1, frame.sample_rate)
            self._heard_s += length_s
            if self._timeline.follows(length_s, time_s):
                self._mono.add(frame)
                continue
            for item in self._timeline.add(frame, length_s, time_s):
                if isinstance(item, Silence) and item.start_s > began_s:
                    note = self._damage.missing if self._holes.take() else self._damage.gap
                    note(item.start_s, item.end_s)
                yield from self._put(item)

    def _packets(self, container: InputContainer, stream: AudioStream) -> "Iterator[AudioPacket]":
        """Yield the packets; errors of the container are passed over as long as packets follow."""
        packets, errors = container.demux(stream), 0
        while True:
            self._upload.check()
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.broken += 1
                errors += 1
                if errors == 1 and self._mono.length:
                    self._damage.unreadable_from(self._timeline.end_s)
                if errors > MAX_ERRORS:
                    return
                packets = container.demux(stream)
                continue
            except IndexError:
                return  # PyAV fails at the end on tracks that began in mid-stream; ours is complete
            if packet is None:
                return
            errors = 0
            yield packet

    def _decoded(self, stream: AudioStream, packet: "AudioPacket") -> list[AudioFrame] | None:
        """Return the frames of a packet; None if it is broken."""
        context = stream.codec_context
        try:
            try:
                frames = context.decode(packet)
            except av.EOFError:
                # A decoder takes an empty packet within a file for the end, and refuses the next one.
                if packet.dts is None and not packet.size:
                    return []
                context.flush_buffers()
                frames = context.decode(packet)
        except av.FFmpegError:
            self.broken += 1
            if self.broken > MAX_BROKEN_PACKETS + self._whole:
                raise
            return None
        self._whole += 1
        return frames

    def _lost_s(self, packet: "AudioPacket", demuxer: str) -> float:
        """Return how much sound a packet that cannot be decoded held, in seconds, as far as that is known."""
        said_s = _length_s(packet.duration, packet.time_base)
        if demuxer in TIMED or not self._heard_bytes:
            return said_s
        if packet.pos is not None and packet.pos < self._upload.tag_end(self._whole_end):
            return 0.0
        if _TAG.search(bytes(packet)):
            return said_s
        # In damaged bytes, what the demuxer takes for a frame may be several, or a part of one.
        return min(packet.size * self._heard_s / self._heard_bytes, MOST_LOST_S)

    def _pass_over(self, lost_s: float, demuxer: str, began_s: float) -> Blocks:
        """Note packets that could not be decoded; insert silence for them where time stamps do not."""
        start_s = self._timeline.end_s
        if demuxer in TIMED:
            self._damage.undecodable(start_s, start_s + lost_s)
            return
        # Streams without a header may begin within a frame, and one frame is lost where MP3s were joined.
        if start_s > began_s and not (demuxer == "mp3" and lost_s < MIN_GAP_S):
            self._damage.undecodable(start_s, start_s + lost_s)
            yield from self._put_all(self._timeline.skip(lost_s))

    def _put_all(self, items: Iterable[AudioFrame | Silence]) -> Blocks:
        for item in items:
            yield from self._put(item)
        yield from self._ready()

    def _put(self, item: AudioFrame | Silence) -> Blocks:
        if not isinstance(item, Silence):
            self._mono.add(item)
            return
        self._damage.longest_gap_s = max(self._damage.longest_gap_s, item.end_s - item.start_s)
        while self._mono.silence(item.end_s, SILENCE_STEP_S):
            self._upload.check()
            yield from self._ready()

    def _ready(self) -> Blocks:
        mono, budget = self._mono, self._upload.budget
        budget.audio_s = mono.duration_s - (1 - SILENT_COST) * mono.silent_s
        yield from budget.apart(mono.take())

    def _promised_s(self, container: InputContainer, stream: AudioStream, demuxer: str) -> float:
        """Return the length that the container claims, in seconds; 0 if it claims none."""
        if demuxer == "mp3":
            context = stream.codec_context
            return self._upload.xing_frames() * (context.frame_size or 0) / max(1, context.sample_rate)
        if demuxer == "matroska" and (said := _DURATION.fullmatch(stream.metadata.get("DURATION", ""))):
            # FFmpeg and mkvmerge write a tag for each track that says where its last packet ends.
            hours, minutes, seconds = map(float, said.groups())
            return hours * 3600 + minutes * 60 + seconds - max(0, container.start_time or 0) / av.time_base
        if demuxer == "matroska" and len(container.streams) == 1:
            # Many programs count it from time stamp 0, not from the first one.
            return ((container.duration or 0) - max(0, container.start_time or 0)) / av.time_base
        return _length_s(stream.duration, stream.time_base) if demuxer in PROMISING else 0.0

    def _check_end(self, began_s: float, promised_s: float = 0.0) -> None:
        """Note if the container is shorter than it claims."""
        now_s, played_s = self._timeline.now_s, self._timeline.now_s - began_s
        if promised_s - played_s - self._timeline.left_out_s > CUT_OFF_S:
            self._damage.cut_off(now_s, began_s + promised_s)
        elif not promised_s and self._upload.is_cut_off(tolerated=CUT_OFF_S / max(played_s, CUT_OFF_S)):
            self._damage.cut_off(now_s)


class _Holes:
    """Decides whether a gap is damage; lives as long as its container is open."""

    def __init__(self, demuxer: str, upload: Upload) -> None:
        self._always = demuxer in GAPLESS
        self._peek = upload.peek if demuxer == "matroska" else None
        self._last: AudioPacket | None = None
        self._found = False

    def look(self, packet: "AudioPacket") -> None:
        """Check whether bytes that are not an element of the container were skipped before the packet."""
        if self._peek is None or not packet.size or packet.pos is None or packet.pts is None:
            return
        last, self._last = self._last, packet
        if last is None or last.pos is None or last.pts is None:
            return
        gap_s = _length_s(packet.pts - last.pts - (last.duration or 0), packet.time_base)
        if gap_s > MIN_GAP_S:
            self._found |= leads_to(self._peek, last.pos, last.size, packet.pos) is False

    def take(self) -> bool:
        """Return whether the current gap is damage."""
        found, self._found = self._found, False
        return found or self._always


def _length_s(duration: int | None, time_base: Fraction | None) -> float:
    return duration * float(time_base) if duration and duration > 0 and time_base else 0.0
