"""Requests as real clients write them, byte for byte where it matters (contract §1.1 and §9)."""

import json

import pytest


def part(head, body):
    """Return one part of a form, headers as the client writes them."""
    return b"\r\n".join([*head, b"", body, b""])


def form(boundary, *parts):
    """Return a whole form."""
    opening = b"--" + boundary + b"\r\n"
    return opening + opening.join(parts) + b"--" + boundary + b"--\r\n"


def python_sdk(clip):
    """Text parts first and without types, the file last, as application/octet-stream named upload."""
    body = form(
        b"b1",
        part([b'Content-Disposition: form-data; name="model"'], b"whisper-1"),
        part([b'Content-Disposition: form-data; name="stream"'], b"false"),
        part([b'Content-Disposition: form-data; name="timestamp_granularities[]"'], b"word"),
        part([b'Content-Disposition: form-data; name="response_format"'], b"verbose_json"),
        part(
            [
                b'Content-Disposition: form-data; name="file"; filename="upload"',
                b"Content-Type: application/octet-stream",
            ],
            clip,
        ),
    )
    return b"multipart/form-data; boundary=b1", body


def node_sdk(clip):
    """The file first, named unknown_file; nested objects as one part for each leaf."""
    body = form(
        b"----formdata-undici-0123",
        part(
            [
                b'Content-Disposition: form-data; name="file"; filename="unknown_file"',
                b"Content-Type: application/octet-stream",
            ],
            clip,
        ),
        part([b'Content-Disposition: form-data; name="model"'], b"gpt-4o-transcribe"),
        part([b'Content-Disposition: form-data; name="chunking_strategy[type]"'], b"server_vad"),
        part([b'Content-Disposition: form-data; name="chunking_strategy[threshold]"'], b"0.4"),
    )
    return b"multipart/form-data; boundary=----formdata-undici-0123", body


def java_sdk(clip):
    """A file part without a filename; text parts with a charset."""
    text = b"Content-Type: text/plain; charset=utf-8"
    body = form(
        b"java",
        part(
            [b'Content-Disposition: form-data; name="file"', b"Content-Type: application/octet-stream"],
            clip,
        ),
        part([b'Content-Disposition: form-data; name="model"', text], b"whisper-1"),
        part([b'Content-Disposition: form-data; name="language"', text], b"en"),
    )
    return b"multipart/form-data; boundary=java", body


def ruby_sdk(clip):
    """No filename and no type at all."""
    body = form(
        b"ruby",
        part([b'Content-Disposition: form-data; name="file"'], clip),
        part([b'Content-Disposition: form-data; name="model"', b"Content-Type: text/plain"], b"whisper-1"),
    )
    return b"multipart/form-data; boundary=ruby", body


def dotnet_sdk(clip):
    """Unquoted names, a path in the filename, types before dispositions, a quoted boundary with =."""
    body = form(
        b"a=b",
        part(
            [
                (
                    b'Content-Disposition: form-data; name=file; filename="Assets\\\\x.mp3"; '
                    b"filename*=utf-8''Assets%5Cx.mp3"
                ),
            ],
            clip,
        ),
        part(
            [b"Content-Type: text/plain; charset=utf-8", b"Content-Disposition: form-data; name=model"],
            b"whisper-1",
        ),
        part(
            [
                b"Content-Type: text/plain; charset=utf-8",
                b"Content-Disposition: form-data; name=chunking_strategy",
            ],
            b'{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":200}',
        ),
    )
    return b'multipart/form-data; boundary="a=b"', body


def open_webui(clip):
    """Model, language and file; no response format."""
    body = form(
        b"webui",
        part([b'Content-Disposition: form-data; name="model"'], b""),
        part([b'Content-Disposition: form-data; name="language"'], b"en"),
        part(
            [
                b'Content-Disposition: form-data; name="file"; filename="recording.wav"',
                b"Content-Type: audio/wav",
            ],
            clip,
        ),
    )
    return b"multipart/form-data; boundary=webui", body


