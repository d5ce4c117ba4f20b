"""Recordings with gaps and damage: times in every answer, and warnings where a client finds them."""

import json

import pytest
from structlog.testing import capture_logs

from tests.http.conftest import wav
from tests.unit.codecs.recordings import record, tone
from tests.unit.codecs.timed import webm

ROUTE = "/v1/audio/transcriptions"
DAMAGED = wav(1.5)[: 44 + 16_000]
SAID = "The recording breaks off at 0.50 s; its header says 1.50 s."


def gap(time_s):
    return time_s if time_s < 1 else time_s + 2


async def events_of(http, recording, **fields):
    async with http.stream(
        "POST", ROUTE, data={"stream": "true"} | fields, files={"file": recording}
    ) as answer:
        return [
            json.loads(line.removeprefix("data: "))
            async for line in answer.aiter_lines()
            if line.startswith("data: {")
        ]


@pytest.mark.scenario("damaged-middle")
@pytest.mark.parametrize("response_format", ["json", "verbose_json", "text", "srt", "vtt"])
async def test_damage_is_told_in_a_header(http, response_format):
    """In every format, in ASCII; and in JSON where it is read more easily."""
    answer = await http.post(ROUTE, data={"response_format": response_format}, files={"file": DAMAGED})

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-recording-warnings"] == SAID
    if "json" in response_format:
        assert answer.json()["warnings"] == [SAID]
    else:
        assert "breaks off" not in answer.text


async def test_damage_is_told_at_the_end_of_events(http):
    *_, done = await events_of(http, DAMAGED)

    assert done["type"] == "transcript.text.done"
    assert done["warnings"] == [SAID]


async def test_damage_is_told_to_clients_of_the_other_server(http):
    answer = await http.post("/asr?output=json", files={"audio_file": DAMAGED})

    assert answer.headers["x-recording-warnings"] == SAID
    assert answer.json().keys() == {"language", "segments", "text"}


@pytest.mark.parametrize("response_format", ["json", "verbose_json"])
async def test_nothing_is_said_of_a_right_recording(http, clip, response_format):
    """Not even that there is nothing to say."""
    with capture_logs() as logs:
        answer = await http.post(ROUTE, data={"response_format": response_format}, files={"file": clip})
    *_, done = await events_of(http, clip)

    assert "x-recording-warnings" not in answer.headers
    assert "warnings" not in answer.json()
    assert "warnings" not in done
    assert not [line for line in logs if line["event"] == "recording is damaged"]


async def test_the_log_has_one_line_about_damage(http):
    """Without a word of what was said."""
    with capture_logs() as logs:
        await http.post(ROUTE, files={"file": DAMAGED})

    [line] = [line for line in logs if line["event"] == "recording is damaged"]
    assert line["warnings"] == (SAID,)
    assert "morning" not in str(line)


async def test_openais_client_reads_the_warnings(client):
    """As a field that it does not know."""
    answer = await client.audio.transcriptions.create(
        model="whisper-1", file=DAMAGED, response_format="verbose_json"
    )

    assert answer.warnings == [SAID]
    assert answer.duration == pytest.approx(0.5, abs=0.01)


@pytest.mark.scenario("late-or-lost-audio")
async def test_every_answer_counts_the_gaps(http, runner):
    """Length, usage, cues, words and events agree on the recording's own time."""
    recording = webm(gap)

    verbose = (
        await http.post(
            ROUTE,
            data={"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]},
            files={"file": recording},
        )
    ).json()
    plain = (await http.post(ROUTE, files={"file": recording})).json()
    srt = (await http.post(ROUTE, data={"response_format": "srt"}, files={"file": recording})).text
    *_, done = await events_of(http, recording)

    assert verbose["duration"] == pytest.approx(5, abs=0.03)
    assert verbose["usage"] == plain["usage"] == {"type": "duration", "seconds": 5}
    assert verbose["segments"][-1]["end"] == pytest.approx(5, abs=0.03)
    assert verbose["words"][-1]["end"] == pytest.approx(5, abs=0.03)
    assert " --> 00:00:0" in srt
    assert done["usage"]["input_tokens"] == pytest.approx(50, abs=1)
    assert {round(request.audio.duration_s, 1) for _, request in runner.requests} == {5.0}
    assert "warnings" not in verbose


async def test_a_chain_of_other_rates_is_heard_to_its_end(http, runner):
    """It was three of six seconds, and the answer did not say so."""
    links = [
        record("ogg", "libopus", 48_000, samples=tone(3, 48_000)),
        record("ogg", "flac", 16_000, "stereo", samples=tone(3)),
    ]

    answer = await http.post(ROUTE, data={"response_format": "verbose_json"}, files={"file": b"".join(links)})

    assert answer.json()["duration"] == pytest.approx(6, abs=0.02)
    assert "warnings" not in answer.json()
