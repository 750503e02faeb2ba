"""One row a query: ids as they are, null where there is nothing, the same bytes every time."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
from evidence_builders import ranked, table
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.evidence.queries import query_table, read_parquet, to_parquet
from pytest_prodbench.protocol import NO_RANK

IDS = ["007", "7", "4006381333931", "größe-✂", "a b"]


def rows(queries, gallery, ranking, contents=None):
    found = query_table(queries, gallery, ranking, contents or ["00"] * len(queries))
    return found, found.to_pylist()


def test_ids_are_texts_and_stay_what_they_are(tmp_path):
    queries, gallery = table(IDS), table(IDS[::-1])
    found, listed = rows(queries, gallery, ranked(queries, gallery, top=5))
    (tmp_path / "q.parquet").write_bytes(to_parquet(found))
    assert read_parquet(tmp_path / "q.parquet").to_pylist() == listed
    assert [row["product_id"] for row in listed] == IDS
    assert found.schema.field("product_id").type == pa.string()
    for row in listed:
        assert sorted(row["top_products"]) == sorted(IDS)
        i = row["rank"] - 1
        assert row["top_products"][i] == row["product_id"]
        assert row["top_relevant"] == [j == i for j in range(5)]
        assert math.isclose(row["top_scores"][i], row["positive_score"], rel_tol=1e-6)


def test_an_absent_product_is_null_and_not_a_number():
    queries, gallery = table(["a", "gone"]), table(["a", "b"])
    ranking = ranked(queries, gallery)
    assert ranking.ranks[1] == NO_RANK
    _, (there, absent) = rows(queries, gallery, ranking)
    for column in ("rank", "rank_optimistic", "product_rank", "positive_score"):
        assert absent[column] is None
        assert there[column] is not None
    assert absent["positives"] == 0
    assert absent["negative_score"] is not None
    assert absent["family_rank"] is None
    assert absent["top_relevant"] == [False, False]


def test_no_negative_is_null():
    queries, gallery = table(["a"]), table(["a", "a"])
    _, (row,) = rows(queries, gallery, ranked(queries, gallery))
    assert row["negative_score"] is None
    assert row["rank"] == 1


def test_lists_are_as_long_as_there_are_candidates():
    queries, gallery = table(["a"]), table(["a", "b"])
    _, (row,) = rows(queries, gallery, ranked(queries, gallery, top=20))
    lists = ("top_images", "top_products", "top_scores", "top_relevant")
    assert {len(row[name]) for name in lists} == {2}


def test_conditions_and_families():
    queries = table(
        ["a", "b"],
        families=("x", ""),
        conditions={"light": ("dim", ""), "rank": ("1", "2"), "ähnlich": ("ja", "nein")},
    )
    gallery = table(["a", "b"])
    _, (first, second) = rows(queries, gallery, ranked(queries, gallery), ["aa", "bb"])
    assert (first["condition.light"], second["condition.light"]) == ("dim", "")
    assert first["condition.rank"] == "1"
    assert first["condition.ähnlich"] == "ja"
    assert (first["family"], second["family"]) == ("x", "")
    assert (first["content"], second["content"]) == ("aa", "bb")


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(ids, min_size=1, max_size=5), st.lists(ids, min_size=1, max_size=6), st.integers(0, 99)
)
def test_every_table_is_written_to_the_same_bytes_and_read_back(
    tmp_path_factory, asked, there, seed
):
    queries, gallery = table(asked), table(there)
    first, listed = rows(queries, gallery, ranked(queries, gallery, seed=seed))
    second, _ = rows(queries, gallery, ranked(queries, gallery, seed=seed))
    data = to_parquet(first)
    assert to_parquet(second) == data
    path = tmp_path_factory.mktemp("parquet") / "q.parquet"
    path.write_bytes(data)
    again = read_parquet(path)
    assert again.schema == first.schema
    assert again.to_pylist() == listed


def test_no_numpy_type_survives():
    queries, gallery = table(["a"]), table(["a", "b"])
    _, (row,) = rows(queries, gallery, ranked(queries, gallery))
    assert not any(isinstance(cell, np.generic) for cell in row.values())
