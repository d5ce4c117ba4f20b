"""Announcement: names that stay, and failures that stop nothing."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from speechhub.settings import Settings
from speechhub.wyoming import announcement
from speechhub.wyoming.announcement import announced, name_of


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (None, "speechhub-nas"),
        ("Küche", "Küche"),
        ("living.room", "living-room"),
        ("a\nb\x00c", "a-b-c"),
        ("x" * 200, "x" * 59),
        ("ü" * 100, "ü" * 29),
        ("...", "speechhub"),
    ],
)
def test_a_name_is_one_label_of_dns_with_room_for_a_number(monkeypatch, wanted, name):
    """63 bytes with a number behind it, in whole characters; the machine's name is without its domain."""
    monkeypatch.setattr(socket, "gethostname", lambda: "nas.example.org")

    assert name_of(Settings(wyoming_name=wanted)) == name
    assert len(f"{name}-999".encode()) <= 63


async def test_nothing_is_announced_unless_it_is_wanted(monkeypatch):
    """And zeroconf is not imported."""
    monkeypatch.setattr(announcement, "interfaces_for", None)

    async with announced(Settings(wyoming_port=10300), "0.0.0.0", 10300):
        await asyncio.sleep(0)


@pytest.mark.scenario("wyoming-unannounced")
@pytest.mark.parametrize(
    "error", [None, OSError(19, "No such device"), ImportError("broken"), RuntimeError("odd")]
)
async def test_a_network_without_multicast_is_one_warning(monkeypatch, error):
    """The server tries again without another line, goes on, and ends at once."""
    looked, enough = [], asyncio.Event()

    def none(_host):
        looked.append(1)
        if len(looked) == 5:
            enough.set()
        if error is not None:
            raise error
        return ()

    monkeypatch.setattr(announcement, "interfaces_for", none)
    monkeypatch.setattr(announcement, "LOOK_EVERY_S", 0.0)
    with capture_logs() as lines:
        async with announced(Settings(wyoming_port=10300, wyoming_zeroconf=True), "0.0.0.0", 10300):
            await enough.wait()

    [line] = lines
    assert line["log_level"] == "warning"
    assert "by host and port" in line["remedy"]
