"""What is no recording that we read is named, with what to do about it."""

import base64
import gzip
import io
import os
import tarfile
import zipfile

import pytest
from recordings import RATE, box, mp4, record, tone, wav

from speechhub.codecs.containers import SUPPORTED
from speechhub.codecs.decode import decode
from speechhub.errors import AudioError, CorruptAudioError, UnsupportedAudioError
from tests.fuzz.intruders import SCRIPTS, pictures
from tests.unit.codecs import handmade


def refusal(data):
    """Return the message for what is no recording."""
    with pytest.raises(AudioError) as caught:
        decode(data, sample_rate=RATE, max_duration_s=60)
    assert caught.value.param == "file"
    assert isinstance(caught.value, UnsupportedAudioError | CorruptAudioError)
    assert len(caught.value.message) < 700
    assert caught.value.message.isprintable()
    return caught.value.message


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return file.getvalue()


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.mp3"))
    return file.getvalue()


GOOD = wav(tone(0.2))
TEXT = "Grüße aus München. Das ist ein Text, und keine Aufnahme, lang genug für diesen Zweck."

FILES = {
    "a ZIP archive": (zipped("a.mp3"), "Unpack"),
    "a document of Microsoft Office": (
        zipped("[Content_Types].xml", "word/document.xml"),
        "Send the recording",
    ),
    "an EPUB book": (zipped("mimetypeapplication/epub+zip"), "Send the recording"),
    "a gzip archive": (gzip.compress(GOOD), "Unpack"),
    "a 7-Zip archive": (b"7z\xbc\xaf\x27\x1c" + os.urandom(64), "Unpack"),
    "a RAR archive": (b"Rar!\x1a\x07\x01\0" + os.urandom(64), "Unpack"),
    "a tar archive": (tarred(), "Unpack"),
    "a PDF document": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "Send the recording"),
    "a MIDI file": (b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk", "no sound"),
    "a JPEG picture": (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(300), "Send the recording"),
    "a PNG picture": (b"\x89PNG\r\n\x1a\n" + bytes(300), "Send the recording"),
    "an HTML page": (b"<!DOCTYPE html><title>404</title>" + b" " * 99, "download"),
    "an XML document": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "download"),
    "JSON text": (b'{"error": {"message": "not found"}}', "download"),
    "a Git LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n",
        "git lfs pull",
    ),
    "a playlist (M3U)": (b"#EXTM3U\n#EXTINF:10,\nhttps://example.org/a.ts\n", "refers"),
    "a playlist (PLS)": (b"[playlist]\nFile1=a.mp3\n", "refers"),
    "a subtitle file (SRT)": (b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello.\r\n", "Send the recording"),
    "a subtitle file (WebVTT)": (
        b"\xef\xbb\xbfWEBVTT\n\n00:01.000 --> 00:02.000\nHello.\n",
        "Send the recording",
    ),
    "an address": (b"https://example.org/speech.mp3\n", "does not fetch"),
    "base64 text": (base64.b64encode(GOOD), "Decode"),
    "base64 text (a data URL)": (b"data:audio/wav;base64," + base64.b64encode(GOOD), "Decode"),
    "a text in UTF-16": (TEXT.encode("utf-16"), "Send the recording"),
    "a text": (TEXT.encode("latin-1"), "Send the recording"),
    "a form inside a form": (
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + GOOD[:0],
        "`file`",
    ),
    "an encrypted Audible audiobook (AA)": (bytes(4) + b"\x57\x90\x75\x36" + bytes(99), "decrypt"),
    "a SILK voice message of WeChat or QQ": (b"\x02#!SILK_V3" + os.urandom(99), "pilk"),
    "an OptimFROG recording": (b"OFR " + os.urandom(99), "Export"),
    "a TAK recording": (b"tBaK" + os.urandom(99), "ffmpeg -i FILE"),
    "a GXF recording": (b"\0\0\0\0\x01\xbc" + os.urandom(99), "ffmpeg -i FILE"),
    "a pointer to a track of a compact disc (CDA)": (b"RIFF\x24\0\0\0CDDAfmt " + bytes(28), "rip"),
    "a piece of a WebM stream": (b"\x1f\x43\xb6\x75\x01" + os.urandom(99), "beginning is missing"),
    "a piece of an MP4 stream": (box(b"styp", b"msdh") + box(b"moof", bytes(99)), "beginning is missing"),
    "an AppleDouble file": (b"\0\x05\x16\x07\0\2\0\0Mac OS X" + bytes(99), "._"),
    "a program for Windows": (b"MZ\x90\0" + bytes(99), "Send the recording"),
}


