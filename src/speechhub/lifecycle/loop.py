"""The loop around a scheduler: events go in one after the other, and effects are carried out."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Protocol

from speechhub.lifecycle.scheduler.events import Effect, Event, Ticked
from speechhub.lifecycle.scheduler.scheduler import Scheduler

Observer = Callable[[Event, Sequence[Effect], float], None]


class Effects(Protocol):
    """Carries out what a scheduler decides."""

    def carry_out(self, effect: Effect, now: float) -> None:
        """Begin what *effect* wants, at this time; it must be quick, and may post events."""
        ...

    def handled(self, event: Event) -> None:
        """Do what remains after *event* and all its effects; it must be quick."""
        ...


class SchedulerLoop:
    """The only caller of `Scheduler.handle`; one for each manager, used on one event loop.

    An event that arises while another is handled waits for its turn, so no decision ever sees a half-made
    change.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        """Handle nothing before `start`."""
        self._scheduler = scheduler
        self._effects: Effects | None = None
        self._events: deque[Event] = deque()
        self._observers: list[Observer] = []
        self._handling = False
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    def start(self, effects: Effects) -> None:
        """Handle events from now on, and have *effects* carry out what follows; before the first event."""
        self._effects = effects

    def observe(self, observer: Observer) -> None:
        """Have *observer* called with every event, what follows from it, and the time; it must be quick."""
        self._observers.append(observer)

    async def changed(self) -> None:
        """Return after the next event."""
        await self._changed.wait()

    def post(self, event: Event) -> None:
        """Handle an event before returning, or afterwards if another one is being handled right now."""
        self._events.append(event)
        if not self._handling:
            # What follows serves all waiting requests, not only the one that posts the event. Tasks and
            # timers inherit the context: without a new one, their log lines would carry this request's id.
            Context().run(self._handle_all)

    def _handle_all(self) -> None:
        if (effects := self._effects) is None:
            raise AssertionError("an event came before the start")
        self._handling = True
        loop = asyncio.get_running_loop()
        try:
            while self._events:
                event, now = self._events.popleft(), loop.time()
                decided = self._scheduler.handle(event, now)
                for observer in self._observers:
                    observer(event, decided, now)
                for effect in decided:
                    effects.carry_out(effect, loop.time())
                effects.handled(event)
        finally:
            self._handling = False
        self._set_timer(loop)
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Cancel the timer: no more ticks."""
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self.close()
        wake = self._scheduler.next_wake()
        self._timer = None if wake is None else loop.call_at(wake, self.post, Ticked())
