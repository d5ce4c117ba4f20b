"""Files of weights run no code, whatever the environment or a library asks for."""

import os

import pytest

from speechhub.engine import EngineLoadError, forbid_code_in_weights
from speechhub.engine.weights import FORBIDDEN, FORCED


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Begin without either variable, and leave none behind."""
    monkeypatch.setenv(FORCED, "")
    monkeypatch.delenv(FORCED)
    monkeypatch.delenv(FORBIDDEN, raising=False)


@pytest.mark.parametrize("version", ["2.6.0", "2.13.0+cpu", "3.0.0a0+git1234", "10.0"])
def test_data_alone_is_read(version):
    """PyTorch is told so for each of its calls."""
    forbid_code_in_weights(version)

    assert os.environ[FORCED] == "1"


@pytest.mark.parametrize("version", ["2.5.1+cu121", "1.13.1", "0.4", "unknown", ""])
def test_an_old_pytorch_is_refused(version):
    """It would run what is in a file; the message says what to do."""
    with pytest.raises(EngineLoadError, match=r"needs 2\.6 or newer\. Install the engine again"):
        forbid_code_in_weights(version)


@pytest.mark.parametrize("value", ["1", "y", "YES", "True"])
def test_an_environment_that_undoes_it_is_refused(monkeypatch, value):
    """In every spelling that PyTorch takes."""
    monkeypatch.setenv(FORBIDDEN, value)

    with pytest.raises(EngineLoadError, match=f"{FORBIDDEN} is set"):
        forbid_code_in_weights("2.13.0")


@pytest.mark.parametrize("value", ["0", "", "no"])
def test_a_variable_that_says_no_is_none(monkeypatch, value):
    """PyTorch takes it so, too."""
    monkeypatch.setenv(FORBIDDEN, value)

    forbid_code_in_weights("2.13.0")
