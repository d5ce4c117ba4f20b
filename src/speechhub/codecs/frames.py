"""Recognises streams without a header of their own by their frames.

A recording that was cut out of a stream may start in the middle of a frame, so frames are searched for: three
in a row, each where the one before it ends, do not occur by chance.

Sources: ISO/IEC 11172-3 §2.4 (MPEG audio), ISO/IEC 13818-7 §6.2 (ADTS), ISO/IEC 14496-3 §1.7.2 (LOAS),
ETSI TS 102 366 §4.3, §E.1.3 (AC-3, E-AC-3), ETSI TS 102 114 §5.3 (DTS), ISO/IEC 13818-1 §2.4.3 (transport
packets), §2.5.3 (packs of a program stream).
"""

import re
from collections.abc import Callable
from typing import Final

IN_A_ROW: Final = 3
"""How many frames must follow one another."""
PACKETS: Final = 8
"""How many transport packets must follow one another; if the file has fewer, all of them."""
PACKETS_WITHIN: Final = 4096
"""How far into a file the first of them may begin: a cut may go through one, damage may cover several."""
PACKET_BYTES: Final = (188, 192, 204)
"""Lengths of transport packets: broadcast, AVCHD and Blu-ray (with a time stamp before each), with parity."""

_SYNC: Final = re.compile(rb"\xff(?=[\xe0-\xff])|\x0b(?=\x77)|\x56(?=[\xe0-\xff])")
_TRANSPORT_SYNC: Final = 0x47
_PACK: Final = re.compile(
    rb"\x00\x00\x01\xba[\x21\x23\x25\x27\x29\x2b\x2d\x2f"
    rb"\x44-\x47\x4c-\x4f\x54-\x57\x5c-\x5f\x64-\x67\x6c-\x6f\x74-\x77\x7c-\x7f]"
)
_DTS_SYNC: Final = (
    b"\x7f\xfe\x80\x01",  # 16 bits per word, big endian, as in most files
    b"\xfe\x7f\x01\x80",
    b"\x1f\xff\xe8\x00",  # 14 bits per word, as on compact discs
    b"\xff\x1f\x00\xe8",
)
_TRUEHD_SYNC: Final = {b"\xf8\x72\x6f\xba": "truehd", b"\xf8\x72\x6f\xbb": "mlp"}


def find_frames(head: bytes) -> str | None:
    """Return the demuxer for the first frames in a row anywhere in *head*; None if there are none."""
    if len(_PACK.findall(head)) >= IN_A_ROW:
        return "mpeg"  # first, because its packets contain frames of other kinds
    for found in _SYNC.finditer(head):
        for demuxer, length_of in _FRAME_BYTES.items():
            if _in_a_row(head, found.start(), length_of):
                return demuxer
    for sync in _DTS_SYNC:
        if head.count(sync) >= IN_A_ROW:
            return "dts"
    for sync, demuxer in _TRUEHD_SYNC.items():
        if head.count(sync) >= 2:  # noqa: PLR2004 - they are far apart
            return demuxer
    return None


def is_adts(head: bytes) -> bool:
    """Return whether *head* starts like an AAC frame in ADTS."""
    return len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0  # noqa: PLR2004


def is_transport_stream(head: bytes) -> bool:
    """Return whether transport packets follow one another somewhere in *head*."""
    place = head.find(b"\x47", 0, PACKETS_WITHIN)
    while place >= 0:
        if any(_packets_in_a_row(head, place, step) for step in PACKET_BYTES):
            return True
        place = head.find(b"\x47", place + 1, PACKETS_WITHIN)
    return False


def _packets_in_a_row(head: bytes, place: int, step: int) -> bool:
    """Return whether packets follow one another, and the continuity counters of some increase by one."""
    number, counted = 0, 0
    last: dict[int, int] = {}
    for at in range(place, min(len(head) - 3, place + 3 * PACKETS * step), step):
        if head[at] != _TRANSPORT_SYNC:
            return False
        control = head[at + 3]
        if not control & 0x30:  # neither payload nor adaptation field: reserved
            return False
        if control & 0x10:
            stream = (head[at + 1] & 0x1F) << 8 | head[at + 2]
            counted += (control - last.get(stream, control)) & 0xF == 1
            last[stream] = control
        number += 1
    return (number >= PACKETS and counted > 0) or (number >= IN_A_ROW and len(last) >= IN_A_ROW)


