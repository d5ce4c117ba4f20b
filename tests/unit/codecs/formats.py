"""A recording of one second for each container and codec that PyAV writes, and films with one."""

import ctypes
import io
from contextlib import contextmanager
from functools import cache

import av
import numpy as np

from speechhub.codecs.ffmpeg import MAX_ALLOCATION_BYTES
from tests.unit.codecs.recordings import record, tone

WMA = {"b": "64000"}

ENCODED = {
    # (demuxer, what is in it): (muxer, encoder, sample rate, layout, options of the encoder)
    ("mpegts", "aac"): ("mpegts", "aac", 48_000, "stereo", {}),
    ("mpegts", "mp2"): ("mpegts", "mp2", 48_000, "stereo", {}),
    ("mpegts", "mp3"): ("mpegts", "libmp3lame", 44_100, "mono", {}),
    ("mpegts", "ac3"): ("mpegts", "ac3", 48_000, "5.1", {}),
    ("mpegts", "eac3"): ("mpegts", "eac3", 48_000, "stereo", {}),
    ("mpegts", "opus"): ("mpegts", "libopus", 48_000, "mono", {}),
    ("avi", "mp3"): ("avi", "libmp3lame", 44_100, "stereo", {}),
    ("avi", "pcm_s16le"): ("avi", "pcm_s16le", 16_000, "mono", {}),
    ("avi", "pcm_u8"): ("avi", "pcm_u8", 8000, "mono", {}),
    ("avi", "ac3"): ("avi", "ac3", 48_000, "stereo", {}),
    ("avi", "adpcm_ms"): ("avi", "adpcm_ms", 22_050, "mono", {}),
    ("avi", "adpcm_ima_wav"): ("avi", "adpcm_ima_wav", 22_050, "mono", {}),
    ("avi", "adpcm_yamaha"): ("avi", "adpcm_yamaha", 22_050, "mono", {}),
    ("avi", "wmav2"): ("avi", "wmav2", 44_100, "mono", WMA),
    ("asf", "wmav1"): ("asf", "wmav1", 44_100, "mono", WMA),
    ("asf", "wmav2"): ("asf", "wmav2", 44_100, "stereo", WMA),
    ("asf", "mp3"): ("asf", "libmp3lame", 44_100, "mono", {}),
    ("asf", "g723_1"): ("asf", "g723_1", 8000, "mono", {"b": "6300"}),
    ("flv", "mp3"): ("flv", "libmp3lame", 44_100, "mono", {}),
    ("flv", "aac"): ("flv", "aac", 44_100, "stereo", {}),
    ("flv", "adpcm_swf"): ("flv", "adpcm_swf", 22_050, "mono", {}),
    ("flv", "nellymoser"): ("flv", "nellymoser", 22_050, "mono", {}),
    ("flv", "pcm_s16le"): ("flv", "pcm_s16le", 44_100, "mono", {}),
    ("ac3", "ac3"): ("ac3", "ac3", 44_100, "stereo", {}),
    ("eac3", "eac3"): ("eac3", "eac3", 48_000, "stereo", {}),
    ("wv", "wavpack"): ("wv", "wavpack", 44_100, "stereo", {}),
    ("tta", "tta"): ("tta", "tta", 44_100, "stereo", {}),
    ("matroska", "wavpack"): ("matroska", "wavpack", 44_100, "mono", {}),
    ("matroska", "eac3"): ("matroska", "eac3", 48_000, "mono", {}),
    ("rm", "real_144"): ("rm", "real_144", 8000, "mono", {}),
    ("rm", "ac3"): ("rm", "ac3", 44_100, "mono", {}),
    ("voc", "pcm_u8"): ("voc", "pcm_u8", 8000, "mono", {}),
    ("voc", "pcm_s16le"): ("voc", "pcm_s16le", 16_000, "mono", {}),
    ("voc", "pcm_alaw"): ("voc", "pcm_alaw", 8000, "mono", {}),
    ("loas", "aac_latm"): ("latm", "aac", 44_100, "mono", {}),
    ("wav", "adpcm_yamaha"): ("wav", "adpcm_yamaha", 44_100, "mono", {}),
    ("wav", "adpcm_swf"): ("wav", "adpcm_swf", 22_050, "mono", {}),
    ("wav", "g722"): ("wav", "g722", 16_000, "mono", {}),
    ("wav", "g723_1"): ("wav", "g723_1", 8000, "mono", {"b": "6300"}),
    ("wav", "g726"): ("wav", "g726", 8000, "mono", {}),
    ("wav", "wmav2"): ("wav", "wmav2", 44_100, "mono", WMA),
    ("wav", "ac3"): ("wav", "ac3", 48_000, "mono", {}),
    ("wav", "pcm_s64le"): ("wav", "pcm_s64le", 16_000, "mono", {}),
    ("w64", "adpcm_yamaha"): ("w64", "adpcm_yamaha", 44_100, "mono", {}),
    ("au", "g722"): ("au", "g722", 16_000, "mono", {}),
    ("au", "g726le"): ("au", "g726le", 8000, "mono", {}),
    ("mpeg", "pcm_dvd"): ("vob", "pcm_dvd", 48_000, "stereo", {}),
    ("mpeg", "ac3"): ("vob", "ac3", 48_000, "stereo", {}),
    ("mov", "nellymoser"): ("mov", "nellymoser", 22_050, "mono", {}),
    ("mov", "eac3"): ("mp4", "eac3", 48_000, "stereo", {}),
    ("caf", "adpcm_ima_wav"): ("caf", "adpcm_ima_wav", 22_050, "mono", {}),
}

