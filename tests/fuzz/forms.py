"""Forms as no SDK writes them: the same number gives the same bytes, on every machine."""

import random
from dataclasses import dataclass, field

from tests.fuzz.exchange import post

PATHS = ("/v1/audio/transcriptions", "/v1/audio/transcriptions", "/v1/audio/translations")
CONTENT_TYPES = (
    "multipart/form-data",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary=""',
    "multipart/form-data; boundary=other",
    'multipart/form-data; boundary="{b}"',
    "multipart/form-data; boundary={b}; charset=utf-16",
    "multipart/form-data; charset=latin-1; boundary={b}",
    "multipart/form-data; boundary={b}; boundary=other",
    "multipart/form-data; boundary*=utf-8''%E2%82%AC{b}",
    "multipart/form-data; boundary*=utf-16''%ff%fe{b}",
    "multipart/form-data; boundary*=no-such-charset''{b}",
    "multipart/form-data; boundary=\xe9{b}",
    "multipart/form-data; boundary={b}\t ",
    "MULTIPART/Form-Data; BOUNDARY={b}",
    "multipart/form-data, multipart/form-data; boundary={b}",
    "multipart/mixed; boundary={b}",
    "application/x-www-form-urlencoded",
    "application/json",
    "text/plain",
    "audio/wav",
    "",
    ";",
    "multipart/form-data; boundary=" + "x" * 2000,
    "multipart/form-data; boundary={b}; " + "a=b; " * 500,
)
NAMES = (
    *(
        "model",
        "language",
        "prompt",
        "response_format",
        "temperature",
        "timestamp_granularities[]",
        "include[]",
    ),
    *(
        "stream",
        "chunking_strategy",
        "chunking_strategy[type]",
        "known_speaker_names[]",
        "keywords[]",
        "languages",
    ),
    *("known_speaker_references[]", "chunking_strategy[type][type]", "model[]", "[]", "a[b][c][d]", "", "]["),
    *(
        "a[" * 200,
        "x" * 4000,
        "x" * 9000,
        "na\xefve",
        "__proto__",
        "file[]",
        "file.name",
        "file ",
        "FILE",
        "\0",
    ),
    *("chunking_strategy[", "chunking_strategy[]", "chunking_strategy[prefix_padding_ms]", "constructor"),
)
VALUES = (
    *(
        b"",
        b"null",
        b"true",
        b"json",
        b"srt",
        b"verbose_json",
        b"word",
        b"echo-stt",
        b"auto",
        b"en",
        b"zz",
        b"0.5",
    ),
    *(
        b"nan",
        b"inf",
        b"1e999",
        b"-1",
        b"1" * 400,
        b"\xff\xfe",
        b"\0",
        b"\r\n",
        b"{",
        b"[]",
        b'{"type":',
        b'"',
    ),
    *(
        b'{"type": "server_vad"}',
        b'{"type": {"type": 1}}',
        b"[" * 5000,
        b"{" * 3000,
        b'{"a":' * 2000,
        b"\xf0\x9f\x8e\xa4",
    ),
    *(
        b"x" * 70_000,
        b"data:audio/wav;base64,AAAA",
        b"http://127.0.0.1:1/",
        b"file:///etc/passwd",
        b"\xed\xa0\x80",
    ),
    *(
        b"1e-400",
        b"0x10",
        b"\xd9\xa3",
        b"../../..",
        b"' OR 1=1",
        b"%s%n",
        b"text\r\n--nearly",
        b"1_0",
        b" true ",
    ),
)
FILENAMES = (
    *(
        b"a.wav",
        b"",
        b"a" * 3000,
        b"../../etc/passwd",
        b"\xff\xfe",
        b"\xe6\x97\xa5.wav",
        b"%00%0d%0a",
        b'a\\".wav',
    ),
    *(
        b"http://127.0.0.1:1/a.m3u8",
        b"concat:a|b",
        b"a\tb",
        b"C:\\a.wav",
        b"\0",
        b"nul",
        b"-i",
        b"a;b=c",
        b'a"; name="model',
    ),
)
PART_HEADERS = (
    *(
        b"content-type: audio/wav",
        b"content-type: text/plain; charset=utf-16",
        b"content-type: ;;;",
        b"content-type:",
    ),
    *(
        b"content-type: text/plain; charset=no-such",
        b"content-transfer-encoding: base64",
        b"x: " + b"y" * 3000,
    ),
    *(
        b"content-transfer-encoding: quoted-printable",
        b"content-length: 5",
        b"content-length: -1",
        b"no colon here",
    ),
    *(
        b" folded: a",
        b": empty",
        b"content-encoding: gzip",
        b"\xff: \xff",
        b"x: y\rz",
        b"x" * 9000,
        b"\0: \0",
    ),
    *(
        b'content-disposition: form-data; name="model"',
        b"content-type: multipart/mixed; boundary=b",
        b"x: " + b"y" * 9000,
    ),
)
DISPOSITIONS = (
    b'content-disposition: form-data; name="%n"; filename="%f"',
    b'content-disposition: form-data; name="%n"',
    b"content-disposition: form-data; name=%n",
    b"content-disposition: form-data",
    b'content-disposition: attachment; name="%n"',
    b'content-disposition: form-data; name="%n',
    b"content-disposition:",
    b'Content-Disposition: FORM-DATA; NAME="%n"; FILENAME="%f"',
    b'content-disposition: form-data; name="%n"; name="model"',
    b"content-disposition: form-data; name*=utf-8''%n; filename*=utf-8''%%E2%%82%%AC%f",
    b"content-disposition: form-data; name*=no-such''%n",
    b'content-disposition: form-data; filename="%f"; name="%n"',
    b"content-disposition: form-data; " + b"x=y; " * 300 + b'name="%n"',
    b"",
)


