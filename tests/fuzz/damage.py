"""Damages recordings: the same number gives the same bytes, on every machine."""

import random
import struct

FEW_BYTES = (b"\0", b"\xff", b"\x7f", b"\x80")


def damaged(recordings, number):
    """Return a description and the bytes of case *number*; the *recordings* take turns."""
    dice = random.Random(f"recording {number}")
    names = sorted(recordings)
    name = names[number % len(names)]
    data = recordings[name]
    tricks = dice.choices(TRICKS, k=dice.choice((1, 1, 1, 2, 3)))
    for trick in tricks:
        data = trick(dice, data, recordings)
    return f"{name}: {', '.join(trick.__name__.strip('_') for trick in tricks)}", data


def _nothing(dice, data, recordings):
    return data


def _flip_bits(dice, data, recordings):
    """Flip some bits anywhere."""
    return _flip(dice, data, len(data))


def _flip_header_bits(dice, data, recordings):
    """Flip some bits where the headers are."""
    return _flip(dice, data, min(len(data), 256))


def _flip(dice, data, end):
    out = bytearray(data)
    for _ in range(dice.choice((1, 2, 8, 64)) if end else 0):
        out[dice.randrange(end)] ^= 1 << dice.randrange(8)
    return bytes(out)


def _truncate(dice, data, recordings):
    return data[: dice.randrange(len(data) + 1)]


def _header_only(dice, data, recordings):
    return data[: dice.choice((1, 4, 8, 12, 16, 32, 44, 64, 128))]


def _behead(dice, data, recordings):
    return data[dice.randrange(min(len(data), 200) + 1) :]


def _double_a_piece(dice, data, recordings):
    start, end = _range(dice, data)
    return data[:end] + data[start:end] * dice.choice((1, 2, 20)) + data[end:]


def _drop_a_piece(dice, data, recordings):
    start, end = _range(dice, data)
    return data[:start] + data[end:]


def _swap_pieces(dice, data, recordings):
    start, middle = _range(dice, data)
    end = min(len(data), middle + dice.randrange(500))
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


def _fill_a_piece(dice, data, recordings):
    start, end = _range(dice, data)
    return data[:start] + dice.choice(FEW_BYTES) * (end - start) + data[end:]


def _lie_about_a_length(dice, data, recordings):
    """Overwrite a field of 2, 4 or 8 bytes, near the start as a rule, with a number that lies."""
    if len(data) < 16:
        return data
    letter = dice.choice("HHIIIQ")
    width = struct.calcsize(letter)
    most = (1 << 8 * width) - 1
    value = dice.choice((0, 1, 2, len(data), len(data) * 3, most, most >> 1, (most >> 1) + 1, most - 7))
    where = (
        dice.randrange(len(data) - width)
        if dice.random() < 0.3
        else dice.randrange(min(len(data), 300) - width)
    )
    field = struct.pack(dice.choice("<>") + letter, value & most)
    return data[:where] + field + data[where + width :]


def _lie_about_a_chunk(dice, data, recordings):
    """Overwrite the number before or behind a four-letter name, as RIFF, IFF, MP4 and CAF have them."""
    names = (
        b"data",
        b"fmt ",
        b"RIFF",
        b"SSND",
        b"COMM",
        b"moov",
        b"mdat",
        b"stsz",
        b"stco",
        b"stsc",
        b"stts",
    )
    names += (b"stsd", b"trak", b"desc", b"fLaC", b"OggS", b"ID3\x04", b"mp4a", b"esds", b"pakt", b"fact")
    found = [at for name in names if (at := data.find(name)) >= 0]
    if not found:
        return _lie_about_a_length(dice, data, recordings)
    at = dice.choice(found) + dice.choice((-4, 4, 8, 12, 16))
    value = dice.choice((0, 1, 7, 8, len(data), 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, dice.getrandbits(32)))
    return data[: max(at, 0)] + struct.pack(dice.choice("<>") + "I", value) + data[max(at, 0) + 4 :]


def _splice(dice, data, recordings):
    """Go on in the middle of another format."""
    other = recordings[dice.choice(sorted(recordings))]
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other)) :]


def _other_magic(dice, data, recordings):
    """Wear another format's first bytes."""
    other = recordings[dice.choice(sorted(recordings))]
    count = dice.choice((4, 8, 12, 16))
    return other[:count] + data[count:]


def _random_tail(dice, data, recordings):
    return data[: dice.randrange(len(data) + 1)] + dice.randbytes(dice.choice((1, 100, 5000, 50_000)))


def _zero_tail(dice, data, recordings):
    return data + bytes(dice.choice((1, 1000, 200_000)))


def _repeat_all(dice, data, recordings):
    return data * dice.choice((2, 3, 8))


def _tagged(dice, data, recordings):
    """Put an ID3 tag in front, which claims any length."""
    claimed = bytes(dice.choice((0, 1, 10, 127)) for _ in range(4))
    return b"ID3\4\0" + dice.choice(FEW_BYTES) + claimed + dice.randbytes(dice.choice((0, 10, 300))) + data


TRICKS = (
    _nothing,
    *(_flip_bits, _flip_header_bits) * 3,
    *(_truncate, _header_only, _behead),
    *(_double_a_piece, _drop_a_piece, _swap_pieces, _fill_a_piece),
    *(_lie_about_a_length, _lie_about_a_chunk) * 3,
    *(_splice, _other_magic, _random_tail, _zero_tail, _repeat_all, _tagged),
)
"""Weighted: what is written often finds most."""


def _range(dice, data):
    start = dice.randrange(len(data) + 1)
    return start, min(len(data), start + dice.choice((1, 2, 4, 16, 100, 1000)))
