"""Decode → batch → forward → matrix, and the cache that keeps it."""

from pytest_prodbench.embedding.embed import EmbeddedImages, embed_images
from pytest_prodbench.embedding.model import ModelHandle
from pytest_prodbench.embedding.progress import OnProgress, ProgressEvent
from pytest_prodbench.embedding.request import ImageRequest

__all__ = [
    "EmbeddedImages",
    "ImageRequest",
    "ModelHandle",
    "OnProgress",
    "ProgressEvent",
    "embed_images",
]
