"""``prodbench thresholds suggest RUN``: thresholds that a run would have passed, to start from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_prodbench.cli.runs import open_run
from pytest_prodbench.errors import EvidenceError, SettingsError, did_you_mean
from pytest_prodbench.metrics import parse_metric

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import PairRecord, RunRecord
    from pytest_prodbench.evidence.values import MetricValue

SUGGESTED = ("recall@1", "recall@5", "map@20")
STEP = 100
"""Limits are whole hundredths: nobody can defend the third decimal of a threshold."""


def suggest(run: str, model: str | None = None, metrics: list[str] | None = None) -> int:
    """Print the thresholds of a ``sector.toml`` for each sector of a run.

    The limit is the worse end of the 95 % interval of the best model (or the one named), rounded to the worse
    hundredth: what the model has shown to reach, not what it happened to reach once.
    """
    record = open_run(run).record
    wanted = metrics or list(SUGGESTED)
    for name in wanted:
        parse_metric(name, where=f"--metric {name}")
    known = sorted({pair.model for pair in record.pairs})
    if model is not None and model not in known:
        raise SettingsError(
            f"--model {model}",
            found="no such model in the run",
            expected=f"one of {', '.join(known)}",
            next_step=did_you_mean(model, known),
        )
    lines = list[str]()
    for sector in sorted({pair.sector for pair in record.pairs}):
        mine = [pair for pair in record.pairs if pair.sector == sector]
        part = _sector(mine, wanted, model)
        if part:
            lines += ["", f"# suites/{sector}/sector.toml", *part]
    if not lines:
        raise EvidenceError(
            f"run {record.run}",
            found=f"no value of {', '.join(wanted)}",
            expected="a measured pair",
            next_step="name other metrics with --metric",
        )
    print(_title(record), *lines, sep="\n")
    return 0


def _title(record: RunRecord) -> str:
    return (
        f"# Suggested from run {record.run}: the worse end of each 95 % interval, rounded to the worse "
        "hundredth."
    )


def _sector(pairs: list[PairRecord], metrics: list[str], model: str | None) -> list[str]:
    lines = []
    for dataset in sorted({pair.dataset for pair in pairs}):
        mine = [
            pair
            for pair in pairs
            if pair.dataset == dataset and pair.measurement and model in {None, pair.model}
        ]
        found = [(name, *_best(mine, name)) for name in metrics if _measured(mine, name)]
        if not found:
            continue
        lines.append(f"[datasets.{dataset}.thresholds]")
        for name, value, by in found:
            text = _limit(name, value)
            told = f"{by}: {value.value:.3f} [{value.low:.3f}, {value.high:.3f}], {value.n} queries"
            lines.append(f'"{name}" = {text}  # {told}' if text else f"# {name}: no limit ({told})")
    return lines


def _measured(pairs: list[PairRecord], name: str) -> bool:
    return any(pair.measurement and name in pair.measurement.metrics for pair in pairs)


def _best(pairs: list[PairRecord], name: str) -> tuple[MetricValue, str]:
    metric, _ = parse_metric(name, where=name)
    sign = 1.0 if metric.higher_is_better else -1.0
    values = [
        (pair.measurement.metrics[name], pair.model)
        for pair in pairs
        if pair.measurement and name in pair.measurement.metrics
    ]
    return max(values, key=lambda one: (sign * one[0].value, one[1]))


def _limit(name: str, value: MetricValue) -> str | None:
    """The rule in TOML; None where rounding leaves a limit that everything passes."""
    metric, _ = parse_metric(name, where=name)
    if metric.higher_is_better:
        limit = math.floor(value.low * STEP) / STEP
        return f"{limit:.2f}" if limit > metric.low else None
    limit = math.ceil(value.high * STEP) / STEP
    return f"{{ max = {limit:.2f} }}" if limit < metric.high else None