@pytest.mark.scenario("foreign-format")
@pytest.mark.parametrize("what", FILES)
def test_files_of_other_kinds_are_named(what):
    """The message says what it is, and what to do."""
    data, advice = FILES[what]

    message = refusal(data)

    assert message.startswith(f"This is {what}")
    assert advice in message


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_named_and_not_repeated(name):
    """No part of the file is in the answer."""
    message = refusal(SCRIPTS[name].format(url="http://127.0.0.1/secret.wav").encode())

    assert message.startswith("This is ")
    assert "secret" not in message


def test_pictures_are_named():
    messages = [refusal(data) for name, data in pictures() if name not in {"a.avi", "a.pdf"}]

    assert all("picture" in message for message in messages)


def test_a_file_of_zeros_is_told():
    """A copy or a download that stopped keeps its place on the disk."""
    assert refusal(bytes(100_000)).startswith("The file contains only zero bytes")
    assert "zero bytes" not in refusal(bytes(100_000) + os.urandom(20) + b"\1")


def test_what_is_unknown_gets_the_list():
    assert refusal(b"\x99\x98\x97" + bytes(range(128, 150)) * 30) == (
        f"Unrecognized file format. Supported formats: {SUPPORTED}."
    )


@pytest.mark.scenario("movie-without-index")
def test_a_movie_without_an_index_is_told():
    """Recorders write the index last."""
    whole = record("mp4", "aac", 44_100)
    message = refusal(whole[: whole.index(b"moov") - 4])

    assert "no index (moov)" in message


def movie_in(codec):
    """Return a movie whose track has a codec, by its four letters."""
    return mp4(packets=100, packet_bytes=100, data=os.urandom(10_000), codec=codec)


@pytest.mark.scenario("unknown-codec")
@pytest.mark.parametrize(
    ("codec", "name"),
    [(b"apac", "Apple Positional Audio Codec"), (b"ac-4", "AC-4"), (b"mhm1", "MPEG-H 3D Audio")],
)
def test_codecs_without_a_decoder_are_named(codec, name):
    message = refusal(movie_in(codec))

    assert f"audio track 1 is in {name}" in message
    assert "ffmpeg -i FILE" in message


@pytest.mark.scenario("movie-without-index")
@pytest.mark.parametrize(
    ("codec", "how"), [(b"drms", "FairPlay"), (b"aavd", "Audible"), (b"enca", "Common Encryption")]
)
def test_encrypted_movies_are_named(codec, how):
    message = refusal(movie_in(codec))

    assert "encrypted" in message
    assert how in message


@pytest.mark.scenario("unknown-codec")
def test_codecs_that_are_not_decoded_are_named():
    """FFmpeg has a decoder, and we do not let it run."""
    message = refusal(handmade.tagged_wav(0x61, bytes(4096), block=256))

    assert "audio track 1 is in ADPCM IMA Duck DK4" in message


def test_true_audio_in_matroska_is_named():
    """Its last packet cannot be decoded there; better to say so than to lose a second."""
    message = refusal(record("matroska", "tta"))

    assert "audio track 1 is in TTA (True Audio)" in message


def test_a_codec_that_has_no_name_is_told():
    assert "a codec that has no decoder" in refusal(handmade.tagged_wav(0x9999, bytes(4096)))
