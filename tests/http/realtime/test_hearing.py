"""Audio in: formats, utterances, texts, and what goes wrong with them."""

import threading

import numpy as np
import pytest

from speechhub.codecs import g711
from speechhub.errors import EngineCrashedError, QueueFullError
from speechhub.http.realtime import session as session_module
from speechhub.http.realtime.client_events import read_event
from speechhub.settings import Settings
from tests.fakes.babble import babble, talk
from tests.fakes.realtime import pcm16, realtime

RATE = 24_000
STARTED = "input_audio_buffer.speech_started"
STOPPED = "input_audio_buffer.speech_stopped"
COMPLETED = "conversation.item.input_audio_transcription.completed"
DELTA = "conversation.item.input_audio_transcription.delta"
FAILED = "conversation.item.input_audio_transcription.failed"
EMPTY = "input_audio_buffer_commit_empty"
TONE = (babble(1, RATE) * 32767).astype(np.int16)


async def update(session, **heard):
    kind = session.created["type"]
    answer = await session.ask("session.update", session={"type": kind, "audio": {"input": heard}})
    assert answer["type"] == "session.updated", answer
    return answer["session"]["audio"]["input"]


async def test_two_utterances(app):
    """Server VAD finds both; their events come in OpenAI's order, and times fit the recording."""
    async with realtime(app) as session:
        await session.append(pcm16(talk(0, 1, 1.5, 1, 1.5, 1, rate=RATE)))
        await session.until(COMPLETED)
        done = await session.until(COMPLETED)

    by_item = {}
    for event in session.seen:
        item = event.get("item_id") or event.get("item", {}).get("id")
        by_item.setdefault(item, []).append(event)
    first, second = (events for item, events in by_item.items() if item)
    for events in (first, second):
        types = [event["type"] for event in events if event["type"] != DELTA]
        assert types == [
            STARTED,
            STOPPED,
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            COMPLETED,
        ]
        assert events[3]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert 500 <= first[0]["audio_start_ms"] <= 1100
    assert 2500 <= first[1]["audio_end_ms"] <= second[0]["audio_start_ms"]
    assert first[2]["previous_item_id"] is None
    assert second[2]["previous_item_id"] == first[2]["item_id"]
    assert done["transcript"] == "Good morning, dear world."
    assert done["languages"] == [{"code": "en"}]
    assert done["usage"]["type"] == "duration"


async def test_deltas_join_to_the_text(app):
    """The engine streams: its pieces come as deltas, before the whole."""
    async with realtime(app) as session:
        await update(session, turn_detection=None)
        await session.append(TONE)
        await session.send("input_audio_buffer.commit")
        done = await session.until(COMPLETED)

    deltas = [event["delta"] for event in session.seen if event["type"] == DELTA]
    assert "".join(deltas) in ("", done["transcript"])
    assert done["transcript"] == "Good morning, dear world."


@pytest.mark.parametrize(
    ("form", "encode"),
    [
        ({"type": "audio/pcm", "rate": 24_000}, lambda samples: samples.astype("<i2").tobytes()),
        ({"type": "audio/pcm", "rate": 16_000}, lambda samples: samples.astype("<i2").tobytes()),
        ({"type": "audio/pcm", "rate": 48_000}, lambda samples: samples.astype("<i2").tobytes()),
        ({"type": "audio/pcmu"}, lambda samples: g711.encode(samples, g711.Law.MU)),
        ({"type": "audio/pcma"}, lambda samples: g711.encode(samples, g711.Law.A)),
        ("g711_ulaw", lambda samples: g711.encode(samples, g711.Law.MU)),
        ("pcm16", lambda samples: samples.astype("<i2").tobytes()),
    ],
    ids=str,
)
async def test_formats(app, runner, form, encode):
    """A second is a second in every format, whatever the pieces: odd bytes wait for the next."""
    rate = form.get("rate", 8_000) if isinstance(form, dict) else 24_000 if form == "pcm16" else 8_000
    data = encode(pcm16(babble(1, rate)))
    async with realtime(app) as session:
        heard = await update(session, turn_detection=None, format=form)
        for start in range(0, len(data), 4_001):
            await session.append(data[start : start + 4_001])
        await session.send("input_audio_buffer.commit")
        done = await session.until(COMPLETED)

    assert heard["format"]["type"].startswith("audio/")
    assert done["usage"]["seconds"] == pytest.approx(1, abs=0.001)
    assert runner.requests[-1][1].audio.duration_s == pytest.approx(1, abs=0.4)


