"""A suite of two sectors and two models that is measured once and judged by many policies."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_prodbench.evaluation.bench import Bench
from pytest_prodbench.evaluation.judging import Policy
from pytest_prodbench.evaluation.opponent import Opponent
from pytest_prodbench.evaluation.planning import is_selected, plan_pairs
from pytest_prodbench.evaluation.run import Run
from pytest_prodbench.evidence.baseline import Baseline, BaselineDataset, BaselineRecord
from pytest_prodbench.evidence.store import read_queries
from pytest_prodbench.evidence.types import RunRecord
from pytest_prodbench.settings.files import load_suite, policy_digest, shown_path
from pytest_prodbench.settings.types import RunSettings

MODELS = """
[models]
one = { source = "timm:test_efficientnet", checkpoint = "random:1" }
two = { source = "timm:test_efficientnet", checkpoint = "random:2" }
"""
DATA = {"bolts": "diy", "nuts": "diy", "boxes": "retail", "gone": "retail"}
PLAIN = '[thresholds]\n"recall@1" = 0.01\n'


@dataclass
class Project:
    """A suite of two sectors, all of whose embeddings and measurements are made once."""

    path: Path
    evaluations: dict[str, Any]

    def policy(self, diy: str = PLAIN, retail: str = PLAIN, broken: bool = False):
        """Write the rules of both sectors; ``broken``: with a dataset whose photos are gone."""
        for sector, rules in (("diy", diy), ("retail", retail)):
            lines = []
            for name, owner in DATA.items():
                if owner == sector and (broken or name != "gone"):
                    lines += [f"[datasets.{name}]", f'path = "../../{name}/manifest.csv"']
            folder = self.path / "suites" / sector
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "sector.toml").write_text("\n".join([*lines, rules]), encoding="utf-8")
        (self.path / "suites/models.toml").write_text(MODELS)
        return load_suite([self.path / "suites"], self.path)

    def run(self, suite, name, opponent=None, refused=None, **options):
        """Run what the options select; what was measured once is not measured again."""
        chosen = RunSettings(
            cache_dir=self.path / "cache",
            report_dir=self.path / "reports",
            run=name,
            device="cpu",
            threads=1,
            resamples=100,
            **options,
        )
        plans = plan_pairs(suite, chosen)
        run = Run(suite, chosen, self.path, plans, opponent)
        bench = Remembering(self.evaluations, chosen, self.path, opponent=opponent)
        selected = [plan for plan in plans if is_selected(plan, chosen)]
        run.select([plan.name for plan in selected])
        for plan in selected:
            run.add(json.loads(json.dumps(bench.evaluate(plan).payload(), allow_nan=False)))
        if refused is not None:
            run.refuse(refused, "an assertion of the test's own")
        record = run.finish()
        # As it is read from disk.
        return RunRecord.model_validate(record.model_dump(mode="json")), read_queries(
            run.folder.path, record
        )


class Remembering(Bench):
    """The real one, which measures each pair once in the life of these tests."""

    def __init__(self, evaluations, *given, **more):
        super().__init__(*given, **more)
        self._evaluations = evaluations

    def _measure(self, plan, metrics, on_progress):
        key = (plan.name, *sorted(set(metrics)))
        if key not in self._evaluations:
            self._evaluations[key] = super()._measure(plan, metrics, on_progress)
        return self._evaluations[key]


counter = itertools.count()


def fresh():
    return f"run-{next(counter)}"


def against(record, tables, model="one", **changes):
    mine = [pair for pair in record.pairs if pair.model == model]
    entries = {
        pair.dataset: BaselineDataset(
            dataset=record.datasets[pair.dataset],
            verdict=pair.verdict,
            metrics=pair.measurement.metrics,
            queries_file=pair.queries_file,
            queries_digest=pair.queries_digest,
        )
        for pair in mine
    }
    accepted = BaselineRecord(
        **{
            "role": "production",
            "model": record.models[model],
            "run": "accepted",
            "accepted": "2026-11-01",
            "commit": "0" * 40,
            "reason": "the first",
            "despite": None,
            "verdict": "accept",
            "prodbench_version": record.prodbench_version,
            "protocol_version": record.protocol_version,
            "policy_digest": record.policy_digest,
            "metric_versions": record.metric_versions,
            "datasets": entries,
        }
        | changes
    )
    queries = {pair.dataset: tables[pair.name] for pair in mine}
    datasets = {name: sector for name, sector in DATA.items() if name != "gone"}
    return Opponent(Baseline(accepted, "d" * 64, queries), datasets, ["one", "two"])


def policy_of(project, suite):
    files = [shown_path(path, project.path) for path in suite.files]
    return Policy(suite, policy_digest(suite), files)


DROPS = """
[thresholds]
"recall@1" = { min = 0.2, max_drop = 0.1 }
"mrr" = { max_drop = { rel = 0.05 }, severity = "warn" }
[[rules]]
metric = "recall@1"
worst_condition = "light"
max_drop = { abs = 0.2 }
confidence = 0.9
inconclusive = "warn"
[[rules]]
metric = "recall@1"
condition = { light = "dim" }
min = 0.1
[[rules]]
metric = "recall@5"
aggregate = "mean"
min = 0.4
[[rules]]
metric = "mrr"
aggregate = "worst"
max_drop = 0.3
[[waivers]]
metric = "recall@1"
models = "two"
max_drop = 0.9
reason = "new lamps"
owner = "parts team"
granted = 2020-01-01
expires = 2999-12-31
"""
