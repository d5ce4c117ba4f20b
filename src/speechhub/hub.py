"""The hub: builds every long-lived object from the settings, for servers and for the command line."""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from speechhub.discovery import BrokenPlugin, Discovery, InstalledEngine
from speechhub.engine import Slot
from speechhub.environments.compute import computes
from speechhub.environments.find import discover_all
from speechhub.environments.known import KnownEngine, not_installed
from speechhub.errors import ConfigurationError, ExhaustedError, SpeechhubError
from speechhub.errors.unavailable import EXHAUSTED
from speechhub.gpu.find import find_gpus
from speechhub.gpu.monitor import GpuMonitor, NoGpus
from speechhub.home import Damage, DamageLog
from speechhub.lifecycle.control import EngineControl
from speechhub.lifecycle.launch import Launch, WorkerStarter, start_worker
from speechhub.lifecycle.local_runner import LocalRunner
from speechhub.lifecycle.manager import Manager
from speechhub.lifecycle.observation import Observation
from speechhub.lifecycle.scheduler.limits import Limits
from speechhub.lifecycle.scheduler.policy import NetRent
from speechhub.metrics import Looked, Metrics
from speechhub.placement import Placement, devices_of, notes, place, wish_for
from speechhub.pools import Pools
from speechhub.runner import Runner
from speechhub.services.account import Account, held_bytes
from speechhub.services.callers import Callers
from speechhub.services.catalog import Catalog, learns
from speechhub.services.condition import survey
from speechhub.services.inspection import Finding, inspect
from speechhub.services.live import LiveService
from speechhub.services.replicas import Alone, Replicas
from speechhub.services.speech import SpeechService
from speechhub.services.streamed_speech import StreamedSpeechService
from speechhub.services.transcription import TranscriptionService
from speechhub.services.voices import VoiceService
from speechhub.settings import Settings, hide_process
from speechhub.speakable import Normalization
from speechhub.store import EngineCaches, Licences, ModelStore, PullProgress, ReferenceCache, open_store
from speechhub.voices import VoiceLibrary

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Hub:
    """The services and what they stand on; an async context that ends every worker when it is left.

    One for each process. `assemble` finds what this machine has; `build` puts together what it is given, as
    tests do with fakes.
    """

    settings: Settings
    catalog: Catalog
    store: ModelStore
    licences: Licences
    manager: Manager
    runner: Runner
    transcription: TranscriptionService
    live: LiveService
    speech: SpeechService
    streamed_speech: StreamedSpeechService
    voices: VoiceService
    broken_plugins: Sequence[BrokenPlugin] = ()
    installed: Sequence[str] = ()
    """Names of the engines that are installed."""
    findings: Sequence[Finding] = ()
    """Settings that cannot work with what is installed."""
    damages: DamageLog = field(default_factory=DamageLog)
    """Damage found below `home` since the start."""
    metrics: Metrics = field(default_factory=Metrics)
    monitor: GpuMonitor = field(default_factory=NoGpus)
    pools: Pools = field(default_factory=Pools)
    """The threads; closed with the hub."""
    account: Account = field(default_factory=Account)
    """The bytes that all requests hold."""
    replicas: Replicas = field(default_factory=Alone)
    """The hubs at this hub's address, which whatever serves several sets before clients come."""
    callers: Callers = field(init=False)
    """The limits of each caller."""
    observation: Observation = field(init=False)
    started_at: int = field(default_factory=lambda: int(time.time()))
    """When it was put together, in seconds since 1970."""
    started_monotonic: float = field(default_factory=time.monotonic)
    """When it was put together, on the monotonic clock."""
    stopping: bool = False
    """Whether the process was asked to end; it then takes no more work."""
    _preloads: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics.also(Looked(partial(held_bytes, self.account)))
        self.callers = Callers(
            per_minute=self.settings.rate_limit_per_minute, at_a_time=self.settings.concurrency_limit
        )
        self.observation = Observation(
            self.manager, self.metrics, self.settings, self.monitor, self.pools.drivers
        )

    @classmethod
    def assemble(cls, settings: Settings, *, hub_named: bool = False) -> Self:
        """Find the engines and the GPUs of this machine, and put everything together; nothing is started.

        Args:
            settings: The operator's wishes.
            hub_named: `Reading.hub_named`: whether the model hub may be shown the operator's token.

        Raises:
            ConfigurationError: The settings and the installed engines contradict each other.
        """
        if not settings.inspectable:
            hide_process()  # before any code of an engine runs, in whatever process
        found = discover_all(settings.engines_dir)
        for plugin in found.broken:
            log.error(
                "plugin cannot be read",
                plugin=plugin.distribution,
                entry=plugin.entry_point,
                error=plugin.error,
            )
        monitor, gpus = find_gpus()
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        devices = devices_of(settings, gpus=gpus, host_memory_bytes=memory_bytes)
        wanted = [engine for engine in found.engines if wish_for(engine, settings) != "cpu"]
        uninstalled = not_installed([engine.spec.name for engine in found.engines])
        placements = place(
            found.engines,
            settings,
            devices,
            computes(wanted, gpus, settings.computes_file),
            gpu_problem="" if gpus else monitor.problem or "",
            uninstalled={known.engine: known.advice for known in uninstalled},
        )
        return cls.build(
            settings,
            placements,
            found=found,
            uninstalled=uninstalled,
            monitor=monitor,
            starter=partial(
                start_worker,
                heartbeat_timeout_s=settings.heartbeat_timeout_s,
                debug=settings.log_level == "debug",
            ),
            hub_named=hub_named,
        )

    @classmethod
    def build(
        cls,
        settings: Settings,
        placements: Mapping[str, Placement],
        *,
        starter: WorkerStarter,
        monitor: GpuMonitor,
        runner: Runner | None = None,
        found: Discovery | None = None,
        uninstalled: Sequence[KnownEngine] = (),
        hub_named: bool = False,
    ) -> Self:
        """Put together what serves *placements*; nothing is started.

        Args:
            settings: The operator's wishes.
            placements: Every model that can be served, by id.
            starter: Starts workers.
            monitor: Watches the GPUs; closed with the hub.
            runner: Runs models for the services; by default, the workers of this machine.
            found: The installed engines and the broken plugins; by default, those
                of *placements*.
            uninstalled: Engines that are known and not installed; clients are told how to install them.
            hub_named: As for `assemble`.
        """
        found = found or Discovery(engines=_engines_of(placements), broken=())
        store = open_store(settings, hub_named=hub_named)
        damages = DamageLog()
        licences = Licences(settings.licences_file, accepted=settings.accept_licenses, on_damage=damages.note)
        library = VoiceLibrary(settings.voices_dir, limit=settings.max_voices, on_damage=damages.note)
        cache = ReferenceCache(
            settings.voice_features_dir, limit_bytes=settings.voice_features_bytes, digests=library.digests
        )
        metrics = Metrics()
        pools = Pools(waited=metrics.pool_waited)
        catalog = Catalog(
            placements,
            may_load=lambda placement: licences.allow(placement.model),
            default_models={slot: getattr(settings, slot.model_setting, None) for slot in Slot},
            aliases=settings.aliases,
            voice_aliases=settings.voice_aliases,
            parts=lambda placement: store.parts(placement.model, local=placement.path),
            uninstalled=uninstalled,
        )
        caches = EngineCaches(settings.caches_dir)
        manager = Manager(
            placements,
            limits=_limits(settings),
            launch=Launch(
                fetch=partial(_fetch, store, licences),
                starter=starter,
                cache_dir=lambda placement: cache.folder(placement.model.id) if learns(placement) else None,
                work_dir=lambda placement: caches.folder(placement.engine.spec.name),
                may_load=lambda placement: licences.allow(placement.model),
                defaults=catalog.defaults,
                standby=settings.standby,
                threads=settings.threads,
                stop_timeout_s=settings.stop_timeout_s,
                pools=pools,
            ),
            look=monitor.sample,
        )
        account = Account(
            memory_bytes=settings.max_held_bytes,
            spool_bytes=settings.max_spool_bytes,
            on_refusal=metrics.no_room,
        )
        runner = runner or LocalRunner(manager, metrics)
        voices = VoiceService(
            library,
            cache,
            max_reference_bytes=settings.max_reference_bytes,
            max_reference_s=settings.max_reference_s,
            pools=pools,
        )
        transcription = TranscriptionService(
            catalog,
            runner,
            max_audio_s=settings.max_audio_s,
            request_timeout_s=settings.request_timeout_s,
            pools=pools,
        )
        speech = SpeechService(
            catalog,
            runner,
            voices,
            max_input_chars=settings.max_input_chars,
            request_timeout_s=settings.request_timeout_s,
            max_speech_s=settings.max_speech_s,
            text_normalization=Normalization(settings.text_normalization),
            account=account,
            metrics=metrics,
        )
        return cls(
            settings=settings,
            catalog=catalog,
            store=store,
            licences=licences,
            manager=manager,
            runner=runner,
            transcription=transcription,
            live=LiveService(
                catalog,
                runner,
                transcription,
                request_timeout_s=settings.request_timeout_s,
                partials=settings.realtime_partials,
                partial_interval_s=settings.realtime_partial_interval_s,
                account=account,
                pools=pools,
                metrics=metrics,
            ),
            speech=speech,
            streamed_speech=StreamedSpeechService(speech),
            voices=voices,
            broken_plugins=found.broken,
            installed=[engine.spec.name for engine in found.engines],
            damages=damages,
            findings=inspect(
                settings,
                engines=found.engines,
                placements=placements,
                catalog=catalog,
                store=store,
                library=library,
            ),
            metrics=metrics,
            monitor=monitor,
            pools=pools,
            account=account,
        )

    @property
    def control(self) -> EngineControl:
        """The manager, as operators and pages see it."""
        return self.manager

    def survey(self) -> tuple[Damage, ...]:
        """Look at everything below `home` and return what is damaged; blocks."""
        placements = self.manager.placements.values()
        return tuple(
            survey(
                self.settings,
                library=self.voices.library,
                store=self.store,
                licences=self.licences,
                models=[placement.model for placement in placements if placement.path is None],
            )
        )

    def _recover(self) -> None:
        try:
            for damage in self.survey():
                self.damages.note(damage)
        except OSError as error:
            log.warning("cannot inspect the files below home", error=str(error))
        self.voices.recover()

    async def __aenter__(self) -> Self:
        await self.pools.disk.run(self._recover)
        await self.observation.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._preloads:
            task.cancel()
        await asyncio.gather(*self._preloads, return_exceptions=True)
        await self.manager.close(self.settings.shutdown_timeout_s)
        await self.observation.__aexit__(kind, error, trace)
        self.pools.close()

    def check(self) -> None:
        """Log what in the settings cannot work; requests may fail for it later.

        Raises:
            ConfigurationError: An engine does not take one of its options: every request to it would fail.
        """
        for engine, note in notes(self.manager.placements.values()):
            log.warning("engine is not on its best device", engine=engine, reason=note)
        for finding in self.findings:
            if finding.exposes:
                log.warning("open to the network without keys", subject=finding.subject, problem=finding.text)
            elif not finding.stops:
                log.warning("settings do not fit", subject=finding.subject, problem=finding.text)
        if wrong := [f"{finding.subject}: {finding.text}" for finding in self.findings if finding.stops]:
            raise ConfigurationError(" ".join(wrong))

    def preload(self, names: Iterable[str]) -> None:
        """Load models in the background; a failure is logged, and the next request tries again."""
        self._preloads += [asyncio.create_task(self._preload(name)) for name in names]

    async def _preload(self, name: str) -> None:
        try:
            await self.manager.switch_to(self.catalog.find(name).placement.model.id)
        except SpeechhubError as error:
            log.error("preload failed", model=name, error=str(error))


