"""The facts of routes, as the edges ask for them."""

import pytest

from speechhub.http.facts import RouteFacts, RouteTable, Workload

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


def test_a_template_must_name_its_paths():
    """An edge compares paths: a template among them would match none, and let everything through."""
    routes = RouteTable({("POST", "/voices/{voice_id:str}/speak"): RouteFacts(workload=Workload.ENGINE)})

    with pytest.raises(ValueError, match="template"):
        routes.paths("POST", lambda facts: facts.workload is Workload.ENGINE)


def test_prefixes_end_before_what_varies():
    """They are what paths begin with."""
    assert ROUTES.prefixes(lambda facts: facts.is_quiet) == ("/page/",)
    assert ROUTES.prefixes(lambda facts: facts.is_probe) == ()
