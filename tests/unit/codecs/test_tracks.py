"""Which audio track of a recording is heard."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from recordings import RATE, film, record, tone, wav

from speechhub.codecs import tracks as module
from speechhub.codecs.decode import decode_blocks
from speechhub.codecs.decoders import DECODERS
from speechhub.codecs.tracks import TrackChoice, is_first
from speechhub.errors import AudioTrackError, CorruptAudioError, UnsupportedAudioError

MAIN, OTHER, THIRD = 440.0, 700.0, 1000.0


def heard(data, wanted=None):
    """Return the pitch that is heard, in hertz, and which tracks were taken."""
    taken = []
    blocks = decode_blocks(
        data,
        sample_rate=RATE,
        max_duration_s=60,
        audio_track=wanted,
        on_track=lambda it: taken.append(str(it)),
    )
    samples = np.concatenate(list(blocks))
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return round(np.argmax(spectrum) * RATE / len(samples) / 20) * 20, taken


def refused(data, wanted):
    with pytest.raises(AudioTrackError) as caught:
        heard(data, wanted)
    assert (caught.value.param, caught.value.code) == ("audio_track", "invalid_value")
    return caught.value.message


def unknown(data, number=1, codec=b"A_FLAC"):
    """Return a Matroska film whose track *number* has a codec that FFmpeg has never heard of."""
    parts = data.split(codec)
    assert len(parts) > number
    return codec.join(parts[:number]) + b"A_XXXX"[: len(codec)] + codec.join(parts[number:])


TWO = film("matroska", {"hz": MAIN, "language": "ger"}, {"hz": OTHER, "language": "fre", "title": "Ton\n2"})

# ── By rule ──────────────────────────────────────────────────────────────────


def test_the_only_track_is_taken_and_needs_no_mention():
    assert heard(film("matroska", {"hz": MAIN})) == (MAIN, [])


def test_without_marks_the_first_track_is_taken():
    assert heard(TWO) == (MAIN, ["1 of 2"])


@pytest.mark.parametrize(("container", "codec"), [("matroska", "flac"), ("mp4", "aac"), ("webm", "libopus")])
def test_the_container_s_default_track_is_taken(container, codec):
    data = film(
        container,
        {"hz": MAIN, "codec": codec, "disposition": 0},
        {"hz": OTHER, "codec": codec, "disposition": Disposition.default},
    )

    assert heard(data) == (OTHER, ["2 of 2"])


def test_a_track_that_cannot_be_decoded_is_passed_over():
    assert heard(unknown(TWO)) == (OTHER, ["2 of 2"])


def test_a_default_track_that_cannot_be_decoded_is_passed_over():
    data = film(
        "matroska",
        {"hz": MAIN, "codec": "alac", "disposition": 0},
        {"hz": OTHER, "disposition": Disposition.default},
        {"hz": THIRD, "codec": "alac", "disposition": 0},
    )

    assert heard(unknown(data)) == (MAIN, ["1 of 3"])


def test_a_default_track_comes_before_an_earlier_one_though_both_could_be_decoded():
    data = film(
        "matroska",
        {"hz": MAIN, "codec": "alac", "disposition": Disposition.default},
        {"hz": OTHER, "disposition": 0},
        {"hz": THIRD, "disposition": Disposition.default},
    )

    assert heard(data) == (MAIN, ["1 of 3"])
    assert heard(unknown(data, codec=b"A_ALAC")) == (THIRD, ["3 of 3"])


@pytest.mark.parametrize(
    "mark", ["comment", "visual_impaired", "hearing_impaired", "descriptions", "clean_effects", "karaoke"]
)
def test_what_goes_with_the_main_track_is_not_taken_for_it(mark):
    """Not even where it is marked as the default, or comes first; by itself it is heard."""
    tracks = [made(1, aside=True, default=True), made(2), made(3, default=False)]

    assert [it.number for it in module._candidates(tracks, "")] == [2, 3, 1]
    assert getattr(Disposition, mark) in module.ASIDE
    assert [it.number for it in module._candidates(tracks[:1], "")] == [1]


def made(number, **changes):
    values = {"tags": (), "codec": "aac", "title": "", "decodable": True, "aside": False, "default": True}
    return module.Track(number=number, **values | changes)


def test_a_commentary_that_comes_first_is_not_taken():
    data = film("matroska", {"hz": OTHER, "disposition": Disposition.comment}, {"hz": MAIN, "disposition": 0})

    assert heard(data) == (MAIN, ["2 of 2"])


@pytest.mark.parametrize("packets", ["none", "broken"])
@pytest.mark.parametrize("container", ["matroska", "ogg"])
def test_a_track_without_sound_is_passed_over(container, packets):
    data = film(container, {"packets": packets}, {"hz": OTHER}, {"hz": THIRD})

    assert heard(data) == (OTHER, ["1 of 3", "2 of 3"])


def test_two_tracks_without_sound_are_passed_over():
    data = film("matroska", {"packets": "broken"}, {"packets": "none"}, {"hz": THIRD})

    assert heard(data) == (THIRD, ["1 of 3", "2 of 3", "3 of 3"])


def test_tracks_without_any_sound_are_corrupt():
    with pytest.raises(CorruptAudioError):
        heard(film("matroska", {"packets": "broken"}, {"packets": "broken"}))


def test_a_track_with_too_many_channels_is_passed_over(monkeypatch):
    """What a decoder cannot be used for counts like a codec that it lacks."""
    monkeypatch.setattr("speechhub.codecs.mono.MAX_CHANNELS", 1)
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        streams = [output.add_stream("flac", rate=RATE, layout=it) for it in ("stereo", "mono")]
        for stream, hz in zip(streams, (MAIN, OTHER), strict=True):
            channels = stream.layout.nb_channels
            samples = np.repeat(tone(0.5, hz=hz), channels).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=stream.layout)
            frame.sample_rate, frame.pts = RATE, 0
            output.mux([*stream.encode(frame), *stream.encode(None)])

    assert heard(file.getvalue()) == (OTHER, ["1 of 2", "2 of 2"])


def test_a_cover_is_no_track():
    data = record("mp3", "libmp3lame", 44_100, picture="mjpeg")

    assert heard(data) == (MAIN, [])
    assert heard(data, "1") == (MAIN, [])
    assert "1 (" in refused(data, "2")


def test_where_no_track_can_be_decoded_the_message_names_the_codecs():
    data = unknown(unknown(TWO), 1)
    with pytest.raises(
        UnsupportedAudioError,
        match=r"1 is in a codec that has no decoder, audio track 2 is in .*ffmpeg -i FILE",
    ) as it:
        heard(data)
    assert it.value.param == "file"

    choice = TrackChoice(None, frozenset({"opus"}))
    with (
        av.open(io.BytesIO(film("matroska", {"codec": "flac"}, {"codec": "alac"}))) as container,
        pytest.raises(UnsupportedAudioError, match="the codec flac, the codec alac, which is not supported"),
    ):
        choice.take(container)


# ── By field ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wanted", "hz"),
    [
        ("1", MAIN),
        (" 2 ", OTHER),
        ("02", OTHER),
        ("de", MAIN),
        ("DEU", MAIN),
        ("ger", MAIN),
        ("de-AT", MAIN),
        ("german", MAIN),
        ("fr", OTHER),
        ("fra", OTHER),
        ("fre", OTHER),
        ("fr_CA", OTHER),
        ("French", OTHER),
        ("", MAIN),
        ("auto", MAIN),
    ],
)
def test_a_track_is_chosen_by_its_number_or_language(wanted, hz):
    assert heard(TWO, wanted)[0] == hz


@pytest.mark.parametrize("wanted", ["0", "3", "-1", "1.5", "es", "spanish", "xx-klingon", "9" * 60])
def test_a_track_that_does_not_exist_is_refused_with_those_that_do(wanted):
    message = refused(TWO, wanted)

    assert "1 (German, flac); 2 (French, flac, 'Ton\\n2')" in message
    assert len(message) < 500


@pytest.mark.scenario("missing-track")
def test_a_chosen_track_that_cannot_be_decoded_is_refused():
    message = refused(unknown(TWO), "1")

    assert message.startswith("Audio track 1 has a codec that has no decoder, which is not supported.")
    assert "1 (German, codec unknown); 2 (French, flac" in message


@pytest.mark.parametrize("packets", ["none", "broken"])
def test_a_chosen_track_without_sound_is_refused(packets):
    data = film("matroska", {"hz": MAIN}, {"packets": packets})

    assert refused(data, "2").startswith("Audio track 2 has no sound that can be decoded.")


def test_of_several_tracks_in_a_language_the_main_one_is_taken():
    data = film(
        "matroska",
        {"hz": MAIN, "language": "ger", "disposition": Disposition.default},
        {"hz": OTHER, "language": "eng", "disposition": Disposition.comment},
        {"hz": THIRD, "language": "eng", "disposition": 0},
    )

    assert heard(data, "en")[0] == THIRD


def test_a_region_chooses_among_tracks_of_a_language():
    tracks = [made(1, tags=("pt-pt",)), made(2, tags=("pt-br",)), made(3, tags=("por",))]

    assert module._candidates(tracks, "pt-br")[0].number == 2
    assert module._candidates(tracks, "pt")[0].number == 1
    assert module._candidates(tracks, "pt-ao")[0].number == 1


def test_a_track_in_two_languages_has_both():
    data = film("mpegts", {"hz": MAIN, "codec": "mp2", "language": "eng,fra"})
    choice = TrackChoice("fr", DECODERS)

    with av.open(io.BytesIO(data)) as container:
        assert choice.take(container).index == 0


@pytest.mark.parametrize(
    ("container", "codec"), [("mpegts", "aac"), ("mpegts", "mp2"), ("mp4", "aac"), ("webm", "libopus")]
)
def test_languages_are_found_in_every_container_that_has_them(container, codec):
    tracks = [(MAIN, "ger"), (OTHER, "eng"), (THIRD, "fre")]
    data = film(container, *({"hz": hz, "codec": codec, "language": tag} for hz, tag in tracks))

    assert [heard(data, wanted) for wanted in ("de", "en", "fr")] == [
        (hz, [f"{number} of 3"]) for number, (hz, _) in enumerate(tracks, 1)
    ]


def test_two_programs_of_a_transport_stream_are_counted_on():
    """Tracks are counted across programs, in the stream's own order."""
    file = io.BytesIO(film("mpegts", *({"codec": "mp2", "hz": hz} for hz in (MAIN, OTHER, THIRD))))
    for wanted, index in ((None, 0), ("1", 0), ("3", 2)):
        with av.open(file) as container:
            assert TrackChoice(wanted, DECODERS).take(container).index == index


