"""Stories as answers: the whole of it for operators, its last part in the health of a stalled server."""

from collections.abc import Iterable
from typing import Final

from speechhub.errors.places import without_places
from speechhub.http.schemas.story import EngineStory, StoryMoment, StoryWait
from speechhub.lifecycle.scheduler.record import plain
from speechhub.lifecycle.scheduler.story import Story

LAST_LINES: Final = 20
"""How many lines of what happened on a stalled model's device its health has."""


def engine_story(story: Story, device: str | None, now: float) -> EngineStory:
    """Return what happened on one device, or on all; *now* is a time of the manager's clock."""
    return EngineStory(
        now_s=round(now, 3),
        waiting=[
            StoryWait(
                model=wait.model,
                device=wait.device,
                requests=list(wait.requests),
                oldest_s=round(wait.oldest_s, 3),
                reason=wait.reason,
            )
            for wait in story.waits(now)
            if device is None or wait.device == device
        ],
        moments=[
            StoryMoment(
                at_s=round(told.moment.at, 6),
                devices=sorted(told.devices),
                lines=list(told.lines),
                event=plain(told.moment.event),
                effects=[plain(effect) for effect in told.moment.effects],
            )
            for told in story.told(device)
        ],
    )


def stalled_story(story: Story, stalled: Iterable[str], now: float, *, operator: bool) -> list[str]:
    """Return why the requests for *stalled* models wait and, to an *operator*, what happened there last."""
    waits = [wait for wait in story.waits(now) if wait.model in set(stalled)]
    lines = [wait.line for wait in waits]
    if not operator:
        return [without_places(line) for line in lines]
    for device in dict.fromkeys(wait.device for wait in waits):
        happened = [
            f"{now - told.moment.at:.1f} s ago, {device}: {line}"
            for told in story.told(device)
            for line in told.lines
        ]
        lines += happened[-LAST_LINES:]
    return lines
