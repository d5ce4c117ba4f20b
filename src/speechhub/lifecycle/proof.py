"""Proof that a GPU has its memory back, by what its driver shows."""

import asyncio
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Protocol

import structlog

from speechhub.errors import GpuMemoryError
from speechhub.pools import Pool, Pools

log = structlog.get_logger()

TOLERANCE_BYTES: Final = 64 * 1024**2
"""Drivers' own use of a GPU swings by some megabytes."""
DEADLINE_S: Final = 5.0
"""How long memory may take to come back; drivers give it back up to some seconds late."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.1
"""Between two looks; it doubles."""
SAMPLES: Final = 2
"""So many looks in a row must agree: one alone can fall into a gap."""
_MB: Final = 1024**2


class Look(Protocol):
    """A GPU at one moment; `speechhub.gpu.GpuSample` is one."""

    @property
    def used_bytes(self) -> int:
        """Memory that is taken, by whomever."""
        ...

    @property
    def free_bytes(self) -> int:
        """Memory that is free."""
        ...

    @property
    def processes(self) -> Mapping[int, int | None] | None:
        """Process id → bytes, None where the driver keeps that to itself."""
        ...


class Proof:
    """Knows what the GPUs looked like without our engines, and with them; one for each manager."""

    def __init__(
        self,
        look: Callable[[int], Look | None],
        *,
        deadline_s: float = DEADLINE_S,
        pool: Pool | None = None,
    ) -> None:
        """Ask nothing yet.

        Args:
            look: Blocking; looks at the GPU of this index, None if it does not answer.
            deadline_s: How long memory may take to come back.
            pool: The threads that *look* runs in.
        """
        self._pool = pool or Pools().drivers
        self._look = look
        self._deadline_s = deadline_s
        self._baselines: dict[str, Look] = {}
        self._needs: dict[str, int] = {}
        self._ours: dict[str, frozenset[int]] = {}

    async def before_load(self, device: str) -> None:
        """Remember what an empty *device* looks like; does nothing once that is known."""
        if device not in self._baselines and (look := await self._ask(device, self._deadline_s)) is not None:
            self._baselines[device] = look

    async def after_load(self, device: str, target: str, pid: int) -> None:
        """Remember which processes *target* has on *device*, and how much it takes: its need next time."""
        baseline = self._baselines.get(device)
        if baseline is not None and (look := await self._ask(device, self._deadline_s)) is not None:
            self._ours[device] = frozenset(p for p in look.processes or () if pid in (p, _group(p)))
            self._needs[target] = max(look.used_bytes - baseline.used_bytes, 0)

    async def free_bytes(self, device: str) -> int | None:
        """Return how much memory an engine may take that is alone on *device*; None if nobody tells.

        Ask after `before_load`: a driver that did not answer then is not waited for again.
        """
        if device not in self._baselines:
            return None
        look = await self._ask(device, self._deadline_s)
        return look.free_bytes if look is not None else None

    async def freed(self, device: str, wanted: Iterable[str]) -> None:
        """Return when *device* has its memory back from the engine that left, and room for who comes.

        A driver that has never answered leaves nothing to compare with: the end of the process must do then.
        One that answered before and is silent now proves nothing.

        Args:
            device: Such as ``cuda:0``.
            wanted: Models that wait for the device; what they took when they were last there must be free.

        Raises:
            GpuMemoryError: It did not come back in time; the message names who holds it.
        """
        baseline, ours = self._baselines.get(device), self._ours.get(device, frozenset())
        if baseline is None:
            log.warning("no driver proves that memory is free; the end of the process must do", device=device)
            return
        need = max((self._needs.get(target, 0) for target in wanted), default=0)
        loop = asyncio.get_running_loop()
        end, pause_s, agreeing = loop.time() + self._deadline_s, FIRST_PAUSE_S, 0
        look: Look | None = None
        while (left_s := end - loop.time()) > 0:
            look = await self._ask(device, left_s)
            agreeing = agreeing + 1 if look is not None and is_free(look, baseline, ours, need) else 0
            if look is not None and agreeing == SAMPLES:
                self._ours.pop(device, None)
                if look.used_bytes < baseline.used_bytes:
                    self._baselines[device] = look  # a stranger left: nothing of ours must hide in its place
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        raise GpuMemoryError(_complaint(device, look, baseline, ours, need))

    async def _ask(self, device: str, timeout_s: float) -> Look | None:
        index = int(device.partition(":")[2] or 0)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._pool.run(self._look, index)
        except TimeoutError:  # a sick driver blocks
            return None


def is_free(look: Look, baseline: Look, ours: Collection[int], need_bytes: int) -> bool:
    """Return whether a GPU has its memory back, as far as one look tells.

    Args:
        look: The GPU now.
        baseline: The same without our engines.
        ours: Processes of the engine that left, as far as the driver showed them. It shows none that we know
            in a container, where its ids are the host's.
        need_bytes: What must be free.
    """
    if look.free_bytes < need_bytes or not set(ours).isdisjoint(look.processes or ()):
        return False
    now, before = _unexplained(look), _unexplained(baseline)
    if ours and now is not None and before is not None:
        return now <= before + TOLERANCE_BYTES  # strangers may come and grow; they do not hold what was ours
    return look.used_bytes <= baseline.used_bytes + TOLERANCE_BYTES


def _unexplained(look: Look) -> int | None:
    """Return how much belongs to no process that is shown; None if the driver does not tell."""
    sizes = [size for size in (look.processes or {}).values() if size is not None]
    if look.processes is None or len(sizes) < len(look.processes):
        return None
    return look.used_bytes - sum(sizes)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _complaint(device: str, look: Look | None, baseline: Look, ours: Collection[int], need: int) -> str:
    if look is None:
        return f"The driver of {device} does not answer, so nothing can be loaded there; see nvidia-smi."
    holders = ", ".join(
        f"process {pid} ({'?' if size is None else round(size / _MB)} MB"
        f"{', ours, which has ended and is still there' if pid in ours else ''})"
        for pid, size in sorted((look.processes or {}).items())
    )
    return (
        f"The memory of {device} is not free: {look.used_bytes / _MB:.0f} MB are used, "
        f"{baseline.used_bytes / _MB:.0f} MB were without engines; {look.free_bytes / _MB:.0f} MB are free, "
        f"{need / _MB:.0f} MB are needed. Held by {holders or 'nobody whom the driver shows'}."
    )
