"""docs/clients.md tells of the clients that scripts/check_clients.py ran, and their pins are exact."""

import json
import re
import sys

import pytest

from tests.docs.pages import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import check_clients

CLIENTS = {client.name: client for client in check_clients.clients()}


def test_the_table_is_what_the_runs_left():
    """Between the marks stands the table of the kept results, and nothing else."""
    page = check_clients.TABLE_PAGE.read_text("utf-8")
    results = json.loads(check_clients.RECORDED.read_text("utf-8"))

    assert check_clients.with_table(page, results) == page


def test_the_table_has_every_client_at_its_pinned_version():
    """A client whose version was raised has to run again before it is told of."""
    results = json.loads(check_clients.RECORDED.read_text("utf-8"))

    assert {result["name"]: tuple(result["packages"]) for result in results} == {
        name: client.packages for name, client in CLIENTS.items()
    }
    assert not [result["name"] for result in results if check_clients.faults(result)]


@pytest.mark.parametrize("name", CLIENTS)
def test_pins_are_exact_and_name_no_registry(name):
    """Every package has one version and hashes, and comes from wherever the machine is told to look."""
    client = CLIENTS[name]
    path = client.pins / "package-lock.json" if client.node else client.pins
    text = path.read_text("utf-8")

    if client.node:
        entries = {key: entry for key, entry in json.loads(text)["packages"].items() if key}
        assert all("integrity" in entry and "resolved" not in entry for entry in entries.values())
        for package in client.packages:
            name, version = package.rsplit("@", 1)
            assert entries[f"node_modules/{name}"]["version"] == version
    else:
        assert "://" not in text
        assert all("--hash=" in block for block in re.split(r"\n(?=[A-Za-z0-9])", text)[1:])
        for package in client.packages:
            assert re.search(rf"^{package}( |$)", text, re.MULTILINE | re.IGNORECASE)


def test_each_run_has_one_client_of_each_family():
    """CI runs these, in a few minutes."""
    chosen = [client.name for client in CLIENTS.values() if client.each_run]

    assert chosen == [
        *("openai-python", "openai-agents", "openai-node", "ai-sdk"),
        *("livekit", "pipecat", "elevenlabs", "wyoming-openai", "wyoming-bench"),
    ]
