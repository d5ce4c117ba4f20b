"""Makes small files that cost a decoder far more than audio of their size would."""

import io
import random
import struct

import av
import numpy as np

from tests.unit.codecs import handmade
from tests.unit.codecs.recordings import box, mp4, record, tone

ENDLESS = struct.pack("<I", 0xFFFFFFFF)
WAV_HEAD = b"RIFF" + ENDLESS + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
KB = 1024


def comments(number):
    """Return comments as FLAC and Ogg have them, each with a name of its own."""
    entries = (b"k%d=v" % n for n in range(number))
    body = b"".join(struct.pack("<I", len(entry)) + entry for entry in entries)
    return struct.pack("<II", 0, number) + body


def flac_with(*blocks):
    """Return a good FLAC with metadata blocks, given as (kind, body), between its head and its frames."""
    good = record("flac", "flac", samples=tone(0.3))
    head = good[4:42]
    more = b"".join(bytes([kind]) + len(body).to_bytes(3, "big") + body for kind, body in blocks)
    return b"fLaC\0" + head[1:] + more + b"\x81\0\0\0" + good[good.index(b"\xff\xf8") :]


def page(serial, number, payload, *, laces, continued=False):
    """Return a page of an Ogg file, with its checksum."""
    head = b"OggS\0" + bytes([continued]) + bytes(8) + struct.pack("<III", serial, number, 0)
    whole = head + bytes([len(laces)]) + bytes(laces) + payload
    return whole[:22] + struct.pack("<I", checksum(whole)) + whole[26:]


def checksum(data):
    """Return the CRC of a page. Source: RFC 3533, section 6."""
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(value)
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFFFFFF) ^ table[crc >> 24 ^ byte]
    return crc


def ogg_comments(number):
    """Return an Opus file whose comments fill many pages."""
    good = record("ogg", "libopus", rate=48_000, samples=tone(0.3, 48_000))
    second = good.index(b"OggS", 4)
    third = good.index(b"OggS", second + 4)
    serial = struct.unpack("<I", good[14:18])[0]
    body = b"OpusTags" + comments(number)
    pages, most = [], 255 * 255
    for place in range(0, len(body), most):
        part = body[place : place + most]
        laces = [255] * 255 if len(part) == most else [255] * (len(part) // 255) + [len(part) % 255]
        pages.append(page(serial, len(pages) + 1, part, laces=laces, continued=place > 0))
    return good[:second] + b"".join(pages) + good[third:]


def matroska_tags(number):
    """Return a Matroska file with so many tags."""

    def element(name, body):
        return name + bytes([0x10 | len(body) >> 24]) + (len(body) & 0xFFFFFF).to_bytes(3, "big") + body

    good = record("matroska", "flac", samples=tone(0.3))
    cluster = good.index(b"\x1f\x43\xb6\x75")
    tags = b"".join(
        element(b"\x67\xc8", element(b"\x45\xa3", b"k%d" % n) + element(b"\x44\x87", b"v"))
        for n in range(number)
    )
    return good[:cluster] + element(b"\x12\x54\xc3\x67", element(b"\x73\x73", tags)) + good[cluster:]


def id3(number, copies=1):
    """Return tags of ID3 with so many texts in each."""
    bodies = (b"\0k%d\0v" % n for n in range(number))
    frames = b"".join(b"TXXX" + struct.pack(">IH", len(body), 0) + body for body in bodies)
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return (b"ID3\3\0\0" + size + frames) * copies


def alternating_mp3(seconds):
    """Return an MP3 whose frames are mono and stereo in turns."""
    kinds = []
    for layout in ("mono", "stereo"):
        data = record("mp3", "libmp3lame", rate=44_100, layout=layout, samples=tone(1, 44_100))
        frames, place = [], data.index(b"\xff\xfb")
        while place + 4 <= len(data):
            length = 144 * BITRATES[data[place + 2] >> 4] * 1000 // 44_100 + (data[place + 2] >> 1 & 1)
            frames.append(data[place : place + length])
            place += length
        kinds.append(frames[5:25])
    return b"".join(a + b for a, b in zip(*kinds, strict=True)) * round(seconds / 1.05)


BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)


def rate_changing_aac(seconds):
    """Return AAC whose sample rate changes with every frame."""
    kinds = []
    for rate in (96_000, 44_100, 32_000, 16_000):
        data = record("adts", "aac", rate=rate, samples=tone(1, rate))
        frames, place = [], 0
        while place + 7 <= len(data):
            length = (data[place + 3] & 3) << 11 | data[place + 4] << 3 | data[place + 5] >> 5
            frames.append(data[place : place + length])
            place += length
        kinds.append(frames[4:12])
    return b"".join(b"".join(group) for group in zip(*kinds, strict=True)) * seconds


