"""What a ranking had and the queries on disk have not: reading it is an error, never a silent nothing."""

from __future__ import annotations

from typing import Any, NoReturn


class NotKeptError(Exception):
    """Something was read that is not in the queries on disk; the text says what."""


class NotKept:
    """Stands where a part of a ranking would be. Whatever is asked of it raises ``NotKeptError``.

    An empty array in its place would give a metric that reads it a number, the same for every model.
    """

    __slots__ = ("_what",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> NoReturn:
        raise NotKeptError(self._what)

    def _read(self, *_: Any, **__: Any) -> NoReturn:
        raise NotKeptError(self._what)

    # Operators and numpy look these up on the class, past ``__getattr__``.
    __getitem__ = __setitem__ = __len__ = __iter__ = __contains__ = __bool__ = _read
    __array__ = __array_ufunc__ = __array_function__ = _read
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _read
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = (
        _read
    )
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = __neg__ = __abs__ = (
        _read
    )
