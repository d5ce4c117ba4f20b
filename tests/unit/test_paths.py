"""Names from anywhere become paths below a folder, or are refused; there is no third."""

import contextlib
import os
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechhub.paths import MAX_NAME_BYTES, MAX_PART_BYTES, UnsafeNameError, below, check_name

ODD = [
    "..", ".", "", "/", "\\", "\0", "\n", "\x7f", "\x85", "~", "%2e%2e", "C:", "a", "b.bin", " ", "名",
    "\u2024", "\u2025", "\uff0e", "\uff0f", "\uff3c", "\u2044", "\u2215", "\ufeff", "\u200b", "\u202e",
    "\ud800", "\udc2f", "e\u0301", "é", "x" * MAX_PART_BYTES, "link", "loop", "inner",
]  # fmt: skip
NAMES = st.one_of(
    st.lists(st.sampled_from(ODD), max_size=8).map("/".join),
    st.lists(st.sampled_from(ODD), max_size=8).map("".join),
    st.text(alphabet=st.characters(), max_size=40),
    st.text(alphabet="./\\ab", max_size=12),
)


@contextlib.contextmanager
def furnished():
    """Make a base with links in it that lead out, in a circle, and to within."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        base = root / "base"
        (base / "a").mkdir(parents=True)
        (root / "outside").mkdir()
        (base / "link").symlink_to(root / "outside")
        (base / "loop").symlink_to("loop")
        (base / "inner").symlink_to("a")
        yield root, base


@pytest.mark.scenario("bad-model-hub")
@given(name=NAMES)
def test_a_name_stays_below_or_is_refused(name):
    """Whatever the name, what is written under it lies below the base, and nothing else appears."""
    with furnished() as (root, base):
        before = {path for path in root.rglob("*") if base not in path.parents}
        try:
            path = below(base, name)
        except UnsafeNameError:
            return

        with contextlib.suppress(
            OSError
        ):  # the name of a folder that is there, a loop, a path too long in all
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")

        assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(base))
        assert path != base
        assert {found for found in root.rglob("*") if base not in found.parents} == before


@given(name=NAMES)
def test_every_reading_of_a_name_leads_down(name):
    """What passes leads down in each normal form, and is one that a file system takes."""
    try:
        check_name(name)
    except UnsafeNameError:
        return

    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        parts = unicodedata.normalize(form, name).split("/")
        assert not {"", ".", ".."} & set(parts)
        assert not any("\\" in part for part in parts)
        assert len(parts) == name.count("/") + 1
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in name)
    assert all(0 < len(part) <= MAX_PART_BYTES for part in name.encode().split(b"/"))


@pytest.mark.parametrize(
    "name",
    [
        "model.bin", "sub/folder/config.json", ".gitattributes", "a..b", "...", "..a", "~user", "refs/pr/1",
        "v1.0/x+y@z=1,2 (3).onnx", "zh_CN/模型.bin", "año.txt", "an\u0303o.txt", "ＡＢＣ.txt",
        "x" * MAX_PART_BYTES, "c" * 40,
    ],
)  # fmt: skip
def test_ordinary_names_pass(name, tmp_path):
    """Names that repositories really have are taken as they are."""
    assert below(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "relative path"), ("..", "relative path"), ("a/../../b", "relative path"),
        ("/etc/passwd", "relative path"), ("a//b", "relative path"), ("a/", "relative path"),
        ("./a", "relative path"), ("a/ .. /b", "relative path"),
        ("..\\..\\b", "backslash"), ("a\0b", "invisible"), ("a\nb", "invisible"), ("a\u202eb", "invisible"),
        (".\u200c./b", "invisible"), ("\u2025/b", "relative path"), ("\uff0e\uff0e/b", "relative path"),
        ("..\uff0fb", "slash"), ("..\u2215b", "slash"), ("..\uff3cb", "backslash"), ("\ud800", "Unicode"),
        (7, "not text"), (None, "not text"), ("x" * (MAX_PART_BYTES + 1), "too long"),
        ("名" * 86, "too long"),
        ("/".join(["a" * 99] * 11), "too long"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(name, says, tmp_path):
    """A refusal says what is wrong with the name, and repeats no more of it than one can read."""
    with pytest.raises(UnsafeNameError, match=says) as caught:
        below(tmp_path, name)

    assert len(str(caught.value)) < 300


def test_links_lead_out_where_operators_lay_them():
    """A link that leads out is refused, on the way or at the end, but for folders that operators furnish."""
    with furnished() as (_, base):
        for name in ("link", "link/x", "link/x/y"):
            with pytest.raises(UnsafeNameError, match="link"):
                below(base, name)
            assert below(base, name, links_out=True) == base / name
        assert below(base, "inner/x") == base / "inner" / "x"
        with pytest.raises(UnsafeNameError, match="relative path"):
            below(base, "link/../x", links_out=True)


def test_the_base_may_be_a_link(tmp_path):
    """Operators put whole folders on another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "disk")

    assert below(tmp_path / "models", "a/b") == tmp_path / "models" / "a" / "b"


def test_the_longest_name_is_taken(tmp_path):
    """The limit itself is within it."""
    name = "/".join(["a" * 127] * 8)
    assert len(name) <= MAX_NAME_BYTES
    assert below(tmp_path, name).name == "a" * 127
