"""Models whose files a command manages: those that are served here, and those that could be."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from speechhub.errors import ConfigurationError, ModelNotFoundError, RequestError

if TYPE_CHECKING:
    from speechhub.engine import ModelSpec
    from speechhub.hub import Hub
    from speechhub.store import Licences, ModelStatus, ModelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One model, its engine installed or not."""

    model: "ModelSpec"
    local: Path | None = None
    """The operator's own folder with its files."""
    search_path: tuple[Path, ...] = ()
    """Site-packages folders of its engine's environment."""
    engine: str = ""
    """The engine's name for ``speechhub engines install`` if it is not installed; else empty."""

    @property
    def name(self) -> str:
        """The model's id."""
        return self.model.id

    def status(self, store: "ModelStore") -> "ModelStatus":
        """Return where its files are."""
        return store.status(self.model, local=self.local, search_path=self.search_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The store, and the models that it may hold."""

    store: "ModelStore"
    licences: "Licences"
    hub: "Hub | None" = None
    """The services; None if the settings prevent building them."""
    installed: Collection[str] = field(default=())
    """Names of the engines that are installed."""

    def find(self, name: str) -> Weights:
        """Return the model that *name* means.

        Raises:
            RequestError: There is no such model.
        """
        from speechhub.environments.known import known_model, not_installed

        meant = ""
        if self.hub is not None:
            try:
                place = self.hub.catalog.find(name).placement
            except ModelNotFoundError as error:
                meant = error.meant
            else:
                return Weights(
                    model=place.model, local=place.path, search_path=tuple(place.engine.search_path)
                )
        if known := known_model(name, not_installed(self.installed)):
            return Weights(model=known.model, engine=known.engine.name)
        guess = f" Did you mean {meant!r}?" if meant else ""
        raise RequestError(f"There is no model {name!r}; 'speechhub models list' shows what there is.{guess}")

    def served(self) -> list[Weights]:
        """Return every model of the engines that are installed."""
        listings = self.hub.catalog.listings() if self.hub else []
        return [self.find(listing.name) for listing in listings if not listing.alias_of]

    def others(self) -> list[Weights]:
        """Return every known model whose engine is not installed."""
        from speechhub.environments.known import not_installed

        return [
            Weights(model=model, engine=engine.name)
            for engine in not_installed(self.installed)
            for model in engine.models
        ]


def open_shelf(names: Sequence[str] = (), *, offline: bool = False) -> Shelf:
    """Return the store and its models; nothing is started.

    The settings may name a default model whose engine is not installed yet. That is no error if all of
    *names* are known without it. With *offline*, the store makes no connections.

    Raises:
        ConfigurationError: A setting is wrong, or settings and engines contradict each other.
    """
    from speechhub.cli._here import open_hub
    from speechhub.cli._settings import read_own
    from speechhub.environments.known import known_engines, known_model
    from speechhub.store import Licences, open_store

    try:
        hub = open_hub(offline=True) if offline else open_hub()
    except ConfigurationError:
        reading = read_own(hint=False, overrides={"offline": True} if offline else None)
        own = reading.settings.models
        if not names or not all(known_model(name, known_engines()) and name not in own for name in names):
            raise
        return Shelf(
            store=open_store(reading.settings, hub_named=reading.hub_named),
            licences=Licences(reading.settings.licences_file, accepted=reading.settings.accept_licenses),
        )
    return Shelf(store=hub.store, licences=hub.licences, hub=hub, installed=hub.installed)
