"""What unfolds below a pair, and the smallest drop beside its verdict."""

from __future__ import annotations

import pytest

from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b
from .four_sectors import four_sectors
from .test_html import Seen, page


def unfolded(tmp_path, **measured) -> str:
    """Text of a page with one pair, a blank between any two parts of it."""
    report = b.small_run(tmp_path, pair={"measurement": b.detailed(**measured)})
    return " ".join(" ".join(Seen(page(report)).parts).split())


def test_the_smallest_drop_stands_below_the_verdict_and_is_explained_once(tmp_path):
    text = Seen(page(four_sectors(tmp_path))).text
    assert text.count("drop seen 0.062") == 14  # of ten pairs, and on the cards of four sectors
    assert text.count("Drop seen 0.062, the largest of its pairs") == 4
    assert text.count("(power 80 %)") == 1


def test_the_largest_drop_stands_beside_the_verdict_of_sector_and_run(tmp_path):
    drops = {"one": 0.111, "two": 0.222, "three": None}
    pairs = [
        b.pair(
            name,
            "parts",
            "diy",
            measurement=b.measurement(metrics={"recall@1": b.metric(0.9, detectable=drop)}),
        )
        for name, drop in drops.items()
    ]
    lost = b.unmeasured("four", "boxes", "retail", "lost", "gone")
    record = b.run([*pairs, lost], [b.model(name) for name in drops], [b.dataset("parts", "diy")])
    text = " ".join(Seen(page(ReportInput(record, {}, tmp_path, tmp_path))).parts)
    text = " ".join(text.split())
    assert "drop seen 0.222 run 2026" in text
    assert "3 of 3 pairs accepted, drop seen 0.222; best" in text
    assert "Drop seen 0.222, the largest of its pairs. Owner: diy team" in text
    assert "0 of 1 pair accepted, drop seen –." in text
    assert "Drop seen –. Owner: retail team" in text


@pytest.mark.parametrize(("drop", "shown"), [(None, "–"), (0.31, "0.310"), (0.00001, "<0.001")])
def test_a_drop_is_a_number_or_nothing(tmp_path, drop, shown):
    text = unfolded(tmp_path, metrics={"recall@1": b.metric(0.9, detectable=drop)})
    assert f"✓ accept drop seen {shown} 0.900 [" in text


def test_a_pair_without_the_headline_says_nothing_of_a_drop(tmp_path):
    text = unfolded(tmp_path, metrics={"mrr": b.metric(0.9)})
    assert "drop seen –" in text


def test_a_column_is_headed_by_its_worst_and_best(tmp_path):
    text = unfolded(tmp_path)
    assert "By light R@1 worst: dim 0.710; best: daylight 0.930; spread 0.220 Value" in text


def test_values_that_are_all_alike_have_no_worst(tmp_path):
    alike = b.spread("light", worst="dim", best="dim", worst_value=1.0, best_value=1.0, spread=0.0)
    assert "R@1 is 1.000 for every value that is ranked" in unfolded(tmp_path, spreads=[alike])


def test_fewer_than_two_ranked_values_are_said(tmp_path):
    nobody = {"worst": None, "best": None, "worst_value": None, "best_value": None, "spread": None}
    text = unfolded(tmp_path, spreads=[b.spread("light", **nobody)], smallest_slice=500)
    assert "no two values have the 500 queries that it takes to be ranked" in text
    assert text.count("shown, not ranked: under 500 queries") == 3


def test_two_conditions_at_once_are_counted_and_the_worst_come_first(tmp_path):
    text = unfolded(tmp_path)
    assert "3 pairs of conditions occur in the queries; 1 has under 20 queries" in text
    assert "The others, lowest R@1 first:" in text
    first, second = text.index("front , light dim"), text.index("front , light daylight")
    assert first < second
    assert "light torch" not in text
    made = [b.crossing((f"v{n}", "dim"), 0.5) for n in range(12)]
    assert "The 10 worst of the other 12:" in unfolded(tmp_path / "b", crossings=made)


def test_small_crossings_alone_are_only_counted(tmp_path):
    made = [b.crossing(("a", str(n)), None, 3) for n in range(2)]
    text = unfolded(tmp_path, crossings=made)
    assert "2 pairs of conditions occur in the queries; each has under 20 queries" in text


def test_confused_products(tmp_path):
    text = unfolded(tmp_path)
    assert "31 pairs of products are confused at rank 1; 3 are listed" in text
    assert "A1 A2 yes 7 2 q/1.jpg q/2.jpg q/3.jpg" in text
    assert "A3 B9 no 3 0 q/9.jpg" in text
    assert "A4 A5 – 1 0" in text


def test_what_the_vectors_are_like(tmp_path):
    assert (
        "The vectors effective rank of the gallery 41.3 "
        "hubness (skewness of the first 10) 2.35 near identical (similarity ≥ 0.999) 0.018 of 1,000 "
        "looked at"
    ) in unfolded(tmp_path)


def test_facts_that_nobody_knows_are_nothing(tmp_path):
    facts = b.embedding(effective_rank=None, hubness=None, near_identical=None)
    assert (
        "effective rank of the gallery – hubness (skewness of the first 10) – near identical "
        "(similarity ≥ 0.999) – of 1,000 looked at"
    ) in unfolded(tmp_path, embedding=facts)


def test_all_numbers_with_their_intervals(tmp_path):
    text = unfolded(tmp_path)
    assert "All numbers 11 metrics" in text
    assert "recall@1 0.900 [0.875, 0.925] 400 90 0.062 Wilson" in text
    assert "mrr 0.900 [0.875, 0.925] 400 90 0.041 bootstrap, BCa" in text
    assert "median_rank 1.000 [0.975, 1.000] 400 90 – bootstrap, percentile" in text


def test_curves_say_what_they_assume(tmp_path):
    text = unfolded(tmp_path)
    assert "Extrapolated, not measured." in text
    assert "0.700 at 18,000 images (extrapolated)" in text


def test_a_bare_measurement_has_none_of_it(tmp_path):
    report = b.small_run(tmp_path, pair={"measurement": b.measurement(metrics={})})
    text = page(report)
    for absent in (
        "Two conditions",
        "Most confused",
        "The vectors",
        "All numbers",
    ):
        assert absent not in text
    assert "This dataset states no conditions." in text
    assert text.count('<figure class="chart') == 1  # the scores, which are in the table


def test_a_page_of_many_pairs_stays_small(tmp_path):
    pairs = [b.pair(f"m{n}", "parts", "diy", measurement=b.detailed()) for n in range(12)]
    record = b.run(pairs, [b.model(pair.model) for pair in pairs], [b.dataset("parts", "diy")])
    made = page(ReportInput(record, {}, tmp_path / "run", tmp_path))
    assert len(made) - len(Drawings().script()) < 900_000


def test_megabyte_ids_in_every_new_part_are_cut(tmp_path):
    text = "9" * 1_000_000
    measured = b.detailed(
        spreads=[b.spread("light", worst=text, best=text)],
        crossings=[b.crossing((text, text), 0.5, columns=(text, text))],
        confusions=[b.confusion(text, text, queries=[text])],
        curves={
            name: c.model_copy(update={"note": text, "x_label": text, "y_label": text})
            for name, c in b.curves().items()
        },
        metrics={"recall@1": b.metric(0.9), text: b.metric(0.5), "recall@" + text: b.metric(0.5)},
    )
    made = page(b.small_run(tmp_path, pair={"measurement": measured}))
    assert "9" * 2001 not in made
    assert len(made) - len(Drawings().script()) < 250_000
