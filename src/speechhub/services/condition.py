"""The condition of what lies below `home`: which files and folders cannot be used, and what that means."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from speechhub.engine import ModelSpec
from speechhub.home import Damage, explained, folder_damage
from speechhub.settings import Settings
from speechhub.store import Licences, ModelStore
from speechhub.voices import VoiceLibrary

NO_MODELS = "Models whose files lie there cannot be used, and none can be fetched."
NO_ENGINES = "Engines in environments of their own cannot be used; those beside speechhub can."
NO_FEATURES = "What engines compute from custom voices is not kept, so each load computes it again."
NO_CACHES = "Engines cannot keep what they build once; an engine that needs it says so when it is loaded."
NO_PINS = "Nothing is downloaded, because no pin can be read."
NO_LOCKS = "Nothing there can be installed, fetched or removed."


def survey(
    settings: Settings,
    *,
    library: VoiceLibrary,
    store: ModelStore,
    licences: Licences,
    models: Collection[ModelSpec],
) -> Iterator[Damage]:
    """Look at every file and folder below `home` that speechhub reads; changes nothing.

    Environments' records are left to the discovery of engines, which lists those that are damaged as broken
    plugins.
    """
    if damage := folder_damage(settings.home):
        yield explained(
            damage,
            effect="No model, voice or engine that lies there can be used.",
            remedy="Set SPEECHHUB_HOME to a folder that the user that runs speechhub can write.",
        )
        return
    yield from library.damages()
    yield from _folder(settings.voice_features_dir, NO_FEATURES, link=False)
    yield from _locks(settings.voices_dir / ".lock", "Custom voices cannot be added, changed or deleted.")
    yield from _folder(settings.models_dir, NO_MODELS)
    for name in (".staging", ".locks"):
        yield from _folder(settings.models_dir / name, NO_LOCKS, link=False)
    if damage := folder_damage(settings.models_dir / ".pins"):
        # Not moved aside: without pins, branches would bring whatever they have now.
        yield explained(damage, effect=NO_PINS, remedy="Restore the folder from a backup, or delete it.")
    yield from _lock_files(settings.models_dir / ".locks")
    if damage := licences.damage():
        yield damage
    for model in models:
        yield from store.damages(model)
    yield from _folder(settings.caches_dir, NO_CACHES)
    yield from _folder(settings.engines_dir, NO_ENGINES)
    yield from _folder(settings.engines_dir / ".locks", NO_LOCKS, link=False)
    yield from _lock_files(settings.engines_dir / ".locks")


def _folder(path: Path, effect: str, *, link: bool = True) -> Iterator[Damage]:
    if damage := folder_damage(path, may_link=link):
        yield explained(damage, effect=effect, aside=path)


def _lock_files(folder: Path) -> Iterator[Damage]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        yield from _locks(path, f"{path.name} cannot be installed, fetched or removed.")


def _locks(path: Path, effect: str) -> Iterator[Damage]:
    """Look at a lock, which is an empty file; what is in it does not matter."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        problem = "is not a regular file"
    elif not os.access(path, os.R_OK | os.W_OK):
        problem = "cannot be opened: Permission denied"
    else:
        return
    damage = Damage(path=path, problem=problem, denied=stat.S_ISREG(mode))
    yield explained(damage, effect=effect, aside=path)