def test_a_language_that_no_table_has_is_found_by_its_tag():
    data = film("matroska", {"hz": MAIN, "language": "ger"}, {"hz": OTHER, "language": "gsw"})

    assert heard(data, "gsw")[0] == OTHER
    assert "2 ('gsw', flac)" in refused(data, "3")


def test_titles_are_bounded_and_cannot_forge_lines():
    data = film("matroska", {"title": "\x1b[31m" + "x" * 5000 + "\nlog"}, {"language": "x" * 5000})

    message = refused(data, "3")

    assert "\x1b" not in message
    assert "\n" not in message
    assert len(message) < 500


# ── A file with one track ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data", [wav((tone() * 32767).astype(np.int16)), record("flac", "flac")], ids=["plain wav", "flac"]
)
def test_one_track_is_the_first(data):
    assert heard(data, "1") == heard(data) == (MAIN, [])
    assert "Audio tracks of the file: 1 (language not given, " in refused(data, "2")
    refused(data, "en")


def test_a_plain_wav_has_the_language_that_it_names():
    data = bytearray(wav((tone() * 32767).astype(np.int16)))
    note = b"LIST" + (16).to_bytes(4, "little") + b"INFOILNG" + (4).to_bytes(4, "little") + b"eng\0"
    data[4:8] = (len(data) - 8 + len(note)).to_bytes(4, "little")

    assert heard(bytes(data) + note, "English")[0] == MAIN
    refused(bytes(data) + note, "de")


