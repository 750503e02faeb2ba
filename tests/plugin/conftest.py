"""Runs here must not see the settings of whoever runs the tests."""

import pytest


@pytest.fixture(autouse=True)
def _isolated(no_variables):
    """Apply to every test of this folder."""
