"""ElevenLabs' routes: their shapes over speechhub's services, as their clients read them."""

import asyncio
import base64
import io
import json
import threading
import wave

import av
import numpy as np
import pytest

from speechhub.codecs import g711
from speechhub.errors import EngineCrashedError
from speechhub.http.app import create_app
from speechhub.http.context import RequestContext
from speechhub.http.elevenlabs import conversation
from speechhub.http.elevenlabs.conversation import TextConversation
from speechhub.http.elevenlabs.formats import output_format
from speechhub.settings import Secret, Settings
from tests.fakes.realtime import settled
from tests.fakes.sockets import ClosedError, connected
from tests.http.conftest import hub_of

SPEAK = "/v1/text-to-speech/anna"
TEXT = "Hello there. How are you?"


async def speak(http, path=SPEAK, **fields):
    query = {"output_format": fields.pop("output_format")} if "output_format" in fields else {}
    return await http.post(path, params=query, json={"text": TEXT} | fields)


@pytest.mark.parametrize("path", [SPEAK, f"{SPEAK}/stream"])
async def test_a_text_is_spoken(http, runner, path):
    """With the default format, MP3 at 44.1 kHz and 128 kbit/s, by the voice of the path."""
    answer = await speak(http, path, model_id="eleven_multilingual_v2", voice_settings={"stability": 0.5})

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "audio/mpeg"
    with av.open(io.BytesIO(answer.content)) as file:
        assert file.streams.audio[0].rate == 44_100
        assert file.bit_rate == pytest.approx(128_000, rel=0.01)
    [(model, request)] = runner.requests
    assert (model, request.voice, request.text) == ("mouth", "anna", TEXT)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("mp3_22050_32", "audio/mpeg"),
        ("opus_48000_32", "audio/opus"),
        ("wav_16000", "audio/wav"),
        ("pcm_8000", "audio/pcm"),
        ("ulaw_8000", "audio/basic"),
        ("alaw_8000", "audio/x-alaw-basic"),
    ],
)
async def test_formats_have_their_rate(http, runner, name, media_type):
    """Three pieces of half a second are as long in each of them."""
    answer = await speak(http, output_format=name)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    rate = int(name.split("_")[1])
    if name.startswith(("pcm", "ulaw", "alaw")):
        seconds = len(answer.content) / rate / (2 if name.startswith("pcm") else 1)
    else:
        with av.open(io.BytesIO(answer.content)) as file:
            samples = [frame.to_ndarray().shape[-1] for frame in file.decode(audio=0)]
            assert file.streams.audio[0].rate == rate
            seconds = sum(samples) / rate
    assert seconds == pytest.approx(1.5, abs=0.1)


async def test_telephone_codes_are_the_samples(http):
    """µ-law is the PCM16 of the same speech, coded."""
    plain, coded = [(await speak(http, output_format=name)).content for name in ("pcm_8000", "ulaw_8000")]

    assert coded == g711.encode(np.frombuffer(plain, "<i2"), g711.Law.MU)


async def test_a_short_wav_has_its_length(http, runner):
    """As it has on OpenAI's route."""
    runner.pieces = None
    answer = await speak(http, output_format="wav_24000", text="Hello.")

    with wave.open(io.BytesIO(answer.content)) as file:
        assert file.getframerate() == 24_000


@pytest.mark.parametrize(
    "name",
    ["mp3", "mp3_11_32", "opus_44100_64", "pcm_96000", "ulaw_16000", "mp3_44100_999", "pcm_8000_3", "x"],
)
async def test_a_format_that_cannot_be_made_is_refused(http, name):
    """And the error says what can."""
    answer = await speak(http, output_format=name)

    assert answer.status_code == 400
    assert answer.json()["detail"]["param"] == "output_format"
    assert "mp3" in answer.json()["detail"]["message"]


