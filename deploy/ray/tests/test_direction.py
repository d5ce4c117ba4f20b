"""The direction of a request, from its head alone."""

import pytest

from speechhub.http.app import Routes
from speechhub.http.facts import WEBSOCKET, Workload
from speechhub.settings import Settings
from speechhub_ray.direction import wish_of
from speechhub_ray.policy import Wish

TRANSCRIBE = ("/v1/audio/transcriptions", "/v1/audio/translations", "/asr", "/detect-language")
ROUTES = [
    (method, template, facts)
    for (method, template), facts in Routes.build(Settings(), cloning=True).table.facts.items()
    if method != "OPTIONS"
]
ANYWHERE = Wish(slot=None, holds_engine=False)


def path_of(template):
    """Return a path of a route; what stands for its parameters means nothing."""
    return "/".join("some-name" if part.startswith("{") else part for part in template.split("/"))


@pytest.mark.parametrize(
    ("method", "template", "facts"), ROUTES, ids=lambda it: it if isinstance(it, str) else ""
)
def test_every_route_of_the_hub_goes_where_its_engine_is(method, template, facts):
    """The hub's facts say which routes use an engine; of those, all that do not transcribe speak."""
    wish = wish_of(path_of(template), b"", method=method, socket=method == WEBSOCKET)

    if template == "/v1/realtime":  # without a model, it transcribes
        assert wish == Wish(slot="stt", holds_engine=False)
    elif facts.workload is Workload.ENGINE or facts.may_load:
        slot = "stt" if template in TRANSCRIBE else "tts"
        assert wish == Wish(slot=slot, holds_engine=method == "POST")
    else:
        assert wish == ANYWHERE


def test_the_routes_are_those_of_the_hub():
    """The test above would say nothing of an empty table."""
    used = {(method, template) for method, template, facts in ROUTES if facts.workload is Workload.ENGINE}

    assert len(used) >= 9
    assert {("POST", "/v1/audio/speech"), ("POST", "/asr")} <= used


@pytest.mark.parametrize(
    ("path", "slot", "model"),
    [
        ("/audio/speech", "tts", None),
        ("//v1//audio/speech/", "tts", None),
        ("/openai/v1/audio/speech", "tts", None),
        ("/openai/v1/audio/transcriptions", "stt", None),
        ("/openai/deployments/my-ears/audio/transcriptions", "stt", "my-ears"),
        ("/openai/deployments/my/ears/audio/translations", "stt", "my/ears"),
        ("/openai/deployments/my-mouth/audio/speech", "tts", "my-mouth"),
        ("/text-to-speech/anna", "tts", None),
        ("/v1/v1/text-to-speech/anna/stream", "tts", None),
        ("/v1/text-to-speech/anna/stream/with-timestamps", "tts", None),
        ("/v1/audio/speechless", None, None),
        ("/v1/text-to-speech", None, None),
        ("/v2/audio/speech", None, None),
        ("/nowhere", None, None),
    ],
)
def test_paths_of_azure_groq_and_elevenlabs(path, slot, model):
    assert wish_of(path, b"") == Wish(slot=slot, model=model, holds_engine=slot is not None)


@pytest.mark.parametrize(
    ("query", "slot", "model"),
    [
        (b"", "stt", None),
        (b"intent=transcription", "stt", None),
        (b"intent=transcription&model=ears", "stt", "ears"),
        (b"model=mouth", "tts", "mouth"),
        (b"deployment=mouth&api-version=1", "stt", "mouth"),
        (b"intent=other&model=m%20outh", "tts", "m outh"),
        (b"model=&intent=", "stt", None),
    ],
)
def test_a_realtime_socket_goes_where_the_hub_begins_its_session(query, slot, model):
    """A socket is open for long and says nothing about how long others wait."""
    wish = wish_of("/v1/realtime", query, method="", socket=True)

    assert wish == Wish(slot=slot, model=model, holds_engine=False)


def test_azure_s_realtime_path_names_the_model():
    wish = wish_of("/openai/deployments/mouth/realtime", b"", method="", socket=True)

    assert wish == Wish(slot="tts", model="mouth", holds_engine=False)


def test_elevenlabs_sockets_speak():
    for end in ("stream-input", "multi-stream-input"):
        wish = wish_of(f"/v1/text-to-speech/anna/{end}", b"model_id=m", method="", socket=True)
        assert wish == Wish(slot="tts", model="m", holds_engine=False)


@pytest.mark.parametrize("name", [b"serve_multiplexed_model_id", b"serve-multiplexed-model-id"])
def test_the_header_for_a_model_wins_over_path_and_query(name):
    headers = ((b"content-type", b"application/json"), (name, b"mouth-2"))

    wish = wish_of("/openai/deployments/mouth/audio/speech", b"model=other", headers)
    other = wish_of("/v1/models", b"", headers, method="GET")

    assert wish == Wish(slot="tts", model="mouth-2")
    assert other == ANYWHERE


def test_no_header_is_too_odd():
    """A proxy without our middlewares passes on what is not text."""
    assert wish_of("/v1/audio/speech", b"", [(b"serve_multiplexed_model_id", b"\xff")]).slot == "tts"


@pytest.mark.parametrize("path", ["/", "/nowhere", "/v1/audio/speech"])
def test_other_sockets_go_anywhere(path):
    assert wish_of(path, b"model=m", method="", socket=True) == ANYWHERE


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_list_of_voices_is_read_where_speech_is_made(method):
    """It may load its engine; holding none, it says nothing about waiting."""
    assert wish_of("/v1/audio/voices", b"model=mouth", method=method) == Wish(
        slot="tts", model="mouth", holds_engine=False
    )
    assert wish_of("/v1/audio/speech/voices", b"model_id=mouth", method=method).model == "mouth"
    assert wish_of("/v2/voices", b"", method=method).slot == "tts"
    assert wish_of("/v1/voices/anna", b"", method=method).slot == "tts"
    assert wish_of("/v1/audio/voices/voice_1", b"", method=method) == ANYWHERE


def test_a_replica_can_be_named_for_all_routes():
    """The first of several counts, as in the hub."""
    assert wish_of("/v1/engines/load", b"replica=b&replica=c") == Wish(
        slot=None, replica="b", holds_engine=False
    )
    assert wish_of("/v1/audio/speech", b"replica=b").replica == "b"
    assert wish_of("/health", b"replica=", method="GET").replica is None


@pytest.mark.parametrize(
    "query", [b"\xff\xfe", b"%ff=%ff&model=%ff", b"&&&===", b"a=1;model=2", b"model=" + b"x" * 99_999]
)
def test_no_query_is_too_odd(query):
    assert wish_of("/v1/audio/speech", query).slot == "tts"