def _in_a_row(head: bytes, place: int, length_of: Callable[[bytes, int], int]) -> bool:
    for _ in range(IN_A_ROW):
        length = length_of(head, place)
        if not length:
            return False
        place += length
    return True


_BITRATES_KBPS: Final = {
    # (MPEG-1?, layer) → kbit/s by index 1 to 14
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES: Final = (44_100, 48_000, 32_000)


def mpeg_frame_bytes(data: bytes, position: int) -> int:
    """Return the length of the MPEG audio frame at *position*, or 0 if there is none."""
    if position + 4 > len(data) or data[position] != 0xFF or data[position + 1] & 0xE0 != 0xE0:  # noqa: PLR2004
        return 0
    version, layer = data[position + 1] >> 3 & 3, 4 - (data[position + 1] >> 1 & 3)
    bitrate, rate = data[position + 2] >> 4, data[position + 2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in {0, 15} or rate == 3:  # noqa: PLR2004 - reserved values
        return 0
    first = version == 3  # noqa: PLR2004 - MPEG-1; the others halve the rate once or twice
    bits_per_s = _BITRATES_KBPS[first, layer][bitrate - 1] * 1000
    sample_rate = _SAMPLE_RATES[rate] >> (0 if first else 1 if version else 2)
    padding = data[position + 2] >> 1 & 1
    if layer == 1:
        return (12 * bits_per_s // sample_rate + padding) * 4
    samples = 576 if layer == 3 and not first else 1152  # noqa: PLR2004
    return samples // 8 * bits_per_s // sample_rate + padding


def _adts_frame_bytes(data: bytes, position: int) -> int:
    frame = data[position : position + 7]
    if len(frame) < 7 or not is_adts(frame) or frame[2] >> 2 & 0xF > 12:  # noqa: PLR2004 - reserved rates
        return 0
    length = (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
    return length if length > 7 else 0  # noqa: PLR2004 - the size of the header


def _loas_frame_bytes(data: bytes, position: int) -> int:
    frame = data[position : position + 3]
    if len(frame) < 3 or frame[0] != 0x56 or frame[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - 11 bits, 0x2B7
        return 0
    length = (frame[1] & 0x1F) << 8 | frame[2]
    return length + 3 if length else 0


_AC3_KBPS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_BSID: Final = 10
_EAC3_BSID: Final = 16


def _ac3_frame_bytes(data: bytes, position: int) -> int:
    frame = data[position : position + 6]
    if len(frame) < 6 or frame[:2] != b"\x0b\x77" or frame[5] >> 3 > _AC3_BSID:  # noqa: PLR2004
        return 0
    rate, size = frame[4] >> 6, frame[4] & 0x3F
    if rate == 3 or size >= 2 * len(_AC3_KBPS):  # noqa: PLR2004 - reserved
        return 0
    kbps = _AC3_KBPS[size >> 1]
    return 2 * (kbps * 2, kbps * 96_000 // 44_100 + (size & 1), kbps * 3)[rate]


def _eac3_frame_bytes(data: bytes, position: int) -> int:
    frame = data[position : position + 6]
    if len(frame) < 6 or frame[:2] != b"\x0b\x77":  # noqa: PLR2004
        return 0
    if not _AC3_BSID < frame[5] >> 3 <= _EAC3_BSID or frame[2] >> 6 == 3:  # noqa: PLR2004 - reserved
        return 0
    return 2 * (((frame[2] & 7) << 8 | frame[3]) + 1)


_FRAME_BYTES: Final[dict[str, Callable[[bytes, int], int]]] = {
    "mp3": mpeg_frame_bytes,
    "aac": _adts_frame_bytes,
    "loas": _loas_frame_bytes,
    "ac3": _ac3_frame_bytes,
    "eac3": _eac3_frame_bytes,
}
"""Demuxer → function that returns the length of the frame at a position, 0 if there is none."""
