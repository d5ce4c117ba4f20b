"""Makes small recordings whose time stamps say what they like."""

import io
import struct
from fractions import Fraction

import av
import numpy as np

from tests.unit.codecs.recordings import tone

FRAME = 960
"""Samples of a frame: 20 ms at 48 kHz, as WebRTC has them."""


def timed(container, codec, at, *, rate=48_000, video=None, seconds=3.0):
    """Encode a tone, and write each packet at the time that *at* makes of its own.

    Args:
        at: takes the time of a packet, and returns the time to write; in seconds.
        video: times, in seconds, of black pictures in a track of their own.
    """
    samples = tone(seconds, rate)
    file = io.BytesIO()
    # Without this, Matroska has random numbers in it, which damage to a file may or may not hit.
    with av.open(file, "w", format=container, options={"fflags": "+bitexact"}) as output:
        pictures = (
            output.add_stream("mpeg2video" if container in {"mpegts", "mpeg"} else "mpeg4", rate=25)
            if video
            else None
        )
        if pictures:
            pictures.width = pictures.height = 64
            pictures.pix_fmt = "yuv420p"
        audio = output.add_stream(codec, rate=rate, layout="mono")
        packets = []
        for place in range(0, len(samples), FRAME):
            part = np.ascontiguousarray(samples[place : place + FRAME]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, place, Fraction(1, rate)
            packets += audio.encode(frame)
        packets += audio.encode(None)
        kept = []
        for packet in packets:
            own_s = float(packet.pts * packet.time_base)
            packet.pts = packet.dts = round(at(own_s) / packet.time_base)
            kept.append((at(own_s), packet))
        for number, time_s in enumerate(video or ()):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for packet in pictures.encode(frame):
                packet.pts = packet.dts = round(time_s / packet.time_base)
                kept.append((time_s, packet))
        for _, packet in sorted(kept, key=lambda it: it[0]) if video else kept:
            output.mux(packet)
    return file.getvalue()


def sounding(samples, rate, window_s=0.02):
    """Return where a tone is heard: starts and ends, in seconds, to a window's length."""
    size = round(rate * window_s)
    loud = [
        bool(np.abs(samples[place : place + size]).max() > 0.05) for place in range(0, len(samples), size)
    ]
    edges = [n for n, (a, b) in enumerate(zip([False, *loud], [*loud, False], strict=True)) if a != b]
    return [(a * window_s, b * window_s) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def opus_packets(seconds=3.0, samples=None):
    """Return the head of a decoder for Opus, and packets of 20 ms with their times in seconds."""
    samples = tone(seconds, 48_000) if samples is None else samples
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "mono", "flt"
    packets = []
    for place in range(0, len(samples) - FRAME + 1, FRAME):
        part = np.ascontiguousarray(samples[place : place + FRAME]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, place, Fraction(1, 48_000)
        packets += encoder.encode(frame)
    return encoder.extradata, [(number * 0.02, bytes(packet)) for number, packet in enumerate(packets)]


def matroska(head, packets):
    """Write packets of Opus as Matroska, with any times; a browser writes it like that: without lengths."""

    def element(name, body):
        return name + bytes([0x10 | len(body) >> 24]) + (len(body) & 0xFFFFFF).to_bytes(3, "big") + body

    def number(name, value):
        return element(name, value.to_bytes(8, "big"))

    unknown = b"\x01" + b"\xff" * 7
    audio = element(b"\xb5", struct.pack(">d", 48_000.0)) + number(b"\x9f", 1)
    track = number(b"\xd7", 1) + number(b"\x73\xc5", 1) + number(b"\x83", 2)
    track += element(b"\x86", b"A_OPUS") + element(b"\x63\xa2", head) + element(b"\xe1", audio)
    clusters = b"".join(
        b"\x1f\x43\xb6\x75"
        + unknown
        + number(b"\xe7", round(time_s * 1000))
        + element(b"\xa3", b"\x81\0\0\x80" + packet)
        for time_s, packet in packets
    )
    return (
        element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"webm"))
        + b"\x18\x53\x80\x67"
        + unknown
        + element(b"\x15\x49\xa9\x66", number(b"\x2a\xd7\xb1", 1_000_000))
        + element(b"\x16\x54\xae\x6b", element(b"\xae", track))
        + clusters
    )


def webm(at, seconds=3.0, drop=None):
    """Return a recording by a browser whose packets have the time that *at* makes of their own."""
    head, packets = opus_packets(seconds)
    return matroska(
        head, [(at(time_s), data) for time_s, data in packets if drop is None or not drop(time_s)]
    )
