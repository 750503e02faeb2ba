"""How the problems of a dataset are named."""

from __future__ import annotations

from pathlib import Path


def shown(path: Path) -> str:
    """Return a path for a message: from the working folder, or with ``~`` for the home folder.

    Messages end up in evidence, which must not carry the home paths of a machine.
    """
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return str(path)


def brief(text: str) -> str:
    """Return a value for a message: as Python writes it, and not a megabyte of it."""
    whole = repr(text)
    return whole if len(whole) <= 120 else f"{whole[:100]} ... ({len(text):,} characters)"


def product_id_problem(product_id: str) -> str | None:
    """Return what is wrong with a product id, or None; ids are never changed to make them fit."""
    if not product_id:
        return "product_id is empty"
    if product_id != product_id.strip():
        return f"product_id {brief(product_id)} begins or ends with white space"
    if "\0" in product_id:
        return f"product_id {brief(product_id)} holds a NUL character"
    return unicode_problem("product_id", product_id)


def unicode_problem(name: str, text: str) -> str | None:
    """Return a message if a text cannot be written as UTF-8 (half a surrogate pair), or None."""
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return f"{name} {text!a} is not valid Unicode"
    return None
