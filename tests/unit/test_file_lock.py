"""A lock that another process may hold."""

import threading

import pytest

from speechhub.environments import folders
from speechhub.errors import ConfigurationError, ModelFilesError
from speechhub.file_lock import LockTakenError, file_lock
from speechhub.store import layout


def test_a_lock_is_held_by_one(tmp_path):
    """A second holder gets it when the first has given it back, and not before."""
    path = tmp_path / "lock"

    with file_lock(path, limit_s=0), pytest.raises(LockTakenError), file_lock(path, limit_s=0):
        pass

    with file_lock(path, limit_s=0) as descriptor:
        assert descriptor >= 0


def test_a_waiting_holder_is_told_once_and_gets_it(tmp_path):
    """The wait is announced, and ends when the lock is given back."""
    told, free = [], threading.Event()

    def hold():
        with file_lock(tmp_path / "lock", limit_s=0):
            held.set()
            free.wait(60)

    held = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)

    with file_lock(tmp_path / "lock", limit_s=60, on_wait=lambda: (told.append(1), free.set())):
        pass

    holder.join(60)
    assert told == [1]


def test_a_link_is_not_followed(tmp_path):
    """A link in place of the file could create one elsewhere."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic links"), file_lock(tmp_path / "lock", limit_s=0):
        pass

    assert not (tmp_path / "elsewhere").exists()


def test_a_model_and_an_environment_say_what_holds_them(tmp_path, monkeypatch):
    """The wait has a limit, and its error says what to do."""
    monkeypatch.setattr(layout, "LOCK_S", 0)
    monkeypatch.setattr(folders, "LOCK_S", 0)
    models, home = layout.Layout(tmp_path), folders.EnvironmentHome(tmp_path / "engines" / "echo")

    with models.lock("toy"), home.lock(list):
        with pytest.raises(ModelFilesError, match=r"files of model 'toy'.*End it"), models.lock("toy"):
            pass
        with pytest.raises(ConfigurationError, match=r"environment 'echo'.*End it"), home.lock(list):
            pass
