"""GPUs on paper: they fill, lag behind, lie, vanish and have strangers on them."""

from speechhub.gpu.values import GpuDevice, GpuSample

MB = 1024 * 1024
DRIVER = "550.54.15"
PROBLEM = "The GPU driver does not answer: GPU is lost."


class FakeGpus:
    """A `GpuMonitor`. Put processes on it with `take` and off with `give_back`.

    `lag` samples pass before memory that was given back looks free; `lie_bytes` are shown as used though they
    are not; while `lost`, nothing answers; `shy` shows no process's memory, as on WSL.
    """

    def __init__(self, *, total_bytes=4096 * MB, own_bytes=200 * MB, count=1):
        self.problem = None
        self.total_bytes = total_bytes
        self.own_bytes = own_bytes
        self.count = count
        self.lag = 0
        self.lie_bytes = 0
        self.lost = False
        self.shy = False
        self.closed = False
        self.samples = 0
        self.held = {index: {} for index in range(count)}
        self._leaving = []  # [samples left, index, bytes]

    def take(self, pid, size_bytes, index=0):
        """Let the process hold so much memory; also a stranger's."""
        self.held[index][pid] = size_bytes

    def give_back(self, pid, index=0):
        """End the process."""
        self._leaving.append([self.lag, index, self.held[index].pop(pid)])

    def devices(self):
        if self._silent():
            return ()
        return tuple(
            GpuDevice(
                index=index,
                uuid=f"GPU-{index}",
                name="NVIDIA Paper 4000",
                driver=DRIVER,
                cuda="12.4",
                compute_capability="8.6",
                total_bytes=self.total_bytes,
            )
            for index in range(self.count)
        )

    def sample(self, index):
        self.samples += 1
        if self._silent():
            return None
        late = sum(size for left, where, size in self._leaving if left > 0 and where == index)
        for entry in self._leaving:
            entry[0] -= entry[1] == index
        held = self.held[index]
        used = min(self.total_bytes, self.own_bytes + sum(held.values()) + late + self.lie_bytes)
        return GpuSample(
            used_bytes=used,
            free_bytes=self.total_bytes - used,
            total_bytes=self.total_bytes,
            utilisation=0.5,
            temperature_c=50,
            power_w=30.0,
            processes={pid: None if self.shy else size for pid, size in held.items()},
        )

    def close(self):
        self.closed = True

    def _silent(self):
        self.problem = PROBLEM if self.lost else None
        return self.lost or self.closed
