"""Names the kind of an upload that is not a readable recording, and says what to do about it.

Only the first bytes are examined, and none of them appears in a message: a file may hold anything.
"""

import re
from typing import BinaryIO, Final

LOOK_BYTES: Final = 4096
"""How much of a file is examined."""

CONVERT: Final = "Convert it, for example with: ffmpeg -i FILE -vn -ar 16000 -ac 1 new.flac"
"""Advice for formats that ffmpeg reads and we do not."""

_UNPACK: Final = "Unpack it and send the recording inside."
_SEND: Final = "Send the recording itself."
_EXPORT: Final = "Export it as WAV, FLAC or MP3 with the program that made it."
_NO_SOUND: Final = "It has no sound; send the recording itself."
_REFERS: Final = (
    "It only refers to recordings, and speechhub does not fetch what a file refers to. "
    "Send the recording itself."
)
_SAVED: Final = "A failed download may have saved it in place of the recording; open it to check."
_CUT: Final = (
    "Its beginning is missing, which a decoder needs. Send the recording from its start: browsers write the "
    "header into the first piece only."
)

_MAGIC: Final = (
    # (offset, bytes, what it is, what to do)
    (0, b"PK\x03\x04", "a ZIP archive", _UNPACK),
    (0, b"PK\x05\x06", "an empty ZIP archive", _SEND),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"%PDF", "a PDF document", _SEND),
    (0, b"{\\rtf", "an RTF document", _SEND),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an older Microsoft Office", _SEND),
    (0, b"SQLite format 3\0", "an SQLite database", _SEND),
    (0, b"bplist00", "an Apple property list", _SEND),
    (
        0,
        b"\x00\x05\x16\x07",
        "an AppleDouble file",
        "macOS stores such files, whose names begin with ._, next to the recordings. " + _SEND,
    ),
    (0, b"\xff\xd8\xff", "a JPEG picture", _SEND),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture", _SEND),
    (0, b"GIF8", "a GIF picture", _SEND),
    (0, b"BM", "a BMP picture", _SEND),
    (0, b"II*\0", "a TIFF picture", _SEND),
    (0, b"MM\0*", "a TIFF picture", _SEND),
    (0, b"8BPS", "a Photoshop picture", _SEND),
    (0, b"MThd", "a MIDI file", "It holds notes and no sound. Send a recording."),
    (0, b"Extended Module:", "a tracker module", _EXPORT),
    (0, b"IMPM", "a tracker module", _EXPORT),
    (0, b"\x7fELF", "a program for Linux", _SEND),
    (0, b"MZ", "a program for Windows", _SEND),
    (0, b"\xcf\xfa\xed\xfe", "a program for macOS", _SEND),
    (0, b"\xca\xfe\xba\xbe", "a program", _SEND),
    (4, b"\x57\x90\x75\x36", "an encrypted Audible audiobook (AA)", "speechhub does not decrypt."),
    (0, b"\x03ds2", "a DS2 recording of an Olympus or Philips dictation machine", _EXPORT),
    (
        0,
        b"\x02#!SILK",
        "a SILK voice message of WeChat or QQ",
        "Convert it with a SILK decoder, such as the Python package pilk.",
    ),
    (
        0,
        b"#!SILK",
        "a SILK voice message",
        "Convert it with a SILK decoder, such as the Python package pilk.",
    ),
    (0, b"MS_VOICE", "a DVF or MSV recording of a Sony voice recorder", _EXPORT),
    (0, b"OFR ", "an OptimFROG recording", _EXPORT),
    (0, b"LA0", "a Lossless Audio recording", _EXPORT),
    (0, b"tBaK", "a TAK recording", CONVERT),
    (0, b"TWIN", "a TwinVQ recording", CONVERT),
    (0, b"ADIF", "AAC in ADIF", CONVERT),
    (0, b"\xac\x40", "an AC-4 recording", _EXPORT),
    (0, b"\xac\x41", "an AC-4 recording", _EXPORT),
    (0, b"nut/multimedia container\0", "a NUT recording", CONVERT),
    (0, b"\x00\x00\x00\x00\x01\xbc", "a GXF recording", CONVERT),
    (
        0,
        bytes.fromhex("b7d800203749da11a64e0007e95ead8d"),
        "a recording of Windows Media Center (WTV)",
        CONVERT,
    ),
    (0, b"FWS", "a Flash animation", CONVERT),
    (0, b"CWS", "a Flash animation", CONVERT),
    (0, b"ZWS", "a Flash animation", CONVERT),
    (0, b"DKIF", "an IVF video", _NO_SOUND),
    (0, b"\x00\x00\x01\xb3", "an MPEG video", _NO_SOUND),
    (0, b"\x00\x00\x00\x01\x67", "an H.264 video", _NO_SOUND),
    (0, b"\x00\x00\x00\x01\x40", "an H.265 video", _NO_SOUND),
    (0, b"YUV4MPEG2", "a raw video", _NO_SOUND),
    (4, b"styp", "a piece of an MP4 stream", _CUT),
    (4, b"sidx", "a piece of an MP4 stream", _CUT),
    (4, b"moof", "a piece of an MP4 stream", _CUT),
    (0, b"\x1f\x43\xb6\x75", "a piece of a WebM stream", _CUT),
)

