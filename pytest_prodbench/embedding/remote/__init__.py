"""Images to vectors over the network: pace, retries, money, and each vector on disk once it is paid for."""

from pytest_prodbench.embedding.remote.job import RemoteJob
from pytest_prodbench.embedding.remote.ledger import Account, Ledger

__all__ = ["Account", "Ledger", "RemoteJob"]
