"""Times of an AVI's packets, from the file's index: FFmpeg's demuxer counts only the chunks that it finds."""

from typing import Final

from av.audio import AudioStream
from av.packet import Packet

HEAD_BYTES: Final = 8
"""Length of a chunk's head: name and size. The index holds the place of the head."""


class ChunkIndex:
    """Corrects the times of packets, in the order of the file; lives as long as its container is open."""

    def __init__(self, stream: AudioStream) -> None:
        self._entries = stream.index_entries
        self._next = 0
        self._counts_bytes = len(self._entries) > 1 and (
            self._entries[1].timestamp == self._entries[0].timestamp + self._entries[0].size
        )
        """Whether the index counts bytes, as for PCM, whose packets may also be parts of a chunk."""
        self._units = 0
        """How much the index counts for each unit of time: for PCM, bytes per sample; 0 is unknown."""

    def correct(self, packet: "Packet[AudioStream]") -> None:
        """Move a packet that the index places later than its time stamp: chunks before it are damaged."""
        if packet.pos is None or packet.pts is None or (stamp := self._stamp_at(packet.pos)) is None:
            return
        if not self._units and packet.pts > 0:
            self._units = max(1, round(stamp / packet.pts))
        if self._units and stamp // self._units > packet.pts:
            packet.pts = packet.dts = stamp // self._units

    def _stamp_at(self, place: int) -> int | None:
        """Return the index's time stamp for the data at *place*; None if it has none."""
        entries, last = self._entries, len(self._entries) - 1
        while self._next < last and entries[self._next + 1].pos + HEAD_BYTES <= place:
            self._next += 1
        if last < 0:
            return None
        chunk, within = entries[self._next], place - HEAD_BYTES - entries[self._next].pos
        if not within:
            return int(chunk.timestamp)
        return int(chunk.timestamp) + within if self._counts_bytes and 0 < within < chunk.size else None
