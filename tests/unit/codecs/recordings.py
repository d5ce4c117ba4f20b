"""Makes small recordings in any container and codec that FFmpeg writes."""

import io
import struct

import av
import numpy as np

RATE = 16_000


def tone(seconds=1.0, rate=RATE, hz=440.0, peak=0.5):
    """A sine; float32, shape (n_samples,)."""
    return (peak * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def record(container, codec, rate=RATE, layout="mono", samples=None, options=None, picture=None):
    """Encode *samples*, alike in all channels; *picture* adds a video stream of one black image."""
    samples = tone(rate=rate) if samples is None else samples
    file = io.BytesIO()
    channels = av.AudioLayout(layout).nb_channels
    with av.open(file, "w", format=container) as output:
        video = output.add_stream(picture, rate=10) if picture else None
        if video:
            video.width = video.height = 64
            video.pix_fmt = "yuvj420p" if picture == "mjpeg" else "yuv420p"
        audio = output.add_stream(codec, rate=rate, layout=layout, options=options or {})
        if video:
            image = np.zeros((64, 64, 3), np.uint8)
            for position in range(3):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=video.pix_fmt)
                frame.pts = position
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
        for start in range(0, len(samples), 4096):
            part = np.repeat(samples[start : start + 4096], channels).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    return file.getvalue()


def wav(samples, rate=RATE, channels=1):
    """A WAV by hand, of float32 or int16 samples (interleaved), with whatever its header may claim."""
    data = samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    width = samples.itemsize
    kind = 3 if samples.dtype.kind == "f" else 1
    header = struct.pack(
        "<HHIIHH", kind, channels, rate, (rate * channels * width) & 0xFFFFFFFF, channels * width, 8 * width
    )
    body = b"WAVEfmt " + struct.pack("<I", 16) + header + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def box(kind, *parts):
    """An MP4 box."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def mp4(*, packets, duration=1024, packet_bytes=1, chunks=1, drefs=None, data=bytes(1000), codec=b"sowt"):
    """A QuickTime file by hand: one sound track whose tables claim what they like."""

    def full(kind, *parts):
        return box(kind, bytes(4), *parts)

    entry = box(codec, bytes(6), struct.pack(">H8xHHHHI", 1, 1, 16, 0, 0, RATE << 16))
    drefs = drefs or box(b"url ", b"\0\0\0\1")
    table = box(
        b"stbl",
        full(b"stsd", struct.pack(">I", 1), entry),
        full(b"stts", struct.pack(">III", 1, packets, duration)),
        full(b"stsc", struct.pack(">IIII", 1, 1, packets // chunks, 1)),
        full(b"stsz", struct.pack(">II", packet_bytes, packets)),
        full(b"stco", struct.pack(">I", chunks) + struct.pack(">I", 40) * chunks),
    )
    track = box(
        b"trak",
        box(b"tkhd", b"\0\0\0\7", struct.pack(">IIIII", 0, 0, 1, 0, 1000), bytes(60)),
        box(
            b"mdia",
            full(b"mdhd", struct.pack(">IIIIHH", 0, 0, RATE, packets * duration & 0xFFFFFFFF, 0, 0)),
            full(b"hdlr", bytes(4), b"soun", bytes(12), b"\0"),
            box(
                b"minf",
                full(b"smhd", bytes(4)),
                box(b"dinf", full(b"dref", struct.pack(">I", 1), drefs)),
                table,
            ),
        ),
    )
    header = full(b"mvhd", struct.pack(">IIII", 0, 0, 1000, 1000), bytes(80))
    return box(b"ftyp", b"qt  \0\0\0\0qt  qt  qt  qt  ") + box(b"mdat", data) + box(b"moov", header, track)


def alias_to(path):
    """A data reference to another file: what lets a QuickTime movie play sound that lies elsewhere."""
    name = path.replace("/", ":").encode()
    name += b"\0" * (len(name) % 2)
    record = bytes(4 + 10) + b"\0" + bytes(27) + bytes(12) + b"\1" + b"c".ljust(63, b"\0") + bytes(16)
    record += struct.pack(">HH", 1, 1) + bytes(16)
    record += struct.pack(">HH", 2, len(name)) + name + struct.pack(">HH", 0xFFFF, 0)
    return box(b"alis", record)


def film(container, *tracks, rate=48_000, seconds=0.5):
    """Audio tracks beside each other, each a dictionary of what is special about it.

    ``hz`` is the pitch; ``codec``, ``language``, ``title`` and ``disposition`` describe the track;
    ``packets`` is ``"none"`` or ``"broken"`` where it has no sound.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        streams = []
        for track in tracks:
            stream = output.add_stream(track.get("codec", "flac"), rate=rate, layout="mono")
            stream.metadata.update({it: track[it] for it in ("language", "title") if it in track})
            if "disposition" in track:
                stream.disposition = track["disposition"]
            streams.append(stream)
        for stream, track in zip(streams, tracks, strict=True):
            samples = tone(seconds, rate, track.get("hz", 440.0))
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
            frame.sample_rate, frame.pts = rate, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                match track.get("packets"):
                    case "none":
                        continue
                    case "broken":
                        broken = av.Packet(b"\x55" * packet.size)
                        broken.stream, broken.pts, broken.dts = stream, packet.pts, packet.dts
                        broken.time_base = packet.time_base
                        output.mux(broken)
                    case _:
                        output.mux(packet)
    return file.getvalue()
