"""Client secrets: what they are made of, what they open, and what is refused."""

import openai
import pytest
from openai.types.realtime import ClientSecretCreateResponse
from pydantic import TypeAdapter

from speechhub.errors import RateLimitedError
from speechhub.http.app import SECRETS, create_app
from speechhub.settings import Secret
from tests.fakes.realtime import realtime
from tests.fakes.replicas import FakeReplicas
from tests.http.conftest import hub_of

PATH = "/v1/realtime/client_secrets"
MANUAL = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}


@pytest.fixture
def settings(settings):
    return type(settings)(home=settings.home, api_keys=(Secret("right"),))


@pytest.fixture
async def http(http):
    http.headers["authorization"] = "Bearer right"
    return http


@pytest.mark.parametrize(
    "session",
    [
        None,
        MANUAL,
        {"type": "realtime", "model": "mouth", "audio": {"output": {"voice": {"id": "anna"}}}},
    ],
    ids=["default", "transcription", "speech"],
)
async def test_the_answer_is_openais(http, session):
    """openai-python's type accepts it to the letter, with the whole session."""
    answer = await http.post(PATH, json={} if session is None else {"session": session})

    secret = TypeAdapter(ClientSecretCreateResponse).validate_json(answer.content, strict=True)
    assert answer.status_code == 200
    assert secret.value.startswith("ek_")
    assert secret.session.type == (session["type"] if session else "realtime")
    assert secret.session.id.startswith("sess_")
    assert secret.session.expires_at > secret.expires_at


@pytest.mark.parametrize("how", ["header", "subprotocol"])
async def test_the_socket_starts_with_its_session(app, http, how):
    """Whatever the address says, the session is the secret's, and its id is new."""
    made = (await http.post(PATH, json={"session": MANUAL})).json()
    key = made["value"]
    facts = (
        {"headers": {"authorization": f"Bearer {key}"}}
        if how == "header"
        else {"subprotocols": ["realtime", f"openai-insecure-api-key.{key}"]}
    )
    async with realtime(app, "/v1/realtime?model=mouth", **facts) as session:
        subprotocol = session.client.subprotocol

    assert session.created["audio"]["input"]["turn_detection"] is None
    assert session.created["type"] == "transcription"
    assert session.created["id"] != made["session"]["id"]
    assert subprotocol == ("realtime" if how == "subprotocol" else None)


async def test_it_opens_nothing_else(http):
    """A page cannot use it for requests, and so not for further secrets either."""
    key = (await http.post(PATH, json={})).json()["value"]

    for path in ("/v1/audio/speech", PATH):
        refused = await http.post(path, json={}, headers={"authorization": f"Bearer {key}"})
        assert refused.status_code == 401


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"expires_after": {"seconds": 9}}, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "invalid_value", "expires_after.seconds"),
        ({"session": {}}, "missing_required_parameter", "session.type"),
        ({"session": {"type": "x"}}, "invalid_value", "session.type"),
        ({"session": {"type": "realtime", "model": "nobody"}}, "model_not_found", "session.model"),
        (
            {
                "session": {
                    "type": "transcription",
                    "audio": {"input": {"transcription": {"model": "nobody"}}},
                }
            },
            "model_not_found",
            "session.audio.input.transcription.model",
        ),
    ],
    ids=str,
)
async def test_what_is_refused(http, body, code, param):
    """A wrong session is refused when the secret is made, not when the page connects."""
    error = (await http.post(PATH, json=body)).json()["error"]

    assert (error["code"], error["param"]) == (code, param)


async def test_the_beta_makes_transcription_sessions(app, http):
    """openai-python's beta client gets a secret in its own words."""
    async with openai.AsyncOpenAI(base_url="http://hub/v1", api_key="right", http_client=http) as client:
        made = await client.beta.realtime.transcription_sessions.create(
            input_audio_format="g711_ulaw",
            input_audio_transcription={"model": "whisper-1", "language": "en"},
            turn_detection={"silence_duration_ms": 700},
        )
    headers = {"authorization": f"Bearer {made.client_secret.value}"}
    async with realtime(app, headers=headers) as session:
        heard = session.created["audio"]["input"]

    assert made.input_audio_format == "g711_ulaw"
    assert heard["format"] == {"type": "audio/pcmu"}
    assert heard["transcription"] == {"model": "whisper-1", "language": "en"}
    assert heard["turn_detection"]["silence_duration_ms"] == 700


async def test_the_beta_names_its_own_fields(http):
    """What is wrong is named as the client wrote it."""
    path = "/v1/realtime/transcription_sessions"
    answer = await http.post(path, json={"input_audio_transcription": {"model": "nobody"}})

    assert answer.json()["error"]["param"] == "input_audio_transcription.model"


@pytest.mark.parametrize(
    "made_by",
    ["client_secrets", "transcription_sessions"],
)
async def test_another_replica_knows_the_secret_once_it_is_answered(hub, settings, runner, http, made_by):
    """A page asks one replica for a secret, and its socket reaches another: the session is the secret's."""
    async with hub_of(settings, runner) as other_hub:
        other = create_app(other_hub)
        hub.replicas = FakeReplicas("a", "b", learn=other.state[SECRETS].learn)
        wanted = {"session": MANUAL} if made_by == "client_secrets" else {"turn_detection": None}

        made = (await http.post(f"/v1/realtime/{made_by}", json=wanted)).json()
        value = made["value"] if "value" in made else made["client_secret"]["value"]
        async with realtime(other, "/v1/realtime", headers={"authorization": f"Bearer {value}"}) as session:
            heard = session.created

    assert heard["type"] == "transcription"
    assert heard["audio"]["input"]["turn_detection"] is None


async def test_a_secret_that_another_replica_has_no_room_for_is_refused(hub, http):
    """A page with a secret that only one replica knows would be refused at random."""

    def full(secret):
        raise RateLimitedError("no room", retry_after_s=7)

    hub.replicas = FakeReplicas("a", "b", learn=full)

    refused = await http.post(PATH, json={})

    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "7"
