"""Times are the recording's own: late tracks, gaps, damage, and recordings in a row."""

import hashlib
import io
import struct
import time

import av
import numpy as np
import pytest
from recordings import RATE, record, tone, wav

from speechhub.codecs import budget as budgets
from speechhub.codecs.damage import AudioDamage
from speechhub.codecs.decode import decode, decode_blocks, joined
from speechhub.codecs.mono import Mono
from speechhub.codecs.plain import quick_wav
from speechhub.errors import (
    AudioTooCostlyError,
    AudioTooLongError,
    AudioTooShortError,
    CorruptAudioError,
    UnsupportedAudioError,
)
from tests.unit.codecs.timed import sounding, timed, webm

pytestmark = pytest.mark.lengthy

MOST_S = 7200.0


def load(data, **changes):
    """Decode; return the samples and the warnings."""
    damage = AudioDamage()
    options = {"sample_rate": RATE, "max_duration_s": MOST_S} | changes
    return joined(list(decode_blocks(data, **options, damage=damage))), damage.warnings


def heard(data, **changes):
    """Return the length, where something sounds, and the warnings."""
    samples, warnings = load(data, **changes)
    return len(samples) / RATE, sounding(samples, RATE), warnings


def own(time_s):
    return time_s


def with_gap(time_s):
    return time_s if time_s < 1.5 else time_s + 2


def noise(seconds, rate, seed=1):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


def near(*expected, within=0.05):
    return [pytest.approx(stretch, abs=within) for stretch in expected]


def made(container, codec, rate, layout="mono", seconds=3.0, **options):
    """Return a tone; FFmpeg's own encoder for Vorbis has two channels, and is called experimental."""
    if codec == "vorbis":
        layout, options = "stereo", {"strict": "experimental"}
    return record(container, codec, rate, layout, samples=tone(seconds, rate), options=options)


# ── Right recordings stay as they are ────────────────────────────────────────

RIGHT = {
    ("wav", "pcm_s16le", 16_000, "mono"): None,
    ("wav", "pcm_s16le", 44_100, "stereo"): None,
    ("flac", "flac", 44_100, "stereo"): None,
    ("mp3", "libmp3lame", 44_100, "mono"): None,
    ("mp3", "libmp3lame", 16_000, "mono"): None,
    ("ipod", "aac", 44_100, "stereo"): None,
    ("ipod", "alac", 44_100, "mono"): None,
    ("ogg", "vorbis", 44_100, "stereo"): None,
    ("ogg", "libopus", 48_000, "mono"): None,
    ("webm", "libopus", 48_000, "stereo"): None,
    ("matroska", "aac", 44_100, "mono"): None,
    ("adts", "aac", 44_100, "mono"): None,
    ("mpeg", "mp2", 44_100, "stereo"): None,
    ("amr", "libopencore_amrnb", 8_000, "mono"): None,
    ("caf", "alac", 44_100, "mono"): None,
    ("aiff", "pcm_s16be", 44_100, "mono"): None,
}


def frames_of(data):
    """Return what FFmpeg decodes, mixed and resampled as ever, one frame behind the other."""
    mono = Mono(RATE, MOST_S, 30.0)
    with av.open(io.BytesIO(data), container_options={"fflags": "-genpts"}) as container:
        for frame in container.decode(audio=0):
            mono.add(frame)
    return joined(mono.finish())


@pytest.mark.parametrize("kind", RIGHT, ids=lambda kind: "-".join(map(str, kind)))
def test_a_right_recording_is_not_changed_by_one_sample(kind):
    """Frames follow each other as they did before times counted, and nothing is warned of."""
    container, codec, rate, layout = kind
    options = {"strict": "experimental"} if codec == "vorbis" else None
    data = record(container, codec, rate, layout, samples=noise(5, rate), options=options)

    samples, warnings = load(data)

    expected = frames_of(data)
    assert hashlib.sha256(samples.tobytes()).digest() == hashlib.sha256(expected.tobytes()).digest()
    assert warnings == ()


