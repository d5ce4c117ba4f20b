"""The codecs that speechhub decodes: their common names, and FFmpeg's decoders for each.

A decoder is listed because it produces only sound, and because damaged input neither crashes nor blocks the
hub. Codecs of games and of musical instruments are left out: they hold no recordings of speech.
"""

from typing import Final

_PCM: Final = (
    *("pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_u8", "pcm_s64le"),
    *(f"pcm_{kind}{bits}{end}" for kind in "su" for bits in (16, 24, 32) for end in ("le", "be")),
    *(f"pcm_f{bits}{end}" for bits in (32, 64) for end in ("le", "be")),
    *("pcm_bluray", "pcm_dvd"),
)

CODECS: Final = {
    "PCM, A-law, µ-law": _PCM,
    "MP3, MP2, MP1": ("mp3float", "mp3", "mp2float", "mp2", "mp1float", "mp1"),
    "AAC, HE-AAC": ("aac", "aac_latm"),
    "Opus": ("opus", "libopus"),
    "Vorbis": ("vorbis",),
    "Speex": ("speex",),
    "FLAC": ("flac",),
    "ALAC": ("alac",),
    "AMR, narrow and wide": ("amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb"),
    "GSM 06.10": ("gsm", "gsm_ms"),
    "G.722": ("g722",),
    "G.723.1": ("g723_1",),
    "G.726": ("g726", "g726le"),
    "G.729": ("g729",),
    "iLBC": ("ilbc",),
    "QCELP, EVRC": ("qcelp", "evrc"),
    "DSP Group TrueSpeech": ("truespeech",),
    "Digital Speech Standard": ("dss_sp",),
    "Microsoft ADPCM, IMA ADPCM": ("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    "Yamaha, Dialogic and Creative ADPCM": (
        *("adpcm_yamaha", "adpcm_ima_oki", "adpcm_ct"),
        *("adpcm_sbpro_2", "adpcm_sbpro_3", "adpcm_sbpro_4"),
    ),
    "Flash ADPCM, Nellymoser": ("adpcm_swf", "nellymoser"),
    "Windows Media Audio, also Pro, Lossless and Voice": (
        *("wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice"),
    ),
    "AC-3, E-AC-3": ("ac3", "eac3"),
    "TrueHD, MLP": ("truehd", "mlp"),
    "DTS, DTS-HD": ("dca",),
    "WavPack": ("wavpack",),
    "True Audio": ("tta",),
    "Monkey's Audio": ("ape",),
    "Shorten": ("shorten",),
    "Musepack": ("mpc7", "mpc8"),
    "ATRAC3, ATRAC3plus": ("atrac3", "atrac3plus"),
    "RealAudio: 14.4, 28.8, Cook, Sipro": ("real_144", "real_288", "cook", "sipr"),
    "MACE": ("mace3", "mace6"),
    "DSD": ("dsd_lsbf", "dsd_lsbf_planar", "dsd_msbf", "dsd_msbf_planar"),
}
"""Common name → FFmpeg decoders."""

DECODERS: Final = frozenset(name for names in CODECS.values() for name in names)
"""FFmpeg decoders that may run; none of them decodes pictures or reads playlists."""

_NOT_IN: Final = {
    # The decoder must know the length of the last packet, and Matroska stores it only to the millisecond: up
    # to a second would be missing at the end (FFmpeg 8.1).
    "matroska": frozenset({"tta"}),
}


def decoders_for(demuxer: str) -> frozenset[str]:
    """Return the FFmpeg decoders that may run on what a demuxer reads."""
    return DECODERS - _NOT_IN.get(demuxer, frozenset())
