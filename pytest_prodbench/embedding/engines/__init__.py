"""Other engines than torch for one and the same network: exported once, proven, kept, and then used."""

from pytest_prodbench.embedding.engines.choosing import choose_engine

__all__ = ["choose_engine"]
