"""Bytes that are no UTF-8, at every entrance of a request: 400, and what they look like."""

import gzip
from urllib.parse import quote_from_bytes

import pytest

from tests.http.conftest import wav

JSON = {"content-type": "application/json"}
LATIN1 = b'{"model":"tts-1","input":"caf\xe9"}'
"""The same bytes as shared/cases/tts_latin1.json."""
TEXT = '{"model": "tts-1", "input": "Gr\u00fc\u00dfe."}'


def form(*fields, filename=b"a.wav", extra=b""):
    """Return a form as bytes, with names and values that no client library would write."""
    parts = [b'form-data; name="%s"\r\n\r\n%s' % field for field in fields]
    parts.append(b'form-data; name="file"; filename="%s"%s\r\n\r\n%s' % (filename, extra, wav()))
    body = b"".join(b"--xx\r\nContent-Disposition: " + part + b"\r\n" for part in parts)
    return {
        "content": body + b"--xx--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=xx"},
    }


def check(answer, *said, param=None):
    assert answer.status_code == 400, (answer.status_code, answer.text)
    error = answer.json()["error"]
    for words in said:
        assert words in error["message"], error
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_value", param)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"input":"one\ntwo"}', "is written as \\n"),
        (b'{"input":"one\ttwo"}', "a tab as \\t"),
        (b'{"input":"x","stream":True}', "true, false and null, in small letters"),
        (b'{"input":"x","voice":None}', "true, false and null, in small letters"),
        (gzip.compress(b'{"input":"x"}', mtime=0), "is compressed with gzip"),
    ],
)
async def test_what_people_write_for_json_is_told(http, body, said):
    """Ends of lines as they are, Python's names of constants, and compression."""
    check(await http.post("/v1/audio/speech", content=body, headers=JSON), said)


@pytest.mark.scenario("bad-encoding")
@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=iso-8859-1", "text/plain", None]
)
async def test_latin_1_is_told(http, kind):
    """Whatever the request says that it is: JSON is UTF-8."""
    answer = await http.post(
        "/v1/audio/speech", content=LATIN1, headers={"content-type": kind} if kind else {}
    )

    check(answer, "byte 0xE9 at position 29", "ISO-8859-1", "In the field 'input'", param="input")
    assert "caf" not in answer.json()["error"]["message"]


@pytest.mark.scenario("bad-encoding")
@pytest.mark.parametrize(
    ("route", "body", "param"),
    [
        ("/v1/engines/load", b'{"model": "caf\xe9"}', "model"),
        ("/v1/audio/voice_consents/cons_0", b'{"name": "caf\xe9"}', "name"),
        ("/v1/audio/transcriptions", b'{"input_audio": {"data": "AAAA"}, "prompt": "caf\xe9"}', "prompt"),
        ("/v1/audio/transcriptions", b'{"input_audio": {"data": "AAAA"}, "unknown": "caf\xe9"}', "unknown"),
        ("/v1/audio/speech", b'{"input": "a", "unknown": ["caf\xe9"]}', "unknown"),
        ("/v1/audio/speech", b'{"caf\xe9": 1, "input": "a"}', None),
        ("/openai/deployments/mouth/audio/speech", b'{"input": "\\"caf\xe9"}', "input"),
    ],
)
async def test_every_route_that_reads_json(http, route, body, param):
    """Also in fields without effect, and in names."""
    check(await http.post(route, content=body, headers=JSON), "0xE9", param=param)


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_other_unicode_encodings_are_named(http, charset):
    """With a mark and without."""
    headers = {"content-type": f"application/json; charset={charset}"}

    answer = await http.post("/v1/audio/speech", content=TEXT.encode(charset), headers=headers)

    check(answer, charset[:6].upper())


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("/v1/audio/speech", TEXT.encode()),
        ("/v1/engines/load", b'{"model": "ears"}'),
        ("/v1/audio/speech", rb'{"input": "a pair \ud83d\ude00 and \\ud800 and \\u0000"}'),
    ],
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "application/json; charset=x"]
)
async def test_utf_8_works_with_its_mark_and_without(http, route, body, mark, kind):
    """PowerShell and .NET write the mark; pairs, and backslashes before an escape's letters, are text."""
    answer = await http.post(route, content=mark + body, headers={"content-type": kind})

    assert answer.status_code == 200, answer.text
    assert "x-ignored-fields" not in answer.headers


