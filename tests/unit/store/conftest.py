"""The fixtures of `tests.fakes.model_store` that serve nothing."""

from tests.fakes.model_store import make_store, naps, site, wheels

__all__ = ["make_store", "naps", "site", "wheels"]
