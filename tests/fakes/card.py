"""A pretended card that tells its processes as drivers do."""

from dataclasses import dataclass

MB = 1024**2
TOTAL, OWN = 4000 * MB, 200 * MB
HOST = 7_000_000
"""What the host's ids are ahead of ours."""


@dataclass(frozen=True)
class Look:
    used_bytes: int
    processes: dict | None

    @property
    def free_bytes(self):
        return TOTAL - self.used_bytes


class Card:
    """A GPU with our engines and strangers on it."""

    def __init__(self, telling):
        self.telling = telling
        self.ours = {}
        self.strangers = {}

    @property
    def free_bytes(self):
        return TOTAL - OWN - sum(self.ours.values()) - sum(self.strangers.values())

    def set_stranger(self, pid, size_bytes):
        """Let a stranger hold so much, as far as there is room; 0 ends it."""
        before = self.strangers.pop(pid, 0)
        if size := min(size_bytes, self.free_bytes):
            self.strangers[pid] = size
        return before

    def __call__(self, index):
        assert index == 0
        shift = 0 if self.telling == "own ids" else HOST
        held = {pid + shift: size for pid, size in self.ours.items()} | self.strangers
        if self.telling == "no list":
            processes = None
        else:
            processes = {pid: None if "no sizes" in self.telling else size for pid, size in held.items()}
        return Look(TOTAL - self.free_bytes, processes)