async def test_what_transcription_is_asked_for(app, runner):
    """Model, language, prompt and keywords reach the engine."""
    async with realtime(app) as session:
        wish = {"model": "my-ears", "language": "de", "prompt": "A prompt", "keywords": ["Ada"]}
        heard = await update(session, turn_detection=None, transcription=wish)
        await session.append(TONE)
        await session.send("input_audio_buffer.commit")
        await session.until(COMPLETED)

    model, request = runner.requests[-1]
    assert heard["transcription"] == wish
    assert (model, request.language, request.prompt, request.hotwords) == ("ears", "de", "A prompt", ("Ada",))


@pytest.mark.parametrize(
    ("query", "model"),
    [
        ("intent=transcription&model=bare-ears", "bare-ears"),
        ("intent=transcription&model=gpt-4o-transcribe", "ears"),
        ("intent=transcription&model=gpt-realtime", "ears"),
        ("intent=transcription&model=no-such-model", "ears"),
        ("intent=transcription", "ears"),
        ("", "ears"),
    ],
)
async def test_the_model_of_the_address(app, runner, query, model):
    """It transcribes if it can; clients put all kinds of models there."""
    async with realtime(app, f"/v1/realtime?{query}") as session:
        await update(session, turn_detection=None)
        await session.append(TONE)
        await session.send("input_audio_buffer.commit")
        await session.until(COMPLETED)

    assert session.created["type"] == "transcription"
    assert runner.requests[-1][0] == model


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (EngineCrashedError("The engine is gone."), None, "server_error"),
        (QueueFullError("Too many wait.", retry_after_s=1), "server_is_overloaded", "server_error"),
    ],
    ids=["crash", "queue"],
)
async def test_a_failed_transcription_is_no_error_event(app, runner, error, code, kind):
    """Clients give up at `error`; the item fails, and the session goes on."""
    async with realtime(app) as session:
        await update(session, turn_detection=None)
        runner.error = error
        await session.append(TONE)
        await session.send("input_audio_buffer.commit")
        failed = await session.until(FAILED)
        runner.error = None
        await session.append(TONE)
        await session.send("input_audio_buffer.commit")
        await session.until(COMPLETED)

    assert failed["error"]["type"] == kind
    assert failed["error"]["message"]
    assert failed["error"]["code"] == (code or failed["error"]["code"])
    assert "error" not in session.types()


