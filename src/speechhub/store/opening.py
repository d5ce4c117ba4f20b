"""The store that the settings describe."""

from speechhub.settings import Settings
from speechhub.store.store import ModelStore


def open_store(settings: Settings, *, hub_named: bool) -> ModelStore:
    """Return the store of these settings; nothing is made or asked.

    Args:
        settings: Where it is, and where its files come from.
        hub_named: `Reading.hub_named`: whether the model hub may be shown the operator's token.
    """
    return ModelStore(
        settings.models_dir,
        hf_endpoint=settings.hf_endpoint,
        modelscope=settings.modelscope,
        hub_named=hub_named,
        offline=settings.offline,
    )
