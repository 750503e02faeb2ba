"""TOML, environment and command line into typed, validated settings."""

from pytest_prodbench.settings.files import find_sector_files, load_suite, policy_digest, sector_of
from pytest_prodbench.settings.options import OPTIONS, Option, resolve
from pytest_prodbench.settings.types import (
    DatasetSpec,
    ModelSpec,
    Rule,
    RunSettings,
    SectorSpec,
    Suite,
)

__all__ = [
    "OPTIONS",
    "DatasetSpec",
    "ModelSpec",
    "Option",
    "Rule",
    "RunSettings",
    "SectorSpec",
    "Suite",
    "find_sector_files",
    "load_suite",
    "policy_digest",
    "resolve",
    "sector_of",
]
