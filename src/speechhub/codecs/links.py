"""Finds the recordings in a file to which several were appended one after another.

Radio and voice recorders chain Ogg streams, and people join clips by concatenating files. FFmpeg reads such a
file as one recording, and stops or misreads it where the next one is of another kind; here each is opened by
itself. MPEG streams do not need this, because each of their frames states its own format.

Sources: RFC 3533 (Ogg), RFC 9639 (FLAC), RFC 9559 (Matroska), RFC 4867 (AMR), ISO/IEC 14496-12 (MP4),
Apple Core Audio Format Specification, Audio Interchange File Format 1.3, Sun's audio file format.
"""

import re
from typing import BinaryIO, Final

from speechhub.codecs.ebml import size_at

WINDOW_BYTES: Final = 1024 * 1024
LONGEST_HEAD: Final = 128
"""Most bytes that a pattern below matches."""
MOST_BOXES: Final = 100_000
"""Most boxes of a movie that are read; an hour in fragments has a few thousand."""
STREAMED_BYTES: Final = 0x7FFF_0000
"""From this value on, a size means that it is unknown, such as 0x7fffffff, 0x80000000 and 0xffffffff."""

_HEADS: Final = {
    "ogg": (b"OggS", rb"OggS\x00[\x02\x03\x06\x07]"),
    "flac": (b"fLaC", rb"fLaC[\x00\x80]\x00\x00\x22"),
    "matroska": (b"\x1a\x45\xdf\xa3", rb"\x1a\x45\xdf\xa3.{1,64}?\x42\x82.{1,8}?(?:webm|matroska)"),
    "wav": (b"RIFF", rb"RIFF.{4}WAVE(?:fmt |JUNK|ds64|bext|LIST|fact)"),
    "aiff": (b"FORM", rb"FORM.{4}AIF[FC](?:COMM|FVER)"),
    "amr": (b"#!AMR", rb"#!AMR(?:-WB)?\n"),
    "au": (b".snd", rb"\.snd\x00\x00.{6}\x00{3}[\x01-\x1b]\x00[\x00-\x05]..\x00{3}[\x01-\x08]"),
    "w64": (b"riff", rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"),
    "caf": (b"caff", rb"caff\x00\x01\x00\x00desc\x00{7}\x20"),
}
"""Demuxer → the magic bytes of its files, and a pattern for a whole head that nothing else contains."""
MOST_CHUNKS: Final = 100
"""Most chunks of a CAF that are read."""
LONGEST_PAGE: Final = 27 + 255 + 255 * 255
"""Most bytes of an Ogg page."""
_SEGMENT: Final = b"\x18\x53\x80\x67"


class NextLink:
    """Looks for the end of one recording in the data read from it; lives as long as its container is open.

    Args:
        file: open, seekable file; its position afterwards is undefined.
        demuxer: name of the demuxer that reads it.
        start: where the recording begins, after any ID3 tags.
        size: size of the file, in bytes.
    """

    def __init__(self, file: BinaryIO, demuxer: str, start: int, size: int) -> None:
        self.end = size
        """Where the recording ends, as far as known."""
        self._magic, pattern = _HEADS.get(demuxer, (b"", b""))
        self._pattern = re.compile(pattern, re.DOTALL)
        self.is_exact = demuxer == "ogg"
        """Whether the sizes in the file are never wrong: each Ogg page has its own."""
        self._next = size
        """Where to search next: data before it was searched, or cannot hold the next recording."""
        self._tail = b""
        self._said_end = start
        if demuxer == "mov":
            self.end, self._said_end = _next_movie(file, start, size)
        elif demuxer == "ogg":
            self._next = max(start + 4, _after_first_pages(file, start, size))
        elif demuxer in _HEADS:
            self._said_end = _said_end(file, demuxer, start)
            # A length that leaves data after it may be wrong, as in a file that was never finished.
            whole = demuxer == "matroska" or self._said_end + 2 >= size
            self._next = max(start + 4, self._said_end) if whole else start + 4
        elif demuxer == "avi":
            self._said_end = _said_end(file, demuxer, start)

    def missing_bytes(self, file: BinaryIO) -> int:
        """Return how many bytes the recording is shorter than it claims."""
        said_end = _page_end(file, self.end) if self.is_exact else self._said_end
        return max(0, said_end - self.end)

    def look(self, place: int, data: bytes) -> None:
        """Search the bytes that were read at *place*."""
        if place > self._next and not self.is_exact:  # Ogg's demuxer reads the end first, and goes back
            self._next, self._tail = place, b""
        if self._next >= self.end or not place <= self._next < place + len(data):
            return
        window = self._tail + data[self._next - place :]
        first = self._next - len(self._tail)
        self._next = place + len(data)
        self._tail = window[-LONGEST_HEAD:]
        at = window.find(self._magic)
        while at >= 0:
            if self._pattern.match(window, at):
                self.end = first + at
                return
            at = window.find(self._magic, at + 1)

    def search(self, file: BinaryIO) -> int:
        """Search the rest, which the demuxer did not read; return where the recording ends."""
        while self._next < self.end:
            file.seek(self._next)
            if not (window := file.read(WINDOW_BYTES)):
                break
            self.look(self._next, window)
        return self.end


def _said_end(file: BinaryIO, demuxer: str, start: int) -> int:
    """Return where the recording claims to end; *start* if it does not say.

    Data inside a recording, such as an attached file, is not the next recording.
    """
    file.seek(start)
    head = file.read(LONGEST_HEAD)
    if demuxer in {"wav", "aiff", "avi"}:
        length = int.from_bytes(head[4:8], "big" if head[:4] in {b"FORM", b"RIFX"} else "little")
        return start + 8 + length if 0 < length < STREAMED_BYTES else start
    if demuxer == "matroska":
        place = head.find(_SEGMENT)
        length, bits = size_at(head[place + 4 :]) if place > 0 else (0, 0)
        if bits and length != (1 << bits) - 1:
            return start + place + 4 + bits // 7 + length
    if demuxer == "w64":
        return start + int.from_bytes(head[16:24], "little")
    if demuxer == "au":
        length = int.from_bytes(head[8:12], "big")
        return start + int.from_bytes(head[4:8], "big") + length if length < STREAMED_BYTES else start
    if demuxer == "caf":
        return _chunks_end(file, start)
    return start


def _chunks_end(file: BinaryIO, start: int) -> int:
    """Return where the sound of a CAF claims to end; *start* if it does not say."""
    place = start + 8
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        kind, size = file.read(4), int.from_bytes(file.read(8), "big", signed=True)
        if size < 0 or not kind:
            break
        place += 12 + size
        if kind == b"data":
            return place
    return start


def _page_end(file: BinaryIO, end: int) -> int:
    """Return where the last Ogg page before *end* claims to end; *end* if there is none."""
    first = max(0, end - LONGEST_PAGE)
    file.seek(first)
    tail = file.read(end - first)
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    if len(page) < 27:  # noqa: PLR2004 - RFC 3533, section 6
        return end
    return first + at + 27 + page[26] + sum(page[27 : 27 + page[26]])


def _after_first_pages(file: BinaryIO, start: int, size: int) -> int:
    """Return the place after the pages that begin streams, which are all at the start of a recording."""
    while True:
        file.seek(start)
        head = file.read(27 + 255)
        if len(head) < 27 or head[:4] != b"OggS" or not head[5] & 2:  # noqa: PLR2004 - RFC 3533, section 6
            return min(start, size)
        start += 27 + head[26] + sum(head[27 : 27 + head[26]])


def _next_movie(file: BinaryIO, start: int, size: int) -> tuple[int, int]:
    """Return where the next movie begins, and where this one claims to end.

    The next one begins with a ``ftyp`` after this one's index.
    """
    place, indexed = start, False
    for _ in range(MOST_BOXES):
        file.seek(place)
        head = file.read(16)
        if len(head) < 8:  # noqa: PLR2004 - a box's size and kind
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if kind == b"ftyp" and indexed:
            return place, place
        indexed |= kind == b"moov"
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length < 8:  # noqa: PLR2004 - to the end of the file, or nonsense
            break
        place += length
    return size, place