@pytest.mark.parametrize(
    ("path", "fields", "status", "name", "param"),
    [
        ("/v1/text-to-speech/nobody", {}, 400, "voice_not_found", "voice_id"),
        (SPEAK, {"text": " "}, 400, "missing_required_parameter", "text"),
        (SPEAK, {"text": 5}, 400, "invalid_value", "text"),
        (SPEAK, {"model_id": "nothing"}, 404, "model_not_found", "model_id"),
        (SPEAK, {"voice_settings": {"speed": 9}}, 400, "invalid_value", "voice_settings.speed"),
        (SPEAK, {"seed": 2**32}, 400, "invalid_value", "seed"),
        (SPEAK, {"seed": -1}, 400, "invalid_value", "seed"),
        (SPEAK, {"language_code": "klingon"}, 400, "invalid_language_format", "language_code"),
    ],
)
async def test_errors_have_their_shape(http, path, fields, status, name, param):
    """With ElevenLabs' names of the fields."""
    answer = await speak(http, path, **fields)

    detail = answer.json()["detail"]
    assert (answer.status_code, detail["status"], detail["param"]) == (status, name, param), detail
    assert detail["message"]


async def test_an_engine_that_fails_is_told(http, runner):
    """Before the first byte, with the status that OpenAI's clients would get."""
    runner.error = EngineCrashedError("mouth")
    answer = await speak(http)

    assert answer.status_code == 500
    assert answer.json()["detail"]["status"] == "engine_crashed"


async def test_what_has_no_effect_is_named(http):
    """In the header that all routes have for it."""
    answer = await speak(http, previous_text="Hi.", next_text=None)

    assert answer.headers["x-ignored-fields"] == "previous_text"


async def test_speech_with_times(http, runner):
    """Lines of JSON: all characters that are said, in order, and the last ends with the audio."""
    answer = await speak(http, f"{SPEAK}/stream/with-timestamps", output_format="pcm_16000")

    lines = [json.loads(line) for line in answer.text.splitlines()]
    times = [line["alignment"] for line in lines if line["alignment"]]
    audio = b"".join(base64.b64decode(line["audio_base64"]) for line in lines)
    starts = [start for some in times for start in some["character_start_times_seconds"]]
    assert "".join(char for some in times for char in some["characters"]).strip() == TEXT
    assert starts == sorted(starts)
    assert times[-1]["character_end_times_seconds"][-1] == pytest.approx(len(audio) / 32_000, abs=0.1)
    assert [request.text for _, request in runner.requests] == ["Hello there.", "How are you?"]


@pytest.mark.parametrize(("voice", "text", "status"), [("nobody", "Hi.", 400), ("anna", "", 400)])
async def test_speech_with_times_is_refused_before_its_first_line(http, voice, text, status):
    """A status tells it, and not a line."""
    answer = await speak(http, f"/v1/text-to-speech/{voice}/stream/with-timestamps", text=text)

    assert answer.status_code == status
    assert answer.json()["detail"]["message"]


async def test_voices(http):
    """Those of the default model, in every list, and each alone."""
    lists = [(await http.get(path)).json() for path in ("/v1/voices", "/v2/voices", "/v2/voices?search=ANN")]
    one = (await http.get("/v1/voices/bert")).json()
    none = await http.get("/v1/voices/nobody")

    assert [[voice["voice_id"] for voice in found["voices"]] for found in lists] == [
        ["anna", "bert"],
        ["anna", "bert"],
        ["anna"],
    ]
    assert lists[1]["total_count"] == 2
    assert not lists[1]["has_more"]
    assert one["name"] == "bert"
    assert (none.status_code, none.json()["detail"]["status"]) == (404, "voice_not_found")


@pytest.mark.parametrize(
    "path", ["/text-to-speech/anna", "/v1/v1/text-to-speech/anna", "/v1/text-to-speech/anna/"]
)
async def test_a_base_url_may_have_a_version_or_not(http, path):
    """Clients add it themselves, or do not."""
    assert (await speak(http, path)).status_code == 200
    assert (await http.get("/v1/v2/voices")).status_code == 200
    assert (await http.get("/voices")).status_code == 200


async def test_the_list_of_models_stays_openai_s(http):
    """Whatever a client's key is called."""
    answer = await http.get("/v1/models", headers={"xi-api-key": "x"})

    assert answer.json()["object"] == "list"


# Sockets


def one(voice="anna", output="pcm_16000", more=""):
    return f"/v1/text-to-speech/{voice}/stream-input?output_format={output}{more}"


def many(voice="anna", output="pcm_16000", more=""):
    return f"/v1/text-to-speech/{voice}/multi-stream-input?output_format={output}{more}"


