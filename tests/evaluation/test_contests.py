"""A domain model is compared with the best general one, whether a rule asks or not."""

from __future__ import annotations

import numpy as np
import pytest
from remembered_suite import MODELS, fresh

from pytest_prodbench.evaluation.contests import best_general
from pytest_prodbench.evaluation.judging import judge_again
from pytest_prodbench.evidence.types import stable
from pytest_prodbench.settings.files import load_suite

THREE = (
    MODELS
    + 'three = { source = "timm:test_efficientnet", checkpoint = "random:3", family = "domain" }\n'
    + 'pixels = "baseline:pixels"\n'
)


def with_domain(project):
    project.policy()
    (project.path / "suites/models.toml").write_text(THREE)
    return load_suite([project.path / "suites"], project.path)


def test_the_domain_model_meets_the_best_general_one_on_every_dataset(project):
    record, tables = project.run(with_domain(project), fresh())
    pairs = {pair.name: pair for pair in record.pairs}
    assert [contest.dataset for contest in record.contests] == ["bolts", "boxes", "nuts"]
    for contest in record.contests:
        values = {
            name: pairs[f"{name}:{contest.dataset}"].measurement.metrics["recall@1"].value
            for name in ("one", "two")
        }
        best = max(sorted(values), key=values.__getitem__)
        assert (contest.model, contest.other) == ("three", best)
        change = contest.changes["recall@1"]
        ranks = [
            np.array(tables[f"{name}:{contest.dataset}"]["rank"].to_pylist(), float) == 1
            for name in (best, "three")
        ]
        assert change.only_before == int((ranks[0] & ~ranks[1]).sum())
        assert change.only_after == int((ranks[1] & ~ranks[0]).sum())
        assert change.drop.value == pytest.approx(change.before - change.after)
    assert stable(judge_again(record, tables)) == stable(record)


def test_general_models_alone_meet_nobody(project):
    record, _ = project.run(project.policy(), fresh())
    assert record.contests == []
    models = {
        name: entry.model_copy(update={"family": "domain"}) for name, entry in record.models.items()
    }
    pairs = {pair.name: pair for pair in record.pairs}
    assert best_general("bolts", pairs, models) is None
    assert best_general("nowhere", pairs, record.models) is None