@pytest.mark.parametrize(
    ("wanted", "first"), [(None, True), ("1", True), ("auto", True), ("2", False), ("en", False)]
)
def test_what_a_plain_file_satisfies(wanted, first):
    assert is_first(wanted) is first


# ── The cases that people sent ───────────────────────────────────────────────

CASES = Path(__file__).parents[2] / "cases"


@pytest.mark.parametrize(
    ("name", "seconds"), [("voicememo_apac_second.qta", 5.056), ("mkv_first_track_unsupported.mkv", 4.004)]
)
def test_recordings_with_a_track_that_few_can_decode_are_heard(name, seconds):
    data = (CASES / name).read_bytes()

    samples = np.concatenate(list(decode_blocks(data, sample_rate=RATE, max_duration_s=60)))

    assert len(samples) / RATE == pytest.approx(seconds, abs=0.1)
    assert np.sqrt(np.mean(samples**2)) > 0.01


def test_the_undecodable_track_of_a_voice_memo_is_refused_by_its_number():
    data = (CASES / "voicememo_apac_second.qta").read_bytes()

    message = refused(data, "2")

    assert "1 (language not given, aac); 2 (language not given, codec unknown)" in message


# ── Many tracks ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("container", "codec"), [("matroska", "flac"), ("mp4", "aac")])
def test_a_film_may_have_many_tracks(container, codec):
    """Each language of a film, and subtitles in forty, are streams of the file."""
    many = [{"hz": OTHER, "codec": codec, "language": "eng", "disposition": 0} for _ in range(60)]
    data = film(container, *many, {"hz": MAIN, "codec": codec, "language": "fin"}, seconds=0.2)

    assert heard(data, "fi") == (MAIN, ["61 of 61"])
    message = refused(data, "62")
    assert message.count("(English") == module.MOST_LISTED
    assert "; and 41 more" in message


def test_so_many_empty_tracks_are_damage():
    """Each costs a look at the whole file."""
    empty = [{"packets": "broken"}] * module.MOST_TRIED

    with pytest.raises(CorruptAudioError):
        heard(film("matroska", *empty, {"hz": MAIN}))
