"""No upload reaches a file or an address, and none raises anything but our own errors."""

import io
import socket
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import speechhub.codecs.decode as decode_module
from speechhub.codecs.decode import decode
from speechhub.errors import AudioError, UnsupportedAudioError
from tests.generated import examples
from tests.unit.codecs.recordings import RATE, alias_to, mp4, record, tone


def load(data):
    return decode(data, sample_rate=RATE, max_duration_s=5)


@pytest.fixture
def canary(tmp_path):
    """A recording on this machine that no upload may make us read."""
    path = tmp_path / "canary.wav"
    path.write_bytes(record("wav", "pcm_s16le"))
    return path


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def is_called(server):
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


SCRIPTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{url}'\n",
    "pls": "[playlist]\nFile1={url}\nNumberOfEntries=1\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet mimeType="audio/mp4"><Representation id="1"><BaseURL>{url}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "svg": '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
    "a=control:{url}\n",
    "srt": "1\n00:00:00,000 --> 00:00:05,000\n{url}\n\n",
    "vtt": "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\n{url}\n\n",
    "lavfi": "movie={url}\n",
    "address": "{url}",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_files_that_name_others_are_refused_unopened(script, listener, canary):
    """Playlists, scripts, drawings and subtitles end in a 400, with no connection and no file read."""
    for url in (f"http://127.0.0.1:{listener.getsockname()[1]}/a.wav", str(canary), f"file:{canary}"):
        with pytest.raises(UnsupportedAudioError):
            load(script.format(url=url).encode())
    assert not is_called(listener)


@pytest.mark.parametrize(
    "magic", [b"OggS", b"fLaC", b"ID3\x04\0\0\0\0\0\0", b"\xff\xfb\x90\x64", b"RIFF....WAVE"]
)
def test_magic_bytes_before_a_playlist_change_nothing(magic, listener):
    playlist = f"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:{listener.getsockname()[1]}/a.ts\n".encode()

    with pytest.raises(AudioError):
        load(magic + b"\n" + playlist * 20)
    assert not is_called(listener)


@pytest.mark.parametrize("codec", ["png", "mjpeg", "gif", "bmp"])
def test_images_are_refused(codec):
    context = av.CodecContext.create(codec, "w")
    context.width = context.height = 16
    context.pix_fmt = context.codec.video_formats[0].name
    context.time_base = Fraction(1, 10)
    frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24").reformat(
        format=context.pix_fmt
    )
    image = b"".join(map(bytes, [*context.encode(frame), *context.encode(None)]))

    with pytest.raises(UnsupportedAudioError):
        load(image)


def test_movie_that_refers_to_another_file_does_not_open_it(canary):
    """QuickTime can keep its sound in another file; that FFmpeg would open it is shown first."""
    movie = mp4(packets=RATE, duration=1, packet_bytes=2, drefs=alias_to(str(canary)))
    opened = []

    def spy(url, flags, options):
        opened.append(url)
        raise OSError

    with (
        pytest.raises(OSError),
        av.open(
            io.BytesIO(movie), container_options={"enable_drefs": "1", "use_absolute_path": "1"}, io_open=spy
        ),
    ):
        pass
    assert opened == [canary.name]

    with pytest.raises(AudioError):
        load(movie)


SEEDS = [
    record(container, codec, rate, samples=tone(0.3, rate))
    for container, codec, rate in [
        ("wav", "pcm_s16le", 16_000),
        ("mp3", "libmp3lame", 16_000),
        ("flac", "flac", 16_000),
        ("ogg", "libopus", 48_000),
        ("webm", "libopus", 48_000),
        ("mp4", "aac", 16_000),
        ("adts", "aac", 16_000),
        ("aiff", "pcm_s16be", 16_000),
        ("caf", "pcm_s16le", 16_000),
        ("mpeg", "mp2", 16_000),
    ]
]


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.sampled_from([b"", *(seed[:16] for seed in SEEDS)]))
def test_random_bytes_raise_only_our_errors(data, head):
    with pytest.raises(AudioError):
        load(head + data)


@pytest.mark.mission("7.5")
@settings(max_examples=examples(250), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 0.999), st.binary(min_size=1, max_size=8)), max_size=6),
    st.floats(0.01, 1),
)
def test_mutated_recordings_decode_or_raise_our_errors(seed, patches, kept):
    data = bytearray(seed[: max(1, int(len(seed) * kept))])
    for where, patch in patches:
        # half of the damage goes to the header, where it hurts
        start = int(where * 2 * len(data)) if where < 0.5 else int((where - 0.5) * 2 * min(200, len(data)))
        data[start : start + len(patch)] = patch

    try:
        audio = load(bytes(data))
    except AudioError:
        return
    assert 0.1 <= audio.duration_s <= 5
    assert abs(audio.samples).max() <= 1


@pytest.mark.parametrize(
    ("script", "demuxer"), [("m3u8", "hls"), ("ffconcat", "concat"), ("mpd", "dash"), ("sdp", "sdp")]
)
def test_locks_behind_the_first_hold_too(script, demuxer, listener, canary, monkeypatch):
    """Even if a playlist got as far as its demuxer, that demuxer could open nothing."""
    monkeypatch.setattr(decode_module, "sniff", lambda _: demuxer)

    for url in (f"http://127.0.0.1:{listener.getsockname()[1]}/a.ts", str(canary)):
        with pytest.raises(AudioError):
            load(SCRIPTS[script].format(url=url).encode())
    assert not is_called(listener)
