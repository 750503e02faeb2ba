"""The doctor of datasets: what it finds of faults planted in the shipped catalogs, and what it costs.

python benchmarks/doctor.py [--sectors NAME …] [--products N] [--cache DIR]

Into a copy of each catalog (N products with queries, as many distractors) 23 faults of 13 kinds are planted,
as ``tests/doctor/planted_catalog.py`` says. Which photos are labelled wrongly or turned is drawn from what
models know, since a fault that nobody could see is none: queries that all four models answer rightly, and
queries that ``industrial-lite0`` takes most clearly for upright. A false alarm is a finding that names
nothing that was planted; the note on products with one image is a true count and no alarm. Seconds are
those of the examinations alone, with every vector in the cache.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench import evaluate
from pytest_prodbench.doctor.examination import Demands, Examination, examine
from pytest_prodbench.doctor.photos import Album
from pytest_prodbench.doctor.subject import open_subject
from pytest_prodbench.doctor.vectors import embed, turned_pictures
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.settings.policy import Rule
from pytest_prodbench.settings.types import DatasetSpec, ModelSpec, RunSettings

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/doctor"))

from planted_catalog import (  # noqa: E402
    Fault,
    Planted,
    copy_catalog,
    explains,
    plant,
    plant_broken_lines,
    plant_labels,
    plant_rare_condition,
)

if TYPE_CHECKING:
    import pyarrow as pa

SECTORS = ("automotive", "diy", "manufacturing", "retail")
TODAY = dt.date(2026, 1, 1)


def handles(settings: RunSettings) -> list[ModelHandle]:
    """Return industrial-lite0, which compares pictures, and three that only rank."""
    trained = str(ROOT / "fixtures/models/industrial-lite0")
    named = [("industrial-lite0", "tf_efficientnet_lite0", trained)]
    named += [(f"lite{i}", f"tf_efficientnet_lite{i}", None) for i in range(3)]
    return [
        ModelHandle(
            ModelSpec(name=name, library="timm", identifier=identifier, checkpoint=checkpoint),
            settings,
        )
        for name, identifier, checkpoint in named
    ]


def spec(sector: str, path: Path) -> DatasetSpec:
    """Return the settings of a copied catalog."""
    return DatasetSpec(
        name=sector, layout="manifest", path=path, options={"notes": ["told_by", "nearest"]}
    )


def known_upright(clean: Examination, model: ModelHandle, settings: RunSettings) -> list[str]:
    """Return queries, those first that resemble their product least when they are turned."""
    facts = clean.facts
    rows = [shown[0] for shown in facts.by_pixels.values()]
    keys = [row.key for row in rows]
    of_product: dict[str, list] = {}
    for row in rows:
        of_product.setdefault(row.product_id, []).append(row)
    unit = embed(facts.subject, keys, facts.photos, model, settings)
    album = Album(facts.subject, max_pixels=settings.max_pixels)
    turned = turned_pictures(
        facts.subject, album, keys, unit, of_product, model, settings, more_alike=-2.0
    )
    queries = {row.image for row in facts.subject.queries}
    sure = sorted((found.turned - found.upright, key[0]) for key, found in turned.items())
    return [image for _, image in sure if image in queries]


def known_to_all(tables: Sequence[pa.Table]) -> list[str]:
    """Return the queries that every model answers rightly."""
    ranks = zip(*(table["rank"].to_pylist() for table in tables), strict=True)
    names = tables[0]["query"].to_pylist()
    return [name for name, of_all in zip(names, ranks, strict=True) if set(of_all) == {1}]


def planted(
    sector: str, folder: Path, products: int, models: list[ModelHandle], settings: RunSettings
) -> tuple[Planted, DatasetSpec, dict[str, pa.Table]]:
    """Plant the faults; return the catalog, its settings and the answers of the models to it."""
    catalog = copy_catalog(sector, folder, products=products)
    clean = spec(sector, catalog.write())
    upright = known_upright(
        examine(open_subject(clean), settings, today=TODAY, model=models[0]), models[0], settings
    )[:2]
    right = known_to_all([evaluate(model, clean, settings=settings).queries for model in models])
    product_of = {row["image"]: row["product_id"] for row in catalog.rows}
    used = {product_of[image] for image in upright}
    mislabelled: list[str] = []
    for image in right:
        if len(mislabelled) < 2 and product_of[image] not in used:
            mislabelled.append(image)
            used.add(product_of[image])
    plant_labels(catalog, mislabelled)
    used |= {row["product_id"] for row in catalog.rows if row["image"] in mislabelled}
    labels = spec(sector, catalog.write("labels.csv"))
    tables = {
        model.spec.name: evaluate(model, labels, settings=settings).queries for model in models
    }
    plant_rare_condition(catalog)
    used |= {row["product_id"] for row in catalog.queries()[-3:]}
    asked = dict.fromkeys(row["product_id"] for row in catalog.queries())
    plant(catalog, upright, [product for product in asked if product not in used])
    broken = plant_broken_lines(catalog)
    return catalog, spec(sector, catalog.write("planted.csv", broken=broken)), tables


def found_of(faults: Sequence[Fault], examined: Examination) -> int:
    """Count the faults that a finding of their kind names."""
    return sum(
        any(
            finding.kind == fault.kind and explains(fault, finding) for finding in examined.findings
        )
        for fault in faults
    )


def main() -> None:
    """Plant, examine, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sectors", nargs="+", choices=SECTORS, default=SECTORS)
    parser.add_argument("--products", type=int, default=60)
    parser.add_argument("--cache", type=Path, help="of vectors (default: a folder of this run)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        settings = RunSettings(cache_dir=given.cache or Path(name, "cache"), resamples=100)
        models = handles(settings)
        for sector in given.sectors:
            folder = Path(name, sector)
            catalog, dataset, tables = planted(sector, folder, given.products, models, settings)
            rule = Rule(
                metric="recall@1", sector=sector, limit=0.5, where="benchmark",
                condition=(("light", "ultraviolet"),),
            )  # fmt: skip
            demands = Demands(rules=(rule,), rankings=tables)
            spent = []
            for _ in range(2):  # the first embeds what the cache lacks
                start = time.perf_counter()
                examined = examine(
                    open_subject(dataset), settings, today=TODAY, model=models[0], demands=demands
                )
                spent.append(time.perf_counter() - start)
            alarms = [
                finding
                for finding in examined.findings
                if finding.kind != "single-image"
                and not any(explains(fault, finding) for fault in catalog.faults)
            ]
            print(
                f"{sector}: {len(catalog.rows)} rows, {len(catalog.faults)} faults planted, "
                f"{found_of(catalog.faults, examined)} found; {len(examined.findings)} findings, "
                f"{len(alarms)} false; {spent[-1]:.1f} s"
            )
            for finding in alarms:
                print(f"  {finding.kind}: {finding.told}")


if __name__ == "__main__":
    main()
