"""What an environment can compute on, against the GPUs that are there."""

import pytest

from speechhub.engine import Compute
from speechhub.engine.compute import runs_on

CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")


@pytest.mark.parametrize(
    ("architecture", "capability", "runs"),
    [
        ("sm_86", "8.6", True),
        ("sm_86", "8.9", True),  # Ada runs what was built for Ampere
        ("sm_86", "8.0", False),
        ("sm_86", "9.0", False),
        ("sm_75", "8.0", False),
        ("sm_120", "12.0", True),
        ("sm_120", "12.1", True),
        ("sm_120", "10.0", False),
        ("sm_90a", "9.0", True),
        ("sm_100a", "10.3", False),
        ("sm_100f", "10.3", True),
        ("sm_100f", "12.0", False),
        ("compute_86", "12.0", True),
        ("compute_86", "8.6", True),
        ("compute_86", "8.0", False),
        ("compute_90a", "10.0", False),
        ("gfx1100", "8.6", False),
        ("sm_86", "eight", False),
        ("sm_86", "", False),
    ],
)
def test_which_code_runs_where(architecture, capability, runs):
    assert runs_on(architecture, capability) is runs


@pytest.mark.parametrize(
    ("architectures", "capability", "works"),
    [
        (CU130, "6.1", False),  # GTX 1080 with PyTorch for CUDA 13
        (CU126, "6.1", True),
        (CU126, "7.5", True),
        (CU126, "12.0", False),  # RTX 5090 with PyTorch for CUDA 12.6
        (CU130, "12.0", True),
        ((), "6.1", True),
        (CU126, "", True),
    ],
)
def test_a_gpu_needs_kernels(architectures, capability, works):
    problem = Compute(kinds=("cuda", "cpu"), architectures=architectures).why_not("cuda", capability)

    assert (problem == "") is works
    assert works or (capability in problem and architectures[0] in problem)


def test_a_kind_that_is_missing_has_its_reason():
    no_cuda = Compute(kinds=("cpu",), problem="libcublas.so.12 is missing.")

    assert no_cuda.why_not("cuda", "8.6") == "libcublas.so.12 is missing."
    assert no_cuda.why_not("cpu", "") == ""
    assert "cannot compute on cuda" in Compute(kinds=("cpu",)).why_not("cuda", "8.6")
    assert Compute(kinds=("cuda",), architectures=("sm_50",)).why_not("cpu", "") != ""