async def say(client, **message):
    await client.send(json.dumps(message))


async def heard(client, context=None):
    """Read until the end of a text; return its audio, and all messages."""
    audio, messages = b"", []
    while True:
        message = json.loads(await client.receive())
        messages.append(message)
        assert "error" not in message, message
        if message.get("contextId") == context:
            audio += base64.b64decode(message["audio"] or "")
            if message["isFinal"]:
                return audio, messages


async def test_a_text_in_parts_is_spoken(app, runner):
    """Sentence by sentence; then the end, and the connection closes."""
    async with connected(app, one(more="&model_id=eleven_turbo_v2_5")) as client:
        await say(
            client, text=" ", voice_settings={"speed": 1}, generation_config={"chunk_length_schedule": [50]}
        )
        for part in ("Hello th", "ere. How ", "are you? "):
            await say(client, text=part, try_trigger_generation=True)
        await say(client, text="")
        audio, messages = await heard(client)
        closed, _ = await client.closed()

    assert closed.code == 1000
    assert len(audio) / 32_000 == pytest.approx(3.0, abs=0.5)
    assert [request.text for _, request in runner.requests] == ["Hello there.", "How are you?"]
    chars = [char for message in messages for char in (message["alignment"] or {"chars": []})["chars"]]
    assert "".join(chars).strip() == TEXT
    assert messages[0]["isFinal"] is None
    assert all(message["alignment"] == message["normalizedAlignment"] for message in messages)


async def test_sound_comes_before_the_text_ends(app):
    """As soon as the second sentence has begun."""
    async with connected(app, one()) as client:
        await say(client, text="Hello there. How are ")

        assert json.loads(await client.receive())["audio"]


async def test_a_flush_speaks_what_is_there(app, runner):
    """Without waiting for a sentence's end."""
    async with connected(app, one()) as client:
        await say(client, text="Hello ", flush=True)
        await client.receive()

    assert [request.text for _, request in runner.requests] == ["Hello"]


async def test_times_count_from_the_last_times(app):
    """So that a client that adds up what it gets knows where in the audio it is."""
    async with connected(app, one()) as client:
        await say(client, text="One is here. Two is here. Three is here. ")
        await say(client, text="")
        audio, messages = await heard(client)

    times = [message["alignment"] for message in messages if message["alignment"]]
    spans = [some["charStartTimesMs"][-1] + some["charDurationsMs"][-1] for some in times]
    assert all(some["charStartTimesMs"][0] < 300 for some in times)
    assert sum(spans) / 1000 == pytest.approx(len(audio) / 32_000, abs=0.1)


async def test_contexts_are_texts_of_their_own(app, runner):
    """Each has its end; the connection stays, until the client closes it."""
    async with connected(app, many()) as client:
        await say(client, text="")  # keeps the connection alive
        for name in ("a", "b"):
            await say(client, text=" ", context_id=name, voice_settings={"speed": 1.0})
            await say(client, text=f"This is {name}. ", context_id=name)
            await say(client, text="", context_id=name)
        await say(client, context_id="b", flush=True)
        await say(client, context_id="b", close_context=True)
        audio, _ = await heard(client, "b")
        await say(client, context_id="b", close_context=True)
        await say(client, close_socket=True)
        rest, _ = await heard(client, "a")
        closed, _ = await client.closed()

    assert closed.code == 1000
    assert audio
    assert rest
    assert sorted(request.text for _, request in runner.requests) == ["This is a.", "This is b."]


async def test_an_error_of_a_context_is_its_own(app, runner):
    """The others go on."""
    async with connected(app, many(more="&model_id=nothing")) as client:
        await say(client, text="Hello. ", context_id="a")
        failed = json.loads(await client.receive())
        await say(client, text="Hello. ", context_id="b")
        again = json.loads(await client.receive())

    assert (failed["contextId"], failed["status"], failed["code"]) == ("a", "model_not_found", 1008)
    assert failed["message"] == failed["error"]
    assert again["contextId"] == "b"


