"""The HTTP application: a hub in, an ASGI application out. It owns nothing of what it answers with."""

from typing import Any

from litestar import Litestar, Request, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp

from speechhub.engine import Slot
from speechhub.http.context import context_of
from speechhub.http.edges.addresses import addresses_checked
from speechhub.http.edges.auth import ApiKeys, authenticated
from speechhub.http.edges.bodies import (
    FORM_OVERHEAD_BYTES,
    SMALL_BODY_BYTES,
    bodies_accounted,
    speech_body_bytes,
)
from speechhub.http.edges.hosts import named
from speechhub.http.edges.limits import limited
from speechhub.http.edges.middleware import errors_answered, head_answered, request_scope, sockets_refused
from speechhub.http.edges.origins import from_known_pages
from speechhub.http.edges.paths import versions_refused, with_aliases
from speechhub.http.edges.readers import reading_bounded
from speechhub.http.edges.turns import in_turns
from speechhub.http.edges.uploads import uploads_bounded
from speechhub.http.errors import BODY_HINT, HANDLERS, BodyKeepingRequest
from speechhub.http.openapi.document import openapi_config
from speechhub.http.routes import (
    asr,
    consents,
    engines,
    health,
    metrics,
    models,
    page,
    speech,
    transcriptions,
    voices,
)
from speechhub.hub import Hub
from speechhub.services.catalog import Catalog
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


def create_app(hub: Hub) -> Litestar:
    """Build the application in front of *hub*, which the caller opens and closes."""
    settings = hub.settings
    app = Litestar(
        route_handlers=[
            health.get_health,
            health.get_live,
            health.get_ready,
            metrics.get_metrics,
            page.get_root,
            page.get_part,
            *_routes_with_large_bodies(settings, hub.catalog),
            Router(
                path="/v1",
                route_handlers=[
                    voices.list_speech_voices,
                    voices.retrieve_voice,
                    voices.delete_voice,
                    voices.list_audio_models,
                    consents.retrieve_voice_consent,
                    consents.update_voice_consent,
                    consents.delete_voice_consent,
                    models.list_models,
                    models.retrieve_model,
                    models.delete_model,
                    engines.engines_router(),
                ],
            ),
        ],
        dependencies={
            "transcription": Provide(lambda: hub.transcription, sync_to_thread=False),
            "speech": Provide(lambda: hub.speech, sync_to_thread=False),
            "voices": Provide(lambda: hub.voices, sync_to_thread=False),
            "licences": Provide(lambda: hub.licences, sync_to_thread=False),
            "catalog": Provide(lambda: hub.catalog, sync_to_thread=False),
            "manager": Provide(lambda: hub.manager, sync_to_thread=False),
            "observation": Provide(lambda: hub.observation, sync_to_thread=False),
            "hub": Provide(lambda: hub, sync_to_thread=False),
        },
        before_request=_note_route,
        request_class=BodyKeepingRequest,
        exception_handlers=HANDLERS,
        request_max_body_size=SMALL_BODY_BYTES,
        cors_config=_cors(settings),
        openapi_config=openapi_config(),
        state=State(
            {
                "max_upload_bytes": settings.max_upload_bytes,
                "speech_format": settings.speech_format,
                "started_at": hub.started_at,
                "pools": hub.pools,
            }
        ),
        logging_config=None,
    )
    # Around everything, not as Litestar's middleware: those never see a request without a route.
    app.asgi_handler = _edges(app.asgi_handler, settings, hub)
    return app


def _routes_with_large_bodies(settings: Settings, catalog: Catalog) -> list[Router]:
    """Return the routes that take more than 64 KiB, each with what its largest honest request needs."""
    cloning = catalog.clones
    speech_bytes = speech_body_bytes(
        max_input_chars=settings.max_input_chars,
        max_reference_bytes=settings.max_reference_bytes,
        cloning=cloning,
    )
    hint = "" if cloning else "No model here clones voices, so that clips have no place in it."
    return [
        Router(
            path="/",
            route_handlers=[
                asr.create_asr_transcript,
                asr.detect_language,
                Router(
                    path="/v1",
                    route_handlers=[
                        transcriptions.create_transcription,
                        transcriptions.create_translation,
                    ],
                ),
            ],
            request_max_body_size=settings.max_upload_bytes + FORM_OVERHEAD_BYTES,
        ),
        Router(
            path="/v1",
            # Lists too, because a path belongs to one router; they read no body.
            route_handlers=[
                voices.list_voices,
                voices.create_voice,
                consents.list_voice_consents,
                consents.create_voice_consent,
            ],
            request_max_body_size=settings.max_reference_bytes + FORM_OVERHEAD_BYTES,
        ),
        Router(
            path="/v1",
            route_handlers=[speech.create_speech],
            request_max_body_size=speech_bytes,
            opt={BODY_HINT: hint},
        ),
    ]


def _edges(app: ASGIApp, settings: Settings, hub: Hub) -> ASGIApp:
    """Wrap *app* in what stands between it and the network, the innermost first."""
    app = versions_refused(sockets_refused(app))
    app = bodies_accounted(app, hub.account)
    app = reading_bounded(app, settings.answer_idle_timeout_s)
    app = uploads_bounded(
        app,
        idle_timeout_s=settings.upload_idle_timeout_s,
        min_bytes_per_s=settings.upload_min_bytes_per_s,
    )
    app = limited(app, per_minute=settings.rate_limit_per_minute, at_a_time=settings.concurrency_limit)
    also_open = page.PATHS | ({"/metrics"} if settings.metrics_open else set())
    app = authenticated(
        app,
        ApiKeys(settings.api_keys),
        operators=ApiKeys(settings.admin_keys),
        also_open=also_open,
        preflights=bool(settings.cors_origins),
    )
    app = from_known_pages(app, _cors(settings))
    app = addresses_checked(with_aliases(head_answered(app)))
    app = named(app, settings.allowed_hosts, has_keys=bool(settings.api_keys))
    app = in_turns(app)
    app = errors_answered(app, _cors(settings))
    return request_scope(app, hub.metrics)


async def _note_route(request: Request[Any, Any, Any]) -> None:
    context_of(request).route = request.scope["path_template"]


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.cors_origins:
        return None
    return CORSConfig(allow_origins=list(settings.cors_origins), expose_headers=list(EXPOSED_HEADERS))
