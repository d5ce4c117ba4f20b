"""The facts of routes, as the edges ask for them."""

import pytest

from speechhub.http.facts import PLAIN, WEBSOCKET, RouteFacts, RouteTable, Workload

ROUTES = RouteTable(
    {
        ("GET", "/"): RouteFacts(is_open=True),
        ("GET", "/page/{name:str}"): RouteFacts(
            is_open=True, is_quiet=True, paths=frozenset({"/page/a.js", "/page/a.css"})
        ),
        ("POST", "/asr"): RouteFacts(workload=Workload.ENGINE),
        ("POST", "/voices"): RouteFacts(workload=Workload.UPLOAD),
        ("GET", "/voices"): RouteFacts(may_load=True),
        ("GET", "/voices/{voice_id:str}"): RouteFacts(),
    }
)


@pytest.mark.parametrize(
    ("method", "wanted", "paths"),
    [
        ("GET", lambda facts: facts.is_open, {"/", "/page/a.js", "/page/a.css"}),
        ("POST", lambda facts: facts.is_open, set()),
        ("POST", lambda facts: facts.workload is Workload.ENGINE, {"/asr"}),
        ("POST", lambda facts: facts.workload is not Workload.LIGHT, {"/asr", "/voices"}),
        ("GET", lambda facts: facts.may_load, {"/voices"}),
    ],
)
def test_paths_have_the_facts_of_their_method(method, wanted, paths):
    """A template stands for the paths that it names."""
    assert ROUTES.paths(method, wanted) == paths


@pytest.mark.parametrize(
    ("path", "is_work"),
    [("/voices/a/speak", True), ("/asr", True), ("/voices/a/b/speak", False), ("/x", False)],
)
def test_a_template_stands_for_every_path_of_its_shape(path, is_work):
    """Where an edge asks for each path that comes."""
    work = RouteFacts(workload=Workload.ENGINE)
    routes = RouteTable({("POST", "/voices/{voice_id:str}/speak"): work, ("POST", "/asr"): work})

    assert routes.where("POST", lambda facts: facts.workload is Workload.ENGINE)(path) == is_work
    assert not routes.where("GET", lambda facts: facts.workload is Workload.ENGINE)(path)


def test_a_template_must_name_its_paths():
    """An edge compares paths: a template among them would match none, and let everything through."""
    routes = RouteTable({("POST", "/voices/{voice_id:str}/speak"): RouteFacts(workload=Workload.ENGINE)})

    with pytest.raises(ValueError, match="template"):
        routes.paths("POST", lambda facts: facts.workload is Workload.ENGINE)


def test_prefixes_end_before_what_varies():
    """They are what paths begin with."""
    assert ROUTES.prefixes(lambda facts: facts.is_quiet) == ("/page/",)
    assert ROUTES.prefixes(lambda facts: facts.is_probe) == ()


def test_which_paths_are_sockets():
    """A template stands for one part of a path, whatever it is; what only looks like a pattern does not."""
    is_socket = RouteTable(
        {
            (WEBSOCKET, "/v1/realtime"): PLAIN,
            (WEBSOCKET, "/v1/text-to-speech/{voice:str}/stream-input"): PLAIN,
            ("GET", "/v1/models"): PLAIN,
        }
    ).sockets()

    assert is_socket("/v1/realtime")
    assert is_socket("/v1/text-to-speech/anna.b/stream-input")
    for path in (
        "/v1/models",
        "/v1/realtime/",
        "/v1/realtimes",
        "/v1xrealtime",
        "/v1/text-to-speech//stream-input",
        "/v1/text-to-speech/a/b/stream-input",
        "/v1/text-to-speech/a/stream-input/x",
    ):
        assert not is_socket(path), path
