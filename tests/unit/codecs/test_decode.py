"""Decoding: every container that clients send, and nothing but audio."""

import io
import tempfile
import time

import av
import numpy as np
import pytest
from recordings import RATE, mp4, record, tone, wav

from speechhub.codecs.decode import decode, decode_blocks
from speechhub.codecs.mono import MAX_CHANNELS
from speechhub.codecs.sniff import sniff
from speechhub.errors import (
    AudioTooLongError,
    AudioTooShortError,
    CorruptAudioError,
    RequestCancelledError,
    UnsupportedAudioError,
)

FORMATS = [
    ("wav", "pcm_s16le", 44_100, "stereo"),
    ("wav", "pcm_u8", 8_000, "mono"),
    ("wav", "pcm_s24le", 48_000, "stereo"),
    ("wav", "pcm_f32le", 44_100, "mono"),
    ("wav", "pcm_f64le", 16_000, "mono"),
    ("wav", "pcm_mulaw", 8_000, "mono"),
    ("wav", "adpcm_ms", 22_050, "mono"),
    ("wav", "libmp3lame", 44_100, "mono"),
    ("w64", "pcm_s16le", 16_000, "mono"),
    ("mp3", "libmp3lame", 44_100, "stereo"),
    ("mp3", "libmp3lame", 16_000, "mono"),
    ("flac", "flac", 44_100, "stereo"),
    ("ogg", "libopus", 48_000, "mono"),
    ("ogg", "flac", 16_000, "mono"),
    ("ogg", "vorbis", 44_100, "stereo"),
    ("webm", "libopus", 48_000, "stereo"),
    ("matroska", "aac", 44_100, "mono"),
    ("mp4", "aac", 44_100, "stereo"),
    ("mp4", "ac3", 48_000, "5.1"),
    ("ipod", "alac", 44_100, "mono"),
    ("mov", "pcm_s16le", 44_100, "stereo"),
    ("3gp", "libopencore_amrnb", 8_000, "mono"),
    ("amr", "libopencore_amrnb", 8_000, "mono"),
    ("adts", "aac", 44_100, "mono"),
    ("aiff", "pcm_s16be", 44_100, "mono"),
    ("au", "pcm_s16be", 16_000, "mono"),
    ("caf", "pcm_s16le", 16_000, "mono"),
    ("mpeg", "mp2", 44_100, "stereo"),
]


def load(data, **changes):
    return decode(data, **{"sample_rate": RATE, "max_duration_s": 60.0} | changes)


def loudest_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return np.argmax(spectrum) * audio.sample_rate / len(audio.samples)


@pytest.mark.mission("5.7", "17.6")
@pytest.mark.parametrize(("container", "codec", "rate", "layout"), FORMATS)
def test_decodes_what_clients_send(container, codec, rate, layout):
    """Length, pitch and loudness survive, whatever the container, codec, rate and channels."""
    options = {"strict": "experimental"} if codec == "vorbis" else {}

    audio = load(record(container, codec, rate, layout, options=options))

    assert audio.sample_rate == RATE
    assert audio.samples.dtype == np.float32
    assert audio.duration_s == pytest.approx(1.0, abs=0.08)
    assert loudest_hz(audio) == pytest.approx(440, abs=2)
    assert np.abs(audio.samples[4000:12000]).max() == pytest.approx(0.5, abs=0.06)


@pytest.mark.mission("7.4")
@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 24_000, 48_000])
def test_result_has_the_rate_that_was_asked_for(sample_rate):
    audio = load(record("wav", "pcm_s16le", 44_100), sample_rate=sample_rate)

    assert audio.sample_rate == sample_rate
    assert len(audio.samples) == pytest.approx(sample_rate, abs=2)


def test_same_rate_mono_pcm_is_exact():
    """Nothing touches samples that need no conversion."""
    samples = (tone() * 32767).astype(np.int16)

    assert np.array_equal(load(wav(samples)).samples, samples.astype(np.float32) / 32768)


def test_reads_a_spooled_file_from_its_start_and_leaves_it_open():
    with tempfile.SpooledTemporaryFile(max_size=100) as file:
        file.write(wav(tone()))

        assert load(file).duration_s == 1.0
        assert not file.closed


@pytest.mark.parametrize(
    ("container", "codec", "picture"),
    [("mp4", "aac", "mpeg4"), ("matroska", "aac", "mpeg4"), ("mp3", "libmp3lame", "mjpeg")],
)
def test_pictures_are_ignored(container, codec, picture):
    """Video and cover art are neither decoded nor in the way."""
    audio = load(record(container, codec, 44_100, picture=picture))

    assert audio.duration_s == pytest.approx(1.0, abs=0.08)


def test_two_loud_channels_do_not_clip():
    samples = np.repeat(tone(peak=0.99), 2)

    assert np.abs(load(wav(samples, channels=2)).samples).max() < 1.0


