"""Write a site: pages that are as they were stay, new ones are made, those of runs that are gone go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

from pytest_prodbench import __version__
from pytest_prodbench.errors import unturned
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.compare_page import comparison_page
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.html import Surroundings, render, run_page
from pytest_prodbench.report.site.comparisons import COMPARED, RunPair, compared, run_pairs
from pytest_prodbench.report.site.dataset_page import dataset_page
from pytest_prodbench.report.site.files import Compared, SiteFiles
from pytest_prodbench.report.site.history import History, SiteRun, history, slug
from pytest_prodbench.report.site.leaderboard import leaderboard, run_rows
from pytest_prodbench.report.site.model_page import model_page
from pytest_prodbench.report.site.trends import sector_trends
from pytest_prodbench.report.terms import Terms

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from pytest_prodbench.evaluation.two_runs import PairOfResults


@dataclass(frozen=True, slots=True)
class SiteWritten:
    """What was written.

    Attributes:
        index: the first page.
        pages: how many there are.
        made: of them, those of runs and comparisons that were made anew.
    """

    index: Path
    pages: int
    made: int


def write_site(
    runs: Iterable[SiteRun],
    out: Path,
    project: Path,
    *,
    cache_dir: Path | None = None,
    newest: int = COMPARED,
    skipped: Sequence[str] = (),
) -> SiteWritten:
    """Write the site of some runs into a folder.

    Args:
        runs: in any order; one that is there twice counts once.
        out: a new folder, an empty one, or that of a site, which is brought up to date.
        project: what datasets' folders are relative to; photos may be gone.
        cache_dir: where thumbnails and charts are kept; None: nowhere.
        newest: so many of the newest runs are compared, each with each.
        skipped: why other runs are not on the site, a line each.

    Raises:
        SettingsError: the folder holds something else.
        EvidenceError: a run does not say when it began, or its queries cannot be trusted.
    """
    found = history(runs)
    site = _Site(found, SiteFiles(out, project, cache_dir), Drawings(cache_dir))
    made = sum([site.run(run) for run in found.runs])
    told = {}
    for pair in run_pairs(found.runs, newest):
        fresh, told[pair.before.slug, pair.after.slug] = site.comparison(pair)
        made += fresh
    for name in found.models:
        site.model(name)
    for name in found.current:
        site.dataset(name)
    site.compare(told, newest)
    index = site.index(skipped)
    return SiteWritten(index, site.files.close(), made)


class _Site:
    """The pages of one history."""

    def __init__(self, found: History, files: SiteFiles, drawings: Drawings) -> None:
        self._history = found
        self.files = files
        self._drawings = drawings
        self._library = files.library(drawings.script())
        self._models = {name: slug(name, "model") for name in found.models}
        self._datasets = {name: slug(name, "dataset") for name in found.current}
        self._common = {
            "model_slugs": self._models,
            "dataset_slugs": self._datasets,
            "version": __version__,
            "total": len(found.runs),
            "terms": Terms.of(found.runs[-1].record) if found.runs else Terms({}, None),
            "definitions": found.runs[-1].record.definitions if found.runs else [],
        }

    def run(self, run: SiteRun) -> bool:
        """Write the page of a run; False if it was there."""
        name = f"runs/{run.slug}.html"
        key = _key(run.digest)
        if self.files.keep(name, key):
            return False
        around = self._around(name, run)
        self.files.page(name, run_page(run.record, run.tables(), around), key)
        return True

    def comparison(self, pair: RunPair) -> tuple[bool, Compared]:
        """Write the page of two runs; False if it was there, and what it says in short."""
        name = f"compare/{pair.slug}.html"
        key = _key(pair.before.digest, pair.after.digest)
        kept = self.files.keep(name, key)
        if kept and kept.told is not None:
            return False, kept.told
        results = compared(pair)
        reason = results if isinstance(results, str) else ""
        found = [] if isinstance(results, str) else results
        title = f"{unturned(pair.before.record.run)[:60]} → {unturned(pair.after.record.run)[:60]}"
        around = self._around(name, pair.after)
        told = _told(name.partition("/")[2], found, reason)
        text = comparison_page(found, around, title=title, reason=reason)
        self.files.page(name, text, key, told)
        return True, told

    def model(self, name: str) -> None:
        """Write the page of a model."""
        view = model_page(self._history, name)
        self._page(
            f"models/{self._models[name]}.html",
            "site_model.html",
            drawn=view.chart is not None,
            page=view,
        )

    def dataset(self, name: str) -> None:
        """Write the page of a dataset."""
        view = dataset_page(self._history, name)
        self._page(
            f"datasets/{self._datasets[name]}.html",
            "site_dataset.html",
            run=view.standings[0].point.run,
            drawn=view.chart is not None,
            page=view,
        )

    def compare(self, told: dict[tuple[str, str], Compared], newest: int) -> None:
        """Write the page that leads to comparisons."""
        runs = self._history.runs[-newest:] if newest > 1 else ()
        self._page(
            "compare/index.html",
            "site_compare.html",
            drawn=False,
            earlier=runs[:-1],
            later=runs[1:],
            pages=told,
            newest=newest,
            runs_total=len(self._history.runs),
        )

    def index(self, skipped: Sequence[str]) -> Path:
        """Write the first page."""
        trends = sector_trends(self._history)
        return self._page(
            "index.html",
            "site_index.html",
            drawn=any(one.chart is not None for one in trends),
            board=leaderboard(self._history),
            trends=trends,
            runs=run_rows(self._history),
            skipped=skipped,
        )

    def _page(
        self, name: str, template: str, *, drawn: bool, run: SiteRun | None = None, **values: Any
    ) -> Path:
        up = "../" * name.count("/")
        text = render(
            template, self._around(name, run), drawn=drawn, up=up, **self._common, **values
        )
        return self.files.page(name, text)

    def _around(self, name: str, run: SiteRun | None) -> Surroundings:
        up = "../" * name.count("/")
        return Surroundings(
            picture=self.files.pictures(name, None if run is None else run.folder),
            drawings=self._drawings,
            library=up + self._library,
            links={
                "Leaderboard": f"{up}index.html",
                "Trends": f"{up}index.html#trends",
                "Runs": f"{up}index.html#runs",
                "Compare": f"{up}compare/index.html",
            },
        )


def _told(address: str, results: Sequence[PairOfResults], reason: str) -> Compared:
    changes = [pair.comparison.changes.get(HEADLINE) for pair in results]
    drops = [change.drop for change in changes if change is not None]
    return Compared(
        address=address,
        pairs=len(results),
        worse=sum(drop.low > 0 for drop in drops),
        better=sum(drop.high < 0 for drop in drops),
        reason=reason,
    )


def _key(*digests: str) -> str:
    """What a page is made of: evidence, and the code that makes it."""
    return hashlib.sha256("\0".join([*digests, _code()]).encode()).hexdigest()


@cache
def _code() -> str:
    digest = hashlib.sha256(f"{__version__} {version('vl-convert-python')}".encode())
    for room in ("report", "report.site", "report.templates", "metrics", "evaluation"):
        folder = files("pytest_prodbench").joinpath(*room.split("."))
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            if file.is_file():
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
