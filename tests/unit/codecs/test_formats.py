"""Containers and codecs that people have: each is heard, cut or whole."""

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from recordings import RATE, record

from speechhub.codecs.containers import CONTAINERS
from speechhub.codecs.damage import AudioDamage
from speechhub.codecs.decode import decode, decode_blocks
from speechhub.codecs.decoders import DECODERS
from speechhub.codecs.sniff import sniff
from speechhub.errors import AudioError
from tests.unit.codecs import handmade
from tests.unit.codecs.formats import ENCODED, FILMED, blu_ray, encoded, filmed, other_programme, transport

ANY = bytes(range(1, 251)) * 16
"""Sound without meaning: 4000 bytes."""

HANDMADE = {
    # name: (bytes, demuxer, decoder, duration in seconds, whether it is a tone of 440 Hz); the duration is
    # None where packets without meaning decode or do not
    "DTS": (handmade.dts(), "dts", "dca", 1.0, True),
    "DTS, little endian": (handmade.dts(little_endian=True), "dts", "dca", 1.0, True),
    "DTS-HD": (handmade.dts_hd(), "dtshd", "dca", 1.0, True),
    "Monkey's Audio": (handmade.monkeys_audio(), "ape", "ape", 1.67, False),
    "Musepack": (handmade.musepack_7(), "mpc", "mpc7", 1.04, False),
    "Shorten": (handmade.shorten(), "shn", "shorten", 1.6, False),
    "DSD of Sony": (handmade.dsf(), "dsf", "dsd_msbf_planar", 0.5, True),
    "DSD of Philips": (handmade.dsdiff(), "iff", "dsd_msbf", 0.5, True),
    "NIST": (handmade.nist(), "nistsphere", "pcm_s16le", 1.0, True),
    "NIST, big endian": (handmade.nist(byte_format="10"), "nistsphere", "pcm_s16be", 1.0, True),
    "iLBC": (handmade.ilbc(), "ilbc", "ilbc", 1.2, False),
    "QCELP": (handmade.qcp(), "qcp", "qcelp", 1.2, False),
    "EVRC": (handmade.qcp(handmade.EVRC), "qcp", "evrc", 1.2, False),
    "dictation, G.723.1": (handmade.dss(), "dss", "g723_1", 1.02, True),
    "dictation, DSS SP": (handmade.dss(0), "dss", "dss_sp", 1.2, False),
    "Sound Blaster, 4 bits": (handmade.voc(1), "voc", "adpcm_sbpro_4", 2.0, False),
    "Sound Blaster, 3 bits": (handmade.voc(2), "voc", "adpcm_sbpro_3", 3.0, False),
    "Sound Blaster, 2 bits": (handmade.voc(3), "voc", "adpcm_sbpro_2", 4.0, False),
    "MACE 3": (handmade.aifc(b"MAC3", 2), "aiff", "mace3", 1.09, False),
    "MACE 6": (handmade.aifc(b"MAC6", 1), "aiff", "mace6", 2.18, False),
    "RealAudio 28.8": (handmade.real_audio(), "rm", "real_288", 4.32, False),
    "RealAudio, Sipro": (handmade.real_audio(b"sipr"), "rm", "sipr", 13.14, False),
    "ATRAC3": (handmade.atrac3(), "wav", "atrac3", 0.93, False),
    "RealAudio, Cook": (handmade.real_media(), "rm", "cook", 1.35, False),
    "Musepack 8": (handmade.musepack_8(), "mpc8", "mpc8", 1.04, False),
    "Windows Media Audio Voice": (handmade.windows_voice(), "wav", "wmavoice", None, False),
    "OpenMG, ATRAC3plus": (
        handmade.open_mg(codec=1, unit=b"\x60".ljust(376, b"\0")),
        "oma",
        "atrac3plus",
        1.86,
        False,
    ),
    "DSD, the least bit first": (handmade.dsf(order=1), "dsf", "dsd_lsbf_planar", 0.5, True),
    "OpenMG": (handmade.open_mg(), "oma", "atrac3", 0.93, False),
    "TrueSpeech": (
        handmade.tagged_wav(0x22, ANY, block=32, bits=1, extra=bytes(32)),
        "wav",
        "truespeech",
        3.75,
        False,
    ),
    "G.729": (handmade.tagged_wav(0x83, ANY, block=10), "wav", "g729", 4.0, False),
    "Dialogic ADPCM": (handmade.tagged_wav(0x10, ANY, bits=4), "wav", "adpcm_ima_oki", 1.0, False),
    "Creative ADPCM": (handmade.tagged_wav(0x200, ANY, bits=4), "wav", "adpcm_ct", 1.0, False),
    "GSM of Microsoft": (handmade.tagged_wav(0x31, ANY, block=65), "wav", "gsm_ms", 2.44, False),
    "G.722 in WAV": (handmade.tagged_wav(0x28F, ANY, rate=16_000, bits=4), "wav", "g722", 0.5, False),
    "G.726 in WAV": (handmade.tagged_wav(0x45, ANY, bits=4, bytes_per_s=4000), "wav", "g726", 1.0, False),
}


