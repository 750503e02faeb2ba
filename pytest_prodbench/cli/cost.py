"""``prodbench cost``: what the images that the cache lacks will cost, before anything is sent."""

from __future__ import annotations

import argparse
import datetime as dt

from pytest_prodbench.cli.columns import print_columns
from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.evaluation.planning import selected_pairs
from pytest_prodbench.evaluation.prices import ModelPrice, prices

COLUMNS = (
    *("model", "images", "to pay for", "per 1,000", "looked up"),
    *("price", "spent so far", "budget"),
)

OLD = dt.timedelta(days=365)
"""A price of so long ago is told to be looked up again."""


def cost(given: argparse.Namespace) -> int:
    """Print the price of each model that costs money; 1 if one cannot be told or exceeds its budget."""
    opened = open_suite(given)
    _, chosen = selected_pairs(opened.suite, opened.settings, "prodbench cost")
    found = list(prices(chosen, opened.settings))
    if not found:
        print("no model of these pairs costs money: none is a provider's, and none has a price")
        return 0
    print_columns([COLUMNS, *(_row(one) for one in found)])
    print(f"\nprice of what is to be paid for: {sum(one.price or 0.0 for one in found):,.4f}")
    told = [_told(one) for one in found]
    for text in filter(None, [*told, *map(_aged, found)]):
        print(text)
    return int(any(told))


def _row(one: ModelPrice) -> tuple[str, ...]:
    if one.problem:
        return (one.model, *("–" for _ in COLUMNS[1:]))
    return (
        one.model,
        f"{one.images:,}",
        f"{one.missing:,}",
        "–" if one.price_per_1000 is None else f"{one.price_per_1000:g}",
        "–" if one.price_date is None else one.price_date.isoformat(),
        "–" if one.price is None else f"{one.price:,.4f}",
        f"{one.spent:,.4f}" if one.remote else "–",
        "–" if one.budget is None else f"{one.budget:,.4f}",
    )


def _told(one: ModelPrice) -> str:
    if one.problem:
        return f"{one.model} cannot be told: {one.problem}"
    if one.price is None and one.missing:
        return f"{one.model} has no price: write price_per_1000 and price_date in its entry"
    if one.exceeds:
        return f"{one.model} exceeds its budget: it needs budget_usd = {one.needed:.6g}, all runs together"
    return ""


def _aged(one: ModelPrice) -> str:
    age = dt.timedelta() if one.price_date is None else dt.date.today() - one.price_date
    if one.price_date is None or dt.timedelta(days=-1) <= age <= OLD:
        return ""
    when = "in the future" if age < dt.timedelta() else "more than a year ago"
    return f"{one.model}: its price_date {one.price_date} is {when}; look the price up again"
