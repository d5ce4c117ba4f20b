"""Slips in bodies: what is named is the slip, and what to do about it."""

import base64
import json

import pytest

from speechhub.http.multipart import MAX_FIELD_BYTES
from tests.http.conftest import wav

CLIP = wav(1.0)
LARGE = wav(8.0)
FORM = "multipart/form-data; boundary=b"
STT = "/v1/audio/transcriptions"
ROUTES = [(STT, "file"), ("/v1/audio/translations", "file"), ("/asr", "audio_file")]


def part(name, content, *, filename=None, kind=None):
    lines = [f'content-disposition: form-data; name="{name}"']
    lines[0] += "" if filename is None else f'; filename="{filename}"'
    lines += [f"content-type: {kind}"] if kind else []
    return "\r\n".join(["--b", *lines, "", ""]).encode() + content + b"\r\n"


async def post(http, *parts, route=STT):
    return await http.post(route, content=b"".join(parts) + b"--b--\r\n", headers={"content-type": FORM})


def told(answer, *, status=400, code="invalid_value", param=None):
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    return error["message"]


@pytest.mark.scenario("misnamed-file-field")
@pytest.mark.parametrize(("route", "right"), ROUTES)
@pytest.mark.parametrize(
    "clip", [CLIP, LARGE, b"ID3 all ASCII", b""], ids=["small", "large", "text", "empty"]
)
@pytest.mark.parametrize("wrong", ["audio", "files", "File", "recording[]", "upload[file]"])
async def test_a_recording_in_another_field(http, route, right, clip, wrong):
    """Both fields are named: the one that was sent, and the one where it belongs."""
    said = told(
        await post(http, part(wrong, clip, filename="a.wav"), route=route),
        code="missing_required_parameter",
        param=right,
    )

    assert f"belongs in the field '{right}'" in said
    assert f"'{wrong}'" in said


@pytest.mark.parametrize("clip", [CLIP, LARGE], ids=["small", "large"])
async def test_a_recording_in_another_field_without_a_files_name(http, clip):
    """Java's and Ruby's clients send none; the bytes tell that it is no text."""
    said = told(
        await post(http, part("audio", clip, kind="application/octet-stream")),
        code="missing_required_parameter",
        param="file",
    )

    assert "'audio'" in said


@pytest.mark.parametrize("clip", [CLIP, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("first", [True, False])
async def test_a_further_file_is_ignored_and_told(http, clip, first):
    """Where the recording is in its place, a file in another field does no harm."""
    parts = [part("cover", clip, filename="a.png"), part("file", CLIP, filename="a.wav")]

    answer = await post(http, *(parts if first else parts[::-1]))

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-ignored-fields"] == "cover"


@pytest.mark.parametrize("name", ["file[]", "file[0]"])
async def test_the_field_of_the_file_may_be_an_array(http, name):
    """Libraries that write each field as an array write this one so, too."""
    answer = await post(http, part(name, CLIP, filename="a.wav"))

    assert answer.status_code == 200, answer.text
    assert "x-ignored-fields" not in answer.headers


@pytest.mark.scenario("several-files")
@pytest.mark.parametrize("second", ["file", "file[]", "file[0]"])
async def test_two_recordings_are_one_too_many(http, second):
    """Neither is dropped in silence; an empty one, as pages send it, is none."""
    one, empty = part("file", CLIP, filename="a.wav"), part("file", b"", filename="")

    said = told(await post(http, one, part(second, CLIP, filename="b.wav")), param="file")
    passed = await post(http, empty, one)

    assert "more than one file" in said
    assert passed.status_code == 200, passed.text


async def test_a_text_field_that_is_a_blob_is_text(http):
    """JavaScript's FormData gives a Blob a file's name, whatever it holds."""
    parts = [part("file", CLIP, filename="a.wav"), part("response_format", b"text", filename="blob")]

    answer = await post(http, *parts)

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_text_that_is_too_long(http):
    """The limit is told, and where a recording belongs."""
    said = told(await post(http, part("prompt", b"a" * (MAX_FIELD_BYTES + 1))), param="prompt")

    assert str(MAX_FIELD_BYTES) in said
    assert "'file'" in said


@pytest.mark.scenario("bad-boundary")
async def test_a_form_without_a_boundary(http):
    """Hand-written headers lack it."""
    for kind in (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "Multipart/Form-Data; charset=utf-8",
    ):
        answer = await http.post(STT, content=part("file", CLIP), headers={"content-type": kind})

        assert "without a boundary" in told(answer)


@pytest.mark.scenario("bad-boundary")
async def test_another_boundary_than_the_bodys(http):
    """The message says where boundaries come from."""
    answer = await http.post(
        STT, content=part("file", CLIP), headers={"content-type": "multipart/form-data; boundary=other"}
    )

    assert "boundary that the header Content-Type names" in told(answer)


@pytest.mark.scenario("bare-recording")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("audio/wav", "a bare recording ('audio/wav')"),
        ("Audio/MPEG", "a bare recording"),
        ("video/mp4", "a bare recording"),
        ("application/octet-stream", "a bare recording"),
        ("application/x-www-form-urlencoded", "curl sends it for -d"),
        ("text/plain", "The body is 'text/plain'"),
        ("", "The body is of no type"),
    ],
)
@pytest.mark.parametrize(("route", "field"), ROUTES)
async def test_a_body_that_is_no_form(http, route, field, kind, said):
    """What it is, what it should be, and an example."""
    answer = await http.post(route, content=CLIP, headers={"content-type": kind} if kind else {})

    message = told(answer, status=415, code=None)
    assert said in message
    assert f"curl -F {field}=@" in message


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "input"), ({"input": None}, "input"), ({"input": "Hi.", "voice": {}}, "voice.id")],
)
async def test_what_speech_lacks(http, body, param):
    """Null is nothing."""
    told(await http.post("/v1/audio/speech", json=body), code="missing_required_parameter", param=param)


