"""Runs here must not see the settings of whoever runs the tests, and measure the same pair once."""

import os
from pathlib import Path

import measured_once
import pytest


@pytest.fixture(autouse=True)
def _isolated(no_variables):
    """Apply to every test of this folder."""


@pytest.fixture(scope="session")
def measurements(tmp_path_factory):
    """What the tests of this folder have measured."""
    return tmp_path_factory.mktemp("measurements")


@pytest.fixture
def repository(measuring_repository, measurements, monkeypatch):
    """A repository where what one test has measured is not measured again by the next."""
    path = os.pathsep.join(
        filter(None, [str(Path(measured_once.__file__).parent), os.environ.get("PYTHONPATH")])
    )
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setenv("PYTEST_PLUGINS", measured_once.__name__)
    monkeypatch.setenv(measured_once.FOLDER, str(measurements))
    return measuring_repository
