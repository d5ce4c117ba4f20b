"""What the application's own routes say of themselves."""

import pytest
from litestar.routes import HTTPRoute

from speechhub.http.app import CONTROLLERS
from speechhub.http.edges.bodies import SMALL_BODY_BYTES
from speechhub.http.facts import FACTS, FORM_OVERHEAD_BYTES, PLAIN, RouteTable, Workload
from speechhub.http.openapi.described import DESCRIBED
from speechhub.http.routes.page import PATHS
from speechhub.settings import Settings

PROBES = {"/health", "/health/live", "/health/ready"}
WORK = {
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/audio/speech",
    "/asr",
    "/detect-language",
}
SPEECH = {f"/v1/text-to-speech/{{voice_id:str}}{rest}" for rest in ("", "/stream", "/stream/with-timestamps")}


@pytest.fixture
def routes(app):
    return next(plugin for plugin in app.plugins if isinstance(plugin, RouteTable))


@pytest.mark.parametrize(
    ("method", "wanted", "paths"),
    [
        ("GET", lambda facts: facts.is_open, {"/"} | PROBES | PATHS),
        ("GET", lambda facts: facts.open_if(Settings(metrics_open=True)), {"/metrics"}),
        ("GET", lambda facts: facts.open_if(Settings()), set()),
        ("POST", lambda facts: facts.workload is Workload.ENGINE, WORK | SPEECH),
        (
            "POST",
            lambda facts: facts.workload is Workload.UPLOAD,
            {"/v1/audio/voices", "/v1/audio/voice_consents"},
        ),
        (
            "GET",
            lambda facts: facts.may_load,
            {
                *("/v1/audio/voices", "/v1/audio/speech/voices"),
                *("/v1/voices", "/v1/voices/{voice_id:str}", "/v2/voices"),
            },
        ),
        ("POST", lambda facts: facts.is_open or facts.may_load, set()),
    ],
)
async def test_which_routes_the_edges_treat_apart(routes, method, wanted, paths):
    """Who needs no key, what counts for limits, and what foreign pages may not even read."""
    found = {path for (given, path), facts in routes.facts.items() if given == method and wanted(facts)}
    named = {path: facts.paths for (_, path), facts in routes.facts.items() if facts.paths}

    assert {real for path in found for real in named.get(path, {path})} == paths


async def test_which_paths_are_signs_of_life_and_which_are_quiet(routes):
    """They are told by what they begin with, so that a wrong path below them is treated alike."""
    assert set(routes.prefixes(lambda facts: facts.is_probe)) == PROBES
    assert set(routes.prefixes(lambda facts: facts.is_quiet)) == PROBES | {"/metrics", "/page/"}


async def test_every_body_has_its_limit(app, settings):
    """Routes that read a form or a text take more than 64 KiB, and no others."""
    limits = {
        (method, route.path): handler.resolve_request_max_body_size()
        for route in app.routes
        if isinstance(route, HTTPRoute) and not route.path.startswith("/schema")
        for handler in route.route_handlers
        for method in handler.http_methods
    }
    recording = settings.max_upload_bytes + FORM_OVERHEAD_BYTES
    sample = settings.max_reference_bytes + FORM_OVERHEAD_BYTES

    assert {path: size for (_, path), size in limits.items() if size == recording} == dict.fromkeys(
        WORK - {"/v1/audio/speech"}, recording
    )
    assert {key for key, size in limits.items() if size == sample} == {
        ("POST", "/v1/audio/voices"),
        ("POST", "/v1/audio/voice_consents"),
    }
    assert limits[("POST", "/v1/audio/speech")] > SMALL_BODY_BYTES + 2 * settings.max_reference_bytes
    assert {limits["POST", path] for path in SPEECH} == {limits["POST", "/v1/audio/speech"]}
    assert {size for size in limits.values() if size < sample} - {limits[("POST", "/v1/audio/speech")]} == {
        SMALL_BODY_BYTES
    }


async def test_every_operation_says_what_can_go_wrong(app):
    """Errors stand at the handlers: an operation without any needs no key, and cannot fail."""
    document = app.openapi_schema.to_schema()
    silent = {
        path
        for path, item in document["paths"].items()
        for operation in item.values()
        if not any(status >= "400" for status in operation["responses"])
    }

    assert silent == {"/", "/health/live"}


async def test_handlers_say_nothing_under_other_keys(app):
    """A fact under a misspelt key would be no fact."""
    keys = {
        key
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for key in handler.opt
    }

    assert keys - {"body_hint"} <= {FACTS, DESCRIBED}
    assert len(CONTROLLERS) == len(set(CONTROLLERS))
    assert PLAIN.workload is Workload.LIGHT
