"""The columns of a manifest that are ours; every other one is a condition."""

from __future__ import annotations

from typing import Literal

Column = Literal[
    "image",
    "product_id",
    "role",
    "sector",
    "family",
    "bbox",
    "group",
    "valid_from",
    "valid_until",
]
REQUIRED: tuple[Column, ...] = ("image", "product_id", "role")
VALIDITY: tuple[Column, ...] = ("valid_from", "valid_until")
ROLES = ("query", "gallery")
