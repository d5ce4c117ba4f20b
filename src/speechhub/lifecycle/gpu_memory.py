"""Proof that a GPU has its memory back, from what its driver reports."""

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
"""How long memory may take to come back, in seconds; drivers give it back up to some seconds late."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.1
"""Pause between two looks, in seconds; it doubles from the first to the longest."""
SAMPLES: Final = 2
"""How many looks in a row must agree: a single one can fall into a gap."""
_MB: Final = 1024**2


class GpuMemory:
    """Remembers what the GPUs looked like without our engines, and with them; one for each manager."""

    def __init__(
        self,
        look: Callable[[int], Look | None],
        *,
        described_bytes: Callable[[str], int] = lambda _: 0,
        deadline_s: float = DEADLINE_S,
        pool: Pool | None = None,
    ) -> None:
        """Begin without a look.

        Args:
            look: Blocking; looks at the GPU of this index; None if its driver does not answer.
            described_bytes: How much memory a model takes according to its spec; 0 if the spec does not say.
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
        """Return how much memory an engine may take that is alone on *device*; None if it is not known.

        Call it after `before_load`: a driver that did not answer then is not waited for again.
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
        # A figure that may include memory of other programs is not kept: it would refuse models that fit.
        if most_bytes is not None or told_bytes(look, resident) is not None:
            self._measured[model] = taken_bytes(look, before, resident, most_bytes)

    async def freed(self, device: str, wanted: Iterable[str]) -> None:
        """Return when *device* has its memory back from the engine that left, and room for the next one.

        Comparing a look before the load with one now usually proves it within moments. Where it does not,
        because other programs took more memory and the driver does not say which process holds what, the
        deadline decides: the engine's processes must be gone, and enough memory must be free for the next
        engine. That look is then the new baseline without engines.

        If the driver has never answered, there is nothing to compare with, and the end of the process counts
        as proof. If it answered before and is silent now, nothing is proved.

        Args:
            device: Such as ``cuda:0``.
            wanted: Models that wait for the device; what they need must be free.

        Raises:
            GpuMemoryError: It did not come back in time; the message names the processes that hold it.
        """
        baseline, resident = self._baselines.get(device), self._residents.get(device)
        if baseline is None:
            log.warning("no driver reports free memory; relying on the end of the process", device=device)
            return
        models = tuple(wanted)
        measured_bytes = max((self._measured.get(model, 0) for model in models), default=0)
        need_bytes = max((self._need(t).best_bytes(baseline) for t in models), default=0)
        loop = asyncio.get_running_loop()
        end, pause_s, looks, agreeing, enough = loop.time() + self._deadline_s, FIRST_PAUSE_S, 0, 0, 0
        look: Look | None = None
        while (left_s := end - loop.time()) > 0 or looks < SAMPLES:  # on a busy machine, looks are rare
            look, looks = await self._ask(device, max(left_s, LONGEST_PAUSE_S)), looks + 1
            proved = look is not None and is_free(look, baseline, resident, measured_bytes)
            agreeing = agreeing + 1 if proved else 0
            enough = enough + 1 if look is not None and look.free_bytes >= need_bytes else 0
            if look is not None and agreeing == SAMPLES:
                self._residents.pop(device, None)
                if look.used_bytes < baseline.used_bytes:
                    # Another program left: memory of ours must not pass for its share.
                    self._baselines[device] = look
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if look is None or enough < SAMPLES or (resident is not None and _is_there(resident)):
            raise GpuMemoryError(complaint(device, look, baseline, resident, need_bytes))
        log.warning(
            "other processes hold more gpu memory than before",
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
    """Return whether any process of an engine that ended is left; its process id may be in use again."""
    return not has_begun_after(resident.pid, resident.seen_at) and any_left(resident.pid)
