"""What engines build once is read from nowhere that another user can write."""

import os

import pytest
from structlog.testing import capture_logs

from speechhub.store import EngineCaches


@pytest.fixture
def caches(tmp_path):
    return EngineCaches(tmp_path / "home" / "caches")


def test_an_engine_has_a_folder_of_its_own(caches):
    """It is private, whatever the umask, and the same the next time."""
    before = os.umask(0)
    try:
        folder = caches.folder("indextts")
    finally:
        os.umask(before)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert caches.folder("indextts") == folder
    assert caches.folder("other") != folder


def test_a_name_is_no_path(caches, tmp_path):
    """An engine's name comes from a plugin."""
    assert caches.folder("../../x").parent == tmp_path / "home" / "caches"


@pytest.mark.parametrize("mode", [0o777, 0o707, 0o702])
def test_a_folder_that_others_can_write_is_not_used(caches, mode):
    """What lies there may be theirs; the log says what to do."""
    caches.folder("indextts").chmod(mode)

    with capture_logs() as logs:
        assert caches.folder("indextts") is None
    [line] = logs
    assert (line["log_level"], line["advice"]) == ("warning", "delete the folder; it will be created again")


def test_a_folder_of_another_group_is_not_used(caches, monkeypatch):
    """Its members could write there; our own group is ours."""
    caches.folder("indextts").chmod(0o770)

    assert caches.folder("indextts") is not None
    monkeypatch.setattr(os, "getegid", lambda: 4711)
    assert caches.folder("indextts") is None


def test_a_folder_of_another_user_is_not_used(caches, monkeypatch):
    """Whatever its rights are."""
    caches.folder("indextts")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    assert caches.folder("indextts") is None


def test_a_link_is_not_followed(caches, tmp_path):
    """It may lead to where others write."""
    (tmp_path / "elsewhere").mkdir()
    caches.folder("indextts").rmdir()
    (tmp_path / "home" / "caches" / "indextts").symlink_to(tmp_path / "elsewhere")

    assert caches.folder("indextts") is None


def test_where_nothing_can_be_written_there_is_none(tmp_path):
    """A file in the way, or a root that is read-only; engines that need a folder say so themselves."""
    (tmp_path / "caches").touch()

    with capture_logs() as logs:
        assert EngineCaches(tmp_path / "caches").folder("indextts") is None
    assert {line["log_level"] for line in logs} == {"debug"}
