"""Models of one run against each other, as far as a rule asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_prodbench.evaluation.against import Result, contest, resampling_of
from pytest_prodbench.evidence.comparison import Contest
from pytest_prodbench.gate import lead_demands, rivals

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import DatasetRecord, ModelRecord, PairRecord
    from pytest_prodbench.settings.policy import Rule, Waiver


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

    Args:
        planned: ``model:dataset`` → sector.
        pairs, models, datasets: what was measured.
        policy: rules and waivers.
        versions: protocol version, and metric → version.
        tables: ``model:dataset`` → its queries. What has none is not compared: the rule is undecided.
    """
    families = {name: model.family for name, model in models.items()}
    found = []
    for name, sector in sorted(planned.items()):
        model, _, dataset = name.partition(":")
        rules = [demand.rule for demand in lead_demands(*policy, sector, model, dataset)]
        others = {
            other for rule in rules for other in rivals(rule, planned, model, dataset, families)
        }
        for other in sorted(others):
            sides = []
            for side in (other, model):
                pair = pairs.get(f"{side}:{dataset}")
                table = tables.get(f"{side}:{dataset}")
                if pair is None or pair.measurement is None or table is None or side not in models:
                    break
                sides.append(
                    Result(
                        model=side,
                        weights_digest=models[side].weights_digest,
                        content_digest=datasets[dataset].content_digest,
                        protocol_version=versions[0],
                        metric_versions=versions[1],
                        table=table,
                    )
                )
            else:
                measurement = pairs[name].measurement
                assert measurement is not None  # noqa: S101 - looked at above
                compared = contest(sides[0], sides[1], rules, resampling_of(measurement))
                fields = {key: getattr(compared, key) for key in type(compared).model_fields}
                found.append(Contest(model=model, other=other, dataset=dataset, **fields))
    return found
