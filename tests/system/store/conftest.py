"""The fixtures of `tests.fakes.model_store`: wheels, and a model hub that is a real server."""

from tests.fakes.model_store import hub, make_store, naps, other_hub, site, wheels

__all__ = ["hub", "make_store", "naps", "other_hub", "site", "wheels"]
