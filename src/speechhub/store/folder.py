"""A model's files in the operator's own folder, used as it is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from speechhub.engine import ModelFile
from speechhub.errors import ModelFilesError
from speechhub.paths import below
from speechhub.store.file_set import FileSet


def check_folder(model_id: str, sets: Sequence[FileSet], folder: Path) -> Path:
    """Return *folder* if it exists and has every declared file.

    Raises:
        ModelFilesError: It does not.
    """
    parts = [one for one in sets if one.part]
    _check(f"Model {model_id!r}", folder, [file for one in sets if not one.part for file in one.files])
    for part in parts:
        _check(f"Part {part.part!r} of model {model_id!r}", part.folder_in(folder), part.files)
    return folder


def _check(title: str, folder: Path, files: Iterable[ModelFile]) -> None:
    try:
        if not folder.is_dir():
            raise ModelFilesError(f"{title}: there is no folder {folder}.")
        missing = [file.path for file in files if not below(folder, file.path, links_out=True).is_file()]
        if missing:
            raise ModelFilesError(f"{title}: the folder {folder} has no {', '.join(missing)}.")
        if not any(folder.iterdir()):
            raise ModelFilesError(f"{title}: the folder {folder} is empty.")
    except OSError as error:
        raise ModelFilesError(f"{title}: the folder {folder} cannot be read: {error.strerror}.") from error


def size_of(folder: Path) -> int:
    """Return the size of all files below *folder*, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