FILMED = {
    # (demuxer, what is in it): (muxer, video encoder, encoder, sample rate, layout)
    ("mxf", "pcm_s16le"): ("mxf", "mpeg2video", "pcm_s16le", 48_000, "mono"),
    ("mxf", "pcm_s24le"): ("mxf", "mpeg2video", "pcm_s24le", 48_000, "mono"),
    ("dv", "pcm_s16le"): ("dv", "dvvideo", "pcm_s16le", 48_000, "stereo"),
    ("avi", "pcm_s16le"): ("avi", "dvvideo", "pcm_s16le", 48_000, "stereo"),
    ("mpegts", "aac"): ("mpegts", "mpeg2video", "aac", 48_000, "stereo"),
    ("flv", "mp3"): ("flv", "flv", "libmp3lame", 44_100, "mono"),
}


@cache
def encoded(demuxer, content):
    """Return a second of a tone of 440 Hz."""
    muxer, encoder, rate, layout, options = ENCODED[demuxer, content]
    return record(muxer, encoder, rate, layout, options=options)


def blu_ray(encoder):
    """Return a second of a tone of 440 Hz in transport packets of 192 bytes."""
    return transport(encoder, mpegts_m2ts_mode="1")


def other_programme(encoder):
    """Return a second of a tone of 440 Hz, with other numbers in its packets than `transport` writes."""
    numbers = {"mpegts_start_pid": "1600", "mpegts_pmt_start_pid": "1300", "mpegts_service_id": "2"}
    return transport(encoder, tables_version="2", **numbers)


@cache
def transport(encoder, **options):
    """Return a second of a tone of 440 Hz in a transport stream."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts", options=options) as output:
        audio = output.add_stream(encoder, rate=48_000, layout="stereo")
        for start in range(0, 48_000, 4800):
            part = np.repeat(tone(1, 48_000)[start : start + 4800], 2).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, start
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
    return file.getvalue()


@contextmanager
def room():
    """Let FFmpeg allocate what it likes: its muxer for DV wants 19 MB, which `limit_ffmpeg` forbids."""
    library = ctypes.CDLL(av._core.__file__)
    library.av_max_alloc.argtypes = [ctypes.c_size_t]
    library.av_max_alloc(2**31 - 1)
    yield
    library.av_max_alloc(MAX_ALLOCATION_BYTES)


@cache
def filmed(demuxer, content, frames=5):
    """Return a tone of 440 Hz under a grey picture; a frame lasts 40 ms."""
    with room():
        return _film(demuxer, content, frames)


def _film(demuxer, content, frames):
    muxer, picture, encoder, rate, layout = FILMED[demuxer, content]
    file = io.BytesIO()
    samples, step = (tone(frames / 25, rate) * 32_767).astype(np.int16), rate // 25
    grey = av.VideoFrame(720, 576, "yuv420p")
    for plane in grey.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    with av.open(file, "w", format=muxer) as output:
        video = output.add_stream(picture, rate=25)
        video.width, video.height, video.pix_fmt = grey.width, grey.height, "yuv420p"
        audio = output.add_stream(encoder, rate=rate, layout=layout)
        for number in range(frames):
            part = np.repeat(samples[number * step : (number + 1) * step], audio.channels)
            frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, number * step
            output.mux(audio.encode(frame))
            grey.pts = number
            output.mux(video.encode(grey))
        output.mux(audio.encode(None))
        output.mux(video.encode(None))
    return file.getvalue()
