"""Which pairs a suite asks for, and which of them the settings let run."""

from __future__ import annotations

from datetime import UTC, datetime

from pytest_prodbench.embedding.device import choose_device, choose_precision
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evaluation.bench import PairPlan
from pytest_prodbench.gate import check_policy
from pytest_prodbench.settings.files import unknown_name
from pytest_prodbench.settings.types import RunSettings, Suite


def plan_pairs(
    suite: Suite, settings: RunSettings, *, prefix: str = "--prodbench-"
) -> list[PairPlan]:
    """Return every pair of a suite, models varying fastest within a dataset.

    ``prefix``: of the options, for messages.

    Raises:
        SettingsError: the policy makes no sense, or a name on the command line is not defined.
    """
    families = {name: spec.family for name, spec in suite.models.items()}
    check_policy(suite.sectors.values(), list(suite.models), datetime.now(UTC).date(), families)
    datasets = [name for sector in suite.sectors.values() for name in sector.datasets]
    for kind, asked, known in (
        ("model", settings.models, list(suite.models)),
        ("dataset", settings.datasets, datasets),
        ("sector", settings.sectors, list(suite.sectors)),
    ):
        for name in asked:
            if name not in known:
                raise unknown_name(kind, name, known, f"{prefix}{kind} {name}")
    return [
        PairPlan(model, dataset, sector)
        for sector in suite.sectors.values()
        for dataset in sector.datasets.values()
        for model in suite.models.values()
        if model.by_default or model.name in settings.models
    ]


def selected_pairs(
    suite: Suite, settings: RunSettings, command: str
) -> tuple[list[PairPlan], list[PairPlan]]:
    """Return all pairs that a suite plans, and those of them that the settings of a command let run.

    Raises:
        SettingsError: as ``plan_pairs``, or not one pair is to run.
    """
    plans = plan_pairs(suite, settings, prefix="--")
    chosen = [plan for plan in plans if is_selected(plan, settings)]
    if not chosen:
        raise SettingsError(
            command,
            found=f"no pair to evaluate ({len(plans)} are planned)",
            expected="at least one model and one dataset",
            next_step="'prodbench list' shows what is defined",
        )
    return plans, chosen


def is_selected(plan: PairPlan, settings: RunSettings) -> bool:
    """Whether the settings (``--prodbench-model`` and so on) let a pair run."""
    return (
        (not settings.models or plan.model.name in settings.models)
        and (not settings.datasets or plan.dataset.name in settings.datasets)
        and (not settings.sectors or plan.sector.name in settings.sectors)
    )


def selection_words(settings: RunSettings) -> list[str]:
    """How settings narrow a run, in words."""
    return [
        f"{kind} {name}"
        for kind, names in (
            ("model", settings.models),
            ("dataset", settings.datasets),
            ("sector", settings.sectors),
        )
        for name in names
    ]


def check_hardware(settings: RunSettings) -> None:
    """Look for a device or precision that was asked for by name, before anything is opened.

    Raises:
        SettingsError: it is not here.
    """
    if settings.device not in {"auto", "cpu"} or settings.precision not in {"auto", "float32"}:
        choose_precision(settings.precision, choose_device(settings.device))