def dify(clip):
    """A default prompt, language en, a file without a type, a word for the chunking strategy."""
    body = form(
        b"dify",
        part([b'Content-Disposition: form-data; name="model"'], b"whisper-1"),
        part([b'Content-Disposition: form-data; name="language"'], b"en"),
        part([b'Content-Disposition: form-data; name="prompt"'], b"convert the audio to text"),
        part([b'Content-Disposition: form-data; name="chunking_strategy"'], b"auto"),
        part([b'Content-Disposition: form-data; name="file"; filename="temp.mp3"'], clip),
    )
    return b"multipart/form-data; boundary=dify", body


def hand_written_js(clip):
    """The text null for what is not set, and fields that nobody knows."""
    body = form(
        b"js",
        part([b'Content-Disposition: form-data; name="file"; filename="blob"'], clip),
        part([b'Content-Disposition: form-data; name="language"'], b"null"),
        part([b'Content-Disposition: form-data; name="temperature"'], b"null"),
        part([b'Content-Disposition: form-data; name="chunking_strategy"'], b"null"),
        part([b'Content-Disposition: form-data; name="foo[bar][]"'], b"x"),
    )
    return b"multipart/form-data; boundary=js", body


CLIENTS = [python_sdk, node_sdk, java_sdk, ruby_sdk, dotnet_sdk, open_webui, dify, hand_written_js]


@pytest.mark.mission("8.2", "17.11")
@pytest.mark.parametrize("client_form", CLIENTS, ids=lambda made: made.__name__)
@pytest.mark.parametrize("chunked", [False, True])
async def test_transcription(http, runner, clip, client_form, chunked):
    """Each client's form is understood, sent whole or in pieces without a length."""
    content_type, body = client_form(clip)

    async def pieces():
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    answer = await http.post(
        "/v1/audio/transcriptions",
        content=pieces() if chunked else body,
        headers={"content-type": content_type.decode()},
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == "Good morning, dear world."
    assert runner.requests[0][1].audio.duration_s == pytest.approx(1.0)


@pytest.mark.mission("8.3")
@pytest.mark.parametrize(
    "body",
    [
        {"model": "tts-1", "input": "Hi.", "voice": "alloy", "foo": 1, "lang_code": "a"},  # Open WebUI
        {"model": "gpt-4o-mini-tts", "input": "Hi.", "voice": "marin", "instructions": "None", "speed": 1},
        {"model": "tts-1", "input": "Hi.", "voice": "nova", "response_format": "mp3", "speed": 1.25},
        {"model": "tts-1", "input": "Hi.", "voice": "ash", "response_format": "pcm"},  # Pipecat
        {"model": "tts-1-hd", "input": "Hi.", "voice": "onyx", "response_format": "opus"},  # moltis
        {"input": "Hi.", "voice": {"id": "anna"}, "response_format": "flac", "speed": None},
    ],
)
async def test_speech(http, body):
    """Each client's body is understood, with or without a Content-Type."""
    for headers in ({"content-type": "application/json; charset=utf-8"}, {}):
        answer = await http.post("/v1/audio/speech", content=json.dumps(body), headers=headers)

        assert answer.status_code == 200, answer.text
        assert answer.content


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"include[]": "logprobs"}, "include"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"chunking_strategy": "sometimes"}, "chunking_strategy"),
        ({"chunking_strategy": "{broken"}, "chunking_strategy"),
        ({"chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "7"}, "chunking_strategy"),
        ({"stream": "perhaps"}, "stream"),
    ],
)
async def test_what_cannot_be_done_is_refused(http, clip, fields, param):
    """Fields that no installed engine can honour, and nonsense, are 400 with the field's name."""
    answer = await http.post("/v1/audio/transcriptions", data=fields, files={"file": clip})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
