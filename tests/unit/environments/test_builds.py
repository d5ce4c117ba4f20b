"""environments.builds: the build of PyTorch for each generation of cards and each age of driver."""

from dataclasses import replace

import pytest

from speechhub.environments import install
from speechhub.environments.builds import (
    BUILDS,
    CudaCard,
    Driver,
    choose_build,
    fault_of,
    release_of,
)
from speechhub.environments.driver import NODES, read_driver
from speechhub.errors import ConfigurationError
from speechhub.gpu.values import GpuDevice

MAXWELL = CudaCard(name="GTX 980", capability=(5, 2))
PASCAL = CudaCard(name="GTX 1080", capability=(6, 1))
VOLTA = CudaCard(name="V100", capability=(7, 0))
TURING = CudaCard(name="GTX 1650", capability=(7, 5))
AMPERE = CudaCard(name="RTX 3060", capability=(8, 6))
ADA = CudaCard(name="RTX 4090", capability=(8, 9))
HOPPER = CudaCard(name="H100", capability=(9, 0))
BLACKWELL = CudaCard(name="RTX 5090", capability=(12, 0))
KEPLER = CudaCard(name="K80", capability=(3, 7))
THOR = CudaCard(name="Thor", capability=(11, 0))
UNTOLD = CudaCard(name="GPU", capability=None)


def driver(version, *cards):
    return Driver(version=version, cards=cards)


@pytest.mark.mission("16.10")
@pytest.mark.invariant("fits-the-card")
@pytest.mark.parametrize(
    ("version", "card", "build"),
    [
        ("580.65.06", MAXWELL, "cu126"),
        ("535.54", MAXWELL, "cu126"),
        ("580.65.06", PASCAL, "cu126"),
        ("525.60.13", PASCAL, "cu126"),
        ("580.65.06", VOLTA, "cu126"),
        ("525.60.13", VOLTA, "cu126"),
        ("580.65.06", TURING, "cu130"),
        ("570.26", TURING, "cu126"),
        ("580.65.06", AMPERE, "cu130"),
        ("579.99", AMPERE, "cu126"),
        ("580.65.06", ADA, "cu130"),
        ("525.60.13", ADA, "cu126"),
        ("580.65.06", HOPPER, "cu130"),
        ("550.54.15", HOPPER, "cu126"),
        ("580.65.06", BLACKWELL, "cu130"),
        ("600.10", CudaCard(name="GB20x", capability=(12, 1)), "cu130"),
        ("600.10", CudaCard(name="to come", capability=(13, 0)), "cu130"),
        ("600.10", CudaCard(name="B300", capability=(10, 3)), "cu130"),
        ("580.65.06", CudaCard(name="GB10x", capability=(12, 0)), "cu130"),
    ],
)
def test_driver_and_generation_decide(version, card, build):
    """Each generation gets a build that has code for it, on an old driver and on a new one."""
    choice = choose_build(driver(version, card))

    assert choice.build == build
    assert version in choice.reason
    assert str(card) in choice.reason
    assert not choice.warning


def test_without_a_driver_it_is_the_build_for_the_cpu():
    """Containers that may use no GPU, and machines that have none."""
    assert choose_build(None).build == "cpu"


@pytest.mark.mission("18.2")
@pytest.mark.parametrize(
    ("version", "card", "says"),
    [
        (
            "570.26",
            BLACKWELL,
            r"driver to 580 or newer; or take .* install NAME --torch 2\.11\.0 --build cu128; or ",
        ),
        ("470.57", TURING, "Upgrade NVIDIA's driver to 525 or newer; or use the CPU"),
        ("470.57", BLACKWELL, "Upgrade NVIDIA's driver to 580 or newer; or use the CPU"),
        ("470.57", KEPLER, r"serves K80 \(compute capability 3\.7\) .* Use the CPU"),
        ("580.65", THOR, r"Use the CPU"),
        ("470.57", UNTOLD, "470.57 is too old for PyTorch 2.13: it needs 525 or newer"),
    ],
)
def test_where_nothing_fits_the_way_out_is_named(version, card, says):
    """The driver to upgrade to, an older PyTorch where one has the code, or the CPU."""
    with pytest.raises(ConfigurationError, match=says) as raised:
        choose_build(driver(version, card))

    assert version in raised.value.message
    assert raised.value.message.endswith("se the CPU: speechhub engines install NAME --build cpu.")


@pytest.mark.parametrize(
    ("torch", "version", "card", "build"),
    [
        ((2, 11), "570.26", BLACKWELL, "cu128"),
        ((2, 11), "570.26", VOLTA, "cu126"),
        ((2, 11), "580.65", BLACKWELL, "cu130"),
        ((2, 8), "580.65", BLACKWELL, "cu128"),
        ((2, 6), "580.65", TURING, "cu126"),
        ((2, 14), "580.65", PASCAL, "cu126"),
        ((2, 15), "580.65", TURING, "cu130"),
    ],
)
def test_the_release_counts(torch, version, card, build):
    """Builds come and go with PyTorch's releases."""
    assert choose_build(driver(version, card), torch).build == build