_ENVELOPES: Final = {
    # (bytes 0-3, bytes 8-11)
    (b"RIFF", b"WEBP"): ("a WebP picture", _SEND),
    (b"RIFF", b"RMID"): ("a MIDI file", "It holds notes and no sound. Send a recording."),
    (b"RIFF", b"CDDA"): ("a pointer to a track of a compact disc (CDA)", "It holds no sound; rip the track."),
    (b"RIFF", b"ACON"): ("a mouse pointer", _SEND),
    (b"RIFF", b"sfbk"): ("a SoundFont", _SEND),
    (b"RIFF", b"XWMA"): ("a recording of a game (xWMA)", CONVERT),
    (b"RIFF", b"AMV "): ("an AMV video", CONVERT),
    (b"FORM", b"8SVX"): ("an Amiga recording (8SVX)", CONVERT),
    (b"FORM", b"ILBM"): ("an Amiga picture", _SEND),
}

_TEXTS: Final[tuple[tuple[re.Pattern[bytes], str, str], ...]] = (
    (re.compile(rb"(?:(?:https?|ftp|file|rtsp|tcp)://\S*\s*)+\Z"), "an address", _REFERS),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not the file itself", "Run: git lfs pull"),
    (
        re.compile(rb"#extm3u|[^\n=:|,]*\.(?:mp3|m4a|ogg|opus|flac|wav|aac|m3u8?|ts)\r?\n?\Z"),
        "a playlist (M3U)",
        _REFERS,
    ),
    (re.compile(rb"\[playlist\]"), "a playlist (PLS)", _REFERS),
    (re.compile(rb"<asx"), "a playlist (ASX)", _REFERS),
    (re.compile(rb"(?:<\?xml[^>]*>\s*)?<playlist"), "a playlist (XSPF)", _REFERS),
    (
        re.compile(rb"(?:<\?xml[^>]*>\s*)?<mpd|(?:<\?xml[^>]*>\s*)?<smoothstreamingmedia"),
        "a manifest of a stream",
        _REFERS,
    ),
    (re.compile(rb"ffconcat version"), "a script for ffmpeg", _REFERS),
    (re.compile(rb"v=0\r?\no="), "a description of a session (SDP)", _REFERS),
    (
        re.compile(
            rb"(?:rem [^\n]*\n|performer [^\n]*\n|title [^\n]*\n)*file \"[^\n]*\" (?:wave|mp3|binary)"
        ),
        "a cue sheet",
        _REFERS,
    ),
    (re.compile(rb"\[internetshortcut\]"), "a link to a page", _REFERS),
    (re.compile(rb"webvtt"), "a subtitle file (WebVTT)", _SEND),
    (re.compile(rb"\d+\r?\n\d\d:\d\d:\d\d[,.]\d+ -->"), "a subtitle file (SRT)", _SEND),
    (re.compile(rb"\[script info\]"), "a subtitle file (ASS)", _SEND),
    (
        re.compile(rb"(?:<!--.*?-->\s*)?<!doctype html|(?:<!--.*?-->\s*)?<html|<head|<body", re.DOTALL),
        "an HTML page",
        _SAVED,
    ),
    (re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!doctype svg.*?)?<svg", re.DOTALL), "an SVG picture", _SEND),
    (re.compile(rb"<\?xml"), "an XML document", _SAVED),
    (re.compile(rb"http/[\d.]+ \d{3}"), "a web server's response with its headers", "Send only its body."),
    (
        re.compile(rb"--[^\r\n]{1,200}\r?\ncontent-disposition:"),
        "a form inside a form",
        "Send the recording as the content of the field `file`, encoded once.",
    ),
    (re.compile(rb"data:[\w.+/;=-]*;base64,"), "base64 text (a data URL)", "Decode it and send the bytes."),
    (
        re.compile(rb"(?:uklgr|suqz|t2dnu|zkxhq|gkxfo|aaaa[a-z]\w{2}z0exb|//[n-v]\w)[a-z0-9+/\r\n]+=*\s*\Z"),
        "base64 text",
        "Decode it and send the bytes.",
    ),
    (re.compile(rb"[\[{]\s*(?:[\"{\[\]}\d]|true|false|null)"), "JSON text", _SAVED),
    (re.compile(rb"#!"), "a script", _SEND),
)
"""Pattern of lower-case text, what it is, what to do; the first match counts."""

