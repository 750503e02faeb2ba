"""Shards joined: what one run of all would have said, whatever their order."""

from __future__ import annotations

import itertools

import pytest
from remembered_suite import DROPS, MODELS, fresh

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.merging import merge
from pytest_prodbench.evidence.types import stable
from pytest_prodbench.settings.files import load_suite

DIFFERS = ("policy_digest", "policy_files")


def plain(record):
    return {key: value for key, value in stable(record).items() if key not in DIFFERS}


SHARDS = {
    "by sector": [{"sectors": ("diy",)}, {"sectors": ("retail",)}],
    "by model": [{"models": ("one",)}, {"models": ("two",)}],
    "by dataset": [{"datasets": (name,)} for name in ("bolts", "nuts", "boxes")],
}


@pytest.mark.parametrize("baseline", [False, True], ids=["first run", "baseline"])
@pytest.mark.parametrize("way", SHARDS)
def test_shards_together_are_what_one_run_is(project, opponent, way, baseline):
    suite, other = project.policy(diy=DROPS), opponent if baseline else None
    whole, _ = project.run(suite, fresh(), other)
    shards = [project.run(suite, fresh(), other, **options)[0] for options in SHARDS[way]]
    assert {shard.partial for shard in shards} == {True}
    found = [merge(list(order), "m") for order in itertools.permutations(shards)]
    for merged in found:
        assert stable(merged) == stable(whole)
        assert (merged.partial, merged.selection) == (False, [])
    assert len({merged.model_dump_json() for merged in found}) == 1


def test_shards_of_folders_are_what_one_run_is(project):
    """Each job finds its own sector's file only."""
    whole, _ = project.run(project.policy(), fresh())
    shards = []
    for sector in ("diy", "retail"):
        suite = load_suite([project.path / "suites" / sector], project.path)
        shards.append(project.run(suite, fresh())[0])
    assert [shard.partial for shard in shards] == [False, False]
    merged = merge(shards, "m")
    assert plain(merged) == plain(whole)
    assert merged.policy_digest not in {shard.policy_digest for shard in shards}
    assert plain(merge(shards[::-1], "m")) == plain(whole)


def test_one_shard_alone_is_itself(project):
    record, _ = project.run(project.policy(broken=True), fresh())
    assert stable(merge([record], "m")) == stable(record)


def test_a_shard_twice_is_that_shard(project):
    record, _ = project.run(project.policy(), fresh())
    assert stable(merge([record, record], "m")) == stable(record)


def test_a_pair_that_no_shard_ran_leaves_the_whole_incomplete(project):
    suite = project.policy()
    shards = [project.run(suite, fresh(), datasets=(name,))[0] for name in ("bolts", "boxes")]
    merged = merge(shards, "m")
    assert (merged.verdict, merged.partial) == ("incomplete", True)
    assert merged.pair("one:nuts").status == "not run"
    assert merged.selection == ["dataset bolts", "dataset boxes"]
    assert merged.candidates == {"one": "incomplete", "two": "incomplete"}


def test_a_model_that_only_some_shards_had_is_missing_in_the_others(project):
    """Two jobs with two lists of models: nobody may be accepted for the half of a suite."""
    whole = project.policy()
    (project.path / "suites/models.toml").write_text(MODELS.replace("two", "three"))
    other = load_suite([project.path / "suites/retail"], project.path)
    shards = [
        project.run(load_suite([project.path / "suites/diy"], project.path), fresh())[0],
        project.run(whole, fresh(), models=("one",), sectors=("retail",))[0],
    ]
    shards[1] = shards[1].model_copy(
        update={"planned": ["one:boxes"], "partial": False, "selection": []}
    )
    assert other.sectors.keys() == {"retail"}
    merged = merge(shards, "m")
    assert merged.pair("three:boxes").status == "not run"
    assert merged.verdict == "incomplete"


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_shards_on_one_pair_the_worse_counts(project, turned):
    suite = project.policy()
    good, _ = project.run(suite, fresh())
    bad, _ = project.run(suite, fresh(), refused="one:bolts")
    merged = merge([bad, good] if turned else [good, bad], "m")
    assert merged.pair("one:bolts").verdict == "reject"
    assert merged.candidates == {"one": "reject", "two": "accept"}


