"""``top``: what one look at a server's health shows."""

import io

from rich.console import Console

from speechhub.cli.top import _screen


def test_a_model_that_is_not_on_its_best_device_is_named_and_so_is_the_replica():
    model = {
        "state": "unloaded",
        "state_s": 0,
        "epoch": None,
        "busy": False,
        "waiting": 0,
        "oldest_wait_s": 0,
        "pinned": False,
        "failing": None,
        "device": "cpu",
    }
    health = {
        "status": "ok",
        "version": "1",
        "replica": "a",
        "replicas": ["a", "b"],
        "stalled": [],
        "uptime_s": 1,
        "devices": [],
        "switches": [],
        "gpus": [],
        "gpu_problem": "none",
        "models": [
            model | {"id": "ears", "device_note": "It runs on cpu: no cuBLAS."},
            model | {"id": "mouth", "device_note": ""},
            model | {"id": "old"},  # a server of before
        ],
    }
    shown = io.StringIO()

    Console(file=shown, width=120).print(_screen(health))

    assert "up 1 s  a, of a, b" in shown.getvalue()
    assert "\nears: It runs on cpu: no cuBLAS.\n" in shown.getvalue()
    assert "mouth:" not in shown.getvalue()
