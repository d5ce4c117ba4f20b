"""The containers that speechhub opens, by the demuxer that reads each, with their common names.

A demuxer is listed because it opens only the file that it is given, and because damaged files neither crash
nor block the hub with it (``tests/e2e/test_fuzz.py``, ``tests/e2e/test_no_access.py``). Left out on purpose:
demuxers that follow references (HLS, DASH, concat, SDP, image sequences), and formats that cannot be
recognised by their first bytes, such as raw G.711, G.722 and G.729.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container's common name and file endings."""

    name: str
    endings: tuple[str, ...]
    """Endings of file names, without the dot, the most common first."""


CONTAINERS: Final = {
    "flac": Container(name="FLAC", endings=("flac",)),
    "mp3": Container(name="MPEG audio", endings=("mp3", "mp2", "mp1", "mpga")),
    "mov": Container(
        name="MP4, QuickTime, 3GPP",
        endings=("mp4", "m4a", "mov", "m4b", "m4v", "3gp", "3g2", "qta", "f4v"),
    ),
    "mpeg": Container(name="MPEG program stream, DVD", endings=("mpeg", "mpg", "vob")),
    "mpegts": Container(name="MPEG transport stream, AVCHD, Blu-ray", endings=("ts", "m2ts", "mts")),
    "ogg": Container(name="Ogg", endings=("ogg", "oga", "opus", "spx", "ogv")),
    "wav": Container(name="WAV, RF64, BW64", endings=("wav",)),
    "w64": Container(name="Wave64", endings=("w64",)),
    "matroska": Container(name="Matroska, WebM", endings=("webm", "mkv", "mka", "weba")),
    "aac": Container(name="AAC in ADTS", endings=("aac",)),
    "loas": Container(name="AAC in LOAS/LATM", endings=("loas", "latm")),
    "aiff": Container(name="AIFF, AIFC", endings=("aiff", "aif", "aifc")),
    "amr": Container(name="AMR", endings=("amr", "awb")),
    "au": Container(name="Sun audio", endings=("au", "snd")),
    "caf": Container(name="Core Audio Format", endings=("caf",)),
    "avi": Container(name="AVI", endings=("avi", "divx")),
    "asf": Container(name="Windows Media (ASF)", endings=("wma", "wmv", "asf", "dvr-ms")),
    "flv": Container(name="Flash Video", endings=("flv",)),
    "mxf": Container(name="MXF", endings=("mxf",)),
    "dv": Container(name="DV", endings=("dv", "dif")),
    "rm": Container(name="RealMedia, RealAudio", endings=("rm", "ra", "rmvb")),
    "ac3": Container(name="Dolby Digital (AC-3)", endings=("ac3",)),
    "eac3": Container(name="Dolby Digital Plus (E-AC-3)", endings=("eac3", "ec3")),
    "truehd": Container(name="Dolby TrueHD", endings=("thd",)),
    "mlp": Container(name="Meridian Lossless Packing", endings=("mlp",)),
    "dts": Container(name="DTS", endings=("dts",)),
    "dtshd": Container(name="DTS-HD", endings=("dtshd",)),
    "ape": Container(name="Monkey's Audio", endings=("ape",)),
    "wv": Container(name="WavPack", endings=("wv",)),
    "tta": Container(name="True Audio", endings=("tta",)),
    "shn": Container(name="Shorten", endings=("shn",)),
    "mpc": Container(name="Musepack, stream version 7", endings=("mpc",)),
    "mpc8": Container(name="Musepack, stream version 8", endings=("mpc",)),
    "dsf": Container(name="DSD of Sony", endings=("dsf",)),
    "iff": Container(name="DSD of Philips (DSDIFF)", endings=("dff",)),
    "voc": Container(name="Creative Voice", endings=("voc",)),
    "nistsphere": Container(name="NIST SPHERE", endings=("sph", "nist")),
    "dss": Container(name="Digital Speech Standard of dictation machines", endings=("dss",)),
    "oma": Container(name="Sony OpenMG, without copy protection", endings=("oma", "aa3")),
    "qcp": Container(name="QCP", endings=("qcp",)),
    "ilbc": Container(name="iLBC", endings=("lbc",)),
}
"""libavformat demuxer → container; no other demuxer is ever used."""

SUPPORTED: Final = ", ".join(
    dict.fromkeys(ending for container in CONTAINERS.values() for ending in container.endings)
)
"""For messages: the file endings that we open."""