def test_an_old_card_and_a_pytorch_to_come():
    """The last release that has the code is named, and one of them."""
    with pytest.raises(ConfigurationError, match=r"--torch 2\.14\.0 --build cu126"):
        choose_build(driver("580.65", PASCAL), (2, 15))


def test_a_new_card_and_an_old_pytorch():
    """One build is named, the preferred one, and the newest release that was looked at."""
    with pytest.raises(ConfigurationError, match=r"--torch 2\.14\.0 --build cu130; or use") as raised:
        choose_build(driver("580.65", BLACKWELL), (2, 6))

    assert "cu132" not in raised.value.message


def test_a_pytorch_from_before_the_table():
    """The operator must choose."""
    with pytest.raises(ConfigurationError, match=r"does not know the builds of PyTorch 2\.5"):
        choose_build(driver("580.65", TURING), (2, 5))


@pytest.mark.parametrize(
    ("cards", "build", "warning"),
    [
        ((AMPERE, PASCAL), "cu126", ""),
        ((PASCAL, AMPERE), "cu126", ""),
        ((AMPERE, BLACKWELL), "cu130", ""),
        ((BLACKWELL, PASCAL), "cu130", "cu130 has no code for GTX 1080 (compute capability 6.1)"),
        ((PASCAL, BLACKWELL), "cu126", "cu126 has no code for RTX 5090 (compute capability 12.0)"),
        ((UNTOLD, PASCAL), "cu126", ""),
    ],
)
def test_several_cards(cards, build, warning):
    """All are served if one build can; otherwise the first, and the others are named."""
    choice = choose_build(driver("580.65.06", *cards))

    assert choice.build == build
    assert choice.warning.startswith(warning)
    assert bool(choice.warning) is bool(warning)


@pytest.mark.parametrize("cards", [(), (UNTOLD,)])
def test_a_driver_that_does_not_tell_the_generation(cards):
    """The driver's age alone decides then, and the doubt is told."""
    newer, older = choose_build(driver("580.65", *cards)), choose_build(driver("550.1", *cards))

    assert (newer.build, older.build) == ("cu130", "cu126")
    assert "--build cu126" in newer.warning
    assert "does not report" in newer.reason


@pytest.mark.parametrize(
    ("name", "version", "card", "fault"),
    [
        ("cu130", "580.65", PASCAL, "cu130 has no code for GTX 1080 (compute capability 6.1); cu126 has"),
        ("cu132", "580.65", VOLTA, "cu132 has no code for V100 (compute capability 7.0); cu126 has"),
        ("cu126", "580.65", BLACKWELL, "cu126 has no code for RTX 5090 (compute capability 12.0); cu130 has"),
        ("cu126", "570.26", BLACKWELL, "cu126 has no code for RTX 5090 (compute capability 12.0)"),
        ("cu130", "570.26", TURING, "cu130 needs NVIDIA's driver 580 or newer, and this is 570.26"),
        ("cu132", "580.65", TURING, ""),
        ("cu126", "580.65", PASCAL, ""),
        ("cu118", "580.65", PASCAL, ""),
        ("cpu", "580.65", PASCAL, ""),
        ("cu130", "580.65", UNTOLD, ""),
        ("cu130", "driver", TURING, "cu130 needs NVIDIA's driver 580 or newer, and this is driver"),
    ],
)
def test_what_speaks_against_a_build_that_was_asked_for(name, version, card, fault):
    """It is installed all the same; what is not known here has no fault."""
    assert fault_of(name, driver(version, card)) == fault


def test_the_first_card_speaks_against_a_build():
    """The others are for engines on other devices."""
    assert fault_of("cu130", driver("580.65", TURING, PASCAL)) == ""


def test_without_a_driver_nothing_speaks_against_a_build():
    """Images are made on machines without a GPU."""
    assert fault_of("cu130", None) == ""


def test_releases_are_read():
    """By their first two numbers."""
    assert release_of("2.13.0") == (2, 13)
    with pytest.raises(ConfigurationError, match="'newest' is not a version"):
        release_of("newest")


def test_each_build_is_in_the_table_once():
    """A name means one thing."""
    assert len({build.name for build in BUILDS}) == len(BUILDS)


@pytest.mark.parametrize(
    ("build", "cards", "taken", "said"),
    [
        (
            "auto",
            (PASCAL,),
            "cu126",
            ["build cu126 of PyTorch, because the driver is 580.65 and the GPU GTX"],
        ),
        (
            "auto",
            (PASCAL, BLACKWELL),
            "cu126",
            ["build cu126 of PyTorch, because", "note: cu126 has no code for RTX 5090"],
        ),
        ("cu130", (PASCAL,), "cu130", ["as you asked, build cu130, but cu130 has no code for GTX 1080"]),
        ("cu126", (PASCAL,), "cu126", []),
    ],
)
def test_an_installation_says_why(monkeypatch, build, cards, taken, said):
    """The reason for its own choice, and what speaks against an operator's, which is kept."""
    monkeypatch.setattr(install, "read_driver", lambda: driver("580.65", *cards))
    lines = []

    assert install._build("2.13.0", install.Wishes(build=build), lines.append) == taken
    assert len(lines) == len(said)
    assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))


