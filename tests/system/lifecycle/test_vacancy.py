"""Process groups that end, and numbers that are given anew."""

import os
import subprocess
import sys

from speechhub.lifecycle.own_processes import any_left, has_begun_after, own_ids, uptime_s


def test_a_group_is_ours_and_is_left_until_the_last_has_ended():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        assert own_ids(child.pid, [child.pid, os.getpid()]) == {child.pid}
        assert any_left(child.pid)
    finally:
        child.communicate(b"\n")
    assert not any_left(child.pid)


def test_a_number_that_was_given_anew_is_known_by_when_its_process_began(tmp_path):
    before = uptime_s()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        assert has_begun_after(child.pid, before - 0.1)
        assert not has_begun_after(child.pid, uptime_s() + 0.1)
    finally:
        child.communicate(b"\n")
    assert not has_begun_after(child.pid, 0.0)
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (a) b (c")
    assert not has_begun_after(7, 0.0, tmp_path)
