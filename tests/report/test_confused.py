"""Which pictures stand beside a confused pair of products."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.report.confused import CONFUSED_SHOWN, PICTURES, confused
from pytest_prodbench.report.gallery import QUERIES_SHOWN, RESULTS_SHOWN
from pytest_prodbench.report.page import PAGE_THUMBNAILS, build, shares

from . import builders as b


def row(query: str, product: str, results: list[tuple[str, str]], **changes) -> dict:
    """A query with (product, image) as results."""
    return b.row(
        query,
        product,
        changes.pop("rank", 4),
        top_products=[name for name, _ in results],
        top_images=[image for _, image in results],
        top_scores=[0.9] * len(results),
        top_relevant=[name == product for name, _ in results],
        **changes,
    )


def test_all_three_come_from_the_example_where_its_list_has_them():
    rows = [
        row(
            "q/1.jpg",
            "A",
            [("B", "b-side.jpg"), ("B", "b.jpg"), ("A", "a-top.jpg"), ("A", "a.jpg")],
        ),
        row("q/2.jpg", "A", [("B", "0.jpg"), ("A", "1.jpg")]),
    ]
    (one,) = confused(b.table(rows), [b.confusion("A", "B", queries=["q/1.jpg", "q/2.jpg"])])
    assert (one.query, one.right, one.wrong) == ("q/1.jpg", "a-top.jpg", "b-side.jpg")
    assert (one.family, one.rank) == ("valve", 4)
    assert one.of.count == 3


def test_a_right_product_that_is_not_in_the_list_is_looked_for_in_others():
    rows = [
        row("q/1.jpg", "A", [("B", "b.jpg"), ("C", "c.jpg")]),
        row("q/8.jpg", "C", [("A", "a-2.jpg"), ("C", "c.jpg")]),
        row("q/9.jpg", "C", [("C", "c.jpg"), ("A", "a-1.jpg")]),
    ]
    (one,) = confused(b.table(rows), [b.confusion("A", "B", queries=["q/1.jpg"])])
    assert (one.right, one.wrong) == ("a-1.jpg", "b.jpg")


def test_what_no_list_shows_is_none():
    rows = [row("q/1.jpg", "A", [("C", "c.jpg")])]
    (one,) = confused(b.table(rows), [b.confusion("A", "B", queries=["q/1.jpg"])])
    assert (one.query, one.right, one.wrong) == ("q/1.jpg", None, None)


def test_an_example_that_the_table_does_not_have_is_passed_over():
    rows = [row("q/2.jpg", "A", [("B", "b.jpg")], family=None)]
    (one,) = confused(b.table(rows), [b.confusion("A", "B", queries=["gone.jpg", "q/2.jpg"])])
    assert (one.query, one.family) == ("q/2.jpg", "")
    (none,) = confused(b.table(rows), [b.confusion("A", "B", queries=["gone.jpg"])])
    assert (none.query, none.rank, none.right, none.wrong) == ("", None, None, "b.jpg")


def test_no_more_than_the_limit_in_the_order_given():
    rows = [row("q/1.jpg", "A", [("B", "b.jpg")])]
    several = [b.confusion(f"P{n}", "B", queries=["q/1.jpg"]) for n in range(9)]
    shown = confused(b.table(rows), several, 4)
    assert [one.of.product for one in shown] == ["P0", "P1", "P2", "P3"]
    assert confused(b.table(rows), [], 4) == ()
    assert confused(b.table([]), several, 4) == ()


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rng: random.Random):
    products = "ABCD"
    rows = []
    for number in range(12):
        results = [(p, f"{p}-{rng.randrange(3)}.jpg") for p in rng.choices(products, k=3)]
        # Two rows of one photo, as where it shows two products.
        query = f"q/{number % 10}.jpg"
        rows.append(
            row(query, rng.choice(products), results, content=f"{number:064d}", rank=number + 2)
        )
    asked = [
        b.confusion(p, other, queries=[f"q/{n}.jpg" for n in range(10)])
        for p in products
        for other in products
        if p != other
    ]
    first = confused(b.table(rows), asked, 12)
    rng.shuffle(rows)
    assert confused(b.table(rows), asked, 12) == first


@pytest.mark.parametrize("tables", [0, 1, 3, 16, 40, 100])
def test_all_photos_of_a_page_have_one_bound(tables):
    queries, pairs = shares(tables)
    assert 2 <= queries <= QUERIES_SHOWN
    assert 1 <= pairs <= CONFUSED_SHOWN
    assert tables * (queries * (1 + RESULTS_SHOWN) + pairs * PICTURES) <= PAGE_THUMBNAILS


def test_a_page_takes_its_share_of_each(tmp_path):
    pairs = [b.pair(f"m{n}", "parts", "diy", measurement=b.detailed()) for n in range(16)]
    record = b.run(pairs, [b.model(pair.model) for pair in pairs], [b.dataset("parts", "diy")])
    rows = b.table([b.row(f"q/{n}.jpg", "A", 5 + n) for n in range(50)])
    page = build(record, {pair.name: rows for pair in pairs})
    views = [row for view in page.sectors for row in view.pairs]
    photos = [
        len(v.gallery.shots) * (1 + RESULTS_SHOWN) + len(v.confused) * PICTURES for v in views
    ]
    assert len(set(photos)) == 1
    assert sum(photos) <= PAGE_THUMBNAILS
    assert all(len(view.confused) == 3 for view in views)  # all that are listed
