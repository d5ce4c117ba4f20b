"""POST /asr and /detect-language, as Bazarr and other clients of whisper-asr-webservice ask for them."""

import asyncio
import json

import httpx2
import msgspec
import numpy as np
import pytest
import srt
import webvtt

from speechhub.engine import Segment, SttCapabilities, Task, Transcript
from speechhub.http.app import create_app
from speechhub.settings import Secret
from tests.fakes.placements import CPU, placement, placements
from tests.http.conftest import hub_of, wav

SECOND = (np.sin(np.arange(16_000) * 0.2) * 8000).astype("<i2").tobytes()
"""Samples as Bazarr has ffmpeg make them: s16le, mono, 16 kHz, without a header."""


def bazarr_form(samples):
    """Return a form as requests writes ``files={"audio_file": samples}``: a filename, and no type."""
    return {
        "content": b'--b0\r\nContent-Disposition: form-data; name="audio_file"; filename="audio_file"\r\n\r\n'
        + samples
        + b"\r\n--b0--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=b0", "user-agent": "Subliminal/2.3"},
    }


async def test_bazarr_gets_subtitles(http, runner):
    """Bazarr's request for a film in German, with the film's name behind it, gets SRT in English."""
    answer = await http.post(
        "/asr?task=translate&language=de&output=srt&encode=false&video_file=%2Ffilms%2FM.mkv",
        **bazarr_form(SECOND),
    )

    assert answer.status_code == 200, answer.text
    assert [cue.content.strip() for cue in srt.parse(answer.text)] == ["Good morning, dear world."]
    [(model, request)] = runner.requests
    assert (model, request.task, request.language) == ("ears", Task.TRANSLATE, "de")
    assert request.word_timestamps
    assert request.audio.duration_s == pytest.approx(1.0)
    np.testing.assert_array_equal(request.audio.pcm16, np.frombuffer(SECOND, "<i2"))
    assert answer.headers["x-ignored-fields"] == "video_file"


async def test_bazarr_learns_the_language(http, runner):
    """Bazarr's question for the language gets its English name and its code, and no made-up confidence."""
    answer = await http.post("/detect-language?encode=false", **bazarr_form(SECOND))

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"detected_language": "english", "language_code": "en", "confidence": None}
    assert runner.requests[0][1].language is None


@pytest.mark.parametrize(
    ("output", "body"),
    [
        ("txt", "Good morning, dear world.\n"),
        ("tsv", "start\tend\ttext\n0\t1000\tGood morning, dear world.\n"),
    ],
)
async def test_plain_outputs(http, clip, output, body):
    """Text has a line for each segment; TSV has whole milliseconds; headers tell engine and file name."""
    answer = await http.post(f"/asr?output={output}", files={"audio_file": ("Ein Film.mp3", clip)})

    assert answer.text == body
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["asr-engine"] == "engine-of-ears"
    assert answer.headers["content-disposition"] == f'attachment; filename="Ein%20Film.mp3.{output}"'


async def test_segments_are_lines(http, runner, clip):
    """Whatever a segment's text holds, it is one line of text, and one row of TSV."""
    runner.hear = lambda request: Transcript(
        text="Good\tday. And\nnight.",
        duration_s=1.0,
        segments=(
            Segment(text=" Good\tday.", start_s=0.0, end_s=0.4),
            Segment(text=" And\nnight.", start_s=0.4004, end_s=1.0),
        ),
    )

    text = await http.post("/asr", files={"audio_file": clip})
    rows = await http.post("/asr?output=tsv", files={"audio_file": clip})

    assert text.text == "Good day.\nAnd night.\n"
    assert rows.text == "start\tend\ttext\n0\t400\tGood day.\n400\t1000\tAnd night.\n"


async def test_vtt_parses(http, clip):
    """WebVTT is what a subtitle library reads."""
    answer = await http.post("/asr?output=vtt", files={"audio_file": clip})

    assert [cue.text for cue in webvtt.from_string(answer.text)] == ["Good morning, dear world."]


@pytest.mark.parametrize(("query", "words"), [("", None), ("&word_timestamps=True", 4)])
async def test_json(http, clip, query, words):
    """JSON, which is text/plain too, has language, segments and text; words where they are asked for."""
    answer = await http.post(f"/asr?output=json{query}", files={"audio_file": clip})

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    body = json.loads(answer.text)
    assert (list(body), body["language"]) == (["language", "segments", "text"], "en")
    [segment] = body["segments"]
    found = segment.pop("words")
    assert segment == {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": 1.0,
        "text": " Good morning, dear world.",
        "tokens": [1, 2, 3],
        "temperature": 0.0,
        "avg_logprob": -0.2,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.01,
    }
    if words is None:
        assert found is None
    else:
        assert len(found) == words
        assert found[0] == {"start": 0.0, "end": 0.25, "word": " Good", "probability": 0.9}


