"""What is said about bytes that are no UTF-8."""

import pytest

from speechhub.errors.encoding import fault_of, fault_of_text, marked, without_mark


@pytest.mark.parametrize(
    "text",
    ["", "plain", "caf\u00e9", "\U0001f600 \u4f60\u597d", "\ufeffwith a mark", "one\0zero", "x" * 100 + "\0"],
)
def test_utf_8_has_no_fault(text):
    """Whatever the script; a single NUL is for others to judge."""
    assert fault_of(text.encode()) is None
    assert fault_of(bytearray(text.encode())) is None
    assert fault_of_text(text) is None


@pytest.mark.scenario("bad-encoding")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"caf\xe9", "byte 0xE9 at position 3 begins no character. It looks like ISO-8859-1"),
        ("Gr\u00fc\u00dfe, sch\u00f6n".encode("latin-1"), "ISO-8859-1 or Windows-1252"),
        (b"\x93hello\x94", "0x93 at position 0 begins no character. It looks like ISO-8859-1"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440".encode("cp1251"), "such as Windows-1251"),
        ("\u4f60\u597d\u4e16\u754c".encode("gbk"), "GBK, Big5, EUC"),
        ("\u4f60\u597d\u4e16\u754c".encode("big5"), "GBK, Big5, EUC"),
        ("\u65e5\u672c\u8a9e".encode("euc-jp"), "GBK, Big5, EUC"),
        ("\u65e5\u672c\u8a9e\u30c6\u30ad\u30b9\u30c8".encode("cp932"), "Shift-JIS"),
        ("\ud55c\uad6d\uc5b4".encode("euc-kr"), "EUC"),
        ("d\u00e9j\u00e0 vu, \u00e0 c\u00f4t\u00e9 de l'\u00e9t\u00e9".encode("latin-1"), "ISO-8859-1"),
        ("caf\u00e9".encode("utf-16"), "is UTF-16, but must be UTF-8"),
        ("caf\u00e9".encode("utf-32"), "is UTF-32, but must be UTF-8"),
        ("\u4f60".encode("utf-16"), "is UTF-16, but must be UTF-8"),
        ("hello".encode("utf-16-le"), "looks like UTF-16"),
        ("hello".encode("utf-16-be"), "looks like UTF-16"),
        (b"one\ntwo\n\xe2\x82", "position 8, in line 3, begins no character. The text ends within"),
        (b"\xc3\xa9 and \xc3", "The text ends within a character"),
        (b"a\xc0\x80", "Java's modified UTF-8"),
        (b"\xed\xa0\xbd\xed\xb8\x80", "CESU-8"),
        (b"\xff", "0xFF at position 0"),
    ],
)
def test_the_place_and_the_likely_encoding(data, said):
    """The message says where it is, and what to do; of the text it has nothing."""
    assert said in fault_of(data)
    assert "hello" not in fault_of(data)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("caf\udce9", "byte 0xE9 at position 3"),
        ("\u00e9 caf\udce9", "byte 0xE9 at position 6"),
        ("a\ud83d", "U+D83D at position 1, half of a pair"),
        ("\udce9 and \ud83d", "byte 0xE9 at position 0"),
        ("\udc00", "U+DC00"),
    ],
)
def test_texts_that_hold_bytes(text, said):
    """As arguments and variables of other encodings come in. Source: PEP 383."""
    assert said in fault_of_text(text)


def test_marks():
    """That of UTF-8 is skipped, those of others name them."""
    assert without_mark(b"\xef\xbb\xbfx") == b"x"
    assert without_mark(b"x") == b"x"
    assert marked(b"\xff\xfe\0\0") == "UTF-32"
    assert marked(b"\xfe\xffx") == "UTF-16"
    assert marked(b"\xef\xbb\xbfx") is None
