"""Licences with conditions: which of them the operator has accepted, and the file that remembers it."""

import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import msgspec

from speechhub.engine import ModelSpec
from speechhub.errors import LicenceNotAcceptedError
from speechhub.home import Damage, OnDamage, explained, keep_aside, read_record, silent

ALL: Final = "all"
"""In the setting `accept_licenses`: accepts every licence."""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """A record that the operator accepted a licence for a model."""

    model: str
    """Id of the model."""
    licence: str
    """`ModelSpec.licence` at that time; a different one must be accepted again."""
    licence_url: str = ""
    accepted_at: int
    """Unix seconds."""


class Licences:
    """The licences that the operator accepted, by a setting or by command; one instance per process.

    Nothing is kept in memory: what a command accepts takes effect at once in a running server.
    """

    def __init__(self, path: Path, *, accepted: Collection[str] = (), on_damage: OnDamage = silent) -> None:
        """Use the file *path*, which need not exist.

        Args:
            path: File with the acceptances by command.
            accepted: Ids of licences or models that the settings accept, or `ALL`.
            on_damage: Called each time that the file cannot be read.
        """
        self._on_damage = on_damage
        self._path = path
        self._accepted = {name.casefold() for name in accepted}

    def allow(self, model: ModelSpec) -> bool:
        """Return whether *model* may be used: its licence has no conditions, or they are accepted."""
        if not model.must_accept_licence:
            return True
        if self._accepted & {ALL, model.id.casefold(), model.licence.casefold()}:
            return True
        return any((known.model, known.licence) == (model.id, model.licence) for known in self._read())

    def check(self, model: ModelSpec) -> None:
        """Refuse a model whose licence is not accepted.

        Raises:
            LicenceNotAcceptedError: Says what to do.
        """
        if refusal := self.refusal(model):
            raise refusal

    def refusal(self, model: ModelSpec) -> LicenceNotAcceptedError | None:
        """Return the error that says why *model* may not be used, and what to do; None if it may be used."""
        if self.allow(model):
            return None
        return LicenceNotAcceptedError(model.id, model.licence, model.licence_url)

    def accept(self, models: Iterable[ModelSpec]) -> list[ModelSpec]:
        """Record that the operator accepts the licences of *models*; return the models that needed it."""
        fresh = [model for model in models if not self.allow(model)]
        if fresh:
            # Empty if the file is damaged; writing then keeps the damaged file aside.
            known = {acceptance.model: acceptance for acceptance in self._read()}
            for model in fresh:
                known[model.id] = Acceptance(
                    model=model.id,
                    licence=model.licence,
                    licence_url=model.licence_url,
                    accepted_at=int(time.time()),
                )
            self._write(list(known.values()))
        return fresh

    def damage(self) -> Damage | None:
        """Return why the file cannot be read; None if it can, or if there is none."""
        found = read_record(self._path, list[Acceptance])
        if not isinstance(found, Damage):
            return None
        effect = (
            "Licences that were accepted by command count as not accepted; accepting one moves the file "
            "aside first."
        )
        return explained(found, effect=effect, aside=self._path)

    def _read(self) -> list[Acceptance]:
        found = read_record(self._path, list[Acceptance])
        if isinstance(found, Damage):
            if damage := self.damage():
                self._on_damage(damage)
            return []  # an unreadable record accepts nothing
        return found or []

    def _write(self, acceptances: list[Acceptance]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self.damage():
            keep_aside(self._path)
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(acceptances), indent=1))
        temporary.replace(self._path)
