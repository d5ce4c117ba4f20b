"""Prometheus' text format for many hubs at one address: each line gets the label of its replica. Pure."""

import re
from collections.abc import Mapping
from typing import Final

_SAMPLE: Final = re.compile(rb"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>[^}]*)")
_COMMENT: Final = re.compile(rb"# (?P<kind>HELP|TYPE) (?P<name>\S+) ?.*")
"""A sample, and what is said of its family. Source: Prometheus, "Exposition formats", text format 0.0.4."""


def gathered(texts: Mapping[str, bytes]) -> bytes:
    """Return the texts of all replicas as one, each family together once, as the format demands.

    Args:
        texts: Replica → what its hub reports, as `prometheus_client.generate_latest` writes it.
    """
    comments: dict[bytes, dict[bytes, bytes]] = {}
    """Family → ``HELP`` and ``TYPE`` → the line of the first replica: during an update, others may differ."""
    samples: dict[bytes, list[bytes]] = {}
    for replica, text in texts.items():
        family = b""
        label = b'replica="%s"' % replica.encode()
        for line in text.split(b"\n"):  # others of its line ends may stand in values
            if (comment := _COMMENT.fullmatch(line)) is not None:
                family = comment["name"]
                comments.setdefault(family, {}).setdefault(comment["kind"], line)
            elif (sample := _SAMPLE.fullmatch(line)) is not None:
                labels = b",".join(filter(None, (sample["labels"], label)))
                line_of_replica = b"%s{%s} %s" % (sample["name"], labels, sample["value"])
                samples.setdefault(family, []).append(line_of_replica)
    lines = [line for family in comments for line in (*comments[family].values(), *samples.get(family, ()))]
    return b"\n".join([*lines, b""])
