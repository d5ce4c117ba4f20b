"""What scripts/release.py refuses to release."""

import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "scripts"))

import release  # noqa: E402 - the path comes first

METADATA = (
    "Metadata-Version: 2.4\nName: speechhub-x\nVersion: 1.2\nSummary: x\nRequires-Python: >=3.11\n"
    "License-Expression: Apache-2.0\nDescription-Content-Type: text/markdown\n"
)


def wheel(folder, *, metadata=METADATA, files=("x/__init__.py", "x/py.typed")):
    path = folder / "speechhub_x-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in files:
            file.writestr(name, "")
        file.writestr("speechhub_x-1.2.dist-info/METADATA", metadata)
    return path


def test_the_hub_and_all_plugins_have_one_version():
    """A plugin whose version lags behind is noticed before a release, and so is speechhub-ray."""
    folders = release.distributions(ROOT)

    assert {path.parent for path in ROOT.glob("plugins/*/pyproject.toml")} < set(folders)
    assert ROOT / "deploy" / "ray" in folders
    assert release.one_version(folders)


def test_a_plugin_with_another_version_is_refused(tmp_path):
    """The message says which."""
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.9"\n')

    with pytest.raises(release.ReleaseError, match=r"9\.9"):
        release.one_version([ROOT, tmp_path])


def test_a_distribution_that_asks_for_another_hub_is_refused(tmp_path):
    """speechhub-ray needs the hub of its own version."""
    version = release.one_version([ROOT])
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nversion = "{version}"\ndependencies = ["speechhub==9.9"]\n'
    )

    with pytest.raises(release.ReleaseError, match=r"asks for speechhub==9\.9"):
        release.one_version([ROOT, tmp_path])


def test_a_whole_wheel_passes(tmp_path):
    """Types, metadata and the right version are all that is asked for."""
    release.check_wheel(wheel(tmp_path), "1.2")


@pytest.mark.parametrize(
    ("odd", "version", "says"),
    [
        ({"files": ("x/__init__.py",)}, "1.2", "py.typed"),
        ({"metadata": METADATA.replace("Summary: x\n", "")}, "1.2", "Summary"),
        ({}, "1.3", "version"),
        ({"files": ("x/py.typed", "x/tests/test_x.py")}, "1.2", "x/tests"),
    ],
)
def test_a_wheel_that_is_not_whole_is_refused(tmp_path, odd, version, says):
    """A missing file or field, another version or a stray file ends the release."""
    path = wheel(tmp_path, **odd)

    with pytest.raises(release.ReleaseError, match=says):
        release.check_wheel(path, version)


def test_notes_gather_the_fragments(tmp_path):
    """Each fragment is a line under the heading of its kind."""
    (tmp_path / "+a.bugfix.md").write_text("It works.\n")
    (tmp_path / "+b.feature.md").write_text("It is new.\n")

    text = release.notes("1.2", tmp_path)

    assert text == "# speechhub 1.2\n\n## Added\n\n- It is new.\n\n## Fixed\n\n- It works.\n"


def test_a_release_empties_changes_into_the_changelog(tmp_path):
    """What was unreleased stands under the version and its day; a second time there is nothing to do."""
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "README.md").write_text("How to.\n")
    (tmp_path / "changes" / "+a.bugfix.md").write_text("It works.\n")
    (tmp_path / "changes" / "+b.feature.md").write_text("It is new.\n")
    (tmp_path / "src" / "speechhub").mkdir(parents=True)
    (tmp_path / "src" / "speechhub" / "__init__.py").write_text('__version__ = "1.2"\n')
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n\n## [Unreleased]\n\n## [1.1] - 2026-01-01\n\n### Added\n\n- Old.\n")

    assert release.gather(tmp_path, "2026-02-03") == 0

    assert changelog.read_text() == (
        "# Changelog\n\n## [Unreleased]\n\n## [1.2] - 2026-02-03\n\n### Added\n\n- It is new.\n\n"
        "### Fixed\n\n- It works.\n\n## [1.1] - 2026-01-01\n\n### Added\n\n- Old.\n"
    )
    assert [path.name for path in (tmp_path / "changes").iterdir()] == ["README.md"]
    with pytest.raises(release.ReleaseError, match="no fragments"):
        release.gather(tmp_path, "2026-02-04")


def test_every_kind_of_fragment_has_a_heading():
    """No fragment is lost from the notes."""
    kinds = {path.name.split(".")[-2] for path in (ROOT / "changes").glob("+*.md")}

    assert kinds <= set(release.KINDS)
