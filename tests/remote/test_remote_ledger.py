"""Money: set aside on disk before it is spent, never more than the budget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.embedding.remote.ledger import BudgetSpentError, Ledger, read


@settings(deadline=None, max_examples=40)  # each step is a file on disk
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 20), st.sampled_from(["answered", "released", "unanswered"])),
        max_size=30,
    ),
    budget=st.floats(0, 2),
)
def test_the_budget_is_never_exceeded(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]], budget: float
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.json"
    ledger = Ledger(path, price_per_1000=10.0, budget_usd=budget)
    spent = 0.0
    for images, end in steps:
        price = images * 0.01
        if spent + price > budget * (1 + 1e-9):
            with pytest.raises(BudgetSpentError):
                ledger.reserve(images)
            continue
        ledger.reserve(images)
        # A process that dies here has not forgotten what it may have spent.
        account, reserved = read(path)
        assert account.usd + reserved == pytest.approx(spent + price)
        if end == "answered":
            ledger.answered(images, 0.1, {"tokens": 3})
        else:
            getattr(ledger, end)(images)
        spent += 0.0 if end == "released" else price
        assert ledger.total.usd == pytest.approx(spent)
        assert ledger.total.usd <= budget * (1 + 1e-9)
    account, reserved = read(path)
    assert reserved == pytest.approx(0.0)
    if steps and path.exists():
        assert account.usd == pytest.approx(spent)


def test_requests_under_way_count(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.json", price_per_1000=1000.0, budget_usd=2.0)
    ledger.reserve(1)
    ledger.reserve(1)
    with pytest.raises(BudgetSpentError, match=r"US\$ 2 of US\$ 2"):
        ledger.reserve(1)
    ledger.released(1)
    ledger.reserve(1)


def test_what_a_dead_process_had_set_aside_is_spent(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    Ledger(path, price_per_1000=100.0).reserve(3)
    after = Ledger(path, price_per_1000=100.0)
    assert after.total.usd == pytest.approx(0.3)
    assert after.total.unanswered_usd == pytest.approx(0.3)
    assert after.here.usd == 0.0


def test_sums_over_runs_and_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    for _ in range(2):
        ledger = Ledger(path, price_per_1000=1.0)
        ledger.reserve(2)
        ledger.answered(2, 0.25, {"image_tokens": 10})
        ledger.was_open(0.5)
    assert (ledger.here.requests, ledger.here.images, ledger.here.usage) == (
        1,
        2,
        {"image_tokens": 10},
    )
    total, _ = read(path)
    assert (total.requests, total.images, total.usage) == (2, 4, {"image_tokens": 20})
    assert total.latency_p95_ms() == 250.0
    assert total.images_per_s() == 4.0


def test_the_95th_percentile_is_the_nearest_rank(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    assert ledger.total.latency_p95_ms() is None
    for hundredths in range(1, 101):
        ledger.reserve(1)
        ledger.answered(1, hundredths / 100, {})
    assert ledger.total.latency_p95_ms() == 950.0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"account": {}}', '{"account": {"x": 1}, "reserved": 0}']
)
def test_a_damaged_account_is_not_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ledger.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"ledger\.json is damaged"):
        Ledger(path, budget_usd=1.0, price_per_1000=1.0)


def test_the_file_is_plain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    ledger = Ledger(path, price_per_1000=1.0)
    ledger.reserve(1)
    ledger.answered(1, 0.1, {})
    assert json.loads(path.read_text())["account"]["images"] == 1