def load(data):
    return decode(data, sample_rate=RATE, max_duration_s=60)


def warnings_of(data):
    """Return what is told of damage."""
    damage = AudioDamage()
    list(decode_blocks(data, sample_rate=RATE, max_duration_s=60, damage=damage))
    return damage.warnings


def demuxer_of(data):
    return sniff(io.BytesIO(data))


def decoders_of(data):
    """Return the names of FFmpeg's decoders for the tracks."""
    with av.open(io.BytesIO(data), format=demuxer_of(data)) as container:
        return [stream.codec_context.name for stream in container.streams.audio]


def loudest_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return np.argmax(spectrum) * audio.sample_rate / len(audio.samples)


@pytest.mark.parametrize(("demuxer", "content"), ENCODED)
def test_recordings_are_heard(demuxer, content):
    """Length, pitch and loudness survive in every container and codec that PyAV writes."""
    data = encoded(demuxer, content)

    audio = load(data)

    assert demuxer_of(data) == demuxer
    assert warnings_of(data) == ()
    assert audio.duration_s == pytest.approx(1.0, abs=0.12)
    assert loudest_hz(audio) == pytest.approx(440, abs=3)
    assert np.abs(audio.samples[4000:12000]).max() == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(("demuxer", "content"), FILMED)
def test_films_are_heard(demuxer, content):
    data = filmed(demuxer, content)

    audio = load(data)

    assert demuxer_of(data) == demuxer
    assert audio.duration_s == pytest.approx(0.2, abs=0.06)
    assert loudest_hz(audio) == pytest.approx(440, abs=10)


@pytest.mark.parametrize("codec", ["aac", "ac3", "pcm_bluray"])
def test_packets_with_time_stamps_are_heard(codec):
    """AVCHD cameras and Blu-ray write transport packets of 192 bytes."""
    audio = load(blu_ray(codec))

    assert audio.duration_s == pytest.approx(1.0, abs=0.05)
    assert loudest_hz(audio) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("name", HANDMADE)
def test_recordings_that_ffmpeg_does_not_write_are_heard(name):
    data, demuxer, decoder, duration_s, is_tone = HANDMADE[name]

    audio = load(data)

    assert demuxer_of(data) == demuxer
    assert decoders_of(data) == [decoder]
    if duration_s is not None:
        assert warnings_of(data) == ()
        assert audio.duration_s == pytest.approx(duration_s, abs=0.03)
    if is_tone:
        assert loudest_hz(audio) == pytest.approx(440, abs=3)


CASES = Path(__file__).parents[2] / "cases"


def loudness(samples):
    """Return how loud each tenth of a second is."""
    whole = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)
    return np.sqrt(np.mean(whole**2, axis=1))


@pytest.mark.parametrize("name", ["adpcm_yamaha.wav", "avi.avi", "wma.wma"])
def test_files_that_people_sent_are_heard(name):
    """All are of one reading, six seconds long, which an Opus track has as well."""
    audio = load((CASES / name).read_bytes())
    other = load((CASES / "mkv_first_track_unsupported.mkv").read_bytes())

    heard, known = loudness(audio.samples)[:38], loudness(other.samples)[:38]

    assert audio.duration_s == pytest.approx(6.0, abs=0.15)
    likeness = max(np.corrcoef(np.roll(heard, shift)[2:-2], known[2:-2])[0, 1] for shift in (-1, 0, 1))
    assert likeness > 0.8


CUT = {
    "transport stream": (encoded("mpegts", "aac"), "mpegts"),
    "transport stream of a film": (filmed("mpegts", "aac", frames=25), "mpegts"),
    "packets of 192 bytes": (blu_ray("ac3"), "mpegts"),
    "program stream": (encoded("mpeg", "ac3"), "mpeg"),
    "AC-3": (encoded("ac3", "ac3"), "ac3"),
    "E-AC-3": (encoded("eac3", "eac3"), "eac3"),
    "AAC": (record("adts", "aac", 44_100), "aac"),
    "LATM": (encoded("loas", "aac_latm"), "loas"),
    "DTS": (handmade.dts(), "dts"),
}


