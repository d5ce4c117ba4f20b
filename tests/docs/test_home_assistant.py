"""The page for Home Assistant states the limits that the code has."""

import re

import pytest

from speechhub.wyoming.connection import FIRST_S, QUIET_S
from speechhub.wyoming.listener import MAX_CONNECTIONS
from speechhub.wyoming.wire import DRAIN_S, MAX_DATA_BYTES, MAX_LINE_BYTES, MAX_PAYLOAD_BYTES
from tests.docs.pages import page


def size(size_bytes):
    """Write a number of bytes as the page does."""
    return f"{size_bytes >> 20} MiB" if size_bytes >= 1 << 20 else f"{size_bytes >> 10} KiB"


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        (
            r"[^|]*line[^|]*payload[^|]*",
            ", ".join(map(size, (MAX_LINE_BYTES, MAX_DATA_BYTES, MAX_PAYLOAD_BYTES))),
        ),
        (r"[^|]*connections[^|]*", f"{MAX_CONNECTIONS}"),
        (r"[^|]*first event[^|]*", f"{FIRST_S:g} s"),
        (r"[^|]*silence[^|]*", f"{QUIET_S:g} s"),
        (r"[^|]*does not read[^|]*", f"{DRAIN_S:g} s"),
    ],
)
def test_the_limits_of_the_page_are_those_of_the_code(what, limit):
    """What an operator plans with is what the server does."""
    table = page("home-assistant.md").partition("\n## Limits\n")[2].partition("\n## ")[0]

    [row] = re.findall(rf"^\|{what}\| ([^|\n]+) \|$", table, re.MULTILINE)
    assert re.match(rf"{re.escape(limit)}\b", row)
