"""Recordings in containers and codecs that FFmpeg reads and does not write, made from their definitions.

Where a codec is simple enough it has a tone of 440 Hz; elsewhere it is silence, or sound without meaning.
"""

import struct
import zlib
from functools import cache

import numpy as np

from tests.unit.codecs.recordings import record, tone


class Bits:
    """A stream of bits, the most significant first."""

    def __init__(self):
        self._bits = []

    def put(self, value, width):
        """Append *value* in *width* bits; negative ones as their two's complement."""
        self._bits.append(format(value & ((1 << width) - 1), f"0{width}b") if width else "")

    def bytes(self, align=1):
        """Return all, filled with zeros to a multiple of *align* bytes."""
        text = "".join(self._bits)
        text += "0" * (-len(text) % (8 * align))
        return int(text, 2).to_bytes(len(text) // 8, "big")


@cache
def dts(seconds=1.0, little_endian=False):
    """Return DTS: mono, 48 kHz, a tone in the lowest of 32 bands. Source: ETSI TS 102 114, 5.3 to 5.5."""
    frames = []
    # 48 kHz in 32 bands: the samples of one have 1500 Hz.
    band = tone(seconds, 1500, peak=0.5)
    for start in range(0, len(band) - 15, 16):
        bits = Bits()
        for value, width in (
            *((0x7FFE8001, 32), (1, 1), (31, 5), (0, 1), (15, 7), (255, 14), (0, 6), (13, 4), (15, 5)),
            *((0, 1), (0, 4), (0, 3), (0, 1), (0, 1), (0, 2), (0, 1), (1, 1), (7, 4), (0, 2), (0, 3)),
            *((0, 2), (0, 4)),
            *((0, 4), (0, 3), (0, 5), (1, 5), (0, 3), (0, 2), (6, 3), (6, 3)),  # 2 bands, none in vectors
            *((1, 1), *[(3, 2)] * 4, *[(7, 3)] * 5),  # no Huffman codes
            *((1, 2), (0, 3)),  # two parts of eight samples
            *((0, 1), (0, 1), (19, 5), (0, 5)),  # 16 bits for the first band, none for the other
            *((0, 1), (100, 7)),  # no transient, the scale
        ):
            bits.put(value, width)
        for sample in band[start : start + 16]:
            bits.put(round(sample * 32_767), 16)
        bits.put(0xFFFF, 16)
        frames.append(bits.bytes().ljust(256, b"\0"))
    data = b"".join(frames)
    return np.frombuffer(data, ">u2").astype("<u2").tobytes() if little_endian else data


@cache
def dts_hd(seconds=1.0):
    """Return DTS in its own container. Source: libavformat/dtshddec.c, which reads two chunks."""
    data = dts(seconds)
    return b"DTSHDHDR" + struct.pack(">Q", 4) + bytes(4) + b"STRMDATA" + struct.pack(">Q", len(data)) + data


@cache
def monkeys_audio(frames=1):
    """Return Monkey's Audio: frames of 73,728 samples of silence, 44.1 kHz. Source: MAC SDK 3.99."""
    block = 73_728
    body = [struct.pack("<II", zlib.crc32(b"") | 1 << 31, 3) + bytes(8) for _ in range(frames)]
    seek = struct.pack(f"<{frames}I", *(52 + 24 + 4 * frames + 16 * number for number in range(frames)))
    head = struct.pack("<HHIIIHHI", 2000, 32, block, block, frames, 16, 2, 44_100)
    audio = b"".join(body)
    descriptor = b"MAC " + struct.pack("<HHIIIIIII", 3990, 0, 52, 24, len(seek), 0, len(audio), 0, 0)
    return descriptor + bytes(16) + head + seek + audio


@cache
def musepack_7(frames=40):
    """Return Musepack: frames of 1152 samples of silence. Source: Musepack SV7 specification."""
    bits = Bits()
    bits.put(0, 8)
    for _ in range(frames):
        bits.put(8, 20)
        bits.put(0, 8)
    head = b"MP+\x07" + struct.pack("<IIIII", frames, 0, 0, 0, 0)
    words = np.frombuffer(bits.bytes(4), ">u4").astype("<u4").tobytes()
    return head + words + bytes(16)


@cache
def shorten(blocks=100):
    """Return Shorten: blocks of 256 samples of silence at 16 kHz. Source: T. Robinson, SHORTEN, 1994."""
    bits = Bits()

    def rice(value, width):
        bits.put(1, (value >> width) + 1)
        bits.put(value, width)

    def number(value):
        width = value.bit_length()
        rice(width, 2)
        rice(value, width)

    for value in (5, 1, 256, 0, 0, 0):  # 16 bits, little endian; one channel; nothing to predict from
        number(value)
    wave = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16) + b"data" + bytes(4)
    wave = b"RIFF" + struct.pack("<I", len(wave)) + wave
    rice(9, 2)  # bytes as they are
    rice(len(wave), 5)
    for byte in wave:
        rice(byte, 8)
    for _ in range(blocks):
        rice(8, 2)  # a block of zeros
    rice(4, 2)
    return b"ajkg\x02" + bits.bytes() + bytes(64)