@dataclass(frozen=True, kw_only=True)
class Form:
    """A request to send."""

    what: str
    request: list = field(repr=False)
    """Pieces of bytes."""
    hang_up: bool = False
    """Whether the server would wait for more, if the client did not say that it is done."""
    bare: bool = False
    """Whether it is not even HTTP, and is refused with a status alone, before it is a request."""


def odd_form(clip, number):
    """Return case *number*: a form around the recording *clip*, with one to three oddities."""
    dice = random.Random(f"form {number}")
    return _Writer(dice, clip).form()


class _Writer:
    def __init__(self, dice, clip):
        self._dice = dice
        self._boundary = b"nearly-%x" % dice.getrandbits(32)
        self._kind = "multipart/form-data; boundary={b}"
        self._parts = [_part(b'content-disposition: form-data; name="file"; filename="a.wav"', clip)]
        self._parts += [_part(b'content-disposition: form-data; name="model"', b"echo-stt")]
        self._said = []

    def form(self):
        dice = self._dice
        oddities = (
            self._odd_kind,
            *(self._odd_part,) * 4,
            self._same_twice,
            self._no_file,
            self._many,
            self._nothing,
        )
        for oddity in dice.choices(oddities, k=dice.choice((1, 1, 2, 3))):
            self._said.append(oddity.__name__.strip("_"))
            oddity()
        body = self._body()
        breakage = dice.choice(
            (*(self._whole,) * 4, self._cut, self._bare_lines, self._noise, self._trailer, self._preamble)
        )
        self._said.append(breakage.__name__.strip("_"))
        return self._send(breakage(body))

    # ── What is in it ────────────────────────────────────────────────────────

    def _nothing(self):
        pass

    def _odd_kind(self):
        self._kind = self._dice.choice(CONTENT_TYPES)

    def _odd_part(self):
        dice = self._dice
        name = dice.choice(("file", *NAMES)).encode()
        head = (
            dice.choice(DISPOSITIONS)
            .replace(b"%n", name)
            .replace(b"%f", dice.choice(FILENAMES))
            .replace(b"%%", b"%")
        )
        lines = [head, *dice.choices(PART_HEADERS, k=dice.choice((0, 0, 1, 1, 2, 12)))]
        if dice.random() < 0.2:
            lines.reverse()
        value = dice.choice(VALUES) if dice.random() < 0.9 else dice.randbytes(dice.randrange(3000))
        self._parts.insert(dice.randrange(len(self._parts) + 1), b"\r\n".join(lines) + b"\r\n\r\n" + value)

    def _same_twice(self):
        self._parts *= self._dice.choice((2, 2, 30))

    def _no_file(self):
        self._parts = [part for part in self._parts if b'name="file"' not in part]

    def _many(self):
        head = b'content-disposition: form-data; name="%d"'
        self._parts += [_part(head % n, b"") for n in range(self._dice.choice((100, 300, 5000)))]

    # ── How it is put together ───────────────────────────────────────────────

    def _body(self):
        delimiter = b"--" + self._boundary
        return b"".join(delimiter + b"\r\n" + part + b"\r\n" for part in self._parts) + delimiter + b"--\r\n"

    def _whole(self, body):
        return body

    def _cut(self, body):
        """Leave out the end, or all of it."""
        return body[
            : self._dice.choice(
                (0, 1, len(body) // 2, len(body) - 4, len(body) - 3, len(body) - len(self._boundary))
            )
        ]

    def _bare_lines(self, body):
        """End lines in another way."""
        return body.replace(b"\r\n", self._dice.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")))

    def _noise(self, body):
        """Overwrite some bytes."""
        out = bytearray(body)
        for _ in range(self._dice.choice((1, 5, 50))):
            out[self._dice.randrange(min(len(out), 400))] = self._dice.randrange(256)
        return bytes(out)

    def _trailer(self, body):
        """Go on behind the end."""
        return body + self._dice.choice((b"\r\n", b"\0" * 1000, body, b"--" + self._boundary))

    def _preamble(self, body):
        """Begin with something else."""
        return (
            self._dice.choice((b"\r\n", b"This is a form.\r\n", b"\n", bytes(1000), b"--", b"\r\n" * 500))
            + body
        )

    # ── How it is sent ───────────────────────────────────────────────────────

    def _send(self, body):
        dice = self._dice
        way = dice.choice((*("plain",) * 6, "drip", "chunked", "broken chunks", "says more", "says less"))
        if way == "plain" and dice.random() < 0.2:
            way = dice.choice(("both lengths", "two lengths", "said to be packed"))
        self._said.append(way)
        path, kind = dice.choice(PATHS), self._kind.format(b=self._boundary.decode())
        hang_up = bare = False
        match way:
            case "drip":
                whole = post(path, kind, body)
                step = dice.choice((997, 4093)) if len(whole) > 3000 else 7
                request = [whole[at : at + step] for at in range(0, len(whole), step)]
            case "chunked":
                size = dice.choice((1, 100, 65_536)) if len(body) < 3000 else 65_536
                request = [_chunked_head(path, kind), *_chunks(body, size), b"0\r\n\r\n"]
            case "broken chunks":
                end = dice.choice(
                    (b"", b"zz\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"5\r\nab", b"0\r\nx", b"\r\n")
                )
                request, hang_up = [_chunked_head(path, kind), *_chunks(body, 65_536), end], True
            case "says more":
                request, hang_up = [post(path, kind, body, length=len(body) + dice.choice((1, 1000)))], True
            case "says less":
                request = [
                    post(path, kind, body, length=dice.choice((0, len(body) // 2, max(0, len(body) - 1))))
                ]
            case "both lengths":
                request, hang_up = [post(path, kind, body, "transfer-encoding: chunked")], True
            case "two lengths":
                request, bare = [post(path, kind, body, "content-length: 3")], True
            case "said to be packed":
                request = [post(path, kind, body, f"content-encoding: {dice.choice(('gzip', 'br', 'x'))}")]
            case _:
                request = [post(path, kind, body)]
        return Form(what=", ".join(self._said), request=request, hang_up=hang_up, bare=bare)


def _part(head, value):
    return head + b"\r\n\r\n" + value


def _chunked_head(path, kind):
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-type: {kind}"]
    lines.append("transfer-encoding: chunked")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def _chunks(body, size):
    return [
        b"%x\r\n%b\r\n" % (len(body[at : at + size]), body[at : at + size])
        for at in range(0, len(body), size)
    ]
