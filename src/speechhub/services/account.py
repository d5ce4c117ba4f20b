"""Account of the bytes that all requests hold: bodies and answers in memory, uploads and answers on disk.

Each request has a holding, and ends with it: whatever way a request ends, what it held is free again.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from speechhub.errors import ServerFullError

MAX_MEMORY_BYTES: Final = 64 * 1024**2
MAX_SPOOL_BYTES: Final = 2 * 1024**3
"""The defaults of the settings."""

Place = Literal["memory", "disk"]
PLACES: Final[tuple[Place, ...]] = ("memory", "disk")


class Account:
    """All holdings; one for the life of the server, used on its event loop.

    A request that is alone is never refused: the limits of its own route bound it.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = MAX_MEMORY_BYTES,
        spool_bytes: int = MAX_SPOOL_BYTES,
        on_refusal: Callable[[Place], None] | None = None,
    ) -> None:
        """Begin without holdings.

        Args:
            memory_bytes: What all requests may hold in memory.
            spool_bytes: What all requests may hold on disk.
            on_refusal: Called with the place where a request found no room.
        """
        self._limits: dict[Place, int] = {"memory": memory_bytes, "disk": spool_bytes}
        self._held: dict[Place, int] = {"memory": 0, "disk": 0}
        self._on_refusal = on_refusal

    def held(self, place: Place) -> int:
        """Return the bytes that all requests hold there now."""
        return self._held[place]

    def open(self) -> "Holding":
        """Return the holding of a new request; close it at the request's end."""
        return Holding(self)

    def _add(self, place: Place, size: int, own: int) -> bool:
        if size > 0 and self._held[place] > own and self._held[place] + size > self._limits[place]:
            return False
        self._held[place] += size
        return True

    def _refuse(self, place: Place) -> ServerFullError:
        if self._on_refusal is not None:
            self._on_refusal(place)
        return ServerFullError()


class Holding:
    """The bytes that one request holds; close it when the request ends."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._own: dict[Place, int] = {"memory": 0, "disk": 0}
        self._closed = False

    def held(self, place: Place) -> int:
        """Return the bytes that this request holds there."""
        return self._own[place]

    def room(self, size: int) -> bool:
        """Take memory if there is some; return whether there was; a caller with a file does without."""
        if self._closed:
            return True  # the request is over, and what it still moves about is freed with it
        if not self._account._add("memory", size, self._own["memory"]):  # noqa: SLF001  # two halves of one thing
            return False
        self._own["memory"] += size
        return True

    def take(self, place: Place, size: int) -> None:
        """Take so many bytes.

        Raises:
            ServerFullError: The others leave no room for them.
        """
        if self._closed:
            return
        if not self._account._add(place, size, self._own[place]):  # noqa: SLF001
            raise self._account._refuse(place)  # noqa: SLF001
        self._own[place] += size

    def free(self, place: Place, size: int) -> None:
        """Give back so many of the bytes that are held."""
        size = min(size, self._own[place])
        self._own[place] -= size
        self._account._add(place, -size, 0)  # noqa: SLF001

    def close(self) -> None:
        """Give everything back; what is taken from now on is not counted."""
        self._closed = True
        for place, size in self._own.items():
            self.free(place, size)


def held_bytes(account: Account) -> Iterator[Metric]:
    """Yield what is held now, for `speechhub.metrics.Looked`."""
    family = GaugeMetricFamily(
        "speechhub_held_bytes", "What all requests hold, in memory and on disk.", labels=["place"]
    )
    for place in PLACES:
        family.add_metric([place], account.held(place))
    yield family