@pytest.mark.parametrize("turned", [False, True])
def test_a_pair_that_one_shard_lost_is_not_mended_by_another(project, turned):
    suite = project.policy()
    good, _ = project.run(suite, fresh())
    pairs = [
        pair.model_copy(
            update={"status": "lost", "verdict": "incomplete", "measurement": None, "checks": []}
        )
        if pair.name == "one:bolts"
        else pair
        for pair in good.pairs
    ]
    bad = good.model_copy(update={"pairs": pairs, "run": "another"})
    merged = merge([bad, good] if turned else [good, bad], "m")
    assert merged.verdict == "incomplete"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol_version": 2}, "protocol version"),
        ({"prodbench_version": "0.0.1"}, "release"),
        ({"metric_versions": {"recall": 99}}, "versions of metrics"),
        ({"gate": "report"}, "gate"),
        ({"commit": "b" * 40}, "commit"),
        ({"baseline": None}, "baseline"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_shards_that_were_not_made_in_one_way(project, opponent, change, said):
    suite = project.policy()
    one, _ = project.run(suite, "shard-one-" + fresh(), opponent, sectors=("diy",))
    other, _ = project.run(suite, "shard-two-" + fresh(), opponent, sectors=("retail",))
    if "commit" in change:
        change = {"host": other.host.model_copy(update=change)}
    other = other.model_copy(update=change)
    for shards in ([one, other], [other, one]):
        with pytest.raises(EvidenceError) as caught:
            merge(shards, "m")
        message = str(caught.value)
        assert said in message
        assert one.run in message
        assert other.run in message


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_shards_that_measured_another_model_or_dataset(project, kind):
    suite = project.policy()
    one, _ = project.run(suite, fresh(), sectors=("diy",))
    narrow = {"models": ("one",)} if kind == "model" else {"datasets": ("bolts",)}
    other, _ = project.run(suite, fresh(), **narrow)
    if kind == "model":
        changed = other.models["one"].model_copy(update={"weights_digest": "0" * 64})
        other = other.model_copy(update={"models": {"one": changed}})
    else:
        changed = other.datasets["bolts"].model_copy(update={"content_digest": "0" * 64})
        other = other.model_copy(update={"datasets": {"bolts": changed}})
    name = "one" if kind == "model" else "bolts"
    for shards in ([one, other], [other, one]):
        with pytest.raises(EvidenceError, match=f"{kind} '{name}': another one") as caught:
            merge(shards, "m")
        assert one.run in str(caught.value)
        assert other.run in str(caught.value)


@pytest.mark.parametrize("kind", ["rules", "waivers"])
def test_shards_that_were_judged_by_other_rules(project, kind):
    one, _ = project.run(project.policy(diy=DROPS), fresh(), models=("one",))
    edited = (
        DROPS.replace("min = 0.2", "min = 0.1")
        if kind == "rules"
        else DROPS.replace("max_drop = 0.9", "max_drop = 0.8")
    )
    other, _ = project.run(project.policy(diy=edited), fresh(), models=("two",))
    for shards in ([one, other], [other, one]):
        with pytest.raises(EvidenceError, match=f"other {kind} of sector 'diy'") as caught:
            merge(shards, "m")
        assert one.run in str(caught.value)
        assert other.run in str(caught.value)


def test_a_sector_whose_rules_one_shard_does_not_have(project):
    """No rules at all are other rules."""
    one, _ = project.run(project.policy(), fresh(), models=("one",))
    other, _ = project.run(project.policy(diy=""), fresh(), models=("two",))
    for shards in ([one, other], [other, one]):
        with pytest.raises(EvidenceError, match="other rules of sector 'diy'"):
            merge(shards, "m")


def test_a_dirty_tree_in_one_shard_is_one_in_all(project):
    suite = project.policy()
    shards = []
    for dirty, options in ((False, {"sectors": ("diy",)}), (True, {"sectors": ("retail",)})):
        record, _ = project.run(suite, fresh(), **options)
        host = record.host.model_copy(update={"dirty": dirty, "commit": "a" * 40})
        shards.append(record.model_copy(update={"host": host}))
    assert merge(shards, "m").host.dirty is True
    unknown = shards[1].host.model_copy(update={"dirty": None})
    shards[1] = shards[1].model_copy(update={"host": unknown})
    assert merge(shards, "m").host.dirty is None