async def test_a_commit_of_too_little(app):
    """OpenAI's words, with the length."""
    async with realtime(app) as session:
        await update(session, turn_detection=None)
        await session.append(TONE[: RATE // 20])
        error = await session.error("input_audio_buffer.commit", event_id="last_words")

    assert error["code"] == EMPTY
    assert error["event_id"] == "last_words"
    assert error["message"] == (
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer "
        "only has 50.00ms of audio."
    )


async def test_more_than_ten_minutes_without_a_commit(app):
    """The append is dropped and told; the session goes on."""
    async with realtime(app) as session:
        await update(session, turn_detection=None, format={"type": "audio/pcmu"})
        await session.append(bytes(8_000 * 601))
        error = (await session.receive())["error"]

        assert error["code"] == "input_audio_buffer_full"
        assert (await session.error("input_audio_buffer.commit"))["code"] == EMPTY


async def test_more_than_15_mib_in_one_append(app):
    """It is refused, and names the field."""
    async with realtime(app) as session:
        await session.append(bytes(15 * 2**20 + 1))
        error = (await session.receive())["error"]

    assert (error["code"], error["param"]) == ("invalid_value", "audio")


async def test_a_missing_model_is_told_when_it_is_named(app):
    """Nothing of the refused update is kept, and the error names the path."""
    async with realtime(app) as session:
        wish = {"transcription": {"model": "nobody"}, "turn_detection": None}
        changes = {"type": "transcription", "audio": {"input": wish}}
        error = await session.error("session.update", session=changes, event_id="e1")
        after = await update(session)

    assert error["code"] == "model_not_found"
    assert error["param"] == "session.audio.input.transcription.model"
    assert error["event_id"] == "e1"
    assert after["turn_detection"] == session.created["audio"]["input"]["turn_detection"]
    assert after["transcription"] is None


async def test_a_language_that_is_none(app):
    async with realtime(app) as session:
        changes = {"type": "transcription", "audio": {"input": {"transcription": {"language": "klingon"}}}}
        error = await session.error("session.update", session=changes)

    assert error["code"] == "invalid_language_format"
    assert error["param"] == "session.audio.input.transcription.language"


async def test_a_clear_forgets_what_was_appended(app, runner):
    async with realtime(app) as session:
        await update(session, turn_detection=None)
        await session.append(TONE)
        cleared = await session.ask("input_audio_buffer.clear")
        error = await session.error("input_audio_buffer.commit")

    assert cleared["type"] == "input_audio_buffer.cleared"
    assert error["code"] == EMPTY
    assert runner.requests == []


async def test_the_beta(app):
    """Flat fields are translated, and answered in the beta's words; faults name the beta's fields."""
    async with realtime(app) as session:
        flat = {
            "input_audio_format": "g711_alaw",
            "input_audio_transcription": {"model": "whisper-1", "prompt": "Names"},
            "turn_detection": {"type": "server_vad", "threshold": 0.4},
            "input_audio_noise_reduction": {"type": "near_field"},
        }
        updated = await session.ask("transcription_session.update", session=flat)
        worse = {"input_audio_transcription": {"model": "nobody"}}
        error = await session.error("transcription_session.update", session=worse)
        off = await session.ask("transcription_session.update", session={"turn_detection": None})

    assert updated["type"] == "transcription_session.updated"
    assert updated["session"]["input_audio_format"] == "g711_alaw"
    assert updated["session"]["turn_detection"]["threshold"] == 0.4
    assert error["param"] == "session.input_audio_transcription.model"
    assert off["session"]["turn_detection"] is None
    assert off["session"]["input_audio_transcription"]["prompt"] == "Names"


async def test_a_realtime_session_transcribes_if_asked(app, runner):
    """With input transcription the texts come as in a transcription session; without it, turns alone."""
    async with realtime(app, "/v1/realtime?model=gpt-realtime") as session:
        await session.append(pcm16(talk(0, 0.5, 1, 1, rate=RATE)))
        await session.until("conversation.item.done")
        assert runner.requests == []
        await update(session, transcription={"model": "gpt-live-transcribe"}, turn_detection=None)
        await session.append(TONE)
        await session.send("input_audio_buffer.commit")
        done = await session.until(COMPLETED)

    assert done["transcript"] == "Good morning, dear world."
    assert session.types().count(COMPLETED) == 1


@pytest.mark.parametrize("settings", [Settings(rate_limit_per_minute=2)], ids=["2"])
async def test_utterances_count_among_the_requests_of_a_minute(app):
    """Beyond them the session ends: an error, and 1013."""
    async with realtime(app) as session:
        await update(session, turn_detection=None)
        for _ in range(3):
            await session.append(TONE)
            await session.send("input_audio_buffer.commit")
        closed, before = await session.closed()

    errors = [event["error"]["code"] for event in before if event["type"] == "error"]
    assert errors == ["rate_limit_exceeded"]
    assert (closed.code, closed.reason) == (1013, "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/realtime?intent=transcription&model=mouth", "transcription"),
        ("/v1/realtime?model=mouth", "realtime"),
        ("/realtime?model=mouth", "realtime"),
        ("/openai/v1/realtime?model=mouth", "realtime"),
        ("/openai/realtime?api-version=2025-08-28&deployment=mouth", "realtime"),
        ("/openai/deployments/mouth/realtime", "realtime"),
        ("/v1/realtime", "transcription"),
    ],
)
async def test_the_kind_follows_from_the_address(app, path, kind):
    async with realtime(app, path) as session:
        pass

    assert session.created["type"] == kind
    assert session.created["object"] == f"realtime.{'transcription_' * (kind != 'realtime')}session"
    assert session.created["expires_at"] > 0


