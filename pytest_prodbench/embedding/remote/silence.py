"""Logs of other people's clients: at their most talkative some write down requests with their headers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

TALKATIVE = (
    *("boto3", "botocore", "urllib3", "requests"),
    *("google.auth", "google_genai", "cohere"),
    *("httpx", "httpx2", "httpcore", "httpcore2", "hpack"),
)
"""Loggers; botocore's signs of a request and tokens of a session stand in its DEBUG messages."""


@contextmanager
def silenced() -> Iterator[None]:
    """Let these loggers say warnings and errors only, whatever level was asked for."""
    before = {}
    for name in TALKATIVE:
        logger = logging.getLogger(name)
        before[logger] = logger.level
        logger.setLevel(max(logging.WARNING, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)
