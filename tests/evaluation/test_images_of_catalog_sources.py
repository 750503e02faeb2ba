"""One catalog from four places: the same numbers to the last byte, and the same pictures in the report."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from evaluation_builders import catalog, manifest

from pytest_prodbench import evaluate
from pytest_prodbench.settings.types import DatasetSpec, RunSettings

MODEL = "baseline:colour-histogram"


def write_shards(folder: Path, rows: list[dict[str, str]]) -> None:
    """Put the images of a catalog and their labels into two tars."""
    for number in range(2):
        with tarfile.open(folder / f"catalog-{number:04}.tar", "w") as tar:
            for row in rows[number::2]:
                labels = {name: value for name, value in row.items() if name != "image"}
                for name, data in (
                    (row["image"], (folder / row["image"]).read_bytes()),
                    (row["image"].replace(".png", ".json"), json.dumps(labels).encode()),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))


def write_database(path: Path, rows: list[dict[str, str]]) -> None:
    names = list(rows[0])
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE shots ({', '.join(names)})")
        database.executemany(
            f"INSERT INTO shots VALUES ({','.join('?' * len(names))})",  # noqa: S608
            [tuple(value or None for value in row.values()) for row in rows],
        )
    database.close()


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, DatasetSpec]]:
    folder = tmp_path_factory.mktemp("sources")
    rows = catalog(folder)
    path = manifest(folder, rows)
    write_shards(folder, rows)
    write_database(folder / "parts.db", rows)
    bucket = "memory://test-catalog-sources/images"
    for row in rows:
        fsspec.filesystem("memory").pipe_file(
            f"{bucket}/{row['image']}", (folder / row["image"]).read_bytes()
        )
    select = (
        "SELECT image, product_id, family, light FROM shots WHERE role = '{}' ORDER BY rowid DESC"
    )

    def spec(layout: str, place: Path, **options: Any) -> DatasetSpec:
        return DatasetSpec(name="parts", layout=layout, path=place, options=options)

    yield {
        "manifest": spec("manifest", path),
        "shards": spec(
            "shards",
            folder,
            shards="catalog-{0000..0001}.tar",
            family="family",
            conditions=["light"],
        ),
        "sql": spec(
            "sql",
            folder,
            url="sqlite:///parts.db",
            queries_sql=select.format("query"),
            gallery_sql=select.format("gallery"),
        ),
        "store": spec("manifest", path, store=bucket),
    }
    fsspec.filesystem("memory").rm("/test-catalog-sources", recursive=True)


@pytest.mark.parametrize("source", ["shards", "sql", "store"])
def test_the_same_catalog_gives_the_same_bytes(
    specs: dict[str, DatasetSpec], source: str, tmp_path: Path
) -> None:
    project = specs["manifest"].path.parent
    first, other = (
        evaluate(
            MODEL,
            specs[name],
            settings=RunSettings(cache_dir=tmp_path / name, threads=1, device="cpu", resamples=100),
            project=project,
        )
        for name in ("manifest", source)
    )
    assert first.metrics["recall@1"].value > 0.5
    assert other.measurement.model_dump_json() == first.measurement.model_dump_json()
    assert other.dataset.content_digest == first.dataset.content_digest
    assert (other.dataset.files, other.dataset.root) == {
        "shards": ("shards", "."),
        "sql": ("", "."),
        "store": ("store", "memory://test-catalog-sources/images"),
    }[source]
    keys = ("product_id", "rank", "content")
    rows = [
        sorted(zip(*(found.queries[key].to_pylist() for key in keys), strict=True))
        for found in (first, other)
    ]
    assert rows[0] == rows[1]
