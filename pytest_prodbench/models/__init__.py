"""How an image becomes a vector: one file per library.

Importing this package or any module in it loads neither torch nor a model library; they are imported
where a model is loaded.
"""

from pytest_prodbench.models.loading import library_for
from pytest_prodbench.models.protocol import (
    Embedder,
    Engine,
    Features,
    ModelIdentity,
    ModelLibrary,
)

__all__ = ["Embedder", "Engine", "Features", "ModelIdentity", "ModelLibrary", "library_for"]