_ZIPPED: Final = (
    (b"mimetypeapplication/epub", "an EPUB book", _SEND),
    (b"mimetypeapplication/vnd.oasis", "an OpenDocument file", _SEND),
    (b"[Content_Types].xml", "a document of Microsoft Office", _SEND),
    (b"word/", "a document of Microsoft Office", _SEND),
    (b"META-INF/", "a Java archive or an app", _SEND),
)
"""Bytes near the beginning of a ZIP archive, what the archive is, what to do."""

_ZEROS_BYTES: Final = 64 * 2**20
"""How much of a file is searched for bytes that are not zero."""
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UNPRINTABLE: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_SURE_BYTES: Final = 64
"""Shortest text in an old code page that is recognised: a few bytes can be printable by chance."""


def describe(file: BinaryIO) -> str | None:
    """Say in a sentence or two what *file* is and what to do; None if its first bytes do not show it.

    Moves the position of *file*.
    """
    file.seek(0)
    head = file.read(LOOK_BYTES)
    if not head.strip(b"\0") and not _rest_of(file):
        return (
            "The file contains only zero bytes: a copy or a download of it stopped before its content was "
            "written. Copy it again."
        )
    found = _binary(head) or _text(head)
    return f"This is {found[0]}. {found[1]}" if found else None


def _rest_of(file: BinaryIO) -> bytes:
    """Return a window of bytes after the current position that are not all zero; empty if there is none."""
    for _ in range(0, _ZEROS_BYTES, 2**20):
        window = file.read(2**20)
        if not window or window.strip(b"\0"):
            return window
    return b""


def _binary(head: bytes) -> tuple[str, str] | None:
    if head.startswith(b"PK\x03\x04"):
        for name, what, advice in _ZIPPED:
            if name in head:
                return what, advice
    for offset, magic, what, advice in _MAGIC:
        if head.startswith(magic, offset):
            return what, advice
    return _ENVELOPES.get((head[:4], head[8:12]))


def _text(head: bytes) -> tuple[str, str] | None:
    if head.startswith(_UTF16):
        return "a text in UTF-16", _SEND
    text = head.removeprefix(_UTF8_MARK)
    if not _is_text(text):
        return None
    text = text.strip().lower()
    for pattern, what, advice in _TEXTS:
        if pattern.match(text):
            return what, advice
    return "a text" if text else "a file of blanks", _SEND


def _is_text(head: bytes) -> bool:
    """Return whether bytes are text: UTF-8, or an old code page if they are long enough to tell."""
    if _UNPRINTABLE.search(head):
        return False
    try:
        head[:-3].decode()  # the last character that was read may be incomplete
    except UnicodeDecodeError:
        plain = sum(byte < 0x80 for byte in head)  # noqa: PLR2004 - ASCII
        return len(head) >= _SURE_BYTES and plain > len(head) / 2
    return True