def _limits(settings: Settings) -> Limits:
    return Limits(
        queue_limit=settings.queue_limit,
        queue_limit_s=settings.queue_limit_s,
        stt_max_wait_s=settings.stt_max_wait_s,
        tts_max_wait_s=settings.tts_max_wait_s,
        policy=NetRent(
            reluctance=settings.switch_reluctance,
            min_stay=settings.switch_min_stay,
            speculation=settings.switch_speculation,
        ),
        switch_timeout_s=settings.switch_timeout_s,
        first_load_timeout_s=settings.first_load_timeout_s,
        idle_unload_s=settings.idle_unload_s,
        batch_audio_s=settings.batch_audio_s,
        recycle_after_calls=settings.recycle_after_calls,
    )


def _fetch(store: ModelStore, licences: Licences, placement: Placement) -> Path | None:
    """Return the folder with a model's files, after fetching what is missing; None if it has none. Blocks."""
    try:
        licences.check(placement.model)
        return store.resolve(
            placement.model,
            local=placement.path,
            search_path=placement.engine.search_path,
            on_progress=_log_waits,
        )
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise ExhaustedError from error
        raise


def _engines_of(placements: Mapping[str, Placement]) -> tuple[InstalledEngine, ...]:
    by_name = {placement.engine.spec.name: placement.engine for placement in placements.values()}
    return tuple(by_name[name] for name in sorted(by_name))


def _log_waits(progress: PullProgress) -> None:
    """Log why a pull gets no further, when it does not."""
    if progress.waiting:
        log.warning("waiting for a model's files", model=progress.model, reason=progress.waiting)
