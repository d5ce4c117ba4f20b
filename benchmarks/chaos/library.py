"""The expected content of the library of voices, as far as its clients can know it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.load.client import Answer

Names = dict[str, bool | None]
"""Name → whether it must exist; None if the answer was lost, so that both are right."""


class Change:
    """One change of the library in progress; its effect is unknown until an answer arrives."""

    def __init__(self, names: Names, name: str) -> None:
        self._names, self._name = names, name
        self._before = names.get(name, False)
        names[name] = None

    def made(self, answer: Answer) -> None:
        """Take the answer to an addition: the entry exists, or the refusal left nothing."""
        self._names[self._name] = answer.status == 200

    def deleted(self, answer: Answer) -> None:
        """Take the answer to a deletion; after a failure of the server the effect is unknown."""
        if answer.status == 200:
            self._names[self._name] = False
        elif answer.status < 500:
            self._names[self._name] = self._before

    def renamed(self, answer: Answer, new: str) -> None:
        """Take the answer to a new name."""
        if answer.status == 200:
            self._names[self._name], self._names[new] = False, True
        elif answer.status < 500:
            self._names[self._name], self._names[new] = self._before, False


class Library:
    """Names of voices and consents; used by many threads, of which each changes names of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, Names] = {"voices": {}, "consents": {}}

    @contextmanager
    def changing(self, kind: str, name: str, new: str | None = None) -> Iterator[Change]:
        """Begin a change of a name, or to the name *new*; without an answer its effect stays unknown."""
        with self._lock:
            change = Change(self._names[kind], name)
            if new is not None:
                self._names[kind][new] = None
        yield change

    def differences(self, kind: str, found: list[dict[str, str]]) -> list[str]:
        """Return the entries that a list of the server has wrongly, twice or not at all."""
        names = [item["name"] for item in found]
        expected = self._names[kind]
        wrong = [
            f"{kind}: {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1})
        ]
        wrong += [
            f"{kind}: {name!r} is there, and was deleted or refused"
            for name in names
            if expected.get(name) is False
        ]
        wrong += [f"{kind}: {name!r} was never added" for name in names if name not in expected]
        wrong += [
            f"{kind}: {name!r} is lost" for name, there in expected.items() if there and name not in names
        ]
        return wrong


def items(answer: Answer) -> list[dict[str, str]]:
    """Return the entries of a list."""
    found: list[dict[str, str]] = json.loads(answer.body)["data"]
    return found
