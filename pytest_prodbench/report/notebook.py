"""What a notebook shows of an evaluation, a pair or a run: a card that runs and fetches nothing.

Registered under ``prodbench.displays``: the types that are shown lie below this room and do not know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pytest_prodbench.metrics import HEADLINE, HEADLINES
from pytest_prodbench.protocol import DEFINITIONS
from pytest_prodbench.report.all_numbers import all_numbers, anchors
from pytest_prodbench.report.charts import match_curve
from pytest_prodbench.report.conditions import columns
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.html import environment
from pytest_prodbench.report.matrix import matrix
from pytest_prodbench.report.page import Axis
from pytest_prodbench.report.palette import palette
from pytest_prodbench.report.sections import METRICS, drop_seen, outcome, reasons, sections
from pytest_prodbench.report.standing import stamp, standing, waivers
from pytest_prodbench.report.wording import DROP_SEEN_MEANS, count, duration

if TYPE_CHECKING:
    from pytest_prodbench.evaluation.result import Evaluation
    from pytest_prodbench.evidence.timing import Timing
    from pytest_prodbench.evidence.types import (
        DatasetRecord,
        Measurement,
        ModelRecord,
        PairRecord,
        RunRecord,
    )

ROOM = 12
"""At most so many reasons, conditions, models or datasets on a card; the rest is counted."""

TITLES = dict(METRICS)


@dataclass(frozen=True, slots=True)
class Title:
    """What a card is about; vectors that came from elsewhere have no record of model and dataset."""

    model: str
    dataset: str
    model_record: ModelRecord | None = None
    dataset_record: DatasetRecord | None = None
    queries: int | None = None


def evaluation_card(evaluation: Evaluation) -> str:
    """Return the card of an evaluation, which nobody has judged."""
    model, dataset = evaluation.model, evaluation.dataset
    title = Title(
        model.name if model else "vectors",
        dataset.name if dataset else "their gallery",
        model,
        dataset,
        evaluation.queries.num_rows,
    )
    return _filled(
        "notebook_pair.html",
        **_measured(evaluation.measurement, evaluation.timing),
        title=title,
        outcome="",
        why=(),
        checks=(),
    )


def pair_card(pair: PairRecord) -> str:
    """Return the card of a pair of a run, with its verdict and the reasons for it."""
    return _filled(
        "notebook_pair.html",
        **_measured(pair.measurement, pair.timing),
        title=Title(pair.model, pair.dataset),
        outcome=outcome(pair),
        why=reasons(pair),
        sector=pair.sector,
        checks=pair.checks,
    )


def run_card(record: RunRecord) -> str:
    """Return the card of a run: its verdict, and the headline of each model on each dataset."""
    found = sections(record)
    told = [*filter(None, [stamp(record)]), *standing(record), *waivers(record)]
    return _filled(
        "notebook_run.html",
        record=record,
        matrix=matrix(record, found, {}, [(HEADLINE, TITLES[HEADLINE])]),
        drop=drop_seen(record.pairs),
        told=told,
        reasons=[(section.title, why) for section in found for why in section.reasons],
    )


def _measured(measurement: Measurement | None, timing: Timing) -> dict[str, Any]:
    """What a card says of a measurement, judged or not."""
    metrics = measurement.metrics if measurement else {}
    headlines = [(TITLES[name], metrics[name]) for name in HEADLINES if name in metrics]
    conditions = columns(measurement) if measurement else ()
    apart = [column.apart for column in conditions if column.apart]
    return {
        "measured": measurement,
        "headlines": headlines,
        "axis": Axis.around(
            end for _, value in headlines for end in (value.low, value.value, value.high)
        ),
        "numbers": all_numbers(metrics, anchors(DEFINITIONS)),
        "conditions": conditions,
        "apart_axis": Axis.around(
            end for found in apart for end in (found.worst_value, found.best_value)
        ),
        "chart": match_curve(measurement) if measurement else None,
        "took": _took(timing),
    }


def _took(timing: Timing) -> str:
    """Where the time went; empty where none was taken."""
    parts = [
        f"{name} {duration(seconds)}"
        for name, seconds in (
            ("embedding", timing.embed_s),
            ("ranking", timing.rank_s),
            ("metrics", timing.metrics_s),
        )
        if seconds > 0
    ]
    if timing.images_embedded or timing.images_cached:
        parts.append(
            f"{count(timing.images_embedded, 'image')} embedded, "
            f"{count(timing.images_cached)} from the cache"
        )
    return ", ".join(parts)


def _filled(template: str, **values: Any) -> str:
    return (
        environment()
        .get_template(template)
        .render(
            style=_style(),
            drawn=Drawings().svg,
            drop_seen_means=DROP_SEEN_MEANS,
            room=ROOM,
            **values,
        )
    )


@cache
def _style() -> str:
    """The style of a card, with the page's colours: as the system wants them, or as the notebook says."""
    light, dark = (
        " ".join(f"--{name}: {colour};" for name, colour in palette(dark=night).items())
        for night in (False, True)
    )
    rules = (files("pytest_prodbench.report") / "templates" / "notebook.css").read_text("utf-8")
    return rules.replace("--light: 0;", light).replace("--dark: 0;", dark)
