"""The application of a replica, from its start on."""

import asyncio
import time

import pytest

from speechhub.gpu.monitor import NoGpus
from speechhub.hub import Hub
from speechhub.services.replicas import SharedSecret
from speechhub.settings import Settings
from speechhub_ray import application
from speechhub_ray.application import ReplicaApplication
from tests.fakes.placements import placement, placements
from tests.fakes.workers import Fleet

pytestmark = pytest.mark.anyio


def secret(name):
    return SharedSecret(
        digest=name.encode(), session=None, key=None, expires_at=int(time.time()) + 600, size_bytes=10
    )


async def test_secrets_that_are_made_while_a_replica_starts_are_learned(tmp_path, monkeypatch):
    """Their maker's router did not know of it yet, and told only the others."""
    monkeypatch.setattr(application, "JOIN_AFTER_S", (0.0, 0.0, 0.0))
    answers = iter([[], [secret("first")], [secret("first"), secret("second")]])

    async def known():
        return next(answers)

    settings = Settings(home=tmp_path, inspectable=True, standby="off")
    hub = Hub.build(settings, placements(placement("ears")), starter=Fleet(), monitor=NoGpus())
    made = ReplicaApplication(hub, "a", is_ending=lambda: False, known_secrets=known)
    told, said = asyncio.Queue(), asyncio.Queue()
    living = asyncio.create_task(made({"type": "lifespan"}, told.get, said.put))
    await told.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"

    while len(made.secrets()) < 2:
        assert not living.done()
        await asyncio.sleep(0.01)

    assert {it.digest for it in made.secrets()} == {b"first", b"second"}
    await told.put({"type": "lifespan.shutdown"})
    await living
