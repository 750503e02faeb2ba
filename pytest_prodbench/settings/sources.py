"""From the words in a settings file to a model library: ``"timm:resnet50"`` → library and identifier."""

from __future__ import annotations

import re

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError, did_you_mean

_EXPECTED = "LIBRARY:IDENTIFIER, such as timm:tf_efficientnet_lite0"


def parse_source(text: str, *, where: str = "<python>") -> tuple[str, str]:
    """Split ``library:identifier`` at its first colon; the identifier may hold more of them.

    Args:
        text: what the user wrote.
        where: file and key that hold it, for messages.

    Returns:
        The registered library's name and the identifier, both free of surrounding blanks.

    Raises:
        SettingsError: no colon, an empty half, or a library that nobody registered.
    """
    known = registry.registered("prodbench.models")
    library, colon, identifier = (part.strip() for part in text.partition(":"))
    if not colon:
        raise SettingsError(
            where, found=f"{text!r}", expected=_EXPECTED, next_step=_rewritten(text, known)
        )
    if not library or not identifier:
        empty = "identifier" if library else "library"
        raise SettingsError(where, found=f"{text!r}, whose {empty} is empty", expected=_EXPECTED)
    if library not in known:
        raise SettingsError(
            where,
            found=f"model library {library!r} in {text!r}, which nothing registers",
            expected=_EXPECTED,
            next_step=did_you_mean(library, known),
        )
    return library, identifier


def _rewritten(text: str, known: tuple[str, ...]) -> str:
    """Suggest the source that was probably meant: another separator, or no library at all."""
    head, _, rest = re.sub(r"[/ =]", ":", text.strip(), count=1).partition(":")
    if rest and head in known:
        return f"did you mean '{head}:{rest}'?"
    return f"put a library and a colon before it; libraries: {', '.join(known)}"
