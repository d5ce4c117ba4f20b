"""A folder of the operator's own: used as it is."""

from pathlib import Path

from speechhub.engine import ModelSpec
from speechhub.errors import ModelFilesError


def check_folder(model: ModelSpec, folder: Path) -> Path:
    """Return *folder* if it is there with every file that the model declares.

    Raises:
        ModelFilesError: It is not.
    """
    if not folder.is_dir():
        raise ModelFilesError(f"Model {model.id!r}: there is no folder {folder}.")
    missing = [file.path for file in model.files if not (folder / file.path).is_file()]
    if missing:
        raise ModelFilesError(f"Model {model.id!r}: the folder {folder} has no {', '.join(missing)}.")
    if not any(folder.iterdir()):
        raise ModelFilesError(f"Model {model.id!r}: the folder {folder} is empty.")
    return folder


def size_of(folder: Path) -> int:
    """Return the size of all files below *folder*, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