@pytest.mark.parametrize("channels", range(1, MAX_CHANNELS + 1))
def test_any_number_of_channels_mixes_to_mono(channels):
    audio = load(wav(np.repeat(tone(), channels), channels=channels))

    assert audio.duration_s == 1.0
    assert np.abs(audio.samples).max() == pytest.approx(0.5, abs=0.01)


def test_samples_that_are_no_numbers_become_silence():
    samples = tone()
    samples[100], samples[200], samples[300], samples[400] = np.nan, np.inf, -np.inf, 1e38

    for sample_rate in (RATE, 24_000):
        audio = load(wav(samples), sample_rate=sample_rate)
        assert np.isfinite(audio.samples).all()
        assert np.abs(audio.samples).max() <= 1.0


def test_chained_ogg_streams_join():
    """Recordings of internet radio change their stream in the middle."""
    first, second = (record("ogg", "flac", rate) for rate in (16_000, 16_000))

    assert load(first + second).duration_s == pytest.approx(2.0, abs=0.05)


def test_rate_and_channels_may_change_in_mid_stream():
    """ADTS frames carry their own rate: each part is resampled by itself."""
    data = record("adts", "aac", 44_100, "stereo") + record("adts", "aac", 22_050, "mono")

    audio = load(data)

    assert audio.duration_s == pytest.approx(2.0, abs=0.15)
    assert loudest_hz(audio) == pytest.approx(440, abs=2)


# ── Damage ───────────────────────────────────────────────────────────────────


