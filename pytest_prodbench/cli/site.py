"""``prodbench site RUNS… --out site``: a site over many runs."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_prodbench.cli.pictures import pictures_cache
from pytest_prodbench.cli.runs import open_record
from pytest_prodbench.errors import EvidenceError, SettingsError
from pytest_prodbench.evidence.store import EVIDENCE, JOURNAL
from pytest_prodbench.report.site import COMPARED, SiteRun, write_site
from pytest_prodbench.report.wording import count
from pytest_prodbench.settings.files import shown_path

INCOMPLETE = 2


def site(runs: Sequence[str], out: str, newest: int | None) -> int:
    """Write the site; 2 if a run had to be left out, each is named.

    Args:
        runs: folders of runs, or folders that hold some.
        out: folder of the site.
        newest: so many runs are compared, each with each; None: the usual number.
    """
    project = Path.cwd()
    opened: list[SiteRun] = []
    skipped: list[str] = []
    for folder in _run_folders(runs):
        try:
            opened.append(_opened(folder))
        except EvidenceError as error:
            skipped.append(str(error))
    if not opened and not skipped:
        raise SettingsError(
            " ".join(runs),
            found="no run",
            expected=f"folders with {EVIDENCE}, or folders that hold such folders",
        )
    written = write_site(
        opened,
        Path(out),
        project,
        cache_dir=pictures_cache(project),
        newest=COMPARED if newest is None else newest,
        skipped=skipped,
    )
    for reason in skipped:
        sys.stderr.write(f"prodbench: left out: {reason}\n")
    print(
        f"{shown_path(written.index, project)}: {count(len({run.digest for run in opened}), 'run')}, "
        f"{count(written.pages, 'page')}, {written.made} of runs and comparisons made anew"
    )
    return INCOMPLETE if skipped else 0


def _run_folders(named: Sequence[str]) -> Iterator[Path]:
    for text in named:
        folder = Path(text)
        if not folder.is_dir():
            raise SettingsError(text, found="no folder", expected="a run, or a folder of runs")
        if _is_run(folder):
            yield folder
        else:
            yield from sorted(one for one in folder.iterdir() if one.is_dir() and _is_run(one))


def _is_run(folder: Path) -> bool:
    return (folder / EVIDENCE).exists() or (folder / JOURNAL).exists()


def _opened(folder: Path) -> SiteRun:
    record = open_record(folder)
    run = SiteRun(record, folder, hashlib.sha256(record.model_dump_json().encode()).hexdigest())
    run.started  # noqa: B018 - a run that cannot be put in order is left out, not the site
    run.tables()
    return run
