"""Models of one run against each other: where a rule asks, and domain models against a general one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_prodbench.evaluation.against import Result, compare_pair
from pytest_prodbench.evaluation.paired import resampling_of
from pytest_prodbench.evidence.comparison import Compared, Contest
from pytest_prodbench.gate import lead_demands, rivals
from pytest_prodbench.metrics import HEADLINE

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import DatasetRecord, ModelRecord, PairRecord
    from pytest_prodbench.settings.policy import Rule, Waiver


DOMAIN = "domain"
"""Family of models that were trained for what they are asked; all others are general."""


def best_general(
    dataset: str, pairs: Mapping[str, PairRecord], models: Mapping[str, ModelRecord]
) -> str | None:
    """Return the general model with the highest headline on a dataset; of equals the first by name.

    Trivial baselines are no models in this sense. None where no general model was measured.
    """
    found = [
        (-value.value, pair.model)
        for pair in pairs.values()
        if pair.dataset == dataset
        and pair.measurement is not None
        and (value := pair.measurement.metrics.get(HEADLINE)) is not None
        and (model := models.get(pair.model)) is not None
        and model.family != DOMAIN
        and not model.source.startswith("baseline:")
    ]
    return min(found)[1] if found else None


def contests_of(
    planned: Mapping[str, str],
    pairs: Mapping[str, PairRecord],
    models: Mapping[str, ModelRecord],
    datasets: Mapping[str, DatasetRecord],
    policy: tuple[Sequence[Rule], Sequence[Waiver]],
    versions: tuple[int, Mapping[str, int]],
    tables: Mapping[str, pa.Table],
) -> list[Contest]:
    """Compare each model that must lead with each that it must lead, dataset by dataset.

    A domain model is compared with the best general model of each dataset as well: that is one of the three
    questions that a report answers.

    Args:
        planned: ``model:dataset`` → sector.
        pairs, models, datasets: what was measured.
        policy: rules and waivers.
        versions: protocol version, and metric → version.
        tables: ``model:dataset`` → its queries. What has none is not compared: the rule is undecided.
    """
    families = {name: model.family for name, model in models.items()}

    def result(name: str) -> Result | None:
        model, _, dataset = name.partition(":")
        # Of shards that disagree the worse one counts, which may have no measurement beside a table.
        measured = name in pairs and pairs[name].measurement is not None
        if not measured or name not in tables or model not in models or dataset not in datasets:
            return None
        return Result(models[model], datasets[dataset], *versions, tables[name])

    found = []
    for name, sector in sorted(planned.items()):
        model, _, dataset = name.partition(":")
        rules = [demand.rule for demand in lead_demands(*policy, sector, model, dataset)]
        after = result(name)
        measurement = pairs[name].measurement if name in pairs else None
        if after is None or measurement is None:
            continue
        others = {
            other for rule in rules for other in rivals(rule, planned, model, dataset, families)
        }
        if families[model] == DOMAIN and (general := best_general(dataset, pairs, models)):
            others.add(general)
        for other in sorted(others):
            before = result(f"{other}:{dataset}")
            if before is not None:
                compared = compare_pair(before, after, rules, resampling_of(measurement))
                fields = {key: getattr(compared, key) for key in Compared.model_fields}
                found.append(Contest(model=model, other=other, dataset=dataset, **fields))
    return found
