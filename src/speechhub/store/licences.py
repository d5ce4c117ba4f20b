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
"""In the setting `accept_licenses`: whatever there is."""


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """That the operator accepted a licence for a model."""

    model: str
    """Id of the model."""
    licence: str
    """`ModelSpec.licence` as it was then; another one must be accepted anew."""
    licence_url: str = ""
    accepted_at: int
    """Unix seconds."""


class Licences:
    """What the operator accepted, by a setting or by command; one for a process.

    Nothing is held in memory: what a command accepts counts at once for a server that runs.
    """

    def __init__(self, path: Path, *, accepted: Collection[str] = (), on_damage: OnDamage = silent) -> None:
        """Use the file *path*, which need not exist.

        Args:
            path: Where acceptances by command are kept.
            accepted: Ids of licences or models that the settings accept, or `ALL`.
            on_damage: Told when the file cannot be read, each time.
        """
        self._on_damage = on_damage
        self._path = path
        self._accepted = {it.casefold() for it in accepted}

    def allow(self, model: ModelSpec) -> bool:
        """Return whether *model* may be used: its licence has no conditions, or they are accepted."""
        if not model.must_accept_licence:
            return True
        if self._accepted & {ALL, model.id.casefold(), model.licence.casefold()}:
            return True
        return any((it.model, it.licence) == (model.id, model.licence) for it in self._read())

    def check(self, model: ModelSpec) -> None:
        """Refuse a model whose licence is not accepted.

        Raises:
            LicenceNotAcceptedError: Says what to do.
        """
        if refusal := self.refusal(model):
            raise refusal

    def refusal(self, model: ModelSpec) -> LicenceNotAcceptedError | None:
        """Return what keeps *model* from being used, and says what to do; None if nothing does."""
        if self.allow(model):
            return None
        return LicenceNotAcceptedError(model.id, model.licence, model.licence_url)

    def accept(self, models: Iterable[ModelSpec]) -> list[ModelSpec]:
        """Remember that the operator accepts the licences of *models*; return those that needed it."""
        fresh = [model for model in models if not self.allow(model)]
        if fresh:
            known = {it.model: it for it in self._read()}  # none if the file is damaged: it is kept aside
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
            "Licences that were accepted by command count as not accepted; the next one to be accepted moves "
            "the file aside first."
        )
        return explained(found, effect=effect, aside=self._path)

    def _read(self) -> list[Acceptance]:
        found = read_record(self._path, list[Acceptance])
        if isinstance(found, Damage):
            if damage := self.damage():
                self._on_damage(damage)
            return []  # what cannot be read was not accepted
        return found or []

    def _write(self, acceptances: list[Acceptance]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self.damage():
            keep_aside(self._path)
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(acceptances), indent=1))
        temporary.replace(self._path)
