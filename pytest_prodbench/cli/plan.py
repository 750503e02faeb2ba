"""``prodbench plan``: what a run would take, before anything starts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pytest_prodbench.cli.columns import print_columns
from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.errors import shorten
from pytest_prodbench.evaluation.estimate import ModelEstimate, estimate
from pytest_prodbench.evaluation.planning import check_hardware, selected_pairs

COLUMNS = ("model", "pairs", "images", "to embed", "images/s", "time", "memory", "vectors", "price")

NAMED = 5
"""Models of unknown time that are named."""


def plan(given: argparse.Namespace) -> int:
    """Print images, time, memory and price of each model; 1 if one of them cannot run."""
    opened = open_suite(given)
    check_hardware(opened.settings)
    _, chosen = selected_pairs(opened.suite, opened.settings, "prodbench plan")
    estimates = list(estimate(chosen, opened.settings, on_model=_looking_at))
    print_columns([COLUMNS, *(_row(one) for one in estimates)])
    runnable = [one for one in estimates if not one.problem]
    print(
        f"\n{len(chosen)} pairs; {sum(one.missing or 0 for one in runnable):,} images to embed, "
        f"{_together(runnable)}"
    )
    priced = [one.price for one in runnable if one.price is not None]
    if priced:
        print(f"price of what is to be embedded: {sum(priced):,.2f}")
    for one in estimates:
        if one.problem:
            print(f"{one.model} cannot run: {one.problem}")
    return int(len(runnable) < len(estimates))


def _row(one: ModelEstimate) -> tuple[str, ...]:
    if one.problem:
        return (one.model, str(one.pairs), *("–" for _ in COLUMNS[2:]))
    return (
        one.model,
        str(one.pairs),
        f"{one.images:,}",
        f"{one.missing:,}",
        "–" if one.images_per_s is None else f"{one.images_per_s:,.1f}",
        "–" if one.seconds is None else _duration(one.seconds),
        "–" if one.peak_memory_mib is None else f"{one.peak_memory_mib:,.0f} MiB",
        f"{one.vector_mib:,.0f} MiB",
        "–" if one.price is None else f"{one.price:,.2f}",
    )


def _together(estimates: Sequence[ModelEstimate]) -> str:
    """The time of all models; what cannot be told is not nothing."""
    known = [one.seconds for one in estimates if one.seconds is not None]
    unknown = [one.model for one in estimates if one.seconds is None]
    if not unknown:
        return f"{_duration(sum(known))} in one process"
    named = ", ".join(shorten(unknown, NAMED))
    if not any(known):
        return f"unknown time ({named})"
    return f"{_duration(sum(known))} in one process + unknown ({named})"


def _duration(seconds: float) -> str:
    """As hours, minutes and seconds, the two largest that are not zero."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _looking_at(model: str) -> None:
    print(f"looking at {model} …", file=sys.stderr)
