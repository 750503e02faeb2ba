"""Two results side by side: what is joined with what, what is said, and what the page shows."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest

from pytest_prodbench.errors import EvidenceError, SettingsError
from pytest_prodbench.evaluation.against import Result
from pytest_prodbench.evaluation.paired import Resampling
from pytest_prodbench.evaluation.two_runs import compare_results, of_model
from pytest_prodbench.metrics.comparison import holm, mcnemar_exact
from pytest_prodbench.report.compare_page import PICTURED, comparison_lines, write_comparison
from pytest_prodbench.report.html import page_script

from . import builders as b

SURE = Resampling(resamples=100, seed=0, smallest_slice=20)
EVIL = "<script>alert(1)</script>\u202e&\"'"


def result(model, ranks, digest="d", name="q", product="A", **row):
    """A result whose n-th query has the n-th rank; photos and products are the same in every one."""
    rows = [
        b.row(f"{name}/{n:03}.jpg", f"{product}{n}", rank, content=f"{n:064x}", **row)
        for n, rank in enumerate(ranks)
    ]
    about = b.dataset("bolts", "diy", root=".", content_digest=digest)
    return Result(b.model(model), about, 3, {"recall": 1, "mrr": 1, "map": 1}, b.table(rows))


def side(*results, dataset="bolts", sector="diy"):
    named = {"name": dataset, "sector": sector}
    return {
        (one.model.name, dataset): replace(one, dataset=one.dataset.model_copy(update=named))
        for one in results
    }


def compare(before, after, **more):
    return compare_results(before, after, SURE, **more)


def test_one_model_on_each_side_whatever_their_names():
    (pair,) = compare(side(result("old", [1, 2, 1])), side(result("new", [1, 1, 3])))
    assert (pair.before.model.name, pair.after.model.name) == ("old", "new")
    change = pair.comparison.changes["recall@1"]
    assert (change.only_before, change.only_after) == (1, 1)
    assert pair.comparison.newly_failing == ["q/002.jpg"]
    assert pair.comparison.newly_right == ["q/001.jpg"]


def test_several_models_by_name():
    old = side(result("a", [1, 1]), result("b", [1, 1]), result("gone", [1, 1]))
    new = side(result("b", [1, 2]), result("a", [2, 2]), result("fresh", [1, 1]))
    found = compare(old, new)
    assert [(p.before.model.name, p.after.model.name) for p in found] == [("a", "a"), ("b", "b")]


def test_datasets_by_name_in_the_order_of_sectors():
    old = side(result("a", [1])) | side(result("a", [1]), dataset="nuts", sector="auto")
    new = side(result("a", [1]), dataset="nuts", sector="auto") | side(result("a", [2]))
    assert [pair.after.dataset.name for pair in compare(old, new)] == ["nuts", "bolts"]


def test_nothing_in_common():
    with pytest.raises(EvidenceError, match="nothing in common") as caught:
        compare(side(result("a", [1])), side(result("a", [1]), dataset="nuts"))
    assert "a:bolts" in str(caught.value)
    assert "a:nuts" in str(caught.value)


def test_one_of_several_models_may_be_named():
    several = side(result("a", [1]), result("b", [2]))
    assert set(of_model(several, "b", "--after")) == {("b", "bolts")}
    assert of_model(several, None, "--after") == several
    with pytest.raises(SettingsError, match="expected one of a, b"):
        of_model(several, "c", "--after")


def test_p_values_are_corrected_for_the_number_of_comparisons():
    first, second = [1] * 30, [1] * 20 + [5] * 10
    old = side(result("a", first)) | side(result("a", first), dataset="nuts")
    new = side(result("a", second)) | side(result("a", first), dataset="nuts")
    found = compare(old, new)
    hits = [[float(rank == 1) for rank in ranks] for ranks in (first, second)]
    plain = [mcnemar_exact(hits[0], hits[1]).p_value, 1.0]
    assert [pair.adjusted_p for pair in found] == pytest.approx(holm(plain))


def test_a_changed_dataset_is_compared_only_if_asked():
    old, new = side(result("a", [1, 1, 1])), side(result("a", [1, 2], digest="e"))
    (pair,) = compare(old, new)
    assert pair.comparison.refused
    assert pair.adjusted_p is None
    said = "\n".join(comparison_lines([pair]))
    assert "not comparable: the content of the dataset changed" in said
    assert "recall@1  " not in said
    (pair,) = compare(old, new, rebase=True)
    assert pair.comparison.queries == 2
    assert "compared although the content of the dataset changed" in "\n".join(
        comparison_lines([pair])
    )


def test_what_the_terminal_says():
    lines = comparison_lines(
        compare(side(result("old", [1] * 25)), side(result("new", [1] * 18 + [7] * 7)))
    )
    said = "\n".join(lines)
    assert "diy: bolts: old → new" in said
    assert re.search(r"recall@1 +1\.0000 → 0\.7200 +-0\.2800 \(95 % ", said)
    assert "7 newly failing, 0 newly right, McNemar p = 0.0156" in said
    assert "light = daylight: -0.2800" in said
    assert said.count("  newly failing: q/") == 5
    assert "  newly failing: … 2 more" in said


def test_names_of_others_cannot_write_over_the_terminal():
    evil = result("a", [1, 1], name="\x1b[2J\nq")
    (pair,) = compare(side(evil), side(result("a", [1, 2], name="\x1b[2J\nq")))
    said = "\n".join(comparison_lines([pair]))
    assert "\x1b" not in said
    assert "[2J" in said


@pytest.fixture
def page(tmp_path):
    before = result(EVIL, [1] * 40, name=EVIL, product=EVIL, **{f"condition.{EVIL}": EVIL})
    after = result(
        EVIL, [1] * 10 + [7] * 30, name=EVIL, product=EVIL, **{f"condition.{EVIL}": EVIL}
    )
    pairs = compare(
        side(before, dataset="<b>", sector=EVIL), side(after, dataset="<b>", sector=EVIL)
    )
    path = write_comparison(pairs, tmp_path / "deep" / "changes.html", tmp_path)
    return path.read_text(encoding="utf-8")


def test_the_page_escapes_whatever_it_shows(page):
    assert page.count("<script") == 1  # what sorts and filters; nothing of the data is in it
    assert f"<script>{page_script()}</script>" in page
    assert "<b>" not in page.replace("<bdi>", "")
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in html.unescape(page)
    assert "http" not in page.replace("http-equiv", "")


def test_the_page_shows_some_and_says_of_how_many(page):
    assert f"{PICTURED} of 30 shown" in page
    assert page.count('class="shot"') == PICTURED
    assert page.count("rank 7") == PICTURED
    assert "None." in page, "nothing is newly right"
