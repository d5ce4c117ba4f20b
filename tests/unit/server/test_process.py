"""The hub's own part of a server's process, without listeners."""

import asyncio

from speechhub.server import process
from speechhub.settings import Settings
from tests.fakes.workers import Fleet
from tests.http.conftest import hub_of


async def test_an_opened_hub_has_its_process_tuned_and_its_models_preloaded(monkeypatch, tmp_path):
    """Every server in front of a hub gets the same process, whatever accepts its clients."""
    done, fleet = [], Fleet()
    monkeypatch.setattr(process, "keep_freed_memory", lambda: done.append("heap"))
    monkeypatch.setattr(process, "startup_kept", lambda: done.append("garbage"))
    monkeypatch.setattr(process.sys, "setswitchinterval", done.append)
    hub = hub_of(Settings(home=tmp_path, preload=("ears",), inspectable=True), None, fleet=fleet)

    async with process.opened(hub):
        await asyncio.gather(*hub._preloads)
        assert done == ["heap", process.SWITCH_S, "garbage"]
        assert [worker.placement.model.id for worker in fleet.loaded] == ["ears"]

    assert not fleet.alive
