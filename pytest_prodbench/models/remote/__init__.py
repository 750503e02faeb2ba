"""Models that somebody else runs and asks money for: images go out over HTTP, vectors come back.

One file a provider, with one subclass of ``RemoteLibrary``. Importing this package loads no SDK; that is
imported where a connection is made, and a run whose vectors are all in the cache makes none.

What all providers share lies elsewhere: pixels to files, pace, retries, money and cache are the same for each
(``pytest_prodbench.embedding.remote``).
"""

from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import (
    BrokenReplyError,
    DeniedError,
    Limits,
    Payload,
    RefusedError,
    RemoteService,
    Reply,
    ServiceError,
    TransientError,
)

__all__ = [
    "BrokenReplyError",
    "DeniedError",
    "Facts",
    "Limits",
    "Payload",
    "RefusedError",
    "RemoteLibrary",
    "RemoteOptions",
    "RemoteService",
    "Reply",
    "ServiceError",
    "TransientError",
]
