"""Log lines about engines' failures: one at level error for each, and the traceback at level debug."""

import structlog

from speechhub.errors import EngineCrashedError, EngineProtocolError, SpeechhubError, SwitchTimeoutError
from speechhub.placement import Placement
from speechhub.worker.process import WorkerExit

log = structlog.get_logger()


def engine_failed(placement: Placement, error: SpeechhubError) -> None:
    """Log that an engine failed at a request.

    A worker that has ended, or is killed because it broke the protocol, is logged by `worker_ended`.
    """
    if isinstance(error, EngineCrashedError) or (isinstance(error, EngineProtocolError) and not error.cause):
        return
    say = log.bind(**_names(placement))
    say.error("engine failed", **_what(error))
    if error.worker_traceback:
        say.debug("engine failed: traceback", exception=error.worker_traceback.rstrip())


def load_failed(placement: Placement, error: SpeechhubError, *, epoch: int) -> None:
    """Log that a model was not loaded."""
    say = log.bind(**_names(placement), epoch=epoch)
    say.error("engine failed to load", **_what(error))
    if error.worker_traceback:
        say.debug("engine failed to load: traceback", exception=error.worker_traceback.rstrip())


def load_too_slow(placement: Placement, *, epoch: int, step: str, after_s: float) -> None:
    """Log that a load took longer than the settings allow, and in which *step* it was."""
    log.error(
        "engine failed to load",
        **_names(placement),
        epoch=epoch,
        error=SwitchTimeoutError.__name__,
        reason="Not ready in time: SPEECHHUB_FIRST_LOAD_TIMEOUT_S or SPEECHHUB_SWITCH_TIMEOUT_S is over.",
        step=step,
        after_s=after_s,
    )


def worker_ended(placement: Placement, *, epoch: int, end: WorkerExit) -> None:
    """Log that a worker's process ended although the hub had not stopped it."""
    log.error("worker ended by itself", **_names(placement), epoch=epoch, exit=str(end))


def _names(placement: Placement) -> dict[str, str]:
    return {
        "model": placement.model.id,
        "engine": placement.engine.spec.name,
        "device": placement.device.name,
    }


def _what(error: SpeechhubError) -> dict[str, str]:
    cause = {"cause": error.cause} if error.cause else {}
    return {"error": type(error).__name__, "reason": error.message, **cause}
