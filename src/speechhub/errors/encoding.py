"""Bytes that should be UTF-8 but are not: where the fault is, and which encoding they look like.

Standard library only: workers import this package.
"""

import codecs
import re
from typing import Final, TypeVar

BytesT = TypeVar("BytesT", bound=bytes | bytearray)

MARKS: Final = (  # the longer first: a mark of UTF-32 begins like one of UTF-16
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""Byte order marks of other encodings. Source: Unicode, "FAQ: UTF-8, UTF-16, UTF-32 & BOM"."""
_LATIN: Final = re.compile(rb"[\x80-\xff]+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_CONTINUED: Final = range(0x80, 0xC0)
_SAMPLE_BYTES: Final = 100_000
"""How many bytes after the fault are examined to guess the encoding."""


def fault_of(data: bytes | bytearray) -> str | None:
    """Return why *data* is not UTF-8, or None if it is; the text is not quoted.

    The result continues a sentence that begins with the name of the text: ``is not UTF-8: byte …``.
    """
    if data.isascii() and b"\0" not in data:
        return None
    if mark := marked(data):
        return f"is {mark}, but must be UTF-8: save or send it as UTF-8"
    if data.startswith(b"\x1f\x8b"):
        return "is compressed with gzip, which is not undone here: send it as it is, without Content-Encoding"
    if data.count(0) > max(1, len(data) // 4):
        return "is not UTF-8: so many of its bytes are zero that it looks like UTF-16. Convert it to UTF-8"
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"byte 0x{data[error.start]:02X} at position {error.start}"
        where += f", in line {line}," if line > 1 else ""
        return f"is not UTF-8: {where} begins no character. {_advice(data, error.start)}"
    return None


def fault_of_text(text: str) -> str | None:
    """Return why *text* cannot be encoded as UTF-8, or None: half of a pair, or an undecoded byte."""
    found = _SURROGATE.search(text)
    if found is None:
        return None
    code, position = ord(found[0]), found.start()
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004  # PEP 383
        if _escaped(text) and (fault := fault_of(text.encode("utf-8", "surrogateescape"))):
            return fault
        return f"has the byte 0x{code - 0xDC00:02X} at position {position}, which is not UTF-8 there"
    return f"has U+{code:04X} at position {position}, half of a pair, which is not a character by itself"


def marked(data: bytes | bytearray) -> str | None:
    """Return the encoding that a mark at the start of *data* names, other than UTF-8; None without a mark."""
    return next((name for mark, name in MARKS if data.startswith(mark)), None)


def without_mark(data: BytesT) -> BytesT:
    """Return *data* without the mark of UTF-8 that some programs, mainly on Windows, write first."""
    return data.removeprefix(codecs.BOM_UTF8)  # type: ignore[return-value]  # the type does not change


def _escaped(text: str) -> bool:
    return all(0xDC80 <= ord(char) <= 0xDCFF for char in _SURROGATE.findall(text))  # noqa: PLR2004


def _advice(data: bytes | bytearray, start: int) -> str:
    """Return a sentence about what the bytes look like, and what to do."""
    sequence = bytes(data[start : start + 3])
    if sequence[:1] == b"\xed" and len(sequence) > 1 and sequence[1] >= 0xA0:  # noqa: PLR2004
        return "It is half of a pair of UTF-16, or CESU-8, as some databases write; convert it to UTF-8"
    if sequence[:2] == b"\xc0\x80":
        return "It is the zero of Java's modified UTF-8; remove it"
    begun = all(byte in _CONTINUED for byte in sequence[1:]) and start + _length(sequence[0]) > len(data)
    if begun and (len(sequence) > 1 or not data[:start].isascii()):  # "caf\xe9" is more likely Latin-1
        return "The text ends within a character; cut it at a character's end"
    looks = _looks_like(bytes(data[start : start + _SAMPLE_BYTES]))
    return f"It looks like {looks}; convert it to UTF-8, as iconv does"


def _length(first: int) -> int:
    """Return how many bytes a UTF-8 character that begins with *first* has; 1 if there is none."""
    kinds = ((2, 0xC2, 0xDF), (3, 0xE0, 0xEF), (4, 0xF0, 0xF4))
    return next((length for length, low, high in kinds if low <= first <= high), 1)


def _looks_like(data: bytes) -> str:
    """Guess the encoding: single bytes between letters are European, pairs are East Asian."""
    runs = _LATIN.findall(data)
    single = sum(len(run) == 1 for run in runs)
    dense = 5 * sum(map(len, runs)) > 2 * len(data)  # up to half of Big5 and Shift-JIS may be ASCII
    asian = "GBK, Big5, EUC, Shift-JIS or another East Asian encoding"
    if 2 * single >= len(runs):
        pairs = dense and len(runs) > 1 and any(_decodes(data, name) for name in ("big5", "cp932"))
        return asian if pairs else "ISO-8859-1 or Windows-1252"
    if 2 * sum(len(run) % 2 == 0 for run in runs) > len(runs) and _decodes(data, "gb18030"):
        return asian
    return "an encoding of one byte for each character, such as Windows-1251"


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start >= _SAMPLE_BYTES - 2  # cut within a character
    return True
