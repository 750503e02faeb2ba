"""Runs on disk, made by hand, that a site can be made of. Numbers are invented."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pyarrow.parquet as pq

from pytest_prodbench.evidence.store import RunFolder, queries_file
from pytest_prodbench.evidence.types import RunRecord
from pytest_prodbench.report.site import SiteRun

from . import builders as b


def ranks_for(recall: float, n: int = 40) -> list[int]:
    """So many first places, then ranks from 2 on."""
    hits = round(recall * n)
    return [1] * hits + list(range(2, 2 + n - hits))


def record(
    name: str,
    recalls: dict[tuple[str, str], float],
    *,
    day: int = 1,
    digests: dict[str, str] | None = None,
    weights: dict[str, str] | None = None,
    **changes,
) -> RunRecord:
    """A run of some pairs on one day of January 2026; datasets belong to sectors of their own names."""
    digests, weights = digests or {}, weights or {}
    pairs = [
        b.pair(
            model,
            dataset,
            f"{dataset}-team",
            measurement=b.detailed(
                value, metrics={"recall@1": b.metric(value), "map@20": b.metric(value / 2)}
            ),
            queries_file=queries_file(model, dataset),
        )
        for (model, dataset), value in recalls.items()
    ]
    made = b.run(
        pairs,
        [
            b.model(one, weights_digest=f"sha256:{weights.get(one, one)}")
            for one in dict.fromkeys(model for model, _ in recalls)
        ],
        [
            b.dataset(one, f"{one}-team", content_digest=f"sha256:{digests.get(one, one)}")
            for one in dict.fromkeys(dataset for _, dataset in recalls)
        ],
        run=name,
        **({"metric_versions": {"recall": 1, "map": 1}} | changes),
    )
    moment = f"2026-01-{day:02}T09:30:00+00:00"
    return made.model_copy(update={"host": made.host.model_copy(update={"started": moment})})


def on_disk(folder: Path, made: RunRecord, *, ranks: dict[str, list[int]] | None = None) -> SiteRun:
    """Write a run with its queries, forty a pair and those of a pair named in ``ranks`` as they are there."""
    out = RunFolder(folder, made.run)
    pairs = []
    for pair in made.pairs:
        if pair.measurement is None:
            pairs.append(pair)
            continue
        given = (ranks or {}).get(pair.name)
        found = given or ranks_for(pair.measurement.metrics["recall@1"].value)
        rows = [
            b.row(f"q/{n}.jpg", f"A{n % 20}", rank, content=f"{n:064x}")
            for n, rank in enumerate(found)
        ]
        buffer = io.BytesIO()
        pq.write_table(b.table(rows), buffer)
        data = buffer.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        pairs.append(pair.model_copy(update={"queries_digest": digest}))
        out.write_queries(pairs[-1], data)
    whole = made.model_copy(update={"pairs": pairs})
    out.write_evidence(whole)
    return SiteRun(whole, out.path, hashlib.sha256(whole.model_dump_json().encode()).hexdigest())