@pytest.mark.parametrize("late_ms", [1, 20, 45])
def test_jitter_changes_no_sample(late_ms):
    """Stamps are rounded, and packets come late now and then."""
    late = iter(np.random.default_rng(1).uniform(0, late_ms / 1000, 1000).tolist())

    samples, warnings = load(webm(lambda time_s: time_s + next(late)))

    assert np.array_equal(samples, load(webm(own))[0])
    assert warnings == ()


# ── Late tracks and gaps ─────────────────────────────────────────────────────


@pytest.mark.scenario("late-or-lost-audio")
@pytest.mark.parametrize(
    ("container", "codec"),
    [("matroska", "aac"), ("matroska", "libopus"), ("mp4", "aac"), ("mov", "aac"), ("mpeg", "mp2")],
)
@pytest.mark.parametrize("late_s", [0.5, 4.0])
def test_a_track_that_begins_late(container, codec, late_s):
    """The film's clock counts, which starts with its first picture."""
    data = timed(container, codec, lambda time_s: time_s + late_s, video=[number / 5 for number in range(40)])

    length_s, stretches, warnings = heard(data)

    # A program stream has no negative times: its first picture comes a little after zero.
    assert stretches == near((late_s, late_s + 3), within=0.25 if container == "mpeg" else 0.05)
    assert length_s == pytest.approx(stretches[0][1], abs=0.05)
    assert warnings == ()


@pytest.mark.parametrize("codec", ["pcm_s16le", "libmp3lame", "ac3"])
@pytest.mark.parametrize("late_s", [0.0, 3.5])
def test_sound_and_pictures_of_an_avi_may_lie_apart(codec, late_s):
    """Its demuxer goes to and fro between them, and reads the file many times over."""
    pictures = [number / 25 for number in range(400)]

    length_s, stretches, warnings = heard(
        timed("avi", codec, lambda time_s: time_s + late_s, video=pictures, seconds=12.0)
    )

    # Chunks of an AVI have no time of their own: none is left out before the first sound.
    assert stretches == near((0, 12), within=0.1)
    assert length_s == pytest.approx(12, abs=0.1)
    assert warnings == ()