def empty_chunks(size):
    """Return a WAV of empty chunks."""
    return WAV_HEAD + b"junk\0\0\0\0" * (size // 8)


def adts_noise(size):
    """Return noise that looks like the heads of AAC frames everywhere."""
    noise = bytearray(random.Random(1).randbytes(size))
    for place in range(0, size - 2, 64):
        noise[place : place + 2] = b"\xff\xf1"
    return bytes(noise)


def empty_streams(size):
    """Return an Ogg of streams, one behind the other, none of which says anything."""
    good = record("ogg", "libopus", rate=48_000, samples=tone(0.1, 48_000))
    second = good.index(b"OggS", 4)
    head = good[: good.index(b"OggS", second + 4)]
    return head * (size // len(head))


def free_boxes(size):
    """Return a movie that begins with empty boxes."""
    good = mp4(packets=8000, duration=1, packet_bytes=2, data=bytes(16_000))
    place = good.index(b"mdat") - 4
    return good[:place] + box(b"free") * (size // 8) + good[place:]


def freeform_tags(number):
    """Return a movie with so many tags of its maker's own."""
    good = mp4(packets=8000, duration=1, packet_bytes=2, data=bytes(16_000))
    place = good.index(b"moov") - 4
    tags = (
        box(
            b"----",
            box(b"mean", bytes(4), b"a"),
            box(b"name", bytes(4), b"k%d" % n),
            box(b"data", struct.pack(">II", 1, 0), b"v"),
        )
        for n in range(number)
    )
    meta = box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"mdir", bytes(13)), box(b"ilst", *tags))
    return good[:place] + box(b"moov", good[place + 8 :], box(b"udta", meta))


def caf_strings(number):
    """Return a CAF with so many strings about it."""
    good = record("caf", "pcm_s16be", samples=tone(0.3))
    place = good.index(b"desc")
    end = place + 12 + struct.unpack(">q", good[place + 4 : place + 12])[0]
    body = struct.pack(">I", number) + b"".join(b"k%d\0v\0" % n for n in range(number))
    return good[:end] + b"info" + struct.pack(">q", len(body)) + body + good[end:]


def tiny_opus(size):
    """Return Matroska whose blocks hold an Opus packet of one byte."""
    good = record("matroska", "libopus", rate=48_000, samples=tone(0.3, 48_000))
    cluster = good.index(b"\x1f\x43\xb6\x75")
    head = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7 + b"\xe7\x81\0"
    block = b"\xa3\x85\x81\0\0\x80\xe0"
    return good[:cluster] + head + block * (size // len(block))


def fragments(size):
    """Return a movie of fragments of some samples each."""
    file = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1"}
    with av.open(file, "w", format="mp4", options=options) as output:
        stream = output.add_stream("aac", rate=16_000, layout="mono")
        samples = tone(1)
        for start in range(0, len(samples), 1024):
            part = np.ascontiguousarray(samples[start : start + 1024]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = file.getvalue()
    first = data.index(b"moof") - 4
    end = data.rindex(b"mfra") - 4 if b"mfra" in data else len(data)
    return data[:first] + data[first:end] * (size // (end - first))


def dsf_tag(number):
    """Return DSD with a tag of so many texts behind it."""
    good = handmade.dsf(0.3)
    return good[:20] + struct.pack("<Q", len(good)) + good[28:] + id3(number)


def open_mg_tag(number):
    """Return a recording of Sony's with so many texts before it."""
    good = handmade.open_mg()
    return b"ea3" + id3(number)[3:] + good[good.index(b"EA3") :]


def ape_tag(number):
    """Return WavPack with a tag of so many texts behind it. Source: APE tag 2.0."""
    items = b"".join(struct.pack("<II", 1, 0) + b"k%d\0v" % n for n in range(number))
    foot = struct.pack("<IIII", 2000, len(items) + 32, number, 0) + bytes(8)
    return record("wv", "wavpack", samples=tone(0.3)) + items + b"APETAGEX" + foot


COMMENTED = {
    "flac": lambda number: flac_with((4, comments(number))),
    "flac, many blocks": lambda number: flac_with(*[(4, comments(number // 50))] * 50),
    "ogg": ogg_comments,
    "matroska": matroska_tags,
    "aac": lambda number: aac_with(id3(number)),
    "dsf": dsf_tag,
    "oma": open_mg_tag,
}
"""Files with so many comments in a container that is read whole before anything can stop it."""

COSTLY = {
    "empty chunks": lambda: empty_chunks(4096 * KB),
    "noise": lambda: adts_noise(2048 * KB),
    "empty streams": lambda: empty_streams(4096 * KB),
    "empty boxes": lambda: free_boxes(4096 * KB),
    "tags of a movie": lambda: freeform_tags(30_000),
    "strings of a CAF": lambda: caf_strings(150_000),
    "tiny packets": lambda: tiny_opus(256 * KB),
    "fragments": lambda: fragments(2048 * KB),
    "tags of APE": lambda: ape_tag(60_000),
    "tags before tags": lambda: id3(5000, copies=40) + record("mp3", "libmp3lame", samples=tone(0.3)),
    "two thousand tags": lambda: id3(0, copies=2000) + record("mp3", "libmp3lame", samples=tone(0.3)),
    "blocks without end": lambda: flac_with(*[(1, b"")] * 100_000),
}
"""Files that may be read or refused, as long as it does not take long."""


def aac_with(tag):
    """Return AAC with a tag between its frames."""
    good = record("adts", "aac", samples=tone(1))
    place = len(good) // 2
    middle = good.index(good[:2], place)
    return good[:middle] + tag + good[middle:]
