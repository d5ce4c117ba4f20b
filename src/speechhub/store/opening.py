"""The store that the settings describe."""

from speechhub.settings import Settings
from speechhub.store.store import ModelStore


def open_store(settings: Settings, *, hub_named: bool) -> ModelStore:
    """Return the store of these settings; nothing is created, and no connection is made.

    Args:
        settings: Where the store is, and where its files come from.
        hub_named: `Reading.hub_named`: whether the model hub may receive the operator's token.
    """
    return ModelStore(
        settings.models_dir,
        hf_endpoint=settings.hf_endpoint,
        modelscope=settings.modelscope,
        hub_named=hub_named,
        offline=settings.offline,
    )
