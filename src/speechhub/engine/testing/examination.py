"""The examination of an engine: the part of the kit that STT and TTS share."""

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from speechhub.engine.capabilities import Capabilities
from speechhub.engine.slots import Slot
from speechhub.engine.spec import EngineSpec, ModelSpec
from speechhub.engine.testing.description import DESCRIPTION_CHECKS
from speechhub.engine.testing.limit import OverdueError, limited
from speechhub.engine.testing.promise import refuse_unknown, run_checks
from speechhub.engine.testing.subject import EngineT, LoadPlan, ModelDir, Subject

SubjectT = TypeVar("SubjectT", bound=Subject[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination(Generic[EngineT, SubjectT]):
    """Runs one slot's checks: those of the description, then those of the loaded engine."""

    slot: Slot
    engine_class: type[EngineT]
    """What the plugin's class must derive from."""
    behaviour: tuple[Callable[[SubjectT], None], ...]
    """Checks of a loaded engine, in order."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all checks, for `skip`."""
        return tuple(check.__name__ for check in (*DESCRIPTION_CHECKS, *self.behaviour))

    def plan(
        self,
        engine: EngineSpec | type[EngineT],
        *,
        capabilities: Capabilities | None,
        model: str | None,
        model_dir: ModelDir,
        device: str,
        options: Mapping[str, object] | None,
        limit_s: float,
        skip: Collection[str],
    ) -> LoadPlan:
        """Return what to load, for an engine that is given by its spec or by its class.

        Raises:
            ValueError: The arguments contradict each other, or *skip* names a check that does not exist.
        """
        __tracebackhide__ = True
        refuse_unknown(skip, self.names)
        spec = self._spec(engine, capabilities)
        return LoadPlan(
            spec=spec,
            model=_chosen(spec, model),
            bare_class=None if isinstance(engine, EngineSpec) else engine,
            model_dir=model_dir,
            device=device,
            options=options or {},
            limit_s=limit_s,
        )

    def run(
        self, plan: LoadPlan, subject_of: Callable[[EngineT], SubjectT], *, skip: Collection[str]
    ) -> None:
        """Check the description, load the engine, check what it does, and close it.

        Args:
            plan: From `plan`.
            subject_of: Takes the loaded engine and returns what the checks of behaviour are given.
            skip: Names of checks to leave out.

        Raises:
            AssertionError: A promise is broken.
        """
        __tracebackhide__ = True
        if plan.bare_class is None:
            run_checks(plan.spec.name, DESCRIPTION_CHECKS, plan, limit_s=plan.limit_s, skip=skip)
        self._examine(subject_of(self._load(plan)), skip)

    def _spec(self, engine: EngineSpec | type[EngineT], capabilities: Capabilities | None) -> EngineSpec:
        if isinstance(engine, EngineSpec):
            if engine.slot is not self.slot:
                raise ValueError(
                    f"{engine.name!r} is a {engine.slot} engine: use check_{engine.slot}_engine."
                )
            if capabilities is not None:
                raise ValueError("Give capabilities only with a class; a spec has its own.")
            return engine
        return EngineSpec(
            name=engine.__name__,
            slot=self.slot,
            factory=f"{engine.__module__}:{engine.__qualname__}",
            capabilities=capabilities or self.slot.capabilities(),
        )

    def _load(self, plan: LoadPlan) -> EngineT:
        __tracebackhide__ = True
        made: list[EngineT] = []

        def loading(plan: LoadPlan) -> None:
            """The engine is made without arguments and loads its model."""
            made.append(plan.load(self.engine_class))

        run_checks(plan.spec.name, [loading], plan, limit_s=plan.limit_s)
        return made[0]

    def _examine(self, subject: SubjectT, skip: Collection[str]) -> None:
        """Run the checks on a loaded engine, and close it once, whatever they find."""
        __tracebackhide__ = True

        def closing(subject: SubjectT) -> None:
            """The engine closes without complaint."""
            subject.engine.close()

        name, limit_s = subject.plan.spec.name, subject.plan.limit_s
        try:
            run_checks(name, self.behaviour, subject, limit_s=limit_s, skip=skip)
        except BaseException:
            with (
                contextlib.suppress(Exception, OverdueError),
                limited(limit_s),
            ):  # what went wrong first says more
                subject.engine.close()
            raise
        run_checks(name, [closing], subject, limit_s=limit_s)


def _chosen(spec: EngineSpec, model: str | None) -> ModelSpec:
    chosen = next((m for m in spec.models if model in (None, m.id)), None)
    if chosen is not None:
        return chosen
    if spec.models and not spec.accepts_any_model:
        names = ", ".join(m.id for m in spec.models)
        raise ValueError(f"Engine {spec.name!r} has no model {model!r}; its models: {names}.")
    return ModelSpec(id=model or "any")
