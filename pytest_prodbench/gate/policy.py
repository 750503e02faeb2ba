"""Which rules hold for which pair, and which waiver stands in for which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.policy import EVERY, Rule, Waiver, is_rival

PATTERN = frozenset("*?[")
"""A name holds none of them."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A rule as it holds for one pair, or one model: with the waiver in force, if there is one."""

    rule: Rule
    waiver: Waiver | None = None

    @property
    def limit(self) -> float:
        """The limit that is held against the value."""
        return self.rule.limit if self.waiver is None else self.waiver.limit

    @property
    def relative(self) -> bool:
        """Whether the limit is a share of what production reaches."""
        return self.rule.relative if self.waiver is None else self.waiver.relative


def pair_demands(
    rules: Sequence[Rule], waivers: Sequence[Waiver], sector: str, model: str, dataset: str
) -> tuple[Demand, ...]:
    """Return what is demanded of one pair, in the order of the rules.

    Of rules on one subject with one severity the most specific holds: one that names the dataset or the
    model before one with a pattern, that before one for all.

    Raises:
        SettingsError: two rules are equally specific, or two waivers stand in for one rule.
    """
    mine = [
        rule
        for rule in rules
        if rule.sector == sector
        and rule.aggregate is None
        and rule.beats is None
        and rule.matches(model, dataset)
    ]
    return _most_specific(mine, waivers, sector, model, dataset)


def lead_demands(
    rules: Sequence[Rule], waivers: Sequence[Waiver], sector: str, model: str, dataset: str
) -> tuple[Demand, ...]:
    """Return what leads over other models are demanded of one pair.

    Raises:
        SettingsError: as ``pair_demands``.
    """
    mine = [
        rule
        for rule in rules
        if rule.sector == sector and rule.beats is not None and rule.matches(model, dataset)
    ]
    return _most_specific(mine, waivers, sector, model, dataset)


def rivals(
    rule: Rule,
    planned: Iterable[str],
    model: str,
    dataset: str,
    families: Mapping[str, str],
) -> list[str]:
    """Return the models that one must lead on a dataset.

    Args:
        rule: with ``beats``.
        planned: ``model:dataset`` of every pair.
        model, dataset: which must lead, and where.
        families: model → its family, where it is known.
    """
    assert rule.beats is not None  # noqa: S101 - asked of such rules alone
    found = []
    for name in planned:
        other, _, where = name.partition(":")
        if where == dataset and other != model and is_rival(rule.beats, other, families.get(other)):
            found.append(other)
    return sorted(found)


def model_demands(
    rules: Sequence[Rule], waivers: Sequence[Waiver], sector: str, model: str
) -> tuple[Demand, ...]:
    """Return what is demanded of one model on all datasets of a sector together.

    Raises:
        SettingsError: as ``pair_demands``.
    """
    mine = [
        rule
        for rule in rules
        if rule.sector == sector and rule.aggregate is not None and rule.matches(model, EVERY)
    ]
    return _most_specific(mine, waivers, sector, model, EVERY)


def _most_specific(
    rules: Sequence[Rule],
    waivers: Sequence[Waiver],
    sector: str,
    model: str,
    dataset: str,
) -> tuple[Demand, ...]:
    found = []
    for subject in dict.fromkeys((rule.subject, rule.severity) for rule in rules):
        rivals = [rule for rule in rules if (rule.subject, rule.severity) == subject]
        best = [rule for rule in rivals if all(_beats(rule, r) for r in rivals if r is not rule)]
        if len(best) != 1:
            others = ", ".join(rule.where for rule in rivals[1:])
            raise SettingsError(
                rivals[0].where,
                found=f"equally specific for {_pair(model, dataset)}, on {rivals[0].what}, as {others}",
                expected="one rule that is more specific than the others",
                next_step="name both the model and the dataset in one of them, or remove one",
            )
        found.append(_with_waiver(best[0], waivers, sector, model, dataset))
    return tuple(found)


def _with_waiver(
    rule: Rule, waivers: Sequence[Waiver], sector: str, model: str, dataset: str
) -> Demand:
    mine = [
        waiver
        for waiver in waivers
        if waiver.sector == sector
        and waiver.subject == rule.subject
        and waiver.matches(model, dataset)
    ]
    if len(mine) > 1:
        raise SettingsError(
            mine[0].where,
            found=f"a second waiver for {rule.what} of {_pair(model, dataset)}: {mine[1].where}",
            expected="one",
            next_step="remove one",
        )
    for waiver in mine:
        # A share and a number cannot be told apart before there is a baseline: the waiver is believed.
        other_unit = waiver.relative != rule.relative
        easier = waiver.limit < rule.limit if rule.bound == "min" else waiver.limit > rule.limit
        if other_unit or easier:
            return Demand(rule, waiver)
    return Demand(rule)


def _beats(one: Rule, other: Rule) -> bool:
    """Whether a rule is more specific: nowhere less, and somewhere more."""
    mine, theirs = ((_level(rule.datasets), _level(rule.models)) for rule in (one, other))
    return mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=True))


def _level(pattern: str) -> int:
    """0 for all, 1 for a pattern, 2 for a name."""
    if pattern == EVERY:
        return 0
    return 1 if PATTERN & set(pattern) else 2


def _pair(model: str, dataset: str) -> str:
    return model if dataset == EVERY else f"{model}:{dataset}"
