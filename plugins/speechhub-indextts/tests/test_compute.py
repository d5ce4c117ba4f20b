"""The devices that PyTorch can compute on, and the command that helps where it cannot."""

import pytest
import torch

from speechhub.engine import Compute
from speechhub_indextts import ENGINE
from speechhub_indextts.compute import INSTALL, compute


@pytest.fixture
def cuda(monkeypatch):
    """Pretend a PyTorch for CUDA on a machine with a GPU."""
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_86"])


def test_the_spec_names_the_question():
    assert ENGINE.compute == f"{compute.__module__}:{compute.__name__}"


def test_a_build_with_kernels(cuda):
    assert compute() == Compute(kinds=("cuda", "cpu"), architectures=("sm_75", "sm_86"), fix=INSTALL)


def test_a_build_without_cuda(cuda, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)

    answer = compute()

    assert (answer.kinds, answer.fix) == (("cpu",), "speechhub engines install indextts")
    assert "a build without CUDA" in answer.problem
    assert not answer.may_pass
    assert torch.__version__ in answer.problem


def test_a_driver_that_is_too_old(cuda, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    answer = compute()

    assert answer.kinds == ("cpu",)
    assert "too old for CUDA 12.6" in answer.problem
    assert answer.may_pass


def test_a_driver_that_fails(cuda, monkeypatch):
    def fail():
        raise RuntimeError("CUDA unknown error")

    monkeypatch.setattr(torch.cuda, "init", fail)

    answer = compute()

    assert answer.kinds == ("cpu",)
    assert "CUDA unknown error" in answer.problem
    assert answer.may_pass


def test_this_environment_answers():
    answer = compute()

    assert "cuda" in answer.kinds or answer.problem