async def test_own_turns_of_openais_newest_models(app):
    """Their clients commit by themselves, and do not say so."""
    async with realtime(app) as session:
        silent = await update(session, transcription={"model": "gpt-live-transcribe"})
        asked = await update(session, turn_detection={"type": "server_vad"})
        kept = await update(session, transcription={"language": "en"})

    assert silent["turn_detection"] is None
    assert asked["turn_detection"]["silence_duration_ms"] == 500
    assert kept["turn_detection"] == asked["turn_detection"]


@pytest.mark.parametrize(("eagerness", "turns"), [("high", 1), ("low", 0)])
async def test_semantic_vad_is_another_silence(app, eagerness, turns):
    """After 0.7 s of silence an eager detector ends the turn, a patient one does not."""
    async with realtime(app) as session:
        await update(session, turn_detection={"type": "semantic_vad", "eagerness": eagerness})
        await session.append(pcm16(talk(0, 0.5, 1.5, 0.7, rate=RATE)))
        await session.until(STARTED)
        await session.send("input_audio_buffer.clear")
        await session.until("input_audio_buffer.cleared")

    assert session.types().count(STOPPED) == turns


async def test_binary_frames_are_text(app):
    async with realtime(app) as session:
        await session.client.send(b'{"type":"input_audio_buffer.clear"}')

        assert (await session.receive())["type"] == "input_audio_buffer.cleared"


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("rubbish", None),
        ("[]", "type"),
        ('{"no":"type"}', "type"),
        ("[" * 200 + "]" * 200, None),
        ('{"type":"input_audio_buffer.append","audio":"##"}', "audio"),
        ('{"type":"input_audio_buffer.append","audio":7}', "audio"),
        ('{"type":"session.update","session":[]}', "session"),
        ('{"type":"session.update","session":{"type":"transcription","audio":7}}', "session.audio"),
        ('{"type":"input_audio_buffer.commit","event_id":"' + "x" * 513 + '"}', "event_id"),
        (b"\xff\xfe", None),
    ],
)
async def test_rubbish_is_told_and_the_session_goes_on(app, text, param):
    async with realtime(app) as session:
        await session.client.send(text)
        error = (await session.receive())["error"]
        cleared = await session.ask("input_audio_buffer.clear")

    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert cleared["type"] == "input_audio_buffer.cleared"


async def test_long_messages_are_read_beside_the_event_loop(app, monkeypatch):
    """One of 16 MiB would stop every other client for 70 ms, and those of many sessions would add up."""
    threads = []

    def noting(message):
        threads.append(threading.current_thread())
        return read_event(message)

    monkeypatch.setattr(session_module, "read_event", noting)
    async with realtime(app) as session:
        await update(session, turn_detection=None)
        threads.clear()
        await session.append(bytes(4_800))
        await session.append(bytes(480_000))
        await session.send("input_audio_buffer.append", audio="?" * 200_000)
        error = await session.until("error")
        await session.send("input_audio_buffer.commit")
        await session.until("input_audio_buffer.committed")

    assert error["error"]["param"] == "audio"
    here = threading.main_thread()
    assert [thread is here for thread in threads] == [True, False, False, True]


async def test_a_buffer_without_audio_is_cleared_without_a_model(app):
    """It begins nothing: the session may still become one that speaks."""
    async with realtime(app) as session:
        cleared = await session.ask("input_audio_buffer.clear")
        switched = await session.ask("session.update", session={"type": "realtime"})

    assert cleared["type"] == "input_audio_buffer.cleared"
    assert switched["session"]["type"] == "realtime"