@pytest.mark.parametrize(
    ("container", "codec"),
    [("avi", codec) for codec in ("pcm_s16le", "libmp3lame", "ac3", "aac")]
    + [("matroska", codec) for codec in ("pcm_s16le", "libmp3lame", "aac", "flac", "libopus")],
)
def test_damage_to_a_film_moves_no_word(container, codec):
    """The index of an AVI tells the times of what follows, and Matroska's clusters do."""
    film = timed(container, codec, own, video=[number / 25 for number in range(300)], seconds=12.0)
    whole_s = len(load(film)[0]) / RATE

    samples, warnings = load(overwritten(film, 0.4, len(film) // 10))

    assert len(samples) / RATE == pytest.approx(whole_s, abs=0.1)
    assert warnings


@pytest.mark.parametrize("codec", ["pcm_s16le", "libmp3lame", "aac", "flac", "libopus"])
def test_a_gap_in_a_film_is_no_damage(codec):
    """Its microphone was off while the pictures went on."""
    film = timed("matroska", codec, with_gap, video=[number / 25 for number in range(125)])

    length_s, stretches, warnings = heard(film)

    assert length_s == pytest.approx(5, abs=0.1)
    assert stretches == near((0, 1.5), (3.5, 5), within=0.1)
    assert warnings == ()


def test_pictures_that_begin_late_change_nothing():
    data = timed("matroska", "aac", own, video=[2.0, 2.2, 2.4])

    assert np.array_equal(load(data)[0], load(timed("matroska", "aac", own))[0])


@pytest.mark.parametrize(
    ("container", "codec"),
    [("matroska", "aac"), ("webm", "libopus"), ("mp4", "aac"), ("mov", "aac"), ("mpeg", "mp2")],
)
def test_a_gap_is_silence(container, codec):
    """A microphone that was off, or packets that got lost."""
    length_s, stretches, _ = heard(timed(container, codec, with_gap))

    assert length_s == pytest.approx(5, abs=0.03)
    assert stretches == near((0, 1.5), (3.5, 5))


def test_a_gap_in_ogg_is_damage():
    """Its pages say how much came before, and a recorder leaves nothing out."""
    length_s, stretches, warnings = heard(timed("ogg", "libopus", with_gap))

    assert length_s == pytest.approx(5, abs=0.03)
    assert len(stretches) == 2
    assert warnings == ("Sound is missing from 1.01 s to 3.01 s: it is replaced by silence.",)


def test_a_gap_in_a_browsers_recording():
    length_s, stretches, warnings = heard(webm(with_gap))

    assert length_s == pytest.approx(5, abs=0.03)
    assert stretches == near((0, 1.5), (3.5, 5))
    assert warnings == ()


@pytest.mark.parametrize(
    ("drop", "expected"),
    [
        (lambda time_s: 1 < time_s < 1.5, [(0, 1.02), (1.5, 3)]),
        (lambda time_s: 1 < time_s < 1.1 or 2 < time_s < 2.3, [(0, 1.02), (1.1, 2.02), (2.3, 3)]),
        (lambda time_s: 0.1 < time_s < 2.9, [(0, 0.12), (2.9, 3)]),
    ],
    ids=["a stretch", "twice", "most"],
)
def test_lost_packets_are_silence(drop, expected):
    length_s, stretches, _ = heard(webm(own, drop=drop))

    assert stretches == near(*expected)
    assert length_s == pytest.approx(3, abs=0.03)


def test_a_recorder_that_leaves_pauses_out():
    """Opus and its like send nothing in silence; this is not damage."""
    length_s, stretches, warnings = heard(webm(lambda time_s: time_s + 0.4 * int(time_s / 0.3)))

    assert len(stretches) == 10
    assert length_s == pytest.approx(3 + 9 * 0.4, abs=0.05)
    assert warnings == ()


def test_what_is_known_of_the_channels_outlives_a_gap():
    """A piece that is too short to tell that its channels cancel is mixed as the one before the gap."""
    mono = Mono(RATE, MOST_S, 30.0)
    for seconds in (1.0, 0.1):
        left = tone(seconds)
        frame = av.AudioFrame.from_ndarray(np.stack([left, -left]), format="fltp", layout="stereo")
        frame.sample_rate = RATE
        mono.add(frame)
        mono.silence(3.0, 10.0)

    samples = joined(mono.finish())

    assert sounding(samples, RATE) == near((0, 1), (3, 3.1))


def test_a_live_recording_begins_where_it_begins():
    """A server's clock may have run for a day."""
    for data in (
        webm(lambda time_s: time_s + 90_000),
        timed("matroska", "aac", lambda time_s: time_s + 90_000),
        timed("ogg", "libopus", lambda time_s: time_s + 90_000),
        timed("mpeg", "mp2", lambda time_s: time_s + 20_000),
    ):
        length_s, stretches, warnings = heard(data)

        assert length_s == pytest.approx(3, abs=0.05)
        assert stretches == near((0, 3))
        assert warnings == ()


def test_an_edit_list_that_trims_has_trimmed():
    """What the film does not show is neither heard nor silence."""
    data = bytearray(made("mp4", "aac", 16_000, seconds=6))
    place = data.index(b"elst") + 12
    assert struct.unpack(">I", data[place : place + 4])[0] == pytest.approx(6000, abs=100)
    data[place : place + 8] = struct.pack(">II", 3500, 1024 + 16_000)

    length_s, stretches, warnings = heard(bytes(data))

    assert length_s == pytest.approx(3.5, abs=0.07)
    assert len(stretches) == 1
    assert warnings == ()


def test_an_edit_list_that_delays_is_the_films():
    """A track that begins with nothing has its place beside the pictures."""
    data = timed("mov", "aac", lambda time_s: time_s + 2, video=[number / 5 for number in range(25)])
    assert data.count(b"elst") == 2

    assert heard(data)[1] == near((2, 5))


# ── Stamps that make no sense ────────────────────────────────────────────────


@pytest.mark.scenario("odd-time-stamps")
@pytest.mark.parametrize(
    "at",
    [
        lambda time_s: 36_000 if 1.49 < time_s < 1.51 else time_s,
        lambda time_s: 0 if 1.49 < time_s < 1.51 else time_s + 10,
        lambda time_s: time_s if time_s < 2.97 else 3600,
        lambda time_s: 0 if time_s < 0.01 else time_s + 36_000,
        lambda time_s: time_s if time_s < 1.5 else time_s - 1.5,
        lambda time_s: time_s % 1.2,
        lambda time_s: time_s if time_s < 1.5 else time_s - 0.7,
        lambda time_s: 0,
        int,
        lambda time_s: 100 - time_s,
        lambda time_s: time_s if time_s < 1.5 else time_s + 36_000,
    ],
    ids=["one", "one back", "the last", "the first", "back", "back twice", "overlap", "none", "seconds",
         "backwards", "ten hours"],
)  # fmt: skip
def test_stamps_without_sense_lose_nothing_and_add_nothing(at):
    samples, _ = load(webm(at))

    assert np.array_equal(samples, load(webm(own))[0])


def test_what_is_not_believed_is_told():
    assert load(webm(lambda time_s: time_s if time_s < 1.5 else time_s + 36_000))[1] == (
        "The time stamps jump ahead by 36000.01 s at 1.49 s: the sound continues there without a gap.",
    )


@pytest.mark.scenario("odd-time-stamps")
def test_program_streams_in_a_row():
    """Their clock begins anew with each."""
    length_s, stretches, warnings = heard(made("mpeg", "mp2", 44_100) + made("mpeg", "mp2", 32_000))

    assert length_s == pytest.approx(6, abs=0.1)
    assert stretches == near((0, 6), within=0.1)
    assert "jump back" in warnings[0]


@pytest.mark.scenario("long-gap")
def test_an_hour_of_nothing_costs_nothing():
    """In CPU time, and in the budget that the sound around it has."""
    began = time.thread_time()

    length_s, stretches, _ = heard(webm(lambda time_s: time_s if time_s < 1.5 else time_s + 3600))

    assert length_s == pytest.approx(3603, abs=0.05)
    assert stretches == near((0, 1.5), (3601.5, 3603))
    assert time.thread_time() - began < 20  # of which silence takes 0.2 s, and this test's search the rest


def test_silence_buys_no_work(monkeypatch):
    """Or a gap of two hours would let a decoder run for twelve minutes."""
    monkeypatch.setattr(budgets, "START_S", 0.0)
    monkeypatch.setattr(budgets, "PER_AUDIO_S", 1e-4)

    with pytest.raises(AudioTooCostlyError):
        load(webm(lambda time_s: time_s if time_s < 1.5 else time_s + 7000, seconds=6))


def test_the_limit_counts_the_gaps():
    data = webm(with_gap)

    assert heard(data, max_duration_s=5)[0] == pytest.approx(5, abs=0.03)
    with pytest.raises(AudioTooLongError):
        load(data, max_duration_s=4)
    assert heard(data, max_duration_s=3.2)[0] == pytest.approx(3, abs=0.03)


# ── AudioDamage ───────────────────────────────────────────────────────────────────


def noisy(container, codec, rate, seconds=6):
    layout = "stereo" if codec == "vorbis" else "mono"
    options = {"strict": "experimental"} if codec == "vorbis" else None
    return record(container, codec, rate, layout, samples=noise(seconds, rate), options=options)


def index_first(movie):
    """Return an MP4 as the web has it: with its index before its sound, and the places in it moved."""
    place = movie.index(b"mdat") - 4
    index = movie.index(b"moov") - 4
    moov = bytearray(movie[index:])
    table = moov.index(b"stco") + 8
    for entry in range(int.from_bytes(moov[table : table + 4], "big")):
        at = table + 4 + 4 * entry
        moov[at : at + 4] = (int.from_bytes(moov[at : at + 4], "big") + len(moov)).to_bytes(4, "big")
    return movie[:place] + bytes(moov) + movie[place:index]


def overwritten(data, at, length, seed=1):
    place = int(len(data) * at)
    return data[:place] + np.random.default_rng(seed).bytes(length) + data[place + length :]


DAMAGED = [
    ("mp4", "aac", 44_100, 1000, 0.07),
    ("ipod", "aac", 16_000, 300, 0.07),
    ("mov", "aac", 48_000, 3000, 0.07),
    ("matroska", "aac", 44_100, 2000, 0.07),
    ("webm", "libopus", 48_000, 300, 0.07),
    ("ogg", "libopus", 48_000, 300, 0.07),
    ("ogg", "vorbis", 44_100, 300, 0.07),
    ("ogg", "flac", 16_000, 300, 0.07),
    ("flac", "flac", 16_000, 3000, 0.07),
    ("mpeg", "mp2", 44_100, 3000, 0.1),
    ("mp3", "libmp3lame", 44_100, 1000, 0.15),
    ("adts", "aac", 44_100, 1000, 0.15),
    ("amr", "libopencore_amrnb", 8_000, 300, 0.4),
    ("avi", "pcm_s16le", 16_000, 30_000, 0.07),
    ("avi", "libmp3lame", 44_100, 10_000, 0.07),
]


@pytest.mark.scenario("damaged-middle")
@pytest.mark.parametrize(("container", "codec", "rate", "length", "within"), DAMAGED)
def test_what_follows_damage_keeps_its_time(container, codec, rate, length, within):
    """Bytes in the middle are overwritten: the length stays, and the client is told where."""
    data = noisy(container, codec, rate)
    whole_s = len(load(data)[0]) / RATE

    samples, warnings = load(overwritten(data, 0.5, length))

    assert len(samples) / RATE == pytest.approx(whole_s, abs=within)
    assert warnings
    assert any(word in warnings[0] for word in ("damaged", "missing"))


@pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("ogg", "libopus"), ("webm", "libopus")])
def test_what_is_cut_out_is_silence(container, codec):
    """Where the frames after it tell the time."""
    data = noisy(container, codec, 48_000)
    cut = data[: len(data) // 3] + data[len(data) // 2 :]

    samples, warnings = load(cut)

    assert len(samples) / RATE == pytest.approx(6, abs=0.05)
    assert warnings


@pytest.mark.parametrize("size", [300, 100_000])
def test_a_cover_between_two_mp3s_sounds_like_nothing(size):
    """Though it is as long as seconds of sound, and what looks like frames in it cannot be decoded."""
    first, second = (made("mp3", "libmp3lame", 44_100) for _ in range(2))
    cover = b"ID3\x03\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    cover += np.random.default_rng(1).bytes(size)

    length_s, _, warnings = heard(first + cover + second)

    assert length_s == pytest.approx(6.05, abs=0.05)
    assert warnings == ()


def test_bytes_between_two_mp3s_count():
    """A tenth of a second and more that got lost is told from a tag."""
    data = made("mp3", "libmp3lame", 44_100)

    length_s, _, warnings = heard(data + np.random.default_rng(1).bytes(5000) + data)

    assert length_s == pytest.approx(6 + 5000 / (len(data) / 3), abs=0.2)
    assert len(warnings) == 1


def test_a_film_whose_sound_ends_at_damage_says_so():
    """Nothing of Matroska is found again within a cluster."""
    film = timed("matroska", "aac", own, video=[number / 5 for number in range(20)], seconds=6)

    length_s, _, warnings = heard(overwritten(film, 0.5, 5000))

    assert length_s < 6
    assert warnings


def test_the_table_of_a_caf_tells_how_much_is_lost():
    """Packets of silence are small: the size of what is damaged tells nothing."""
    samples = noise(6, 48_000)
    samples[96_000:144_000] = samples[192_000:] = 0
    data = record("caf", "alac", 48_000, "mono", samples=samples)

    heard_samples, warnings = load(overwritten(data, 0.4, 40_000))

    assert len(heard_samples) / RATE == pytest.approx(len(load(data)[0]) / RATE, abs=0.07)
    assert "damaged" in warnings[0]


def test_packets_that_say_nothing_do_not_end_the_recording():
    """To a decoder an empty packet is the end; the next one begins anew."""
    file = webm(own)
    middle = file.index(b"\x1f\x43\xb6\x75", len(file) // 2)
    empty = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7 + b"\xe7\x82\x05\xdc" + b"\xa3\x84\x81\0\0\x80"

    length_s, stretches, _ = heard(file[:middle] + empty + file[middle:])

    assert length_s == pytest.approx(3, abs=0.03)
    assert stretches[-1][1] == pytest.approx(3, abs=0.05)


@pytest.mark.scenario("truncated-audio")
@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("wav", "pcm_s16le"),
        ("wav", "pcm_s24le"),
        ("aiff", "pcm_s16be"),
        ("caf", "pcm_s16be"),
        ("au", "pcm_s16be"),
        ("w64", "pcm_s16le"),
        ("avi", "pcm_s16le"),
        ("avi", "libmp3lame"),
        ("flac", "flac"),
        ("mp3", "libmp3lame"),
        ("mp4", "aac"),
        ("matroska", "flac"),
        ("ogg", "flac"),
    ],
)
def test_a_recording_that_breaks_off_says_so(container, codec):
    """Its head, or its last page, promises more."""
    data = noisy(container, codec, 16_000)
    data = index_first(data) if container == "mp4" else data

    samples, warnings = load(data[: len(data) * 6 // 10])

    assert 2 < len(samples) / RATE < 4.5
    assert "breaks off" in warnings[-1]


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("rate", [16_000, 8_000])
def test_a_length_that_was_never_known_is_no_promise(size, rate):
    data = bytearray(wav((tone(2, rate) * 32767).astype(np.int16), rate=rate))
    data[4:8] = data[40:44] = struct.pack("<I", size)

    assert heard(bytes(data))[::2] == (2.0, ())


def test_noise_is_no_recording():
    with pytest.raises((CorruptAudioError, AudioTooShortError)):
        load(overwritten(webm(own), 0.01, 35_000))


# ── Recordings in a row ──────────────────────────────────────────────────────

CHAINS = {
    "Vorbis of other rates": [("ogg", "vorbis", 16_000), ("ogg", "vorbis", 44_100)],
    "Opus of other channels": [("ogg", "libopus", 48_000), ("ogg", "libopus", 48_000, "stereo")],
    "Opus and Vorbis": [("ogg", "libopus", 48_000), ("ogg", "vorbis", 44_100)],
    "Vorbis and Opus": [("ogg", "vorbis", 44_100), ("ogg", "libopus", 48_000)],
    "FLAC and Opus in Ogg": [("ogg", "flac", 16_000), ("ogg", "libopus", 48_000)],
    "FLAC": [("flac", "flac", 16_000), ("flac", "flac", 44_100, "stereo")],
    "WAV": [("wav", "pcm_s16le", 16_000), ("wav", "pcm_s16le", 16_000)],
    "WAV of other rates": [("wav", "pcm_s16le", 16_000), ("wav", "pcm_s24le", 44_100, "stereo")],
    "WAV and back": [("wav", "pcm_s16le", 8_000), ("wav", "pcm_s16le", 16_000), ("wav", "pcm_u8", 8_000)],
    "RF64": [("w64", "pcm_s16le", 16_000), ("w64", "pcm_s16le", 44_100)],
    "WebM": [("webm", "libopus", 48_000), ("webm", "libopus", 48_000, "stereo")],
    "Matroska": [("matroska", "aac", 44_100), ("matroska", "flac", 16_000, "stereo")],
    "MP4": [("mp4", "aac", 44_100), ("mp4", "aac", 22_050, "stereo")],
    "MP3": [("mp3", "libmp3lame", 44_100), ("mp3", "libmp3lame", 22_050, "stereo")],
    "MP3 upwards": [("mp3", "libmp3lame", 16_000), ("mp3", "libmp3lame", 48_000)],
    "ADTS": [("adts", "aac", 44_100), ("adts", "aac", 16_000, "stereo")],
    "AMR": [("amr", "libopencore_amrnb", 8_000), ("amr", "libopencore_amrnb", 8_000)],
    "AIFF": [("aiff", "pcm_s16be", 16_000), ("aiff", "pcm_s16be", 44_100)],
    "AU": [("au", "pcm_s16be", 16_000), ("au", "pcm_s16be", 44_100)],
    "CAF": [("caf", "pcm_s16be", 16_000), ("caf", "alac", 44_100)],
}


@pytest.mark.scenario("mixed-recordings")
@pytest.mark.parametrize("kinds", CHAINS.values(), ids=CHAINS)
def test_recordings_in_a_row_are_heard_one_after_the_other(kinds):
    """Whatever changes between them; this is no damage."""
    length_s, stretches, warnings = heard(b"".join(made(*kind) for kind in kinds))

    assert length_s == pytest.approx(3 * len(kinds), abs=0.15)
    assert stretches[0][0] < 0.1
    assert stretches[-1][1] == pytest.approx(3 * len(kinds), abs=0.15)
    assert sum(end - start for start, end in stretches) == pytest.approx(3 * len(kinds), abs=0.3)
    assert warnings == ()


def test_a_chain_is_its_links():
    """To the sample, where each link knows its own end."""
    links = [
        made("ogg", "libopus", 48_000),
        made("ogg", "libopus", 48_000, "stereo"),
        made("ogg", "flac", 16_000),
    ]

    samples, _ = load(b"".join(links))

    assert np.array_equal(samples, np.concatenate([load(link)[0] for link in links]))


def test_each_recording_in_a_row_has_its_own_clock():
    """The gap in the second is its own, and so is its start."""
    length_s, stretches, _ = heard(webm(own) + webm(lambda time_s: with_gap(time_s) + 5000))

    assert stretches == near((0, 4.5), (6.5, 8))
    assert length_s == pytest.approx(8, abs=0.05)


@pytest.mark.scenario("mixed-recordings")
def test_a_link_that_cannot_be_read_is_told():
    """What comes before it and after it is heard."""
    good, bad = made("ogg", "libopus", 48_000), bytearray(made("ogg", "vorbis", 44_100))
    bad[30:34] = b"none"

    length_s, _, warnings = heard(good + bytes(bad) + good)

    assert length_s == pytest.approx(6, abs=0.05)
    assert warnings == ("The recording is damaged from 3.00 s: a part of it cannot be read.",)


def test_a_picture_of_a_recording_is_no_recording():
    """A Matroska file may hold another one, which is attached to it."""
    inner = made("matroska", "flac", 16_000)
    outer = made("matroska", "flac", 16_000)
    cluster = outer.index(b"\x1f\x43\xb6\x75")
    void = b"\xec" + b"\x01" + len(inner).to_bytes(7, "big") + inner
    place = outer.index(b"\x18\x53\x80\x67") + 4
    size = int.from_bytes(outer[place + 1 : place + 8], "big") + len(void)
    whole = (
        outer[:place]
        + b"\x01"
        + size.to_bytes(7, "big")
        + outer[place + 8 : cluster]
        + void
        + outer[cluster:]
    )

    assert heard(whole)[::2] == (3.0, ())


def test_many_links_are_bounded_by_the_work_that_they_are(monkeypatch):
    """A megabyte of heads is given up like anything that never becomes audio."""
    monkeypatch.setattr(budgets, "START_S", 0.3)
    good = made("ogg", "libopus", 48_000)
    head = good[: good.index(b"OggS", good.index(b"OggS", 4) + 4)]
    began = time.thread_time()

    with pytest.raises(AudioTooCostlyError):
        load(head * 20_000)
    assert time.thread_time() - began < 6


@pytest.mark.parametrize("kind", CHAINS.values(), ids=CHAINS)
def test_heads_alone_end_at_once(monkeypatch, kind):
    """Found by the fuzzer: sixteen bytes of an Ogg began again and again."""
    monkeypatch.setattr(budgets, "START_S", 1.0)
    data = made(*kind[0])

    for length in (8, 12, 16, 27, 40, 64):
        with pytest.raises((CorruptAudioError, AudioTooShortError, UnsupportedAudioError)):
            load(data[:length])


@pytest.mark.parametrize("second", [RATE, 44_100])
def test_what_is_read_at_once_is_whole(second):
    """A file with another one behind it, or without its end, is for the long way."""
    first = wav((tone(1) * 32767).astype(np.int16))
    other = wav((tone(1, second) * 32767).astype(np.int16), rate=second)

    assert quick_wav(io.BytesIO(first), RATE, 10) is not None
    assert quick_wav(io.BytesIO(first + other), RATE, 10) is None
    assert quick_wav(io.BytesIO(first[:-100]), RATE, 10) is None
    assert len(decode(first + other, sample_rate=RATE, max_duration_s=10).samples) == 2 * RATE