def _one_bit(seconds, rate):
    """Return a tone as DSD: each byte has as many ones as the tone is high."""
    level = np.floor(np.cumsum(4 + 4 * tone(seconds, rate // 8).astype(np.float64)))
    ones = np.diff(level, prepend=0).astype(int).clip(0, 8)
    return np.array([0, 0x80, 0x88, 0xA4, 0xAA, 0xDA, 0xEE, 0xFE, 0xFF], np.uint8)[ones].tobytes()


DSD_HZ = 2_822_400


@cache
def dsf(seconds=0.5, order=8):
    """Return DSD as Sony writes it; with an *order* of 1 the least bit of a byte is the earliest sample.

    Source: DSF File Format Specification 1.01.
    """
    data = _one_bit(seconds, DSD_HZ)
    data = data.ljust(-(-len(data) // 4096) * 4096, b"\xaa")
    form = struct.pack("<IIIIIIQII", 1, 0, 1, 1, DSD_HZ, order, int(seconds * DSD_HZ), 4096, 0)
    chunks = b"fmt " + struct.pack("<Q", 12 + len(form)) + form + b"data" + struct.pack("<Q", 12 + len(data))
    return b"DSD " + struct.pack("<QQQ", 28, 28 + len(chunks) + len(data), 0) + chunks + data


@cache
def dsdiff(seconds=0.5):
    """Return DSD as Philips writes it. Source: DSDIFF 1.5."""

    def chunk(name, *parts):
        body = b"".join(parts)
        return name + struct.pack(">Q", len(body)) + body + b"\0" * (len(body) % 2)

    properties = chunk(b"FS  ", struct.pack(">I", DSD_HZ)) + chunk(b"CHNL", struct.pack(">H", 1), b"C   ")
    properties += chunk(b"CMPR", b"DSD ", b"\x0enot compressed\0")
    parts = (chunk(b"FVER", struct.pack(">I", 0x01050000)), chunk(b"PROP", b"SND ", properties))
    return chunk(b"FRM8", b"DSD ", *parts, chunk(b"DSD ", _one_bit(seconds, DSD_HZ)))


@cache
def nist(coding="pcm", byte_format="01"):
    """Return a tone as speech corpora have it. Source: NIST SPHERE, header structure."""
    width = 2 if coding == "pcm" else 1
    lines = (
        *(
            "channel_count -i 1",
            "sample_rate -i 16000",
            f"sample_n_bytes -i {width}",
            "sample_count -i 16000",
        ),
        *(
            f"sample_byte_format -s{len(byte_format)} {byte_format}",
            f"sample_coding -s{len(coding)} {coding}",
        ),
        "end_head\n",
    )
    head = ("NIST_1A\n   1024\n" + "\n".join(lines)).encode().ljust(1024)
    return head + (tone() * 32_767).astype("<i2" if byte_format == "01" else ">i2").tobytes()


@cache
def ilbc(frames=40):
    """Return iLBC, frames of 30 ms. Source: RFC 3952, 4.1."""
    chance = np.random.default_rng(1)
    return b"#!iLBC30\n" + b"".join(chance.bytes(49) + b"\0" for _ in range(frames))


QCELP = bytes.fromhex("416d7f5e15b1d011ba9100805fb4b97e")
EVRC = bytes.fromhex("8dd489e67690b546 91ef736a5100ceb4")


@cache
def qcp(codec=QCELP, frames=60):
    """Return what early mobile phones recorded, frames of 20 ms. Source: RFC 3625."""
    chance = np.random.default_rng(1)
    body = struct.pack("<BB", 1, 0) + codec + struct.pack("<H", 1) + b"Qcelp 13K".ljust(80, b"\0")
    body += struct.pack("<HHHHH", 13_000, 35, 160, 8000, 16)
    rates = (34, 4, 16, 3, 7, 2, 3, 1) if codec == QCELP else (22, 4, 10, 3, 2, 1)  # bytes and name of each
    body += struct.pack("<I", len(rates) // 2) + bytes(rates).ljust(16, b"\0") + bytes(20)
    if codec == QCELP:
        data = b"".join(b"\x04" + chance.bytes(32) + bytes(2) for _ in range(frames))
    else:
        data = b"".join(b"\x04" + chance.bytes(22) for _ in range(frames))
    chunks = b"fmt " + struct.pack("<I", len(body)) + body
    chunks += b"vrat" + struct.pack("<III", 8, 1, frames) + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"QLCM" + chunks


@cache
def dss(codec=2, frames=50):
    """Return a dictation: G.723.1 (2) or DSS SP (0). Source: libavformat/dss.c; its makers publish none."""
    if codec:
        frame = record("wav", "g723_1", 8000, options={"b": "6300"})
        data = frame[frame.index(b"data") + 8 :][: 24 * frames]
    else:
        data = np.random.default_rng(1).bytes(41 * frames)
    head = bytearray(2 * 512)
    head[:4] = b"\x02dss"
    head[0x26:0x3E] = b"260101120000260101120100"
    head[0x2A4] = codec
    blocks = [data[place : place + 506] for place in range(0, len(data), 506)]
    return bytes(head) + b"".join(bytes((0, 0, len(block) // 24 + 1, 0, 0, 0)) + block for block in blocks)


def tagged_wav(tag, data, *, rate=8000, channels=1, block=1, bits=0, extra=b"", bytes_per_s=1000):
    """Return a WAV with a codec by its number, and any bytes for sound."""
    form = struct.pack("<HHIIHHH", tag, channels, rate, bytes_per_s, block, bits, len(extra)) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"\0" * (len(form) % 2)
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@cache
def voc(codec, data=bytes(range(250)) * 32, rate=8000):
    """Return a file of a Sound Blaster, with a codec by its number. Source: Creative, VOC file format."""
    body = bytes((256 - 1_000_000 // rate, codec)) + data
    head = b"Creative Voice File\x1a" + struct.pack("<HHH", 26, 0x010A, 0x1129)
    return head + b"\x01" + struct.pack("<I", len(body))[:3] + body + b"\0"


@cache
def aifc(codec, packet_bytes, data=bytes(range(250)) * 32):
    """Return what QuickTime wrote for Macs, 22,050 Hz. Source: Apple, AIFF-C, draft of 1991."""
    rate = b"\x40\x0d\xac\x44" + bytes(6)
    common = struct.pack(">HIH", 1, len(data) // packet_bytes, 8) + rate + codec + b"\0\0"
    chunks = b"FVER" + struct.pack(">II", 4, 0xA2805140) + b"COMM" + struct.pack(">I", len(common)) + common
    chunks += b"SSND" + struct.pack(">III", len(data) + 8, 0, 0) + data
    return b"FORM" + struct.pack(">I", 4 + len(chunks)) + b"AIFC" + chunks


@cache
def real_audio(codec=b"28_8", frames=240, coded=38, rows=12):
    """Return RealAudio, version 4, with sound without meaning. Source: libavformat/rmdec.c."""
    data = np.random.default_rng(1).bytes(frames * coded)
    return _real_head(codec, b"Int4", coded, rows, 8000) + bytes(4) + data


def _real_head(codec, mixing, coded, rows, rate):
    body = b".ra4" + struct.pack(">IHI", 0, 4, 57) + struct.pack(">HIIII", 2, coded, 0, 0, 0)
    body += struct.pack(">HHHH", rows, max(coded, coded * rows // 2), coded, 0)
    body += struct.pack(">HIH", rate, 16, 1) + b"\x04" + mixing + b"\x04" + codec + bytes(3)
    return b".ra\xfd" + struct.pack(">HH", 4, 0) + body


@cache
def real_media(frames=60, coded=64):
    """Return Cook, RealAudio 6 to 10, with sound without meaning. Source: libavformat/rmdec.c, cook.c."""
    codec = _real_head(b"cook", b"Int0", coded, 1, 11_025)
    codec += struct.pack(">IIHH", 8, 0x01000001, 256, 12)
    kind = b"audio/x-pn-realaudio"
    media = struct.pack(">HIIIIIII", 0, 8000, 8000, coded, coded, 0, 0, 1000) + bytes([0, len(kind)]) + kind
    media += struct.pack(">I", len(codec)) + codec
    chance = np.random.default_rng(1)
    packets = b"".join(
        struct.pack(">HHHIBB", 0, 12 + coded, 0, 23 * number, 0, 2) + chance.bytes(coded)
        for number in range(frames)
    )
    chunks = (
        (b".RMF", struct.pack(">II", 0, 4)),
        (b"PROP", struct.pack(">IIIIIIIIIHH", 8000, 8000, coded, coded, frames, 1000, 0, 0, 0, 1, 0)),
        (b"MDPR", media),
        (b"DATA", struct.pack(">II", frames, 0) + packets),
    )
    return b"".join(name + struct.pack(">IH", 10 + len(body), 0) + body for name, body in chunks)


ATRAC3_SILENCE = b"\xa0".ljust(192, b"\0") * 2


@cache
def atrac3(frames=40):
    """Return silence as MiniDiscs have it, in a WAV. Source: libavcodec/atrac3.c."""
    extra = bytes.fromhex("0100 00100000 0000 0000 0100 0000")
    return tagged_wav(0x270, ATRAC3_SILENCE * frames, rate=44_100, channels=2, block=384, extra=extra)


PARAMETERS = {0: (1 << 5, 384 // 8), 1: (1 << 5 | 2 << 2, 376 // 8 - 1)}
"""44.1 kHz, two channels, and the size of a frame."""


@cache
def open_mg(frames=40, codec=0, unit=ATRAC3_SILENCE):
    """Return silence in Sony's container, by default the same. Source: libavformat/omadec.c."""
    tag = b"ea3\x03\0\0\0\0\x17\x76" + bytes(3062)
    head = b"EA3\x01\0\x60\xff\xff".ljust(32, b"\0") + bytes((codec, 0, *PARAMETERS[codec]))
    return tag + head.ljust(96, b"\0") + unit * frames


@cache
def windows_voice():
    """Return Windows Media Audio Voice, with sound without meaning. Source: libavcodec/wmavoice.c."""
    tree = Bits()
    for number in range(17):
        tree.put(number // 3, 3)
    extra = bytes(22) + tree.bytes().ljust(24, b"\0")
    sound = np.random.default_rng(1).bytes(4000)
    return tagged_wav(0x0A, sound, block=100, extra=extra)


@cache
def musepack_8(packets=40):
    """Return Musepack: packets of a frame of silence each. Source: Musepack SV8 specification."""

    def packet(name, body):
        size = len(body) + 3
        return name + bytes([size]) + body

    samples = 1152 * packets
    length = bytes([0x80 | samples >> 14, 0x80 | samples >> 7 & 0x7F, samples & 0x7F])
    head = packet(b"SH", bytes(4) + b"\x08" + length + b"\0" + bytes([0, 1 << 4]))
    return b"MPCK" + head + packet(b"AP", bytes(8)) * packets + packet(b"SE", b"")
