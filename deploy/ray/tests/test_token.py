"""Ray's own authentication, in a cluster that lives as long as the command."""

import pytest

from speechhub_ray.__main__ import own_token


def test_each_cluster_has_a_token_of_its_own():
    """It is in the environment of Ray's processes alone: nothing is written into the home folder."""
    first, second = own_token({"HOME": "/nowhere"}), own_token({})

    assert first.keys() == {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
    assert first["RAY_AUTH_MODE"] == "token"
    assert len(first["RAY_AUTH_TOKEN"]) == 64
    assert first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]


@pytest.mark.parametrize("name", ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_the_operators_choice_counts(name):
    """Somebody who wants to look at the cluster from outside sets the token."""
    assert own_token({name: "anything"}) == {}
