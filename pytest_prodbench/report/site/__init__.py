"""A site over many runs: leaderboard, trends, comparisons, a page a run, a model and a dataset.

Runs come in as they lie on disk (``history.SiteRun``), become one history in which every measurement knows
what it may stand beside (``history.History``), and leave as pages (``build.write_site``).
"""

from __future__ import annotations

from pytest_prodbench.report.site.build import SiteWritten, write_site
from pytest_prodbench.report.site.comparisons import COMPARED
from pytest_prodbench.report.site.history import SiteRun

__all__ = ["COMPARED", "SiteRun", "SiteWritten", "write_site"]