def test_truncated_recording_gives_what_is_there():
    data = record("mp3", "libmp3lame", 44_100)

    assert 0.3 < load(data[: len(data) // 2]).duration_s < 0.6


def test_recording_that_starts_in_the_middle_of_a_frame_decodes():
    data = record("mp3", "libmp3lame", 44_100, samples=tone(3, 44_100))

    assert load(data[len(data) // 2 + 7 :]).duration_s > 1.0


def test_broken_packets_are_skipped():
    data = bytearray(record("mp3", "libmp3lame", 44_100, samples=tone(3, 44_100)))
    data[20_000:21_000] = bytes(1000)

    assert load(bytes(data)).duration_s == pytest.approx(3.0, abs=0.3)


@pytest.mark.scenario("hardly-any-audio")
def test_header_alone_is_too_short():
    with pytest.raises(
        AudioTooShortError, match=r"^Audio file is too short. Minimum audio length is 0.1 seconds.$"
    ):
        load(wav(tone(0)))


def test_shortest_audio():
    assert load(wav(tone(0.1))).duration_s == 0.1
    with pytest.raises(AudioTooShortError) as caught:
        load(wav(tone(0.099)))
    assert caught.value.param == "file"
    assert caught.value.code == "audio_too_short"


@pytest.mark.scenario("corrupt-audio")
@pytest.mark.parametrize(
    "data",
    [
        b"ID3\x04\0\0\0\0\0\0" + b"no frames here" * 100,
        b"\xff\xfb\x90\x00" + b"text" * 500,
        b"OggS" + bytes(500),
        b"fLaC" + bytes(500),
        b"\0\0\0\x18ftypM4A " + bytes(500),
        b"RIFF\xff\xff\xff\xffWAVE" + bytes(500),
        b"\x1a\x45\xdf\xa3" + bytes(500),
        b"#!AMR\n",
        b"RIFF"[:4] + bytes(4) + b"WAVE",
    ],
)
def test_known_container_with_broken_bytes_is_corrupt(data):
    with pytest.raises((CorruptAudioError, AudioTooShortError, UnsupportedAudioError)) as caught:
        load(data)
    assert caught.value.param == "file"


@pytest.mark.mission("5.11")
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"Hello, this is a text and no mp3. " * 100, b"\xff" * 3000, bytes(3000)]
)
def test_what_is_no_audio_is_refused(data):
    with pytest.raises(UnsupportedAudioError) as caught:
        load(data)
    assert caught.value.param == "file"


def test_video_without_sound_is_refused():
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        video = output.add_stream("mpeg4", rate=10)
        video.width = video.height = 64
        output.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        output.mux(video.encode(None))

    with pytest.raises(UnsupportedAudioError, match="no audio"):
        load(file.getvalue())


def test_tags_in_an_old_code_page_do_no_harm():
    """A Latin-1 tag that is no UTF-8 must not cost the audio."""
    data = record("flac", "flac")
    comment = b"\x04\0\0\0title=\xe9\xff\xfe\xe8"
    block = (
        bytes([4])
        + (len(comment) + 8).to_bytes(3, "big")
        + bytes(4)
        + b"\1\0\0\0"
        + b"\x0a\0\0\0"
        + comment[4:14]
    )

    assert load(data[:42] + block[:4] + block[4:] + data[42:]).duration_s == 1.0


# ── Limits ───────────────────────────────────────────────────────────────────


class CountingFile(io.BytesIO):
    bytes_read = 0

    def read(self, size=-1):
        data = super().read(size)
        self.bytes_read += len(data)
        return data


@pytest.mark.scenario("decompression-bomb")
def test_decompression_bomb_stops_at_the_cap():
    """Twenty minutes of silence in a small file costs no more than the seconds that are allowed."""
    file = CountingFile(record("flac", "flac", samples=np.zeros(1200 * RATE, np.float32)))

    with pytest.raises(AudioTooLongError, match="10 seconds"):
        load(file, max_duration_s=10)
    assert file.bytes_read < len(file.getvalue()) / 2


def test_cap_is_exact():
    data = wav(tone(2))

    assert load(data, max_duration_s=2).duration_s == 2
    with pytest.raises(AudioTooLongError):
        load(data, max_duration_s=1.9)


def test_length_in_the_header_is_not_trusted():
    """Streamed WAVs claim 0xFFFFFFFF bytes; four gigabytes are neither expected nor allocated."""
    data = bytearray(wav(tone()))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"

    assert load(bytes(data)).duration_s == 1.0


@pytest.mark.parametrize("rate", [1, 999, 400_000, 2**31 - 1])
def test_absurd_sample_rates_are_refused(rate):
    with pytest.raises(UnsupportedAudioError, match="sample rate"):
        load(wav(tone(10), rate=rate))


def test_too_many_channels_are_refused():
    with pytest.raises(UnsupportedAudioError, match="9 channels"):
        load(wav(np.repeat(tone(), 9), channels=9))


def test_tables_cannot_claim_the_memory():
    """80 million packets in an index of 20 bytes would take 2 GB and ten seconds."""
    started = time.process_time()

    with pytest.raises((CorruptAudioError, AudioTooShortError)):
        load(mp4(packets=80_000_000, codec=b"mp4a"))
    assert time.process_time() - started < 2


def test_index_that_reads_the_same_bytes_for_ever_is_stopped():
    """Each packet of this file is the whole of its data: 600 kB would be read 900 times."""
    file = CountingFile(
        mp4(packets=900, chunks=900, packet_bytes=600_000, data=bytes(600_000), codec=b"mp4a")
    )

    with pytest.raises(CorruptAudioError):
        load(file)
    assert file.bytes_read < 20 * len(file.getvalue())


def test_cancelling_stops_decoding():
    """The client's leaving is noticed between packets, not at the end."""
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) > 20

    with pytest.raises(RequestCancelledError):
        load(record("mp3", "libmp3lame", 44_100, samples=tone(10, 44_100)), cancelled=cancelled)
    assert len(asked) == 21


def test_handmade_quicktime_decodes():
    """The builder of the malicious files above builds good ones too."""
    samples = (tone() * 32767).astype("<i2")

    audio = load(mp4(packets=RATE, duration=1, packet_bytes=2, data=samples.tobytes()))

    assert audio.duration_s == 1.0


@pytest.mark.mission("7.3")
@pytest.mark.parametrize(
    ("container", "codec", "demuxer"),
    [("mp3", "libmp3lame", "mp3"), ("adts", "aac", "aac"), ("webm", "libopus", "matroska")],
)
def test_sniffing_looks_behind_tags(container, codec, demuxer):
    data = record(container, codec, 48_000)
    tag = b"ID3\x04\0\0\0\0\x02\x00" + bytes(256)

    assert sniff(io.BytesIO(data)) == demuxer
    if container == "adts":
        assert sniff(io.BytesIO(tag + tag + data)) == demuxer


# ── Block by block ───────────────────────────────────────────────────────────


def stream(data, **changes):
    return decode_blocks(data, **{"sample_rate": RATE, "max_duration_s": 60.0} | changes)


@pytest.mark.parametrize(
    ("container", "codec", "rate"), [("wav", "pcm_s16le", 16_000), ("mp3", "libmp3lame", 44_100)]
)
def test_blocks_join_to_the_whole(container, codec, rate):
    """All blocks but the last have the length that was asked for, and nothing is lost between them."""
    data = record(container, codec, rate, samples=tone(3, rate))

    blocks = list(stream(data, block_s=0.4))

    assert {len(block) for block in blocks[:-1]} == {RATE * 2 // 5}
    assert 0 < len(blocks[-1]) <= RATE * 2 // 5
    assert np.array_equal(np.concatenate(blocks), load(data).samples)


def test_blocks_come_while_the_file_is_read():
    """The first block needs no more of the file than its own part."""
    file = CountingFile(wav(tone(60)))

    blocks = stream(file, block_s=1)
    next(blocks)

    assert file.bytes_read < len(file.getvalue()) / 10
    blocks.close()
    assert not file.closed


def test_limit_is_met_after_good_blocks():
    blocks = stream(wav(tone(3)), max_duration_s=2, block_s=0.5)

    assert [len(next(blocks)) for _ in range(3)] == [RATE // 2] * 3
    with pytest.raises(AudioTooLongError):
        list(blocks)


def test_cancelling_stops_between_blocks():
    stop = []
    blocks = stream(wav(tone(30)), block_s=1, cancelled=lambda: bool(stop))
    next(blocks)

    stop.append(1)

    with pytest.raises(RequestCancelledError):
        next(blocks)
