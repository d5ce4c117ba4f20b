"""Exact sets of packages, and the build of PyTorch in them."""

from importlib.metadata import PathDistribution

import pytest

from speechhub.environments.pins import (
    PackagePin,
    PackagePins,
    frozen,
    installed,
    needs_torch,
    parse_pins,
    pins_of,
)
from speechhub.errors import ConfigurationError


def install(folder, name, *, requires=(), files=()):
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        "Version: 1.0",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    for path, text in files:
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    (info / "RECORD").write_text("".join(f"{path},,\n" for path, _ in files))
    return PathDistribution(info)


def test_torch_is_parted_from_the_rest():
    """Its packages lose the build that they were frozen with: each machine has its own."""
    text = (
        "# made by hand\n\nnumpy==2.1.0\nTorch==2.13.0+cpu\ntorchaudio==2.11.0\n"
        "foo-bar==1 ; python_version<'3.12'  # why\n"
    )

    assert parse_pins(text, "there") == PackagePins(
        torch=("torch==2.13.0", "torchaudio==2.11.0"),
        others=(
            PackagePin(requirement="numpy==2.1.0"),
            PackagePin(requirement="foo-bar==1 ; python_version<'3.12'"),
        ),
    )


def test_hashes_are_read_as_tools_write_them():
    """On lines of their own after a backslash, or behind the pin; a marker stands before them."""
    text = (
        "# why\nnumpy==2.1.0 ; python_version<'3.12' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "foo==1 --hash sha512:cc\nbar==2\n"
    )

    pins = parse_pins(text, "there")

    assert pins.others == (
        PackagePin(requirement="numpy==2.1.0 ; python_version<'3.12'", hashes=("sha256:aa", "sha256:bb")),
        PackagePin(requirement="foo==1", hashes=("sha512:cc",)),
        PackagePin(requirement="bar==2"),
    )
    assert parse_pins("".join(f"{pin.line}\n" for pin in pins.others), "again") == pins


def test_the_line_of_a_fault_is_where_its_pin_begins():
    """Lines of hashes are counted."""
    with pytest.raises(ConfigurationError, match="there, line 3"):
        parse_pins("numpy==2 \\\n  --hash=sha256:aa\nbroken \\\n  --hash=sha256:bb\n", "there")


@pytest.mark.parametrize("line", ["numpy", "numpy>=2", "-r other.txt", "--index-url x", "a @ file:///b"])
def test_only_exact_pins_will_do(line):
    """What could bring anything else is refused, with its place."""
    with pytest.raises(ConfigurationError, match="there, line 2"):
        parse_pins(f"numpy==2\n{line}\n", "there")


def test_a_plugin_carries_its_pins(tmp_path):
    """They are a file of its package; most plugins have none."""
    with_pins = install(tmp_path, "one", files=[("one/engine-requirements.txt", "numpy==2.0\n")])
    without = install(tmp_path, "two", files=[("two/__init__.py", "")])

    assert pins_of(with_pins) == PackagePins(others=(PackagePin(requirement="numpy==2.0"),))
    assert pins_of(without) is None


@pytest.mark.parametrize(
    ("requires", "answer"),
    [(["torch>=2"], True), (["Torch ; extra == 'x'"], True), (["torchcodec"], False), ([], False)],
)
def test_who_needs_torch(tmp_path, requires, answer):
    """The name alone decides."""
    assert needs_torch(install(tmp_path, "one", requires=requires)) is answer


def test_what_is_installed_is_frozen(tmp_path):
    """One line for each distribution, sorted, in the spelling of indexes."""
    install(tmp_path, "Zebra_Lib")
    install(tmp_path, "ant")

    assert frozen([tmp_path]) == "ant==1.0\nzebra-lib==1.0\n"
    assert installed("ant", [tmp_path]).version == "1.0"
    assert installed("bee", [tmp_path]) is None
