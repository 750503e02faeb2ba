"""The colours of the page, light and dark, for what is shown outside of it: read from its own style."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_ROOT = re.compile(r"^\s*:root \{(.*?)\}", re.MULTILINE | re.DOTALL)
_COLOUR = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")


@cache
def palette(*, dark: bool = False) -> Mapping[str, str]:
    """Return variable → colour (``ink`` → ``#1b1d22``) as ``report.css`` states them."""
    style = (files("pytest_prodbench.report") / "templates" / "report.css").read_text("utf-8")
    # The first block is light, the second dark, the third for print.
    return MappingProxyType(dict(_COLOUR.findall(_ROOT.findall(style)[dark])))
