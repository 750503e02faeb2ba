"""The whole gate against a naive one, written from docs/thresholds.md and docs/baselines.md in plain loops.

The naive gate knows no shared code: it looks at every rule for every pair anew, and at every slice.
"""

from __future__ import annotations

import fnmatch
from statistics import NormalDist

import pytest
from gate_builders import change, compared, measured, rule
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evidence.types import PairRecord
from pytest_prodbench.gate import judge_measurement, judge_pairs, model_demands, pair_demands

MODELS = ("a", "b", "bc")
DATASETS = ("p", "q")
LESS_IS_BETTER = {"instance_gap"}
SLICE = 20
WORDS = ["fails", "undecided", "inconclusive", "no baseline", "holds"]


# --- the naive gate


def level(pattern):
    return 0 if pattern == "*" else 1 if "*" in pattern else 2


def about(one):
    drop = one.bound == "max_drop"
    return (one.metric, drop, one.condition, one.worst_condition, one.aggregate)


def effective(rules, model, dataset, *, together):
    """One rule a subject and severity: the one that is beaten by no other and beats all; else an error."""
    mine = []
    for one in rules:
        fits = fnmatch.fnmatchcase(model, one.models) and (
            together or fnmatch.fnmatchcase(dataset, one.datasets)
        )
        if fits and (one.aggregate is not None) == together:
            mine.append(one)
    groups = {}
    for one in mine:
        groups.setdefault((about(one), one.severity), []).append(one)
    found = []
    for group in groups.values():
        winners = []
        for one in group:
            beats_all = True
            for other in group:
                if other is one:
                    continue
                here = (level(one.datasets), level(one.models))
                there = (level(other.datasets), level(other.models))
                if here == there or here[0] < there[0] or here[1] < there[1]:
                    beats_all = False
            if beats_all:
                winners.append(one)
        if len(winners) != 1:
            raise SettingsError("naive", found="equally specific")
        found.append(winners[0])
    return found


def ends(value, confidence, worse_is_low):
    share = min(NormalDist().inv_cdf(confidence) / NormalDist().inv_cdf(0.975), 1.0)
    low = value.value - (value.value - value.low) * share
    high = value.value + (value.high - value.value) * share
    return (low, high) if worse_is_low else (high, low)


def one_outcome(one, value, limit):
    more = one.bound == "min"

    def reaches(number):
        return number >= limit - 1e-10 if more else number <= limit + 1e-10

    if one.confidence is None:
        return "holds" if reaches(value.value) else "fails"
    worse, better = ends(value, one.confidence, more)
    if reaches(worse):
        return "holds"
    return "inconclusive" if reaches(better) else "fails"


def values_for(one, measurement, comparison):
    """(value, limit) of every slice that a rule is about; None where the rule has nothing to look at."""
    if one.bound == "max_drop":
        if comparison.refused:
            return None
        tables = comparison.changes, comparison.conditions
    else:
        tables = measurement.metrics, measurement.conditions
    overall, conditions = tables
    if one.worst_condition is not None:
        found = [
            metrics.get(one.metric) for metrics in conditions.get(one.worst_condition, {}).values()
        ]
    elif one.condition:
        ((column, value),) = one.condition
        found = [conditions.get(column, {}).get(value, {}).get(one.metric)]
    else:
        found = [overall.get(one.metric)]
    pairs = []
    for item in found:
        number = item.drop if one.bound == "max_drop" and item is not None else item
        if number is None or number.n == 0:
            continue
        if one.bound == "max_drop":
            limit = one.limit * abs(item.before) if one.relative else one.limit
            pairs.append((item.drop, limit))
        elif (one.condition or one.worst_condition) and item.n < SLICE:
            continue
        else:
            pairs.append((item, one.limit))
    return pairs or None


def pair_outcome(one, measurement, comparison):
    if one.bound == "max_drop" and comparison is None:
        return "no baseline"
    found = values_for(one, measurement, comparison)
    if found is None:
        return "undecided"
    return min((one_outcome(one, value, limit) for value, limit in found), key=WORDS.index)


def together_outcome(one, measurements, comparisons):
    """``worst`` over datasets, none of which may be missing; the mean is tested on its own."""
    if any(m is None for m in measurements.values()):
        return "undecided"
    if one.bound == "max_drop" and all(c is None for c in comparisons.values()):
        return "no baseline"
    outcomes = []
    for dataset, measurement in measurements.items():
        comparison = comparisons[dataset]
        if one.bound == "max_drop" and comparison is None:
            return "undecided"
        found = values_for(one, measurement, comparison)
        if found is None:
            return "undecided"
        outcomes += [one_outcome(one, value, limit) for value, limit in found]
    return min(outcomes, key=WORDS.index)


