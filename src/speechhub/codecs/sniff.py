"""Tells which container an upload is from its first bytes, never from its name or its claimed type.

We choose the demuxer ourselves and name it to FFmpeg, instead of letting FFmpeg probe: probing tries
every demuxer that the build has, among them playlists, concat scripts, images and subtitles, some of
which open other files and addresses. What is not in the table here cannot be reached at all, and a
new FFmpeg with new demuxers changes nothing.
"""

from typing import BinaryIO, Final

HEAD_BYTES: Final = 16
"""How much of a file the magic numbers need."""

ID3: Final = b"ID3"
MAX_TAGS: Final = 1_000
"""How many tags may stand before the audio; each is skipped with one look, whatever its length."""

SCAN_BYTES: Final = 64 * 1024
"""How far into a file we look for MPEG frames, when a recording starts in the middle of one."""

SUPPORTED: Final = (
    "flac, mp3, mp4, mpeg, mpga, m4a, ogg, oga, opus, wav, webm, aac, aiff, amr, au, caf, mkv, mov, 3gp"
)
"""For messages: what people call the containers that we open."""

_W64_GUID: Final = bytes.fromhex("726966662e91cf11a5d628db04c10000")

_MAGIC: Final = (
    # (offset, bytes, libavformat demuxer)
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),  # WebM too
    (4, b"ftyp", "mov"),  # MP4, M4A, 3GP, QuickTime
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
    (4, b"free", "mov"),
    (4, b"skip", "mov"),
    (0, b"#!AMR", "amr"),
    (0, b".snd", "au"),
    (0, b"caff", "caf"),
    (0, _W64_GUID, "w64"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
)

_CHUNKED: Final = {
    # (bytes 0-3, bytes 8-11): RIFF and IFF share their envelope with videos and images
    (b"RIFF", b"WAVE"): "wav",
    (b"RIFX", b"WAVE"): "wav",
    (b"RF64", b"WAVE"): "wav",
    (b"BW64", b"WAVE"): "wav",
    (b"FORM", b"AIFF"): "aiff",
    (b"FORM", b"AIFC"): "aiff",
}


def sniff(file: BinaryIO) -> str | None:
    """Name the libavformat demuxer for *file*, or None if it is in no container that we open.

    Moves the position of *file*.
    """
    start = after_id3(file)
    file.seek(start)
    head = file.read(SCAN_BYTES)
    for offset, magic, demuxer in _MAGIC:
        if head.startswith(magic, offset):
            return demuxer
    if chunked := _CHUNKED.get((head[:4], head[8:12])):
        return chunked
    return _sniff_frames(head, tagged=start > 0)


def after_id3(file: BinaryIO) -> int:
    """Return where the audio starts behind any ID3v2 tags, which may stand before mp3, aac and flac."""
    start = 0
    for _ in range(MAX_TAGS):
        file.seek(start)
        header = file.read(10)
        if len(header) < 10 or header[:3] != ID3:  # noqa: PLR2004 - the size of an ID3v2 header
            break
        size = 0
        for byte in header[6:10]:
            size = size << 7 | byte & 0x7F
        start += 10 + size
    return start


def _sniff_frames(head: bytes, *, tagged: bool) -> str | None:
    """Recognise streams that have no header of their own: ADTS and MPEG audio."""
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # noqa: PLR2004 - ADTS sync word
        return "aac"
    if _mpeg_frame_bytes(head, 0) or tagged:
        return "mp3"
    # A recording cut out of a stream starts in the middle of a frame: three frames in a row, each
    # where the one before it ends, do not come about by chance.
    position = head.find(b"\xff", 1)
    while position >= 0:
        following = position
        for _ in range(3):
            length = _mpeg_frame_bytes(head, following)
            following += length
            if not length:
                break
        else:
            return "mp3"
        position = head.find(b"\xff", position + 1)
    return None


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


def _mpeg_frame_bytes(data: bytes, position: int) -> int:
    """Return the length of the MPEG audio frame at *position*, or 0 if there is none.

    Source: ISO/IEC 11172-3 §2.4.1.3 (frame header) and §2.4.3.1 (frame length).
    """
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