async def test_options_reach_the_engine(http, runner, clip):
    """A language and a prompt arrive; empty values count as absent; a filter without effect is told."""
    answer = await http.post(
        "/asr?encode=true&task=transcribe&language=German&initial_prompt=Ada&vad_filter=true&output=",
        files={"audio_file": clip},
        data={"comment": "x"},
    )

    assert answer.status_code == 200, answer.text
    [(_, request)] = runner.requests
    assert (request.task, request.language, request.prompt) == (Task.TRANSCRIBE, "de", "Ada")
    assert answer.headers["x-ignored-fields"] == "vad_filter, comment"


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
@pytest.mark.parametrize("encode", ["false", "False", "0", "no", "off"])
async def test_samples_are_told_by_the_query(http, runner, path, encode):
    """Every spelling of false that the original takes means samples without a header."""
    answer = await http.post(f"{path}?encode={encode}", files={"audio_file": SECOND})

    assert answer.status_code == 200, answer.text
    assert runner.requests[0][1].audio.duration_s == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ("task=summarise", "task", "invalid_value"),
        ("output=docx", "output", "invalid_value"),
        ("encode=perhaps", "encode", "invalid_value"),
        ("vad_filter=perhaps", "vad_filter", "invalid_value"),
        ("word_timestamps=2", "word_timestamps", "invalid_value"),
        ("language=klingon", "language", "invalid_language_format"),
        ("language=fr", "language", "invalid_value"),
    ],
)
async def test_unknown_values_are_refused(http, runner, clip, query, param, code):
    """What stands behind the ? is understood, or refused with its name."""
    answer = await http.post(f"/asr?{query}", files={"audio_file": clip})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert not runner.requests


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"files": {"file": b"x"}}, 400, "missing_required_parameter", "audio_file"),
        ({"files": {"audio_file": SECOND}}, 400, "invalid_value", "audio_file"),
        ({"files": {"audio_file": wav(0.05)}}, 400, "audio_too_short", "audio_file"),
        ({"files": {"audio_file": b"\0" * 300_001}}, 413, None, "audio_file"),
        ({"json": {}}, 415, None, None),
    ],
    ids=["other name", "samples as a file", "short", "large", "JSON"],
)
async def test_bad_bodies_are_refused(http, path, body, status, code, param):
    """A wrong recording is an error in the usual shape, which calls the field what it is called here."""
    answer = await http.post(path, **body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
async def test_who_leaves_is_not_worked_for(app, runner, path):
    """The engine stops when the client closes the connection."""
    runner.gate.clear()
    form = bazarr_form(SECOND)
    incoming = [{"type": "http.request", "body": form["content"], "more_body": False}]

    async def receive():
        if incoming:
            return incoming.pop()
        async with asyncio.timeout(10):
            while not runner.running:  # noqa: ASYNC110  # the fake has no event for it
                await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"encode=false",
        "headers": [(name.encode(), value.encode()) for name, value in form["headers"].items()],
        "client": ("127.0.0.1", 123),
    }
    await asyncio.gather(app(scope, receive, send), return_exceptions=True)

    assert runner.cancelled.is_set()


@pytest.fixture
async def bare(settings, runner):
    """A client of a server whose only model has no times, no translations, and one language for all."""
    models = placements(placement("bare", device=CPU, capabilities=SttCapabilities()))
    hub = hub_of(msgspec.structs.replace(settings, aliases={}, voice_aliases={}), runner, models=models)
    transport = httpx2.ASGITransport(create_app(hub), raise_app_exceptions=False)
    async with hub, httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("/asr?output=srt", "output"),
        ("/asr?output=json", "output"),
        ("/asr?task=translate", "task"),
        ("/detect-language?", None),
    ],
)
async def test_what_the_model_cannot_do_is_refused(bare, runner, query, param):
    """Nothing is made up for a model that cannot do it; the error calls the field as these clients do."""
    answer = await bare.post(query, files={"audio_file": wav()})

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_value", param)
    assert not runner.requests


async def test_text_needs_no_times(bare, runner):
    """A transcript without segments is one line."""
    runner.hear = lambda _: Transcript(text="Good day.", duration_s=1.0)

    answer = await bare.post("/asr", files={"audio_file": wav()})

    assert answer.text == "Good day.\n"


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
async def test_keys_and_limits_hold(settings, runner, path):
    """These routes need a key where others do, and count as work."""
    strict = msgspec.structs.replace(settings, api_keys=(Secret("k" * 20),), rate_limit_per_minute=1)
    hub = hub_of(strict, runner)
    transport = httpx2.ASGITransport(create_app(hub), raise_app_exceptions=False)
    key = {"authorization": f"Bearer {'k' * 20}"}
    async with hub, httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        stranger = await client.post(path, files={"audio_file": wav()})
        first = await client.post(path, files={"audio_file": wav()}, headers=key)
        second = await client.post(path, files={"audio_file": wav()}, headers=key)

    assert [answer.status_code for answer in (stranger, first, second)] == [401, 200, 429]


async def test_silence_has_no_language(http, runner, clip):
    """A recording in which nothing is said is an error, not a guess."""
    runner.hear = lambda request: Transcript(text="", duration_s=request.audio.duration_s)

    answer = await http.post("/detect-language", files={"audio_file": clip})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "audio_file", "invalid_value")