@pytest.mark.scenario("bad-encoding")
@pytest.mark.parametrize(
    ("escape", "said"),
    [
        (rb"\ud800", r"half of a surrogate pair, not a character: \ud800 at position 11"),
        (rb"\uDC00\ud800", "half of a surrogate pair"),
        (rb"\ud83d\u0041", "half of a surrogate pair"),
        (rb"\udce9", "the byte 0xE9, which was not UTF-8 where the text came from"),
        (rb"\u0000", r"not allowed in text: \u0000"),
        (rb"\\\u0000", "not allowed in text"),
    ],
)
@pytest.mark.parametrize(("route", "name"), [("/v1/audio/speech", b"input"), ("/v1/engines/load", b"model")])
async def test_escapes_that_are_no_text(http, route, name, escape, said):
    """Half of a pair, as Python writes a byte that it could not read, and the end of a C string."""
    answer = await http.post(route, content=b'{"%s": "%s"}' % (name, escape), headers=JSON)

    check(answer, said, param=name.decode())


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (rb'{"input": "Hi", "emotion": {"alpha": 0.5, "text": "\u0000"}}', "emotion.text"),
        (rb'{"input": "a, \"b\": {", "emotion": {"vector": {"sad": 1}, "text": "\ud800"}}', "emotion.text"),
        (rb'{"emotion": {"text": "x"}, "input": "\u0000"}', "input"),
        (rb'{"timestamp_granularities": ["word", "\u0000"]}', "timestamp_granularities"),
        (b'{"input": "Hi", "emotion": {"text": "caf\xe9"}}', "emotion.text"),
        (b"[" * 20_000 + rb'{"input": "\u0000"}', None),
    ],
)
async def test_the_field_of_a_fault_is_named_with_its_parents(http, body, param):
    """As for other faults of fields within fields."""
    answer = await http.post("/v1/audio/speech", content=body, headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.scenario("bad-encoding")
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
@pytest.mark.parametrize(
    ("field", "said", "param"),
    [
        ((b"prompt", b"caf\xe9"), "Field 'prompt' is not UTF-8: byte 0xE9 at position 3", "prompt"),
        ((b"model", b"\xc4\xe3\xba\xc3"), "GBK", "model"),
        ((b"language", "en".encode("utf-16")), "is UTF-16", "language"),
        ((b"prompt", b"a\0b"), "U+0000 at position 1", "prompt"),
        ((b"caf\xe9", b"x"), "The name of a field of the form is not UTF-8", None),
    ],
)
async def test_forms(http, path, field, said, param):
    """Values and names of fields."""
    check(await http.post(path, **form(field)), said, param=param)


@pytest.mark.parametrize(
    ("filename", "extra"),
    [
        (b"caf\xe9.wav", b""),
        ("caf\u00e9.wav".encode(), b""),
        (b"caf\xe9.wav", b"; filename*=UTF-8''caf%E9.wav"),
        (b"a.wav", b"; filename*=nonsense''%E9"),
        (b"\xff\xfe", b""),
    ],
)
async def test_a_files_name_decides_nothing(http, filename, extra):
    """Old programs write it in their own encoding, and the recording is heard all the same."""
    answer = await http.post("/v1/audio/transcriptions", **form(filename=filename, extra=extra))

    assert answer.status_code == 200, answer.text


@pytest.mark.scenario("bad-encoding")
@pytest.mark.parametrize("data", [b"caf\xe9", b"a\0b", b"\xed\xa0\x80"])
async def test_addresses(http, data):
    """Queries and paths: what cannot be read is not looked for under another name."""
    text = quote_from_bytes(data)
    for path in ("/v1/models/", "/v1/audio/voices/", "/v1/audio/voice_consents/", "/v1/", "/"):
        check(await http.get(path + text), "The path")
    check(
        await http.get(f"/v1/audio/voices?model={text}"), "The value of 'model' in the query", param="model"
    )
    check(await http.get(f"/v1/models?{text}=1"), "A name in the query")
    check(await http.post(f"/asr?initial_prompt={text}"), param="initial_prompt")
    check(
        await http.post(f"/openai/deployments/{text}/audio/speech", content=TEXT.encode(), headers=JSON),
        "The path is" if b"\0" not in data else "U+0000",
    )


async def test_addresses_in_utf_8_mean_what_they_say(http):
    """Percent signs that begin no byte are text, as browsers take them."""
    for path in ("/v1/models/caf%C3%A9", "/v1/models/%zz", "/v1/models/%E4%BD%A0%E5%A5%BD"):
        assert (await http.get(path)).json()["error"]["code"] == "model_not_found"


async def test_headers_may_be_any_bytes(http):
    """A name that is no ASCII in a header that nothing reads does no harm, and is no key."""
    headers = [
        (name, b"caf\xe9") for name in (b"api-key", b"user-agent", b"x-request-id", b"cookie", b"accept")
    ]

    answer = await http.get("/v1/models", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["x-request-id"].startswith("req_")