@pytest.mark.scenario("double-json")
@pytest.mark.parametrize("route", ["/v1/audio/speech", STT, "/v1/engines/load"])
async def test_json_that_was_encoded_twice(http, route):
    """A text of JSON that holds the object."""
    answer = await http.post(route, json=json.dumps({"input": "Hi.", "model": "mouth"}))

    assert "encoded twice" in told(answer)


@pytest.mark.scenario("double-json")
@pytest.mark.parametrize(
    "sent", [{"data": {"input": "Hi."}}, {"files": {"input": (None, "Hi.")}}], ids=["urlencoded", "multipart"]
)
async def test_a_form_where_json_is_read(http, sent):
    """The message says which of the two it is."""
    answer = await http.post("/v1/audio/speech", **sent)

    assert "this route reads JSON" in told(answer)


async def test_json_whatever_its_type_is_called(http):
    """What curl -d sends says that it is a form, and people send JSON with it."""
    answer = await http.post(
        "/v1/audio/speech",
        content=b' {"input": "Hi."}',
        headers={"content-type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 200


# ── Words of a fixed set ─────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["MP3", " mp3 ", "Wav", "OPUS\n"])
async def test_formats_of_speech_in_capitals(http, name):
    """They mean the same."""
    answer = await http.post("/v1/audio/speech", json={"input": "Hi.", "response_format": name})

    wanted = {"mp3": "audio/mpeg", "wav": "audio/wav", "opus": "audio/opus"}[name.strip().lower()]
    assert (answer.status_code, answer.headers["content-type"]) == (200, wanted)


async def test_other_words_of_speech_in_capitals(http):
    """Also within objects."""
    body = {"input": "Hi.", "model": "mimic", "stream_format": "SSE", "text_normalization": "None"}
    body |= {"voice": base64.b64encode(CLIP).decode()}
    body |= {"emotion": {"mode": "Vector", "vector": {"happy": 1}}}

    answer = await http.post("/v1/audio/speech", json=body)

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("name", ["Verbose_JSON", " TEXT ", "SRT", "VTT"])
async def test_formats_of_transcripts_in_capitals(http, name):
    """In a form, in JSON, and in the query of /asr."""
    form = await http.post(STT, files={"file": CLIP}, data={"response_format": name})
    small = await http.post(STT, files={"file": CLIP}, data={"response_format": name.strip().lower()})
    query = await http.post("/asr", params={"output": "SRT"}, files={"audio_file": CLIP})

    assert (form.status_code, form.text) == (200, small.text)
    assert query.status_code == 200, query.text


@pytest.mark.parametrize(
    ("body", "near"),
    [
        ({"response_format": "ogg"}, "opus"),
        ({"response_format": "wave"}, "wav"),
        ({"response_format": "M4A"}, "aac"),
        ({"response_format": "raw"}, "pcm"),
        ({"response_format": "audio/mpeg"}, "mp3"),
        ({"stream_format": "event"}, None),
    ],
)
async def test_a_word_of_the_same_meaning_is_a_hint(http, body, near):
    """What is allowed is listed, and what is meant named."""
    (name,) = body

    said = told(await http.post("/v1/audio/speech", json={"input": "Hi."} | body), param=name)

    assert "it must be one of " in said
    assert said.endswith(f"Did you mean {near}?" if near else ".")


async def test_numbers_that_are_texts(http, runner):
    """In JSON as in forms."""
    answer = await http.post(
        "/v1/audio/speech", json={"input": "Hi.", "speed": "1.0", "sample_rate": "16000"}
    )
    wrong = await http.post("/v1/audio/speech", json={"input": "Hi.", "speed": "fast"})

    assert answer.status_code == 200
    assert "a number from 0.25 to 4" in told(wrong, param="speed")
