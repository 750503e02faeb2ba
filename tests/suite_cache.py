"""What a run of the shipped suite has embedded, so that tests with its models and catalogs need not again."""

import os
import shutil
from pathlib import Path

VARIABLE = "SHIPPED_SUITE_CACHE"
"""Folder of such a cache: CI names that of its own cold run. Without it tests embed for themselves."""


def take_over(cache: Path) -> None:
    """Copy it into a cache, where there is one."""
    made = os.environ.get(VARIABLE)
    if made:
        shutil.copytree(made, cache, dirs_exist_ok=True)