def verdict(rules_and_outcomes):
    """What blocks must hold, or be let pass; and something must have been proven."""
    blocking = [(one, outcome) for one, outcome in rules_and_outcomes if one.severity == "block"]
    if any(outcome == "fails" for _, outcome in blocking):
        return "reject"
    proven = False
    for one, outcome in blocking:
        passes = outcome in {"holds", "no baseline"}
        passes = passes or (outcome == "inconclusive" and one.inconclusive in {"warn", "pass"})
        if not passes:
            return "incomplete"
        proven = proven or outcome != "no baseline"
    return "accept" if proven else "incomplete"


def worst(verdicts):
    if "reject" in verdicts:
        return "reject"
    return "accept" if verdicts and set(verdicts) == {"accept"} else "incomplete"


# --- what both are given

grid = st.sampled_from([0.2, 0.4, 0.6, 0.8])


@st.composite
def rules(draw, aggregate=(None, None, None, "worst")):
    metric = draw(st.sampled_from(["recall@1", "mrr", "instance_gap"]))
    bound = draw(st.sampled_from(["value", "value", "max_drop"]))
    if bound == "value":
        bound = "max" if metric in LESS_IS_BETTER else "min"
    scope = draw(st.sampled_from(["all", "all", "slice", "worst"]))
    sure = draw(st.sampled_from([None, None, 0.9, 0.95, 0.975]))
    together = draw(st.sampled_from(aggregate))
    return rule(
        metric,
        draw(grid) if bound != "max_drop" else draw(st.sampled_from([0.0, 0.1, 0.3])),
        bound=bound,
        relative=bound == "max_drop" and draw(st.booleans()),
        models=draw(st.sampled_from(["*", "*", "a", "b*", "bc"])),
        datasets="*" if together else draw(st.sampled_from(["*", "*", "p", "q*"])),
        condition=(("light", draw(st.sampled_from(["dim", "gone"]))),) if scope == "slice" else (),
        worst_condition="light" if scope == "worst" else None,
        aggregate=together,
        severity=draw(st.sampled_from(["block", "block", "warn", "info"])),
        confidence=sure,
        inconclusive="block" if sure is None else draw(st.sampled_from(["block", "warn", "pass"])),
    )


@st.composite
def measurements(draw):
    def metrics(n):
        arm = draw(st.sampled_from([0.0, 0.1, 0.3]))
        names = [("recall_at_1", grid), ("mrr", grid), ("instance_gap", grid)]
        kept = {name: draw(values) for name, values in names if draw(st.integers(0, 9))}
        one = measured(n, **kept)
        for value in one.metrics.values():
            value.low, value.high = value.value - arm, value.value + arm
        return one

    whole = metrics(draw(st.sampled_from([0, 30, 30, 30])))
    slices = {name: metrics(draw(st.sampled_from([5, 20, 30]))).metrics for name in ("dim", "hard")}
    return whole.model_copy(update={"conditions": {"light": slices}})


@st.composite
def comparisons(draw):
    if draw(st.integers(0, 3)) == 0:
        return None
    if draw(st.integers(0, 5)) == 0:
        return compared(refused=["the dataset changed"])

    def one():
        return change(draw(grid), draw(grid), arm=draw(st.sampled_from([0.0, 0.2])))

    found = compared()
    names = [n for n in ("recall@1", "mrr", "instance_gap") if draw(st.integers(0, 9))]
    return found.model_copy(
        update={
            "changes": {name: one() for name in names},
            "conditions": {"light": {v: {name: one() for name in names} for v in ("dim", "hard")}},
        }
    )


@settings(max_examples=400, deadline=None)
@given(st.lists(rules(), max_size=6), measurements(), comparisons())
def test_a_pair(made, measurement, comparison):
    for model in MODELS:
        try:
            wanted = effective(made, model, "p", together=False)
        except SettingsError:
            with pytest.raises(SettingsError, match="equally specific"):
                pair_demands(made, (), "diy", model, "p")
            continue
        demands = pair_demands(made, (), "diy", model, "p")
        assert {id(d.rule) for d in demands} == {id(one) for one in wanted}
        checks, found = judge_measurement(model, "p", measurement, demands, comparison)
        outcomes = [pair_outcome(d.rule, measurement, comparison) for d in demands]
        assert [check.outcome for check in checks] == outcomes
        assert found == verdict(zip((d.rule for d in demands), outcomes, strict=True))


