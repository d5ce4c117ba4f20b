"""What the operator sets reaches those who act by it."""

from functools import partial

from speechhub import hub
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import NetRent
from speechhub.settings import Settings


async def test_the_operator_s_limits_reach_the_manager(monkeypatch, tmp_path):
    """Each one under its own name; every value here differs from its default."""
    given = {}

    class Watched(Manager):
        def __init__(self, *arguments, **options):
            given.update(options)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(hub, "Manager", Watched)
    limits = {
        "queue_limit": 7,
        "queue_limit_s": 901.0,
        "stt_max_wait_s": 31.0,
        "tts_max_wait_s": 32.0,
        "switch_timeout_s": 33.0,
        "first_load_timeout_s": 134.0,
        "idle_unload_s": 35.0,
        "batch_audio_s": 36.0,
        "recycle_after_calls": 37,
    }
    policy = {"switch_reluctance": 2.5, "switch_min_stay": 3.5, "switch_speculation": 0.125}
    others = {"stop_timeout_s": 4.5, "threads": 3, "heartbeat_timeout_s": 17.0}

    hub.Hub.assemble(Settings(home=tmp_path, offline=True, inspectable=True, **limits, **policy, **others))

    assert given["limits"] == Limits(
        **limits, policy=NetRent(reluctance=2.5, min_stay=3.5, speculation=0.125)
    )
    launch = given["launch"]
    assert (launch.stop_timeout_s, launch.threads) == (4.5, 3)
    starter: partial[object] = launch.starter
    assert starter.keywords["heartbeat_timeout_s"] == 17.0
