"""Environments as their records tell of them; no Python but this one runs."""

import dataclasses
import sys

import pytest

import speechhub_echo
from speechhub import __version__
from speechhub.environments.folders import EnvironmentHome
from speechhub.environments.record import Description, Record, RecordedEngine, state_of, write_record


@pytest.fixture
def engines_dir(tmp_path):
    return tmp_path / "engines"


@pytest.fixture
def recorded(engines_dir):
    """Leave behind what an installation leaves: a folder with a Python, and a record that names it."""

    def make(name="echo", *, spec=speechhub_echo.STT, distribution="speechhub-echo 0.1.0", **fields):
        home = EnvironmentHome(engines_dir / name)
        folder = home.path / "env-1"
        packages = folder / "site-packages"
        packages.mkdir(parents=True)
        (folder / "bin").mkdir()
        (folder / "bin" / "python").symlink_to(sys.executable)
        description = Description(
            python="3.11.0",
            search_path=(str(packages),),
            engines=(RecordedEngine(distribution=distribution, spec=dataclasses.asdict(spec)),),
            **fields,
        )
        record = Record(
            name=name,
            folder=folder.name,
            requirement="speechhub-echo",
            build="",
            state=state_of(description.folders, __version__),
            description=description,
        )
        write_record(home.path, record)
        return home

    return make
