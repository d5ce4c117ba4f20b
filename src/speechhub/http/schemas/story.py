"""The shapes of a story: what happened to engines, and why requests wait."""

from typing import Any, Literal

import msgspec


class StoryWait(msgspec.Struct, frozen=True, kw_only=True):
    """The requests that wait for one model at present."""

    model: str
    device: str
    requests: list[int]
    """Their numbers, in the order in which they will be served; the server counts requests from 1."""
    oldest_s: float
    """For how long the first of them has waited."""
    reason: str
    """What has to end before they get the engine."""


class StoryMoment(msgspec.Struct, frozen=True, kw_only=True):
    """One event, and what the scheduler made of it."""

    at_s: float
    """When it happened, by the clock of `now_s`."""
    devices: list[str]
    lines: list[str]
    """What happened, what was done about it, and which requests wait because of it."""
    event: dict[str, Any]
    """The event as the scheduler took it in: `type`, and its fields."""
    effects: list[dict[str, Any]]
    """What the scheduler wanted done about it, in the same form."""


class EngineStory(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to engines, and why requests wait."""

    object: Literal["story"] = "story"
    now_s: float
    """The time of this answer, in seconds of the server's monotonic clock."""
    waiting: list[StoryWait]
    moments: list[StoryMoment]
    """The last ones, the newest last."""