@pytest.mark.parametrize("start", [1, 5, 100, 187, 1000, 3001])
@pytest.mark.parametrize("name", CUT)
def test_streams_may_begin_anywhere(name, start):
    """A recording cut out of a broadcast or a stream starts in the middle of a packet."""
    data, demuxer = CUT[name]

    audio = load(data[start:])

    assert demuxer_of(data[start:]) == demuxer
    assert audio.duration_s > 0.65
    assert loudest_hz(audio) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("id3", [b"", b"TAG" + bytes(125)])
@pytest.mark.parametrize("head", [0, 1])
def test_tags_behind_wavpack_are_no_damage(id3, head):
    """Nearly all files have one; FFmpeg ends with an error there."""
    data = encoded("wv", "wavpack")
    items = struct.pack("<II", 5, 0) + b"Title\0Hello"
    foot = b"APETAGEX" + struct.pack("<IIII", 2000, len(items) + 32, 1, head << 31) + bytes(8)

    tagged = data + foot * head + items + foot + id3

    assert warnings_of(tagged) == ()
    assert np.array_equal(load(tagged).samples, load(data).samples)


def test_transport_stream_after_damage():
    """What is lost is lost; the packets behind it are found."""
    data = encoded("mpegts", "aac")

    audio = load(bytes(1000) + data[1500:])

    assert audio.duration_s > 0.7


def test_a_programme_that_begins_in_mid_stream_is_no_fault():
    """Broadcasts change their tracks; PyAV raised an IndexError at the end, which was a 500."""
    audio = load(transport("mp2") + other_programme("mp2"))

    assert audio.duration_s > 0.9


def test_silence_in_mpeg_audio_is_no_transport_stream():
    """Frames of 192 bytes that are all alike have the same byte at the same distance, as packets do."""
    frame = b"\xff\xfb\x54\x40" + b"G\x01\x00\x10" * 47  # 64 kbit/s at 48 kHz
    assert len(frame) == 192

    assert demuxer_of((frame * 50)[7:]) == "mp3"


def test_all_of_a_disc_s_tracks_may_be_there():
    """A film has dozens of subtitles, and tracks of sound; more than 16 were once refused."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        tracks = [output.add_stream("libopus", rate=48_000, layout="mono") for _ in range(40)]
        for track in tracks:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.float32), format="flt", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            output.mux(track.encode(frame))
            output.mux(track.encode(None))

    assert load(file.getvalue()).duration_s == pytest.approx(0.2, abs=0.02)


UNWRITTEN = {"truehd", "mlp", "wmapro", "wmalossless"}
"""FFmpeg writes none of these, and they are too much for a test. Files from collections of other programs'
tests were decoded, and damaged 20,000 times, by hand (2026-11-29)."""
TWINS = {
    # Second names for what one of the tests decodes, and byte orders.
    *("mp1", "mp1float", "mp2", "mp2float", "mp3", "libopus", "amrnb", "amrwb", "libopencore_amrwb"),
    *("pcm_mulaw", "pcm_s8", "adpcm_ima_qt", "gsm", "speex", "dsd_lsbf", "dsd_msbf_planar"),
}


def test_every_container_is_tested():
    """Also those of `test_decode`."""
    tested = {demuxer for demuxer, _ in (*ENCODED, *FILMED)} | {made[1] for made in HANDMADE.values()}
    older = {"flac", "mp3", "mov", "ogg", "aiff", "amr", "aac", "caf", "matroska"}
    unwritten = {"truehd", "mlp"}

    assert set(CONTAINERS) - tested - older == unwritten


def test_every_decoder_is_tested():
    tested = {decoder for _, _, decoder, _, _ in HANDMADE.values()} | TWINS
    for demuxer, content in ENCODED:
        tested.update(decoders_of(encoded(demuxer, content)))
    for demuxer, content in FILMED:
        tested.update(decoders_of(filmed(demuxer, content)))
    tested.update(decoders_of(blu_ray("pcm_bluray")))
    older = {"aac", "alac", "flac", "vorbis", "opus", "libopencore_amrnb"}
    plain = {name for name in DECODERS if name.startswith("pcm_")}

    assert DECODERS - tested - older - plain == UNWRITTEN


def test_a_place_beyond_any_file_is_no_fault(tmp_path):
    """An index may point to where no file can reach; on disk, unlike in memory, going there is an error."""
    data = bytearray(handmade.dsdiff())
    at = data.index(b"PROP") + 4
    data[at : at + 8] = (2**62).to_bytes(8, "big")
    path = tmp_path / "a.dff"
    path.write_bytes(data)

    with path.open("rb") as file, pytest.raises(AudioError):
        load(file)