async def test_text_for_a_closed_context_is_an_error(app, runner):
    """It was dropped in silence; space keeps connections alive, and the context is spoken to its end."""
    runner.gate.clear()
    async with connected(app, many()) as client:
        await say(client, text="Hello. ", context_id="a")
        await say(client, context_id="a", close_context=True)
        await say(client, text=" ", context_id="a")
        await say(client, text="More. ", context_id="a")
        refused = json.loads(await client.receive())
        runner.gate.set()
        audio, _ = await heard(client, "a")

    assert (refused["contextId"], refused["status"]) == ("a", "invalid_value")
    assert audio


async def test_an_engine_that_fails_is_told_over_the_socket(app, runner):
    """In its context; another can be spoken afterwards."""
    runner.error = EngineCrashedError("mouth")
    async with connected(app, many()) as client:
        await say(client, text="Hello. ", context_id="a", flush=True)
        failed = json.loads(await client.receive())
        runner.error = None
        await say(client, text="Hello. ", context_id="b", flush=True)
        spoken = json.loads(await client.receive())

    assert (failed["contextId"], failed["status"]) == ("a", "engine_crashed")
    assert spoken["audio"]


@pytest.mark.parametrize(
    ("path", "message", "status"),
    [
        (one("nobody"), '{"text": "Hello. ", "flush": true}', "voice_not_found"),
        (one(output="x"), '{"text": "Hello. "}', "invalid_value"),
        (one(more="&seed=x"), '{"text": "Hello. "}', "invalid_value"),
        (one(more="&seed=" + "9" * 5000), '{"text": "Hello. "}', "invalid_value"),
        (one(more="&seed=4294967296"), '{"text": "Hello. "}', "invalid_value"),
        (one(more="&language_code=" + "x" * 65), '{"text": "Hello. "}', "invalid_value"),
        (one(more="&apply_text_normalization=never"), '{"text": "Hello. "}', "invalid_value"),
        (one(), "rubbish", "invalid_value"),
        (one(), "null", "invalid_value"),
        (one(), '{"text": "He\\u0000llo. "}', "invalid_value"),
        (one(), '{"text": "Hello \\ud83d"}', "invalid_value"),
        (one(), b"\xff\xfe", "invalid_value"),
        (one(), '{"text": 5}', "invalid_value"),
        (one(), '{"x":' * 5000 + "1" + "}" * 5000, "invalid_value"),
    ],
)
async def test_an_error_of_the_only_text_ends_the_connection(app, path, message, status):
    """With a message that says what is wrong, and the close code that ElevenLabs' clients know."""
    async with connected(app, path) as client:
        await client.send(message)
        closed, before = await client.closed()

    assert closed.code == 1008
    assert json.loads(before[-1])["status"] == status


class SlowReader:
    """A socket whose client sends what is in `said`, and reads the end of a text only once `reads` is set."""

    def __init__(self):
        self.said, self.reads, self.waits = asyncio.Queue(), asyncio.Event(), asyncio.Event()
        self.gone, self.messages = asyncio.Event(), []

    async def receive(self):
        return await self.said.get()

    async def send(self, data, *, tag=None):
        del tag
        message = json.loads(data)
        if message["isFinal"]:
            self.waits.set()
            await self.reads.wait()
        self.messages.append(message)

    def say(self, **message):
        self.said.put_nowait(json.dumps(message))


async def test_a_text_may_begin_before_the_end_of_the_last_one_is_read(hub, runner):
    """It stays one text, whose parts are joined."""
    socket, context = SlowReader(), RequestContext(request_id="r", path="/", trusted=True)
    talk = TextConversation(socket, context, hub, "anna", {"output_format": "pcm_16000"}, many=True)
    serving = asyncio.create_task(talk.serve())
    socket.say(text="Hello. ", context_id="a")
    socket.say(context_id="a", close_context=True)
    await socket.waits.wait()
    socket.say(text="How ", context_id="a")
    await settled()
    socket.reads.set()
    await settled()
    socket.say(text="are you?", context_id="a")
    socket.say(close_socket=True)
    await serving

    assert [request.text for _, request in runner.requests] == ["Hello.", "How are you?"]


async def test_a_message_with_the_mark_of_utf_8_is_read(app):
    """As bodies of requests are."""
    async with connected(app, one()) as client:
        await client.send('\ufeff{"text": "Hello. "}')
        await say(client, text="")

        assert (await heard(client))[0]


