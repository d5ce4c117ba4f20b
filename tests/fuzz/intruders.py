"""Uploads that are no recordings, or that try to reach what lies outside of them."""

import gzip
import io
import struct
import zipfile
import zlib

from tests.unit.codecs.recordings import RATE, alias_to, box, mp4, record, tone, wav

SCRIPTS = {
    "playlist.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "key.m3u8": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXT-X-MAP:URI="{url}"\n#EXTINF:1,\n{url}\n',
    "playlist.m3u": "{url}\n",
    "playlist.pls": "[playlist]\nFile1={url}\nNumberOfEntries=1\nVersion=2\n",
    "playlist.xspf": "<playlist><trackList><track><location>{url}</location></track></trackList></playlist>",
    "playlist.asx": '<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
    "list.txt": "ffconcat version 1.0\nfile '{url}'\n",
    "bare-list.txt": "file '{url}'\n",
    "list.ffmeta": ";FFMETADATA1\ntitle={url}\n",
    "manifest.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "manifest.ism": '<?xml version="1.0"?><SmoothStreamingMedia Url="{url}"/>',
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
    "a=control:{url}\n",
    "picture.svg": '<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "{url}">]>'
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    '<image xlink:href="{url}" href="{url}"/><text>&x;</text></svg>',
    "picture.xml": '<?xml version="1.0"?><?xml-stylesheet href="{url}"?><!DOCTYPE a SYSTEM "{url}"><a/>',
    "page.html": '<html><audio src="{url}" autoplay></audio><img src="{url}"></html>',
    "cue.srt": "1\n00:00:00,000 --> 00:00:05,000\n{url}\n\n",
    "cue.vtt": "WEBVTT\n\nSTYLE\n::cue {{ background: url({url}) }}\n\n00:00.000 --> 00:05.000\n{url}\n\n",
    "cue.ass": "[Script Info]\nAudio File: {url}\nVideo File: {url}\n[Events]\n",
    "album.cue": 'FILE "{url}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "script.avs": 'AVISource("{url}")\n',
    "script.vpy": "import vapoursynth\nopen({url!r})\n",
    "graph.lavfi": "amovie={url}\n",
    "feed.ffm": "<Feed a><File {url}></Feed>\n",
    "link.url": "[InternetShortcut]\nURL={url}\n",
    "address": "{url}",
    "protocol": "concat:{url}|{url}",
    "sub-file": "subfile,,start,0,end,0,,:{url}",
    "data.txt": "data:audio/wav;base64,UklGRg==\n{url}",
}
"""Texts that name something else, by a file name that fits."""

MAGIC = (
    b"",
    b"OggS",
    b"fLaC",
    b"ID3\4\0\0\0\0\0\0",
    b"\xff\xfb\x90\x64",
    b"RIFF\0\0\0\0WAVE",
    b"\0\0\0\x18ftypisom",
)
"""First bytes that get a text past the first look."""


def scripts(url):
    """Yield (file name, bytes) of all scripts, in several disguises, that name *url*."""
    for name, text in SCRIPTS.items():
        data = text.format(url=url).encode()
        yield name, data
        yield "a.mp3", b"\xef\xbb\xbf" + data
        for magic in MAGIC[1:]:
            yield "a.wav", magic + b"\n" + data * 20


def pictures():
    """Yield (file name, bytes) of pictures, whole enough to be taken for such."""
    yield "a.png", _png()
    yield "a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + bytes(500) + b"\xff\xd9"
    yield "a.gif", b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    yield (
        "a.bmp",
        b"BM" + struct.pack("<IIIIIIHHIIIIII", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + bytes(4),
    )
    yield "a.webp", b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"
    yield "a.avi", b"RIFF\xff\0\0\0AVI LIST\xf0\0\0\0hdrl" + bytes(300)
    yield "a.tif", b"II*\0\x08\0\0\0" + bytes(200)
    yield "a.pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n" + bytes(200)


def archives():
    """Yield (file name, bytes) of archives: 64 MB of zeros each, in next to nothing."""
    packer = zlib.compressobj(9, wbits=31)
    piece = bytes(2**20)
    packed = b"".join(packer.compress(piece) for _ in range(64)) + packer.flush()
    yield "a.wav.gz", packed
    yield "a.gz.gz", gzip.compress(packed)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.wav", "w") as member:
        for _ in range(64):
            member.write(piece)
    yield "a.zip", file.getvalue()
    yield "a.swf", b"CWS\x0a" + packed[10:]
    # A MOV whose index is packed; FFmpeg unpacks it as far as it claims to go.
    movie = mp4(packets=10)
    index = movie[movie.index(b"moov") - 4 :]
    inflated = zlib.compress(index + bytes(64 * 2**20), 9)
    claims = box(b"cmvd", struct.pack(">I", 0x7FFFFFFF), inflated)
    yield "a.mov", movie[: -len(index)] + box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), claims))


def claimants():
    """Yield (file name, bytes) of small recordings that claim to be huge, or are once decoded."""
    yield "a.mov", mp4(packets=80_000_000)
    yield "a.flac", flac_bomb()
    huge = bytearray(wav(tone(0.5)))
    huge[4:8] = huge[40:44] = b"\xff" * 4
    huge[24:28] = struct.pack("<I", 1)  # a sample a second
    yield "a.wav", bytes(huge)


def flac_bomb():
    """Return days of silence in a few hundred kilobytes."""
    one = record("flac", "flac", rate=48_000, samples=tone(8, 48_000, peak=0.0))
    start = one.rindex(b"\xff\xf8")
    header, frames = one[: one.index(b"\xff\xf8")], one[one.index(b"\xff\xf8") : start]
    return header + frames * 400


def linking_movie(path):
    """Return a QuickTime movie whose sound lies in the file *path*."""
    return mp4(packets=RATE, duration=1, packet_bytes=2, drefs=alias_to(str(path)))


def linked_mp4(url):
    """Return a movie whose sound lies at *url*."""
    return mp4(packets=RATE, duration=1, packet_bytes=2, drefs=box(b"url ", bytes(4), url.encode() + b"\0"))


def linking_mp3(url):
    """Return a good MP3 whose ID3 tag is full of links, even its cover is one."""
    frames = b"".join(
        _id3(name, body)
        for name, body in {
            b"WOAF": url,
            b"WXXX": b"\0text\0" + url,
            b"WPAY": url,
            b"APIC": b"\0-->\0\3cover\0" + url,
            b"LINK": b"TIT2" + url + b"\0",
            b"GEOB": b"\0audio/mpegurl\0a.m3u8\0\0#EXTM3U\n" + url,
            b"TXXX": b"\0URL\0" + url,
        }.items()
    )
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + frames + record("mp3", "libmp3lame", samples=tone(1))


def _id3(name, body):
    return name + struct.pack(">IH", len(body), 0) + body


def _png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    # 30 000 by 30 000 pixels: a bomb, too
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
