"""The HTTP application: a hub in, an ASGI application out. The application owns nothing; the hub does."""

from dataclasses import dataclass
from typing import Final, Self

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp, Scope

from speechhub.http.client_secrets import ClientSecrets
from speechhub.http.context import HUB, HttpRequest, context_of
from speechhub.http.edges.addresses import addresses_checked
from speechhub.http.edges.auth import ApiKeys, Keyring, authenticated
from speechhub.http.edges.bodies import SMALL_BODY_BYTES, BodyLimits, bodies_accounted
from speechhub.http.edges.hosts import named
from speechhub.http.edges.limits import limited
from speechhub.http.edges.middleware import errors_answered, head_answered, request_scope, sockets_refused
from speechhub.http.edges.origins import from_known_pages
from speechhub.http.edges.paths import versions_refused, with_aliases
from speechhub.http.edges.readers import reading_bounded
from speechhub.http.edges.turns import in_turns
from speechhub.http.edges.uploads import uploads_bounded
from speechhub.http.errors import HANDLERS, BodyKeepingRequest
from speechhub.http.facts import RouteTable
from speechhub.http.openapi.document import openapi_config
from speechhub.http.routes.asr import AsrController
from speechhub.http.routes.consents import ConsentsController
from speechhub.http.routes.elevenlabs import ElevenLabsController, ElevenLabsPagesController
from speechhub.http.routes.engines import EnginesController
from speechhub.http.routes.health import HealthController
from speechhub.http.routes.metrics import MetricsController
from speechhub.http.routes.models import ModelsController
from speechhub.http.routes.page import PageController
from speechhub.http.routes.realtime import RealtimeController
from speechhub.http.routes.speech import SpeechController
from speechhub.http.routes.transcriptions import TranscriptionsController
from speechhub.http.routes.voices import VoicesController
from speechhub.http.sockets.open_sessions import SESSIONS, OpenSessions, SessionLimits
from speechhub.hub import Hub
from speechhub.settings import Settings

EXPOSED_HEADERS = (
    "x-request-id",
    "openai-processing-ms",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ignored-fields",
    "x-recording-warnings",
    "asr-engine",
)
"""What pages of other origins may read, besides the body."""
SECRETS: Final = "secrets"
"""Under which it has its `ClientSecrets`."""

CONTROLLERS: Final = (
    AsrController,
    ConsentsController,
    ElevenLabsController,
    ElevenLabsPagesController,
    EnginesController,
    HealthController,
    MetricsController,
    ModelsController,
    PageController,
    RealtimeController,
    SpeechController,
    TranscriptionsController,
    VoicesController,
)
"""All routes, but for those of the OpenAPI document, which Litestar has."""


def create_app(hub: Hub) -> Litestar:
    """Build the application in front of *hub*, which the caller opens and closes.

    Its state has the `OpenSessions` under `SESSIONS`.
    """
    return Routes.build(hub.settings, cloning=hub.catalog.clones).in_front_of(hub)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """All routes, without a hub: what takes most of the time to build, and depends on few settings."""

    app: Litestar
    table: RouteTable
    handler: ASGIApp
    """What Litestar calls for a request, without our edges."""

    @classmethod
    def build(cls, settings: Settings, *, cloning: bool) -> Self:
        """Build them.

        Args:
            settings: Their limits of bodies count, and their `cors_origins`.
            cloning: Whether any model takes recordings of speakers.
        """
        table = RouteTable()
        app = Litestar(
            route_handlers=CONTROLLERS,
            dependencies={
                HUB: Provide(_hub, sync_to_thread=False),
                SECRETS: Provide(_secrets, sync_to_thread=False),
            },
            before_request=_note_route,
            request_class=BodyKeepingRequest,
            exception_handlers=HANDLERS,
            request_max_body_size=SMALL_BODY_BYTES,
            cors_config=_cors(settings),
            openapi_config=openapi_config(),
            plugins=[table, BodyLimits(settings, cloning=cloning)],
            logging_config=None,
        )
        return cls(app=app, table=table, handler=app.asgi_handler)

    def in_front_of(self, hub: Hub) -> Litestar:
        """Return the application, which from now on serves *hub* and has nothing of one before it."""
        settings, secrets = hub.settings, ClientSecrets()
        sessions = OpenSessions(
            SessionLimits(
                at_a_time=settings.realtime_sessions,
                idle_s=settings.realtime_idle_timeout_s,
                longest_s=settings.realtime_max_s,
                finish_s=settings.shutdown_timeout_s,
            )
        )
        self.app.state = State({HUB: hub, SECRETS: secrets, SESSIONS: sessions})
        # Around everything, not as Litestar's middleware: those never see a request without a route.
        self.app.asgi_handler = _edges(self.handler, self.table, hub, secrets)
        return self.app


def _hub(scope: Scope) -> Hub:
    hub: Hub = scope["litestar_app"].state[HUB]
    return hub


def _secrets(scope: Scope) -> ClientSecrets:
    secrets: ClientSecrets = scope["litestar_app"].state[SECRETS]
    return secrets


def _edges(app: ASGIApp, routes: RouteTable, hub: Hub, secrets: ClientSecrets) -> ASGIApp:
    """Wrap *app*, which has *routes*, in what stands between it and the network, the innermost first."""
    settings, cors, is_socket = hub.settings, _cors(hub.settings), routes.sockets()
    keyring = Keyring(ApiKeys(settings.api_keys), ApiKeys(settings.admin_keys), secrets)
    app = versions_refused(sockets_refused(app, is_socket))
    app = bodies_accounted(app, hub.account)
    app = reading_bounded(app, settings.answer_idle_timeout_s)
    app = uploads_bounded(
        app,
        idle_timeout_s=settings.upload_idle_timeout_s,
        min_bytes_per_s=settings.upload_min_bytes_per_s,
    )
    app = limited(app, routes, hub.callers)
    app = authenticated(
        app,
        keyring,
        open_paths=routes.paths("GET", lambda facts: facts.is_open or facts.open_if(settings)),
        is_socket=is_socket,
        preflights=cors is not None,
    )
    app = from_known_pages(app, cors, routes, keyring.proves)
    app = addresses_checked(with_aliases(head_answered(app)))
    app = named(app, settings.allowed_hosts, has_keys=bool(settings.api_keys))
    app = in_turns(app, routes.prefixes(lambda facts: facts.is_probe))
    app = errors_answered(app, cors)
    return request_scope(app, hub.metrics, quiet=routes.prefixes(lambda facts: facts.is_quiet))


async def _note_route(request: HttpRequest) -> None:
    context_of(request).route = request.scope["path_template"]


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(allow_origins=list(settings.cors_origins), expose_headers=list(EXPOSED_HEADERS))
