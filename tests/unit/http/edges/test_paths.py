"""What the paths of OpenAI's, Azure's and Groq's clients mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.http.aliases import Target, resolve
from speechhub.http.context import KEY, RequestContext
from speechhub.http.edges.paths import versions_refused, with_aliases
from speechhub.http.near import ROUTES, UnknownVersionError, entered_twice, nearest


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        ("/v1/audio/speech", "/v1/audio/speech"),
        ("/v1/audio/speech/", "/v1/audio/speech"),
        ("//v1//audio/speech", "/v1/audio/speech"),
        ("/audio/speech", "/v1/audio/speech"),
        ("/audio/transcriptions/", "/v1/audio/transcriptions"),
        ("/models", "/v1/models"),
        ("/models/a/b", "/v1/models/a/b"),
        ("/openai/v1/audio/translations", "/v1/audio/translations"),
        ("/openai/v1/models/x", "/v1/models/x"),
        ("/openai/models", "/v1/models"),
        ("/v1", "/"),
        ("/v1/", "/"),
        ("/openai/v1/", "/"),
        ("/", "/"),
        ("", "/"),
        ("/health", "/health"),
        ("/health/", "/health"),
        ("/realtime", "/v1/realtime"),
        ("/openai/realtime", "/v1/realtime"),
        ("/openai/v1/realtime", "/v1/realtime"),
        ("/realtime/client_secrets", "/v1/realtime/client_secrets"),
        ("/models-of-mine", "/models-of-mine"),
        ("/audiobook", "/audiobook"),
        ("/very/odd", "/very/odd"),
        ("/openai/deployments/whisper/chat/completions", "/openai/deployments/whisper/chat/completions"),
    ],
)
def test_paths(path, meaning):
    """Each way of asking finds the route; what means nothing stays as it is."""
    assert resolve(path) == Target(path=meaning, is_groq="/openai/v1" in path)


@pytest.mark.parametrize(
    ("asked", "deployment"),
    [
        ("/openai/realtime?api-version=2025-04-01&deployment=caf%C3%A9%2Fx", "café/x"),
        ("/openai/realtime?api-version=2025-04-01", None),
        ("/openai/realtime?deployment=", None),
        ("/openai/deployments/ears/realtime?intent=transcription", "ears"),
        ("/v1/models?deployment=x", None),
    ],
)
async def test_azures_deployment_in_the_query(asked, deployment):
    """Its Realtime API names the model there, or in the path."""
    path, _, query = asked.partition("?")
    context = RequestContext(request_id="req_1", path=path)
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["path"])

    scope = {"type": "websocket", "path": path, "query_string": query.encode(), "state": {KEY: context}}
    await with_aliases(app)(scope, None, None)

    assert seen == ["/v1/realtime" if "realtime" in path else path]
    assert context.deployment == deployment


@pytest.mark.parametrize("name", ["whisper", "my.deploy-ment_1", "Systran/faster-whisper-base", "a b"])
@pytest.mark.parametrize("task", ["audio/transcriptions", "audio/translations", "audio/speech", "realtime"])
def test_azure_deployments(name, task):
    """Azure's path names the model."""
    target = resolve(f"/openai/deployments/{name}/{task}")

    assert target == Target(path=f"/v1/{task}", deployment=name)


@pytest.mark.mission("8.6")
@pytest.mark.parametrize(
    ("path", "version"),
    [("/v2/audio/speech", "v2"), ("/v1beta/models", "v1beta"), ("/openai/v3/x", "v3"), ("/v1.1", "v1.1")],
)
async def test_other_versions_are_refused_with_advice(path, version):
    """The message names the version and what to ask for instead."""
    meaning = resolve(path)

    assert meaning == Target(path=path)
    with pytest.raises(UnknownVersionError, match=rf"{version}.*/v1"):
        await versions_refused(None)({"path": meaning.path}, None, None)


@given(st.text(alphabet="/v12.aud_iomelsp%", max_size=30))
def test_meaning_is_stable(path):
    """Whatever comes, the meaning begins with a slash, has no spare ones, and means itself."""
    target = resolve("/" + path)

    assert target.path.startswith("/")
    assert "//" not in target.path
    assert resolve(target.path) == Target(path=target.path)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/v1/audio/speech", "/v1/audio/speech"),
        ("/api/v1/audio/transcriptions/", "/v1/audio/transcriptions"),
        ("/v1/audio/speech/audio/speech", "/v1/audio/speech"),
        ("/api/models", "/v1/models"),
        ("/v1/realtime/realtime", "/v1/realtime"),
        ("/v1/chat/completions", None),
        ("/models-of-mine", None),
        ("/v1/audio/speech", None),
        ("/v1/models/", None),
        ("/v1/engines/load", None),
    ],
)
def test_what_a_wrong_path_means(path, route):
    """A base URL with too much in front is told from a path that means nothing."""
    assert entered_twice(path) == route


@given(path=st.text(max_size=200))
def test_advice_is_for_any_path(path):
    """Whatever is asked for, and however long: a route, or none."""
    assert nearest(f"/{path}") in {None, *ROUTES.values()}
