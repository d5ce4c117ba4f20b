"""GET /v1/realtime, a WebSocket; and POST /v1/realtime/client_secrets, for keys that open it."""

import time
from dataclasses import replace
from typing import Final

import msgspec
from litestar import Controller, post, websocket
from litestar.di import NamedDependency
from litestar.params import JSONBody

from speechhub.errors import RequestError
from speechhub.http.client_secrets import DEFAULT_S, ClientSecrets
from speechhub.http.context import HttpRequest, RequestContext, context_of
from speechhub.http.facts import FACTS, RouteFacts
from speechhub.http.openapi.described import DESCRIBED, OPENAI, Described
from speechhub.http.openapi.examples import CLIENT_SECRET, CLIENT_SECRETS, TRANSCRIPTION_SESSION
from speechhub.http.realtime.input_buffer import check_hearing, settings_of
from speechhub.http.realtime.items import new_id
from speechhub.http.realtime.responses import check_speaking
from speechhub.http.realtime.session import RealtimeSession
from speechhub.http.realtime.session_object import SpeechSession, transcribes
from speechhub.http.realtime.update import SessionState, as_beta, from_beta, in_beta_words, new_session
from speechhub.http.schemas.realtime import (
    ClientSecret,
    CreateClientSecret,
    TranscriptionSessionFields,
    TranscriptionSessionObject,
)
from speechhub.http.sockets.session import HttpSocket, in_session
from speechhub.http.sockets.socket import Socket
from speechhub.hub import Hub

SUBPROTOCOL: Final = "realtime"


class RealtimeController(Controller):
    """Live transcription and speech, over one connection."""

    path = "/v1/realtime"
    tags = (OPENAI,)

    @websocket(opt={FACTS: RouteFacts()})
    async def realtime(self, socket: HttpSocket, hub: NamedDependency[Hub]) -> None:
        """Have a realtime session: ``intent=transcription`` transcribes, ``model`` alone speaks."""

        def begin(connection: Socket, context: RequestContext) -> RealtimeSession:
            query = socket.query_params
            model = query.get("model") or context.deployment
            return RealtimeSession(
                connection,
                context,
                _started(hub, context, intent=query.get("intent"), model=model),
                catalog=hub.catalog,
                live=hub.live,
                speech=hub.speech,
                scope=socket.scope,
                pool=hub.pools.decoding,
                query_model=model,
            )

        await in_session(socket, begin, subprotocols=(SUBPROTOCOL,))

    @post(
        "/client_secrets",
        status_code=200,
        summary="Make a key that opens a realtime session",
        opt={
            FACTS: RouteFacts(),
            DESCRIBED: Described(
                errors=("400", "401", "404", "429"),
                requests=CLIENT_SECRETS,
                answers={"secret": {"value": CLIENT_SECRET}},
            ),
        },
    )
    async def create_client_secret(
        self,
        request: HttpRequest,
        data: JSONBody[CreateClientSecret],
        hub: NamedDependency[Hub],
        secrets: NamedDependency[ClientSecrets],
    ) -> ClientSecret:
        """Make a key for a page or an app: it opens WebSockets, for a while, and nothing else."""
        state = _fresh(hub, "realtime")
        if data.session is not None:
            state = state.updated(data.session, may_switch=True)
            _check(hub, state)
        seconds = data.expires_after.seconds if data.expires_after else DEFAULT_S
        value, made = secrets.create(state, seconds, key=context_of(request).key)
        await hub.replicas.share(made)
        return ClientSecret(value=value, expires_at=made.expires_at, session=state.session)

    @post(
        "/transcription_sessions",
        status_code=200,
        summary="Make a key that opens a transcription session, as in the beta",
        opt={
            FACTS: RouteFacts(),
            DESCRIBED: Described(
                errors=("400", "401", "404", "429"),
                answers={"session": {"value": TRANSCRIPTION_SESSION}},
            ),
        },
    )
    async def create_transcription_session(
        self,
        request: HttpRequest,
        data: JSONBody[TranscriptionSessionFields],
        hub: NamedDependency[Hub],
        secrets: NamedDependency[ClientSecrets],
    ) -> TranscriptionSessionObject:
        """Make a key that opens a transcription session; programs of today use client secrets."""
        fields = msgspec.to_builtins(data)
        given = {name: it for name, it in fields.items() if it is not None or name == "turn_detection"}
        try:
            state = _fresh(hub, "transcription").updated(from_beta(given), may_switch=True)
            _check(hub, state)
        except RequestError as error:
            error.param = (in_beta_words(error.param) or "").removeprefix("session.") or None
            raise
        value, made = secrets.create(state, DEFAULT_S, key=context_of(request).key)
        await hub.replicas.share(made)
        secret = {"value": value, "expires_at": made.expires_at}
        return msgspec.convert(as_beta(state.session) | {"client_secret": secret}, TranscriptionSessionObject)


def _fresh(hub: Hub, kind: str, model: str | None = None) -> SessionState:
    """Return what a new session begins with."""
    ends_at = int(time.time() + hub.settings.realtime_max_s)
    return SessionState(session=new_session(kind, id=new_id("sess"), expires_at=ends_at, model=model))


def _started(hub: Hub, context: RequestContext, *, intent: str | None, model: str | None) -> SessionState:
    """Return what the session of a connection begins with: what its secret says, or its address."""
    transcribes_only = intent == "transcription" or not model
    fresh = _fresh(hub, "transcription" if transcribes_only else "realtime", model)
    if isinstance(context.secret, SessionState):
        new = fresh.session
        session = msgspec.structs.replace(context.secret.session, id=new.id, expires_at=new.expires_at)
        return replace(context.secret, session=session)
    return fresh


def _check(hub: Hub, state: SessionState) -> None:
    """Check that the models of a session exist, and can do what it wants.

    Raises:
        RequestError: They do not, or cannot; its param is a path that begins with ``session``.
    """
    if isinstance(state.session, SpeechSession):
        check_speaking(hub.catalog, state.session)
    if transcribes(state.session):
        check_hearing(hub.live, settings_of(state.session.audio.input))
