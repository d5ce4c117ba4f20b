"""Running checks, and reporting the promise that a check finds broken."""

import sys
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final, TypeVar

from speechhub.engine.testing.limit import OverdueError, limited
from speechhub.errors.origin import readable

SubjectT = TypeVar("SubjectT")
ValueT = TypeVar("ValueT")

TOLERANCE_S: Final = 0.001
"""Largest rounding error of a time, in seconds."""


def promise(kept: bool, otherwise: str) -> None:
    """Check that a promise is kept.

    Raises:
        AssertionError: It is not; *otherwise* says what is wrong and what to do.
    """
    __tracebackhide__ = True
    if not kept:
        raise AssertionError(otherwise)


def promise_type(value: object, kind: type[ValueT], otherwise: str) -> ValueT:
    """Return *value* if it is of the promised type.

    Raises:
        AssertionError: It is not; *otherwise* says what is wrong and what to do.
    """
    __tracebackhide__ = True
    if not isinstance(value, kind):
        raise AssertionError(otherwise)  # noqa: TRY004  # what test runners count as a failed test
    return value


def run_checks(
    name: str,
    checks: Iterable[Callable[[SubjectT], None]],
    subject: SubjectT,
    *,
    limit_s: float,
    skip: Collection[str] = (),
) -> None:
    """Run *checks* on *subject*, except those whose names are in *skip*, until one fails.

    Raises:
        AssertionError: A promise is broken, the engine raised something that it may not raise, or a check
            took longer than *limit_s*.
    """
    __tracebackhide__ = True
    for check in checks:
        if check.__name__ in skip:
            continue
        _say(f"{name}: {check.__name__} ...")
        started_s = time.monotonic()
        heading = f"{name} fails {check.__name__!r}: {(check.__doc__ or '').partition(chr(10))[0]}"
        try:
            with limited(limit_s):
                check(subject)
        except OverdueError as error:
            readable(error)
            raise AssertionError(
                f"{heading}\nThe check was not done after {limit_s:g} s and was stopped. The traceback above "
                "shows where the engine was; if it needs more time on this machine, pass a larger limit_s=."
            ) from error
        except AssertionError as error:
            readable(error)
            raise AssertionError(f"{heading}\n{error}") from error
        except Exception as error:
            readable(error)
            raise AssertionError(
                f"{heading}\nThe engine raised {type(error).__name__}: {error}. The cause is above."
            ) from error
        finally:
            _say(f" {time.monotonic() - started_s:.1f} s\n")


def _say(text: str) -> None:
    """Show the author which check runs; pytest shows it with -s, and with every failure."""
    sys.stderr.write(text)
    sys.stderr.flush()


def refuse_unknown(skip: Collection[str], known: Collection[str]) -> None:
    """Refuse names in *skip* that no check has.

    Raises:
        ValueError: There is no such check.
    """
    if unknown := sorted(set(skip) - set(known)):
        raise ValueError(f"There is no check {', '.join(unknown)}; the checks are: {', '.join(known)}.")
