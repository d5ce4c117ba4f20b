"""Proof that a GPU has its memory back, by what its driver shows."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import structlog

from speechhub.errors import GpuMemoryError
from speechhub.lifecycle.own_processes import any_left, has_begun_after, own_ids, uptime_s
from speechhub.lifecycle.vacancy import (
    Look,
    Need,
    Resident,
    complaint,
    is_free,
    resident_of,
    strangers,
    taken_bytes,
    told_bytes,
)
from speechhub.pools import Pool, Pools

log = structlog.get_logger()

DEADLINE_S: Final = 5.0
"""How long memory may take to come back; drivers give it back up to some seconds late."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.1
"""Between two looks; it doubles."""
SAMPLES: Final = 2
"""So many looks in a row must agree: one alone can fall into a gap."""
_MB: Final = 1024**2


class GpuMemory:
    """Knows what the GPUs looked like without our engines, and with them; one for each manager."""

    def __init__(
        self,
        look: Callable[[int], Look | None],
        *,
        described_bytes: Callable[[str], int] = lambda _: 0,
        deadline_s: float = DEADLINE_S,
        pool: Pool | None = None,
    ) -> None:
        """Ask nothing yet.

        Args:
            look: Blocking; looks at the GPU of this index, None if it does not answer.
            described_bytes: What the spec of a model says that it takes; 0 if it says nothing.
            deadline_s: How long memory may take to come back.
            pool: The threads that *look* runs in.
        """
        self._pool = pool or Pools().drivers
        self._look = look
        self._described_bytes = described_bytes
        self._deadline_s = deadline_s
        self._baselines: dict[str, Look] = {}
        self._before: dict[str, Look] = {}
        """Device → its look just before the engine that is on it loaded."""
        self._measured: dict[str, int] = {}
        self._residents: dict[str, Resident] = {}

    async def before_load(self, device: str) -> None:
        """Remember what an empty *device* looks like; does nothing once that is known."""
        if device not in self._baselines and (look := await self._ask(device, self._deadline_s)) is not None:
            self._baselines[device] = look

    async def free_bytes(self, device: str) -> int | None:
        """Return how much memory an engine may take that is alone on *device*; None if nobody tells.

        Ask after `before_load`: a driver that did not answer then is not waited for again.
        """
        self._before.pop(device, None)
        if device not in self._baselines:
            return None
        look = await self._ask(device, self._deadline_s)
        if look is None:
            return None
        self._before[device] = look
        return look.free_bytes

    async def after_load(self, device: str, model: str, pid: int) -> None:
        """Remember which processes *model* has on *device*, and how much it takes: its need next time."""
        baseline, before = self._baselines.get(device), self._before.get(device)
        if baseline is None:
            return
        look = await self._ask(device, self._deadline_s)
        seen_at = uptime_s()
        if look is None:
            self._residents[device] = Resident(pid=pid, seen_at=seen_at)
            return
        resident = resident_of(pid, look, before, own_ids(pid, look.processes or ()))
        resident = self._residents[device] = replace(resident, seen_at=seen_at)
        before, most_bytes = before or baseline, self._need(model).believable_bytes(baseline)
        # A figure that strangers may have any part in is none: it would refuse what there is room for.
        if most_bytes is not None or told_bytes(look, resident) is not None:
            self._measured[model] = taken_bytes(look, before, resident, most_bytes)

    async def freed(self, device: str, wanted: Iterable[str]) -> None:
        """Return when *device* has its memory back from the engine that left, and room for who comes.

        The looks before and now prove it within moments. Where they do not, because something else on the
        GPU grew and the driver does not say what is whose, the deadline decides: the engine's processes are
        gone, and what is free is enough for who comes. What the GPU looks like then is how it looks without
        engines from now on.

        A driver that has never answered leaves nothing to compare with: the end of the process must do then.
        One that answered before and is silent now proves nothing.

        Args:
            device: Such as ``cuda:0``.
            wanted: Models that wait for the device; what they need must be free.

        Raises:
            GpuMemoryError: It did not come back in time; the message names who holds it.
        """
        baseline, resident = self._baselines.get(device), self._residents.get(device)
        if baseline is None:
            log.warning("no driver proves that memory is free; the end of the process must do", device=device)
            return
        models = tuple(wanted)
        measured_bytes = max((self._measured.get(model, 0) for model in models), default=0)
        need_bytes = max((self._need(t).best_bytes(baseline) for t in models), default=0)
        loop = asyncio.get_running_loop()
        end, pause_s, looks, agreeing, enough = loop.time() + self._deadline_s, FIRST_PAUSE_S, 0, 0, 0
        look: Look | None = None
        while (left_s := end - loop.time()) > 0 or looks < SAMPLES:  # a busy machine looks seldom
            look, looks = await self._ask(device, max(left_s, LONGEST_PAUSE_S)), looks + 1
            proved = look is not None and is_free(look, baseline, resident, measured_bytes)
            agreeing = agreeing + 1 if proved else 0
            enough = enough + 1 if look is not None and look.free_bytes >= need_bytes else 0
            if look is not None and agreeing == SAMPLES:
                self._residents.pop(device, None)
                if look.used_bytes < baseline.used_bytes:
                    self._baselines[device] = look  # a stranger left: nothing of ours must hide in its place
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if look is None or enough < SAMPLES or (resident is not None and _is_there(resident)):
            raise GpuMemoryError(complaint(device, look, baseline, resident, need_bytes))
        log.warning(
            "others hold more of the gpu than before",
            device=device,
            strangers=strangers(look, baseline),
            before_mb=round(baseline.used_bytes / _MB),
            used_mb=round(look.used_bytes / _MB),
            free_mb=round(look.free_bytes / _MB),
            needed_mb=round(need_bytes / _MB),
        )
        self._residents.pop(device, None)
        self._baselines[device] = look

    def _need(self, model: str) -> Need:
        return Need(
            measured_bytes=self._measured.get(model),
            described_bytes=self._described_bytes(model) or None,
        )

    async def _ask(self, device: str, timeout_s: float) -> Look | None:
        index = int(device.partition(":")[2] or 0)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._pool.run(self._look, index)
        except TimeoutError:  # a sick driver blocks
            return None


def _is_there(resident: Resident) -> bool:
    """Return whether anything is left of an engine that ended; another process may have its number by now."""
    return not has_begun_after(resident.pid, resident.seen_at) and any_left(resident.pid)
