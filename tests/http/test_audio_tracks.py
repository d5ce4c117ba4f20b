"""The field ``audio_track``: which track of a recording with several is heard."""

import base64

import numpy as np
import pytest
from structlog.testing import capture_logs

from tests.unit.codecs.recordings import film

RATE = 16_000
FILM = film("matroska", {"hz": 440.0, "language": "ger"}, {"hz": 800.0, "language": "eng", "title": "Main"})


def pitch_hz(runner):
    """Return the pitch that the engine got last, in hertz."""
    samples = runner.requests[-1][1].audio.samples
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.argmax(spectrum) * RATE / len(samples)


@pytest.mark.parametrize(("track", "hz"), [(None, 440), ("1", 440), ("2", 800), ("en", 800), ("auto", 440)])
@pytest.mark.parametrize("route", ["transcriptions", "translations"])
async def test_a_form_names_the_track(http, runner, route, track, hz):
    fields = {} if track is None else {"audio_track": track}

    answer = await http.post(f"/v1/audio/{route}", files={"file": ("a.mkv", FILM)}, data=fields)

    assert answer.status_code == 200, answer.text
    assert "x-ignored-fields" not in answer.headers
    assert pitch_hz(runner) == pytest.approx(hz, abs=5)


@pytest.mark.parametrize(("track", "hz"), [(None, 440), (2, 800), ("2", 800), ("English", 800)])
async def test_json_names_the_track_as_number_or_text(http, runner, track, hz):
    audio = {"data": base64.b64encode(FILM).decode(), "format": "mkv"}

    answer = await http.post("/v1/audio/transcriptions", json={"input_audio": audio, "audio_track": track})

    assert answer.status_code == 200, answer.text
    assert pitch_hz(runner) == pytest.approx(hz, abs=5)


async def test_the_official_client_names_the_track(client, runner):
    await client.audio.transcriptions.create(
        model="whisper-1", file=("a.mkv", FILM), extra_body={"audio_track": "en-GB"}
    )

    assert pitch_hz(runner) == pytest.approx(800, abs=5)


@pytest.mark.parametrize("route", ["/asr", "/detect-language"])
async def test_clients_of_whisper_asr_webservice_name_the_track(http, runner, route):
    answer = await http.post(f"{route}?audio_track=2", files={"audio_file": FILM})

    assert answer.status_code == 200, answer.text
    assert pitch_hz(runner) == pytest.approx(800, abs=5)


@pytest.mark.scenario("missing-track")
@pytest.mark.parametrize("track", ["3", "0", "fr", "klingon"])
@pytest.mark.parametrize("stream", ["false", "true"])
async def test_a_track_that_does_not_exist_is_refused(http, runner, track, stream):
    answer = await http.post(
        "/v1/audio/transcriptions", files={"file": FILM}, data={"audio_track": track, "stream": stream}
    )

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "audio_track", "invalid_value")
    assert "1 (German, flac); 2 (English, flac, 'Main')" in error["message"]
    assert runner.requests == []


@pytest.mark.parametrize("track", [0, -1, 1.5, True, ["en"], {"language": "en"}, "x" * 65])
async def test_what_cannot_be_a_track_is_refused(http, track):
    audio = {"data": base64.b64encode(FILM).decode()}

    answer = await http.post("/v1/audio/transcriptions", json={"input_audio": audio, "audio_track": track})

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "audio_track"), error


@pytest.mark.parametrize(("track", "status"), [("1", 200), ("auto", 200), ("2", 400), ("en", 400)])
async def test_a_plain_recording_has_one_track(http, clip, track, status):
    """Also where the recording is read without a decoder."""
    answer = await http.post("/v1/audio/transcriptions", files={"file": clip}, data={"audio_track": track})

    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["error"]["param"] == "audio_track"


@pytest.mark.parametrize("stream", ["false", "true"])
async def test_the_log_says_which_track_was_heard(http, clip, stream):
    """Of a recording with several; of others there is nothing to say."""
    with capture_logs() as logs:
        for recording in (FILM, clip):
            answer = await http.post(
                "/v1/audio/transcriptions",
                files={"file": recording},
                data={"audio_track": "1", "stream": stream},
            )
            assert answer.status_code == 200, answer.text

    [first, second] = [line for line in logs if line["event"] == "request"]
    assert first["audio_track"] == "1 of 2"
    assert "audio_track" not in second
