"""A part of a shipped catalog with two faults of each kind in it: all are found, and nothing else is.

A false alarm is a finding that names nothing that was planted; its share is of all findings. The
catalog as it ships is held to the same: it has none but the note on products with one image, which is
counted here.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import pytest
from planted_catalog import (
    Fault,
    Planted,
    copy_catalog,
    explains,
    plant,
    plant_broken_lines,
    plant_labels,
    plant_rare_condition,
)

from pytest_prodbench import evaluate
from pytest_prodbench.doctor.examination import Demands, Examination, examine
from pytest_prodbench.doctor.subject import open_subject
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.settings.policy import Rule
from pytest_prodbench.settings.types import DatasetSpec, ModelSpec, RunSettings

ROOT = Path(__file__).parents[2]
SECTOR = "retail"
PRODUCTS = 26
TODAY = dt.date(2026, 1, 1)

UPSIDE_DOWN = ["queries/RTL-BTN-Q2F-3.jpg", "queries/RTL-BTN-HA-1.jpg"]
"""Photos of which the model knows the right way up: not all of a nut's are like that."""

WRONGLY_LABELLED = ["queries/RTL-BTL-OVT1-2.jpg", "queries/RTL-BKL-W2-2.jpg"]
"""Photos that both models know."""

RULE = Rule(
    metric="recall@1",
    sector=SECTOR,
    limit=0.5,
    condition=(("light", "ultraviolet"),),
    where="sector.toml",
)
DROP = Rule(metric="recall@1", sector=SECTOR, limit=0.01, bound="max_drop", where="sector.toml")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> RunSettings:
    return RunSettings(cache_dir=tmp_path_factory.mktemp("cache"), threads=1, resamples=100)


@pytest.fixture(scope="module")
def models(settings: RunSettings) -> list[ModelHandle]:
    trained = str(ROOT / "fixtures/models/industrial-lite0")
    return [
        ModelHandle(
            ModelSpec(
                name=name, library="timm", identifier="tf_efficientnet_lite0",
                checkpoint=checkpoint, engine="torch",
            ),
            settings,
        )
        for name, checkpoint in (("industrial-lite0", trained), ("lite0", None))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return copy_catalog(SECTOR, tmp_path_factory.mktemp("clean"), products=PRODUCTS)


def spec(path: Path) -> DatasetSpec:
    return DatasetSpec(
        name=SECTOR, layout="manifest", path=path, options={"notes": ["told_by", "nearest"]}
    )


@pytest.fixture(scope="module")
def examined(
    tmp_path_factory: pytest.TempPathFactory, settings: RunSettings, models: list[ModelHandle]
) -> tuple[Planted, Examination]:
    catalog = copy_catalog(SECTOR, tmp_path_factory.mktemp("planted"), products=PRODUCTS)
    plant_labels(catalog, WRONGLY_LABELLED)
    manifest = catalog.write("labels.csv")
    rankings = {
        model.spec.name: evaluate(model, spec(manifest), settings=settings).queries
        for model in models
    }
    plant_rare_condition(catalog)
    used = {
        row["product_id"]
        for row in catalog.rows
        if row["image"] in (*UPSIDE_DOWN, *WRONGLY_LABELLED) or row["light"] == "ultraviolet"
    }
    used |= {image.split("/")[1][: -len("-1.jpg")] for image in WRONGLY_LABELLED}
    asked = dict.fromkeys(row["product_id"] for row in catalog.queries())
    plant(catalog, UPSIDE_DOWN, [product for product in asked if product not in used])
    broken = plant_broken_lines(catalog)
    catalog.faults.append(Fault("few-queries", {"drop of recall@1"}))
    found = examine(
        open_subject(spec(catalog.write(broken=broken))),
        settings,
        today=TODAY,
        model=models[0],
        demands=Demands(rules=(RULE, DROP), rankings=rankings),
    )
    return catalog, found


def test_every_planted_fault_is_found(examined: tuple[Planted, Examination]) -> None:
    catalog, found = examined
    missed = [
        (fault.kind, fault.known_by)
        for fault in catalog.faults
        if not any(
            finding.kind == fault.kind and explains(fault, finding) for finding in found.findings
        )
    ]
    assert not missed
    kinds = Counter(fault.kind for fault in catalog.faults)
    assert len(catalog.faults) >= 20
    assert len([kind for kind, count in kinds.items() if count == 2]) >= 10


def test_at_most_one_finding_in_twenty_names_nothing_that_was_planted(
    examined: tuple[Planted, Examination],
) -> None:
    catalog, found = examined
    alarms = [
        finding
        for finding in found.findings
        if finding.kind != "single-image"
        and not any(explains(fault, finding) for fault in catalog.faults)
    ]
    assert len(alarms) <= 0.05 * len(found.findings), [finding.told for finding in alarms]


def test_the_catalog_as_it_ships_has_one_note(
    clean: Planted, settings: RunSettings, models: list[ModelHandle]
) -> None:
    found = examine(open_subject(spec(clean.write())), settings, today=TODAY, model=models[0])
    counts = Counter(row["product_id"] for row in clean.rows)
    alone = [product for product, count in counts.items() if count == 1]
    assert [finding.kind for finding in found.findings] == ["single-image"]
    assert {row.product_id for row in found.notes[0].rows} == set(alone)


@pytest.mark.parametrize("sector", ["automotive", "diy", "manufacturing", "retail"])
def test_look_alike_renders_of_sibling_products_are_not_one_photo(
    sector: str, settings: RunSettings
) -> None:
    manifest = ROOT / "fixtures/catalogs" / sector / "manifest.csv"
    catalog = spec(manifest).model_copy(update={"open_set": True})
    found = examine(open_subject(catalog), settings, today=TODAY)
    assert [finding.kind for finding in found.findings] == ["single-image"]