@st.composite
def runs(draw):
    """Planned pairs, some of them measured, with what was measured."""
    names = [f"{model}:{dataset}" for dataset in DATASETS for model in MODELS]
    planned = draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    pairs = {}
    for name in planned:
        status = draw(st.sampled_from(["evaluated"] * 5 + ["lost", "failed", "not run"]))
        known = status == "evaluated"
        pairs[name] = (
            status,
            draw(measurements()) if known else None,
            draw(comparisons()) if known else None,
        )
    return pairs


@settings(max_examples=300, deadline=None)
@given(st.lists(rules(), max_size=5), runs())
def test_a_run(made, run):
    records, verdicts = [], {}
    for name, (status, measurement, comparison) in run.items():
        model, _, dataset = name.partition(":")
        try:
            demands = pair_demands(made, (), "diy", model, dataset)
            model_demands(made, (), "diy", model)
        except SettingsError:
            assume(False)
        verdicts[name] = "incomplete"
        if status == "evaluated":
            outcomes = [pair_outcome(d.rule, measurement, comparison) for d in demands]
            verdicts[name] = verdict(zip((d.rule for d in demands), outcomes, strict=True))
        records.append(
            PairRecord.model_construct(
                model=model,
                dataset=dataset,
                sector="diy",
                status=status,
                verdict=verdicts[name],
                measurement=measurement,
                comparison=comparison,
                checks=[],
            )
        )
    of_sector = list(verdicts.values())
    of_model = {}
    for name, word in verdicts.items():
        of_model.setdefault(name.partition(":")[0], []).append(word)
    for model, words in of_model.items():
        mine = {n.partition(":")[2]: run[n] for n in run if n.partition(":")[0] == model}
        asked = effective(made, model, "", together=True)
        outcomes = [
            together_outcome(
                one,
                {dataset: found[1] for dataset, found in sorted(mine.items())},
                {dataset: found[2] for dataset, found in mine.items()},
            )
            for one in asked
        ]
        # What there is no baseline for yet decides nothing beside the pairs.
        deciding = [
            (one, outcome)
            for one, outcome in zip(asked, outcomes, strict=True)
            if outcome != "no baseline" and one.severity == "block"
        ]
        if deciding:
            words.append(verdict(deciding))
            of_sector.append(words[-1])
    found = judge_pairs(dict.fromkeys(run, "diy"), records, made)
    assert found.candidates == {model: worst(words) for model, words in sorted(of_model.items())}
    assert found.sectors == {"diy": worst(of_sector)}
    assert found.verdict == worst(of_sector)


@settings(max_examples=200, deadline=None)
@given(st.lists(rules(aggregate=("mean",)), min_size=1, max_size=1), runs())
def test_the_mean_over_datasets(made, run):
    """Of each dataset the worst slice that the rule is about, and of these the plain mean."""
    (one,) = made
    assume(one.confidence is None)
    records = [
        PairRecord.model_construct(
            model=name.partition(":")[0],
            dataset=name.partition(":")[2],
            sector="diy",
            status=status,
            verdict="accept" if status == "evaluated" else "incomplete",
            measurement=measurement,
            comparison=comparison,
            checks=[],
        )
        for name, (status, measurement, comparison) in run.items()
    ]
    found = judge_pairs(dict.fromkeys(run, "diy"), records, made)
    checks = {check.model: check for check in found.checks.get("diy", [])}
    models = sorted({name.partition(":")[0] for name in run})
    assert sorted(checks) == [m for m in models if fnmatch.fnmatchcase(m, one.models)]
    sign = 1 if one.bound == "min" else -1
    for model, check in checks.items():
        mine = [run[name] for name in run if name.partition(":")[0] == model]
        if any(status != "evaluated" for status, _, _ in mine):
            assert check.outcome == "undecided"
            continue
        if one.bound == "max_drop" and all(comparison is None for _, _, comparison in mine):
            assert check.outcome == "no baseline"
            continue
        parts = []
        for _, measurement, comparison in mine:
            known = one.bound != "max_drop" or comparison is not None
            slices = values_for(one, measurement, comparison) if known else None
            parts.append(min(slices, key=lambda part: sign * part[0].value) if slices else None)
        if None in parts:
            assert check.outcome == "undecided"
            continue
        mean = sum(value.value for value, _ in parts) / len(parts)
        limit = sum(limit for _, limit in parts) / len(parts)
        assert check.value == pytest.approx(mean)
        assert check.limit == pytest.approx(limit)
        if abs(mean - limit) > 1e-9:
            assert check.outcome == ("holds" if sign * mean > sign * limit else "fails")
