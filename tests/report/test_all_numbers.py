from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.protocol import DEFINITIONS
from pytest_prodbench.report.all_numbers import all_numbers, anchors

from . import builders as b


def names(*metrics: str) -> list[str]:
    terms = anchors(DEFINITIONS)
    return [n.name for n in all_numbers({m: b.metric(0.5) for m in metrics}, terms)]


def test_in_the_order_of_the_definitions_and_by_k():
    assert names("mrr", "tar_far_1pct", "recall@10", "zz", "map@20", "recall@5", "aa") == [
        "recall@5",
        "recall@10",
        "map@20",
        "mrr",
        "tar_far_1pct",
        "aa",
        "zz",
    ]


@pytest.mark.parametrize(
    ("metric", "term"),
    [
        ("recall@5", "recall@k"),
        ("mrr", "mrr"),
        ("tar_far_01pct", "tar_far_1pct, tar_far_01pct"),
        ("recall_100x@1", "recall_10x@k, recall_100x@k"),
    ],
)
def test_a_metric_is_linked_to_its_definition(metric, term):
    (number,) = all_numbers({metric: b.metric(0.5)}, anchors(DEFINITIONS))
    place = int(number.anchor.removeprefix("definition-"))
    assert DEFINITIONS[place - 1][0] == term


def test_a_metric_that_the_page_does_not_define_has_no_link():
    assert [n.anchor for n in all_numbers({"mrr": b.metric(0.5)}, {})] == [None]
    (number,) = all_numbers({"x@5": b.metric(0.5)}, anchors([("x", "of another form")]))
    assert number.anchor is None


def test_a_term_that_is_defined_twice_is_linked_to_the_first():
    assert anchors([("a, b", ""), ("b", "")]) == {"a": "definition-1", "b": "definition-1"}


@pytest.mark.parametrize(
    ("method", "said"),
    [("wilson", "Wilson"), ("bca", "bootstrap, BCa"), ("percentile", "bootstrap, percentile")],
)
def test_the_method_in_words(method, said):
    (number,) = all_numbers({"mrr": b.metric(0.5, method=method)}, {})
    assert number.method == said


@given(st.sets(st.text() | st.from_regex(r"recall@[0-9²]{1,6000}", fullmatch=True)))
def test_any_names_are_all_there(made):
    assert set(names(*made)) == made
