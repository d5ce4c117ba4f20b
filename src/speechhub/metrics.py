"""Metrics for Prometheus: the name, labels and meaning of every series.

Labels come from existing models, engines, routes and errors, never from a client, so their number is limited.
"""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

WAITS_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
SWITCHES_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 60, 120)
FIRST_AUDIO_S: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
HOPS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
BATCHES: Final = (1, 2, 3, 4, 6, 8, 12, 16)
FACTORS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 5)

SESSIONS_S: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)

CLOSES: Final = frozenset({1000, 1001, 1005, 1006, 1008, 1009, 1011, 1012, 1013, 3000})
"""Close codes with a series of their own: clients could send thousands."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WYOMING"})


class Metrics:
    """All series of one server, in their own registry; used on the event loop."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "speechhub_http_requests",
            "Requests, by route; one without a route is 'none'.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "speechhub_http_request_seconds",
            "From the request until its answer was sent.",
            ("route",),
            buckets=WAITS_S,
            registry=registry,
        )
        self._sessions_open = Gauge("speechhub_sessions_open", "WebSockets that are open.", registry=registry)
        self._wyoming_connections = Gauge(
            "speechhub_wyoming_connections",
            "Open connections of Home Assistant's protocol, Wyoming.",
            registry=registry,
        )
        self._sessions = Counter(
            "speechhub_sessions_closed",
            "WebSocket sessions that ended, by the code of the close frame.",
            ("route", "code"),
            registry=registry,
        )
        self._session_seconds = Histogram(
            "speechhub_session_seconds",
            "How long a WebSocket was open.",
            ("route",),
            buckets=SESSIONS_S,
            registry=registry,
        )
        self._wait = Histogram(
            "speechhub_queue_wait_seconds",
            "From the request for an engine until it was granted.",
            ("model",),
            buckets=WAITS_S,
            registry=registry,
        )
        self._service = Histogram(
            "speechhub_service_seconds",
            "How long one request held its engine.",
            ("model",),
            buckets=WAITS_S,
            registry=registry,
        )
        self._rejected = Counter(
            "speechhub_rejected", "Work refused, by error code.", ("reason",), registry=registry
        )
        self._cancelled = Counter(
            "speechhub_cancelled", "Work whose client left.", ("stage",), registry=registry
        )
        self._requeued = Counter(
            "speechhub_requeued", "Work tried again because its worker crashed.", registry=registry
        )
        self._poisoned = Counter(
            "speechhub_poison", "Work given up because its worker crashed twice.", registry=registry
        )
        self._speculations = Counter(
            "speechhub_speculation",
            "Engines loaded before a request asked for them, by whether one did.",
            ("hit",),
            registry=registry,
        )
        self._batch = Histogram(
            "speechhub_batch_size",
            "Requests that shared one call of an engine.",
            ("model",),
            buckets=BATCHES,
            registry=registry,
        )
        self._ipc = Histogram(
            "speechhub_ipc_seconds",
            "What a call takes beyond the engine's own work: the way to the worker and back.",
            ("model",),
            buckets=HOPS_S,
            registry=registry,
        )
        self._exits = Counter(
            "speechhub_worker_exits", "Workers that ended, by cause.", ("cause",), registry=registry
        )
        self._switch_seconds = Histogram(
            "speechhub_switch_seconds",
            "Each phase of a switch, and 'total'; 'none' stands for a free device.",
            ("from", "to", "phase"),
            buckets=SWITCHES_S,
            registry=registry,
        )
        self._switches = Counter(
            "speechhub_switches", "Engines loaded, by result.", ("result",), registry=registry
        )
        self._factor = Histogram(
            "speechhub_realtime_factor",
            "Processing time by duration of the audio; below 1 is faster than live.",
            ("model",),
            buckets=FACTORS,
            registry=registry,
        )
        self._audio = Counter(
            "speechhub_audio_seconds", "Audio transcribed or spoken.", ("model",), registry=registry
        )
        self._first_audio = Histogram(
            "speechhub_time_to_first_audio_seconds",
            "From the request for speech until its first bytes.",
            ("model",),
            buckets=FIRST_AUDIO_S,
            registry=registry,
        )
        self._live_utterances = Counter(
            "speechhub_live_utterances",
            "Utterances of live sessions, by outcome; one without speech is 'silent'.",
            ("outcome",),
            registry=registry,
        )
        self._live_partials = Counter(
            "speechhub_live_partials",
            "Partial results that were due, by whether they were made or skipped.",
            ("outcome",),
            registry=registry,
        )
        self._live_final = Histogram(
            "speechhub_live_final_seconds",
            "From the end of an utterance until its transcript.",
            buckets=WAITS_S,
            registry=registry,
        )
        self._live_audio = Counter(
            "speechhub_live_audio_seconds", "Audio that live sessions received.", registry=registry
        )
        self._pool = Histogram(
            "speechhub_pool_queue_seconds",
            "How long a job waited for a thread of its pool.",
            ("pool",),
            buckets=HOPS_S + WAITS_S[5:10],
            registry=registry,
        )
        self._no_room = Counter(
            "speechhub_no_room",
            "Requests refused because other requests hold all the room, by place.",
            ("place",),
            registry=registry,
        )
        self._lag = Gauge(
            "speechhub_event_loop_lag_seconds", "How late the event loop woke up last.", registry=registry
        )
        # Series that alerts watch exist from the start, at 0: Prometheus misses a new series' first step.
        for cause in ("stopped", "crashed", "load_failed"):
            self._exits.labels(cause)
        for result in ("ready", "failed"):
            self._switches.labels(result)
        for outcome in ("completed", "silent", "failed"):
            self._live_utterances.labels(outcome)
        for outcome in ("made", "skipped"):
            self._live_partials.labels(outcome)
        for place in ("memory", "disk"):
            self._no_room.labels(place)

    def request(self, *, method: str, route: str | None, status: int, took_s: float) -> None:
        """Count a finished request."""
        route = route or "none"
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(took_s)

    def session_opened(self) -> None:
        """Count a WebSocket that was accepted."""
        self._sessions_open.inc()

    def session_closed(self, *, route: str | None, code: int, took_s: float) -> None:
        """Count the end of a WebSocket that was accepted, with the *code* of its close frame."""
        self._sessions_open.dec()
        route = route or "none"
        self._sessions.labels(route, str(code) if code in CLOSES else "other").inc()
        self._session_seconds.labels(route).observe(took_s)

    def wyoming_connections(self, count: int) -> None:
        """Note how many connections of Home Assistant's protocol are open."""
        self._wyoming_connections.set(count)

    def waited(self, model: str, waited_s: float) -> None:
        """Record how long a request waited for an engine."""
        self._wait.labels(model).observe(waited_s)

    def served(self, model: str, took_s: float) -> None:
        """Record how long a request held an engine."""
        self._service.labels(model).observe(took_s)

    def rejected(self, reason: str) -> None:
        """Count refused work; *reason* is the code of an error."""
        self._rejected.labels(reason).inc()

    def cancelled(self, stage: str) -> None:
        """Count work whose client left while it was ``waiting`` or ``running``."""
        self._cancelled.labels(stage).inc()

    def requeued(self) -> None:
        """Count work that is tried again."""
        self._requeued.inc()

    def poisoned(self) -> None:
        """Count work that is given up after two crashes."""
        self._poisoned.inc()

    def speculated(self, *, hit: bool) -> None:
        """Count an engine that was loaded in advance, once it is known whether a request asked for it."""
        self._speculations.labels("true" if hit else "false").inc()

    def shared(self, model: str, requests: int) -> None:
        """Record how many requests shared a call."""
        self._batch.labels(model).observe(requests)

    def crossed(self, model: str, overhead_s: float) -> None:
        """Record what a call took beyond the engine's own work."""
        self._ipc.labels(model).observe(overhead_s)

    def worker_ended(self, cause: str) -> None:
        """Count a worker's end: ``stopped``, ``recycled``, ``crashed`` or ``load_failed``."""
        self._exits.labels(cause).inc()

    def switch_step(self, leaving: str, target: str, phase: str, took_s: float) -> None:
        """Record how long a phase of a switch took."""
        self._switch_seconds.labels(leaving, target, phase).observe(took_s)

    def switched(self, result: str) -> None:
        """Count a switch: ``ready`` or ``failed``."""
        self._switches.labels(result).inc()

    def ran(self, model: str, *, audio_s: float, took_s: float) -> None:
        """Record how long an engine worked, and on how much audio."""
        self._audio.labels(model).inc(audio_s)
        if audio_s > 0:
            self._factor.labels(model).observe(took_s / audio_s)

    def first_audio(self, model: str, took_s: float) -> None:
        """Record how long it took until the first bytes of speech."""
        self._first_audio.labels(model).observe(took_s)

    def live_utterance(self, outcome: str, took_s: float) -> None:
        """Count an utterance that is over: ``completed``, ``silent`` or ``failed``."""
        self._live_utterances.labels(outcome).inc()
        if outcome == "completed":
            self._live_final.observe(took_s)

    def live_partial(self, outcome: str) -> None:
        """Count a partial result that was due: ``made``, or ``skipped`` because the engine was not idle."""
        self._live_partials.labels(outcome).inc()

    def live_audio(self, length_s: float) -> None:
        """Count audio that a live session received."""
        self._live_audio.inc(length_s)

    def pool_waited(self, pool: str, waited_s: float) -> None:
        """Record how long a job waited for a thread; called in that thread."""
        self._pool.labels(pool).observe(waited_s)

    def no_room(self, place: str) -> None:
        """Count a request that was refused because ``memory`` or ``disk`` was full."""
        self._no_room.labels(place).inc()

    def lag(self, late_s: float) -> None:
        """Record how late the event loop was."""
        self._lag.set(late_s)

    def also(self, collector: Collector) -> None:
        """Query *collector* at every scrape, for values that are looked up rather than counted."""
        self.registry.register(collector)

    def text(self) -> bytes:
        """Return all series in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)


class Looked(Collector):
    """A collector that calls a function, which must yield the same families each time."""

    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Yield what the function yields now."""
        return self._families()
