"""Recognises the container of an upload by its first bytes, never by its name or its claimed type.

We choose the demuxer ourselves and pass its name to FFmpeg, instead of letting FFmpeg probe: probing tries
every demuxer that the build has, among them playlists, concat scripts, images and subtitles, some of
which open other files and addresses. Demuxers that are not in the tables here and in `containers` are never
used, even if an update of FFmpeg adds new ones.
"""

from typing import BinaryIO, Final

from speechhub.codecs.frames import find_frames, is_adts, is_transport_stream, mpeg_frame_bytes

ID3: Final = b"ID3"
MAX_TAGS: Final = 1_000
"""Most ID3 tags that are skipped before the audio; each takes one read, whatever its length."""

SCAN_BYTES: Final = 64 * 1024
"""How far into a file frames are searched for, since a recording may start in the middle of one."""

_UTF16_MARK: Final = 0xFE
_W64_GUID: Final = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_ASF_GUID: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MXF_KEY: Final = bytes.fromhex("060e2b34020501010d01020101")

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
    (4, b"pnot", "mov"),
    (0, b"#!AMR", "amr"),
    (0, b".snd", "au"),
    (0, b"caff", "caf"),
    (0, _W64_GUID, "w64"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (0, _ASF_GUID, "asf"),
    (0, b"FLV\x01", "flv"),
    (0, _MXF_KEY, "mxf"),
    (0, b"\x1f\x07\x00", "dv"),
    (0, b".RMF", "rm"),
    (0, b".ra\xfd", "rm"),
    (0, b"\x7f\xfe\x80\x01", "dts"),  # 16 bits per word, big and little endian, then 14
    (0, b"\xfe\x7f\x01\x80", "dts"),
    (0, b"\x1f\xff\xe8\x00", "dts"),
    (0, b"\xff\x1f\x00\xe8", "dts"),
    (0, b"\x64\x58\x20\x25", "dts"),  # DTS-HD without a core
    (0, b"DTSHDHDR", "dtshd"),
    (4, b"\xf8\x72\x6f\xba", "truehd"),
    (4, b"\xf8\x72\x6f\xbb", "mlp"),
    (0, b"MAC ", "ape"),
    (0, b"wvpk", "wv"),
    (0, b"TTA1", "tta"),
    (0, b"ajkg", "shn"),
    (0, b"MP+", "mpc"),
    (0, b"MPCK", "mpc8"),
    (0, b"DSD ", "dsf"),
    (0, b"Creative Voice File\x1a", "voc"),
    (0, b"NIST_1A\n", "nistsphere"),
    (0, b"\x02dss", "dss"),
    (0, b"\x03dss", "dss"),
    (0, b"ea3\x03", "oma"),
    (0, b"EA3\x01", "oma"),
    (0, b"#!iLBC", "ilbc"),
)

_CHUNKED: Final = {
    # (bytes 0-3, bytes 8-11): pictures and scores also come in RIFF and IFF
    (b"RIFF", b"WAVE"): "wav",
    (b"RIFX", b"WAVE"): "wav",
    (b"RF64", b"WAVE"): "wav",
    (b"BW64", b"WAVE"): "wav",
    (b"RIFF", b"AVI "): "avi",
    (b"RIFF", b"AVIX"): "avi",
    (b"RIFF", b"AVI\x19"): "avi",  # some DivX
    (b"ON2 ", b"ON2f"): "avi",
    (b"RIFF", b"QLCM"): "qcp",
    (b"FORM", b"AIFF"): "aiff",
    (b"FORM", b"AIFC"): "aiff",
}


def sniff(file: BinaryIO) -> str | None:
    """Return the libavformat demuxer for *file*; None if it is not a container that we open.

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
    if head[:4] == b"FRM8" and head[12:16] == b"DSD ":
        return "iff"
    return _sniff_frames(head, tagged=start > 0)


def after_id3(file: BinaryIO) -> int:
    """Return where the audio starts after any ID3v2 tags, which may precede mp3, aac and flac."""
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
    """Recognise streams that have no header of their own."""
    if is_adts(head):
        return "aac"
    # A text in UTF-16 begins like a frame of layer I; it counts as one only if others follow.
    if tagged or (mpeg_frame_bytes(head, 0) and (head[1] != _UTF16_MARK or find_frames(head) == "mp3")):
        return "mp3"
    return "mpegts" if is_transport_stream(head) else find_frames(head)
