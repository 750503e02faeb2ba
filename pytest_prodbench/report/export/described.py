"""Tables of what was run and on what: run, sectors, models, datasets, pairs, and the page's summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_prodbench.gate.values import costs_of
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.answers import answers
from pytest_prodbench.report.costs import embedding_ms
from pytest_prodbench.report.export.form import PAIR, Form, Row, fields, names_of, of_pair
from pytest_prodbench.report.published_figures import published_sets
from pytest_prodbench.report.sections import drop_seen, outcome, sections
from pytest_prodbench.report.trade_offs import costs_of_accuracy, front
from pytest_prodbench.settings.policy import COSTS

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import PairRecord, RunRecord

RUN = Form(
    "run",
    (
        *(("run", "text"), ("verdict", "text"), ("gate", "text"), ("partial", "truth")),
        *(("overridden", "truth"), ("planned", "whole"), ("selected", "whole")),
        *(("evaluated", "whole"), ("drop_seen", "real"), ("selection", "texts")),
        *(("policy_digest", "text"), ("policy_files", "texts"), ("prodbench_version", "text")),
        *(("protocol_version", "whole"), ("schema_version", "whole"), ("baseline_role", "text")),
        *(("baseline_model", "text"), ("baseline_digest", "text"), ("baseline_run", "text")),
        *(("baseline_accepted", "text"), ("baseline_reason", "text")),
        *(("baseline_despite", "text"), ("baseline_stale", "texts"), ("started", "text")),
        *(("seconds", "real"), ("platform", "text"), ("python", "text"), ("cpu_count", "whole")),
        *(("gpus", "texts"), ("workers", "whole"), ("commit", "text"), ("dirty", "truth")),
    ),
    ("run",),
)
SECTORS = Form(
    "sectors",
    (
        *(("sector", "text"), ("owner", "text"), ("verdict", "text"), ("pairs", "whole")),
        *(("accepted", "whole"), ("drop_seen", "real")),
    ),
    ("sector",),
)
MODELS = Form(
    "models",
    (
        *(("model", "text"), ("verdict", "text"), ("source", "text"), ("family", "text")),
        *(("weights_digest", "text"), ("preprocessing", "text"), ("preprocessing_digest", "text")),
        *(("pooling", "text"), ("dimension", "whole"), ("overrides", "texts")),
        *(("remote_code", "truth"),),
        *(("price_per_1000", "real"), ("price_date", "text")),
        *(("engine", "text"), ("engine_version", "text")),
        *(("engine_precision", "text"), ("engine_reason", "text")),
        *(("engine_worst_cosine", "real"), ("engine_changed_ranks", "whole")),
    ),
    ("model",),
)
LIBRARIES = Form(
    "libraries",
    (("model", "text"), ("library", "text"), ("version", "text")),
    ("model", "library"),
)
DATASETS = Form(
    "datasets",
    (
        *(("dataset", "text"), ("sector", "text"), ("layout", "text"), ("content_digest", "text")),
        *(("root", "text"), ("files", "text"), ("queries", "whole"), ("gallery", "whole")),
        ("products", "whole"),
        *(("absent", "whole"), ("distractors", "whole"), ("open_set", "truth")),
        *(("condition_columns", "texts"), ("protocol_note", "text")),
        *(("official_metrics", "texts"), ("published", "text")),
    ),
    ("dataset",),
)
PUBLISHED = Form(
    "published",
    (
        *(("dataset", "text"), ("set", "text"), ("title", "text"), ("place", "whole")),
        *(("model", "text"), ("metric", "text"), ("value", "real"), ("part", "text")),
        *(("kind", "text"), ("verified", "truth"), ("source", "text"), ("note", "text")),
    ),
    ("dataset", "place"),
)
DEFINITIONS = Form(
    "definitions", (("place", "whole"), ("terms", "text"), ("definition", "text")), ("place",)
)
ANSWERS = Form("answers", (("place", "whole"), ("about", "text"), ("answer", "text")), ("place",))
TRADE_OFFS = Form(
    "trade_offs",
    (
        *(("cost", "text"), ("unit", "text"), ("model", "text"), ("value", "real")),
        *(("metric", "text"), ("mean", "real"), ("datasets", "whole"), ("on_front", "truth")),
    ),
    ("cost", "model"),
)
PAIRS = Form(
    "pairs",
    (
        *PAIR,
        *(("status", "text"), ("outcome", "text"), ("verdict", "text"), ("error", "text")),
        *(("family", "text"), ("source", "text"), ("weights_digest", "text")),
        *(("preprocessing_digest", "text"), ("content_digest", "text"), ("queries_file", "text")),
        *(("queries_digest", "text"), ("queries", "whole"), ("products", "whole")),
        *(("misses", "whole"), ("absent", "whole"), ("ties", "whole"), ("near_ties", "whole")),
        *(("excluded", "whole"), ("confused_pairs", "whole"), ("smallest_slice", "whole")),
        *(("precision", "text"), ("device", "text"), ("seed", "whole"), ("resamples", "whole")),
        *(("total_s", "real"), ("embed_s", "real"), ("rank_s", "real"), ("metrics_s", "real")),
        *(("images_embedded", "whole"), ("images_cached", "whole"), ("backend", "text")),
        *(("worker", "text"), ("embed_ms_an_image", "real")),
        *(("paid_requests", "whole"), ("paid_images", "whole"), ("paid_usd", "real")),
        *(("paid_unanswered_usd", "real"), ("paid_usage", "texts")),
        *((name, "real") for name in COSTS),
        *(("compared_with", "text"), ("compared_weights_digest", "text"), ("refused", "texts")),
        *(("rebased", "texts"), ("compared_queries", "whole"), ("only_before", "whole")),
        ("only_after", "whole"),
    ),
    ("model", "dataset"),
)

_MEASURED = (
    *("ties", "near_ties", "excluded", "confused_pairs", "smallest_slice"),
    *("precision", "device", "seed", "resamples"),
)
_TIMED = (
    *("total_s", "embed_s", "rank_s", "metrics_s"),
    *("images_embedded", "images_cached", "backend", "worker"),
)

_PAID = ("requests", "images", "usd", "unanswered_usd")


def described(
    record: RunRecord, pairs: list[PairRecord], queries: Mapping[str, pa.Table]
) -> Iterator[tuple[Form, Iterator[Row]]]:
    """Give the tables of this room; ``pairs``: all that were planned, with a record or without."""
    yield RUN, iter([_run(record)])
    yield SECTORS, _sectors(record)
    yield MODELS, _models(record, pairs)
    yield LIBRARIES, _libraries(record)
    yield DATASETS, _datasets(record)
    yield PUBLISHED, _published(record)
    yield DEFINITIONS, _definitions(record)
    yield ANSWERS, _answers(record)
    yield TRADE_OFFS, _trade_offs(record)
    yield PAIRS, (_pair(pair, record, queries.get(pair.name)) for pair in pairs)


def _run(record: RunRecord) -> Row:
    baseline = ("role", "model", "digest", "run", "accepted", "reason", "despite", "stale")
    host = (
        *("started", "seconds", "platform", "python", "cpu_count"),
        *("gpus", "workers", "commit", "dirty"),
    )
    own = (
        *("run", "verdict", "gate", "partial", "overridden", "selection", "policy_digest"),
        *("policy_files", "prodbench_version", "protocol_version", "schema_version"),
    )
    return {
        **fields(record, own),
        "planned": len(record.planned),
        "selected": len(record.selected),
        "evaluated": len(record.evaluated),
        "drop_seen": drop_seen(record.pairs),
        **fields(record.baseline, baseline, "baseline_"),
        **fields(record.host, host),
    }


def _sectors(record: RunRecord) -> Iterator[Row]:
    for section in sections(record):
        yield {
            "sector": section.name,
            "owner": section.owner,
            "verdict": section.verdict,
            "pairs": len(section.pairs),
            "accepted": section.accepted,
            "drop_seen": section.drop_seen,
        }


def _models(record: RunRecord, pairs: list[PairRecord]) -> Iterator[Row]:
    """Give those too that were planned and of which nothing is known."""
    proof = ("version", "precision", "worst_cosine", "changed_ranks", "reason")
    own = [name for name in names_of(MODELS.columns[2:]) if not name.startswith("engine")]
    for name in {*record.models, *record.candidates, *(pair.model for pair in pairs)}:
        known = record.models.get(name)
        engine = known.engine if known else None
        yield {
            "model": name,
            "verdict": record.candidates.get(name),
            **fields(known, own),
            "engine": engine.name if engine else None,
            **fields(engine, proof, "engine_"),
        }


def _libraries(record: RunRecord) -> Iterator[Row]:
    for library, version in record.host.versions.items():
        yield {"model": None, "library": library, "version": version}
    for name, model in record.models.items():
        for library, version in model.versions.items():
            yield {"model": name, "library": library, "version": version}


def _datasets(record: RunRecord) -> Iterator[Row]:
    derived = {"dataset", "condition_columns"}
    own = [name for name in names_of(DATASETS.columns) if name not in derived]
    for name, dataset in record.datasets.items():
        columns = sorted(dataset.conditions)
        yield {"dataset": name, **fields(dataset, own), "condition_columns": columns}


def _published(record: RunRecord) -> Iterator[Row]:
    own = names_of(PUBLISHED.columns[4:])
    for found in published_sets(record):
        about = {"dataset": found.dataset, "set": found.key, "title": found.title}
        for place, figure in enumerate(found.figures, start=1):
            yield {**about, "place": place, **fields(figure, own)}


def _definitions(record: RunRecord) -> Iterator[Row]:
    for place, (terms, text) in enumerate(record.definitions, start=1):
        yield {"place": place, "terms": terms, "definition": text}


def _answers(record: RunRecord) -> Iterator[Row]:
    for place, (about, said) in enumerate(answers(record).sentences, start=1):
        yield {"place": place, "about": about, "answer": said}


def _trade_offs(record: RunRecord) -> Iterator[Row]:
    for found in costs_of_accuracy(record):
        best = front(found.points)
        for model, value, mean in found.points:
            yield {
                "cost": found.cost,
                "unit": found.label,
                "model": model,
                "value": value,
                "metric": HEADLINE,
                "mean": mean,
                "datasets": found.datasets,
                "on_front": model in best,
            }


def _usage(pair: PairRecord) -> list[str] | None:
    if pair.timing.paid is None:
        return None
    return [f"{name} = {value:g}" for name, value in sorted(pair.timing.paid.usage.items())]


def _pair(pair: PairRecord, record: RunRecord, table: pa.Table | None) -> Row:
    measured, compared = pair.measurement, pair.comparison
    headline = measured.metrics.get(HEADLINE) if measured else None
    model, dataset = record.models.get(pair.model), record.datasets.get(pair.dataset)
    price = model.price_per_1000 if model else None
    costs = costs_of(measured, pair.timing, price) if measured else pair.timing.costs
    ranks = None if table is None else table["rank"]
    return {
        **of_pair(pair),
        "outcome": outcome(pair),
        **fields(pair, ("status", "verdict", "error", "queries_file", "queries_digest")),
        **fields(model, ("family", "source", "weights_digest", "preprocessing_digest")),
        "content_digest": dataset.content_digest if dataset else None,
        "queries": headline.n if headline else None,
        "products": headline.products if headline else None,
        "misses": None if ranks is None else sum((rank or 1) > 1 for rank in ranks.to_pylist()),
        "absent": None if ranks is None else ranks.null_count,
        **fields(measured, _MEASURED),
        **fields(pair.timing, _TIMED),
        **{f"paid_{name}": getattr(pair.timing.paid, name, None) for name in _PAID},
        "paid_usage": _usage(pair),
        "embed_ms_an_image": embedding_ms(pair.timing),
        **{name: costs.get(name) for name in COSTS},
        "compared_with": compared.model if compared else None,
        "compared_weights_digest": compared.weights_digest if compared else None,
        "compared_queries": compared.queries if compared else None,
        **fields(compared, ("refused", "rebased", "only_before", "only_after")),
    }