def test_an_installation_goes_by_the_release(monkeypatch):
    """The PyTorch that is installed decides which builds there are."""
    monkeypatch.setattr(install, "read_driver", lambda: driver("570.26", BLACKWELL))

    assert install._build("2.11.0", install.Wishes(), print) == "cu128"
    with pytest.raises(ConfigurationError, match="580 or newer"):
        install._build("2.13.0", install.Wishes(), print)


class Monitor:
    def __init__(self, *devices):
        self._devices = devices
        self.closed = False

    def devices(self):
        return self._devices

    def close(self):
        self.closed = True


def device(version, capability):
    return GpuDevice(
        index=0, uuid="GPU-1", name="a card", driver=version, cuda="13.0",
        compute_capability=capability, total_bytes=1,
    )  # fmt: skip


@pytest.fixture
def node(tmp_path):
    path = tmp_path / "nvidiactl"
    path.touch()
    return path


KERNELS_PAGE = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module (x86 64.0)  {}  Wed Nov 30\nGCC version: 12.2.0\n"
)


def test_the_drivers_library_tells_the_cards(tmp_path, node):
    """As on WSL2, where the kernel has no page about the driver."""
    monitor = Monitor(device("572.16", "12.0"), device("572.16", ""))

    found = read_driver(
        monitor=lambda: monitor, version_file=tmp_path / "none", nodes=[tmp_path / "no", node]
    )

    assert found == Driver(
        version="572.16",
        cards=(CudaCard(name="a card", capability=(12, 0)), CudaCard(name="a card", capability=None)),
    )
    assert monitor.closed


def test_the_first_card_tells_the_driver(tmp_path, node):
    monitor = Monitor(device("580.65", "8.6"), device("570.26", "8.6"))

    assert read_driver(monitor=lambda: monitor, nodes=[node]).version == "580.65"


def test_nodes_of_linux_and_of_wsl_are_looked_for():
    assert [str(path) for path in NODES] == ["/dev/nvidiactl", "/dev/dxg"]


def test_a_page_of_the_kernel_alone_is_no_gpu(tmp_path):
    """A container that may use no GPU sees the page of its host."""
    page = tmp_path / "version"
    page.write_text(KERNELS_PAGE.format("580.65.06"))

    assert read_driver(monitor=Monitor, version_file=page, nodes=[tmp_path / "no"]) is None


def test_the_library_needs_no_device_that_we_know(tmp_path):
    """What decides where models run decides which build they get, whatever the devices are called."""
    found = read_driver(
        monitor=lambda: Monitor(device("580.65", "8.7")),
        version_file=tmp_path / "none",
        nodes=[tmp_path / "no"],
    )

    assert found == driver("580.65", CudaCard(name="a card", capability=(8, 7)))


def test_a_library_that_does_not_answer(tmp_path, node):
    """Then the kernel tells the version, and no card is known."""
    page = tmp_path / "version"
    page.write_text(KERNELS_PAGE.format("580.65.06"))

    assert read_driver(monitor=Monitor, version_file=page, nodes=[node]) == driver("580.65.06")


@pytest.mark.parametrize("text", [None, "no number\n"])
def test_a_driver_that_tells_nothing(tmp_path, node, text):
    """Is none."""
    page = tmp_path / "version"
    if text:
        page.write_text(text)

    assert read_driver(monitor=Monitor, version_file=page, nodes=[node]) is None


@pytest.mark.parametrize(
    ("page", "cuda", "version"),
    [("580.65.06", "13.0", "580.65.06"), (None, "13.0", "580"), (None, "12.4", "525"), (None, "", "")],
)
def test_a_driver_that_does_not_tell_its_version(tmp_path, node, page, cuda, version):
    """The kernel's page does, or the CUDA that it runs says how old it can be."""
    file = tmp_path / "version"
    if page:
        file.write_text(KERNELS_PAGE.format(page).replace("Kernel", "Open Kernel"))
    shown = replace(device("", "8.6"), cuda=cuda)

    found = read_driver(monitor=lambda: Monitor(shown), version_file=file, nodes=[node])

    assert found.version == version
    assert found.cards == (CudaCard(name="a card", capability=(8, 6)),)


def test_a_first_card_that_no_build_serves_takes_no_other_along():
    """Engines take the first one that they can use, which is the second here."""
    both = driver("570.86", CudaCard(name="new", capability=(12, 0)), CudaCard(name="old", capability=(8, 6)))

    choice = choose_build(both)

    assert choice.build == "cu126"
    assert "no code for new (compute capability 12.0)" in choice.warning


@pytest.mark.parametrize("version", ["535.183.01-open", " 535.1", "r535"])
def test_versions_as_packagers_write_them(version):
    assert Driver(version=version, cards=()).major == 535