async def test_long_messages_are_read_in_a_thread(app, monkeypatch):
    """Others would wait for one of 16 MiB."""
    read, threads = conversation.read_message, []

    def noting(data):
        threads.append(threading.current_thread() is threading.main_thread())
        return read(data)

    monkeypatch.setattr(conversation, "read_message", noting)
    async with connected(app, one()) as client:
        await say(client, text="Hello. ")
        await say(client, text=" " * conversation.SHORT_MESSAGE)
        await say(client, text="")
        audio, _ = await heard(client)

    assert audio
    assert threads == [True, False, True]


@pytest.mark.parametrize("seed", [-1, 2**32, 10**30])
async def test_a_seed_that_no_engine_takes_is_refused(http, runner, seed):
    """ElevenLabs' largest is 4294967295."""
    answer = await speak(http, seed=seed)

    assert (answer.status_code, answer.json()["detail"]["param"]) == (400, "seed")
    assert not runner.requests


async def test_many_contexts_are_too_many(app, monkeypatch):
    """One more is refused, and the others stay."""
    monkeypatch.setattr(conversation, "MOST_CONTEXTS", 2)
    async with connected(app, many()) as client:
        for name in ("a", "b", "c"):
            await say(client, text=" ", context_id=name)

        assert json.loads(await client.receive())["contextId"] == "c"


async def test_leaving_stops_the_speech(app, hub, runner):
    """Nothing is left of it: no task, no call, no bytes."""
    runner.gate.clear()
    before = len(asyncio.all_tasks())
    async with connected(app, one()) as client:
        await say(client, text="Hello. ", flush=True)
        while not runner.requests:  # noqa: ASYNC110  # the fake has no event for it
            await asyncio.sleep(0)

    assert runner.cancelled.is_set()
    assert hub.account.held("memory") == 0
    assert len(asyncio.all_tasks()) <= before


KEY = "a-key-of-sixteen-or-more"


@pytest.fixture
async def locked(tmp_path, runner):
    hub = hub_of(Settings(home=tmp_path, api_keys=(Secret(KEY),)), runner)
    async with hub:
        yield create_app(hub)


@pytest.mark.parametrize("how", ["header", "query", "bearer-query", "message", "bearer"])
async def test_keys_are_taken_where_clients_show_them(locked, how):
    """A header, the query, or the first message."""
    headers = {"xi-api-key": KEY} if how == "header" else {}
    more = {"query": f"&xi_api_key={KEY}", "bearer-query": f"&authorization=Bearer%20{KEY}"}.get(how, "")
    first = {"message": {"xi_api_key": KEY}, "bearer": {"authorization": f"Bearer {KEY}"}}.get(how, {})
    async with connected(locked, one(more=more), headers=headers) as client:
        await say(client, text="Hello. ", flush=True, **first)

        assert json.loads(await client.receive())["audio"]


@pytest.mark.parametrize("first", [{}, {"xi_api_key": "wrong"}])
async def test_without_a_right_key_nothing_is_spoken(locked, runner, first):
    """The message says why, and the connection closes."""
    async with connected(locked, many()) as client:
        await say(client, text="Hello. ", flush=True, context_id="a", **first)
        closed, before = await client.closed()

    assert closed.code == 1008
    assert "key" in json.loads(before[-1])["message"]
    assert not runner.requests


async def test_what_is_spoken_over_a_socket_counts_in_the_minute(tmp_path, runner):
    """Each text is a request."""
    hub = hub_of(Settings(home=tmp_path, rate_limit_per_minute=1), runner)
    async with hub, connected(create_app(hub), many()) as client:
        await say(client, text="Hello. ", context_id="a", flush=True)
        await client.receive()
        await say(client, text="Hello. ", context_id="b", flush=True)
        while (message := json.loads(await client.receive())).get("contextId") != "b":
            pass

    assert message["status"] == "rate_limit_exceeded"


async def test_a_path_of_theirs_without_a_socket_is_refused(app):
    """As any other."""
    with pytest.raises(ClosedError):
        async with connected(app, "/v1/text-to-dialogue/multi-stream-input"):
            pass


def test_the_default_format_is_elevenlabs():
    """MP3 at 44.1 kHz."""
    assert output_format(None).sample_rate == 44_100
