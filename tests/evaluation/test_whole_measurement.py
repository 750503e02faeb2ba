"""Everything that a measurement holds, from vectors in to records out, against definitions in loops."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from constructed_search import DIMENSION, KS, NEAR, QUERIES, ConstructedSearch

from pytest_prodbench.metrics import Statistic, default_metrics, parse_metric
from pytest_prodbench.protocol import NO_RANK


@pytest.fixture(scope="module")
def search():
    return ConstructedSearch()


@pytest.fixture
def measured(search):
    return search.found.measurement


def value(name, ranking):
    metric, k = parse_metric(name, where="test")
    if isinstance(metric, Statistic):
        return float(metric.by_query(ranking, k)(np.ones((1, len(ranking.ranks))))[0])
    values = metric.per_query(ranking, k)
    return float(np.nanmean(values)) if (~np.isnan(values)).any() else math.nan


def test_ranks_ties_near_ties_and_exclusions(search, measured):
    known = search.ranking.ranks != NO_RANK
    assert search.found.ranks.tolist() == search.ranking.ranks.tolist()
    assert search.found.ranks_optimistic.tolist() == search.ranking.ranks_optimistic.tolist()
    assert search.ranking.ranks[known].tolist() == [1, 2, 2, 2, 2, 1, 1, 5, 1]
    assert measured.ties == 1
    # The exact tie is one as well.
    assert search.ranking.near_ties.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert search.found.ranking.near_ties.tolist() == search.ranking.near_ties.tolist()
    assert measured.near_ties == 3
    wider = search.expected(range(len(QUERIES)), near=100 * NEAR)
    assert wider.near_ties.tolist() == search.ranking.near_ties.tolist()
    assert measured.excluded == 1


def resolved(name, ranking):
    """A false accept rate of 1 / m takes m queries, or pairs, that could be accepted falsely."""
    one_in = 1000 if "01pct" in name else 100
    if name.startswith("dir_far"):
        return (ranking.ranks == NO_RANK).sum() >= one_in
    if name.startswith("tar_far"):
        pairs = ranking.verification
        return (pairs.alike if name.endswith("_alike") else ~pairs.genuine).sum() >= one_in
    return True


def test_each_metric_overall_and_by_condition(search, measured):
    parts = [(measured.metrics, search.ranking)]
    for light, metrics in measured.conditions["light"].items():
        rows = [i for i, of in enumerate(search.light) if of == light]
        parts.append((metrics, search.expected(rows)))
    assert len(parts) == 3
    for metrics, ranking in parts:
        wanted = {name: value(name, ranking) for name in default_metrics(KS)}
        wanted = {
            name: number
            for name, number in wanted.items()
            if not math.isnan(number) and resolved(name, ranking)
        }
        found = {name: metric.value for name, metric in metrics.items()}
        assert found == pytest.approx(wanted, abs=1e-9)
    assert len(measured.metrics) > 20
    (spread,) = [s for s in measured.spreads if s.metric == "recall@1"]
    by_light = measured.conditions["light"]
    assert (spread.column, spread.small) == ("light", ["dim", "sun"])
    assert (by_light["dim"]["recall@1"].n, by_light["sun"]["recall@1"].n) == (4, 5)


def test_every_curve_is_there_and_within_its_band(measured):
    growth = [f"growth of the catalog, recall@{k}" for k in KS]
    assert set(measured.curves) == {
        "cumulative match",
        *growth,
        *(f"{name} beyond the catalog" for name in growth),
        "open set: accepted",
        "open set: identified",
        "verification",
        "verification: look-alikes",
    }
    for name, curve in measured.curves.items():
        assert curve.low is not None, name
        assert curve.high is not None, name
        assert len(curve.x) == len(curve.y) == len(curve.low) == len(curve.high) > 0
        for low, y, high in zip(curve.low, curve.y, curve.high, strict=True):
            assert 0 <= low <= y <= high <= 1, name
            assert low < high, name


def test_the_match_curve_is_recall_at_each_k(search, measured):
    curve = measured.curves["cumulative match"]
    assert curve.x[:20] == list(range(1, 21))
    assert curve.x[-1] == len(search.shown)
    for k, y in zip(curve.x, curve.y, strict=True):
        assert y == pytest.approx(value(f"recall@{int(k)}", search.ranking), abs=1e-6)


@pytest.mark.parametrize("k", KS)
def test_the_curves_of_growth_end_in_recall_and_go_on_in_its_extrapolation(search, measured, k):
    curve = measured.curves[f"growth of the catalog, recall@{k}"]
    assert curve.x == [100, 120]
    ranking = search.ranking
    for size, y in zip(curve.x, curve.y, strict=True):
        shares = []
        for rank, mine, all_ in zip(
            ranking.ranks.tolist(),
            ranking.positives.tolist(),
            ranking.candidates.tolist(),
            strict=True,
        ):
            if rank != NO_RANK:
                others, better = all_ - mine, rank - 1
                drawn = min(int(size) - mine, others)
                ways = sum(
                    math.comb(better, x) * math.comb(others - better, drawn - x) for x in range(k)
                )
                shares.append(ways / math.comb(others, drawn))
        assert y == pytest.approx(sum(shares) / len(shares), abs=1e-6)
    assert curve.y[-1] == pytest.approx(measured.metrics[f"recall@{k}"].value, abs=1e-6)
    beyond = measured.curves[f"growth of the catalog, recall@{k} beyond the catalog"]
    assert beyond.x == [1200, 12000]
    for times, y in zip((10, 100), beyond.y, strict=True):
        assert y == pytest.approx(value(f"recall_{times}x@{k}", ranking), abs=1e-5)


def operating_points(scores, right, wrong, genuine):
    """(share of the wrong, share of the genuine) that reach each threshold and are right, from +inf down."""
    return [
        (
            sum(s >= t for s, w in zip(scores, wrong, strict=True) if w) / sum(wrong),
            sum(s >= t for s, r in zip(scores, right, strict=True) if r) / sum(genuine),
        )
        for t in [math.inf, *sorted(set(scores), reverse=True)]
    ]


def on_the_way(curve, points):
    """Whether each point of a curve is one of these, none comes before the one to its left, and both ends."""
    drawn = list(zip(curve.x, curve.y, strict=True))
    left = iter(points)
    for point in drawn:
        assert any(point == pytest.approx(other, abs=1e-6) for other in left), point
    assert drawn[0] == points[0] == (0.0, 0.0)
    assert drawn[-1] == pytest.approx(points[-1], abs=1e-6)


def test_the_curves_of_the_open_set(search, measured):
    scores = np.where(search.excluded, -9, search.scores).max(axis=1).tolist()
    known = (search.ranking.ranks != NO_RANK).tolist()
    unknown = [not one for one in known]
    first = (search.ranking.ranks == 1).tolist()
    accepted, identified = (measured.curves[f"open set: {n}"] for n in ("accepted", "identified"))
    on_the_way(accepted, operating_points(scores, known, unknown, known))
    on_the_way(identified, operating_points(scores, first, unknown, known))

    metrics = {name: found.value for name, found in measured.metrics.items()}
    steps, heights = np.diff(accepted.x), np.array(accepted.y)
    area = float((steps * (heights[1:] + heights[:-1])).sum() / 2)
    assert area == pytest.approx(metrics["auroc"], abs=1e-5)
    fpr95 = min(x for x, y in zip(accepted.x, accepted.y, strict=True) if y >= 0.95)
    assert fpr95 == pytest.approx(metrics["fpr95"], abs=1e-6)
    at_1_pct = max(y for x, y in zip(identified.x, identified.y, strict=True) if x <= 0.01)
    assert at_1_pct == pytest.approx(value("dir_far_1pct", search.ranking), abs=1e-6)
    assert "dir_far_1pct" not in metrics  # so few unknown queries draw a curve, and state no rate
    assert 0 < at_1_pct < identified.y[-1] < accepted.y[-1] == 1


@pytest.mark.parametrize("alike", [False, True], ids=["all", "look-alikes"])
def test_the_curves_of_verification(search, measured, alike):
    pairs = search.ranking.verification
    used = pairs.genuine | pairs.alike if alike else np.ones(len(pairs.rows), np.bool_)
    scores, genuine = pairs.scores[used].tolist(), pairs.genuine[used].tolist()
    wrong = [not one for one in genuine]
    curve = measured.curves["verification: look-alikes" if alike else "verification"]
    on_the_way(curve, operating_points(scores, genuine, wrong, genuine))
    at_1_pct = max(y for x, y in zip(curve.x, curve.y, strict=True) if x <= 0.01)
    name = "tar_far_1pct_alike" if alike else "tar_far_1pct"
    assert at_1_pct == pytest.approx(value(name, search.ranking), abs=1e-6)


def test_confusions_with_their_counts_and_queries(search, measured):
    ranking = search.ranking
    gaps = defaultdict(list)
    for i, rank in enumerate(ranking.ranks.tolist()):
        if 1 < rank < NO_RANK:
            gap = float(ranking.negative_scores[i]) - float(ranking.positive_scores[i])
            taken_for = search.shown[ranking.top_indices[i, 0]]
            gaps[search.asked[i], taken_for].append((-gap, f"query-{i}", gap == 0.0))
    found = {(c.product, c.taken_for): c for c in measured.confusions}
    assert found.keys() == gaps.keys() == {("a", "b"), ("c", "d"), ("e", "f"), ("b", "g")}
    assert measured.confused_pairs == 4
    for pair, queries in gaps.items():
        queries.sort()
        assert found[pair].count == len(queries)
        assert found[pair].queries == [name for _, name, _ in queries]
        assert found[pair].tied == sum(tied for _, _, tied in queries)
    assert found["a", "b"].queries == ["query-2", "query-1"]
    assert found["c", "d"].tied == 1
    assert [found[pair].same_family for pair in gaps] == [True, True, None, None]
    assert measured.confusions[0].product == "a"


def test_what_the_vectors_are_like(search, measured):
    gallery = search.unit[1].astype(np.float64)
    facts = measured.embedding
    assert (facts.dimension, facts.bytes_per_vector) == (DIMENSION, 4 * DIMENSION)
    eigenvalues = np.linalg.eigvalsh(np.cov(gallery.T))
    rank = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert facts.effective_rank == pytest.approx(rank, abs=1e-4)

    cosines = gallery @ gallery.T - 2 * np.eye(len(gallery))
    alike = (cosines.max(axis=1) >= facts.near_identical_from).tolist()
    assert [j for j, one in enumerate(alike) if one] == [3, 4, 5, 6]
    assert facts.near_identical == pytest.approx(4 / len(gallery), abs=1e-6)
    assert facts.near_identical_looked_at == len(gallery)

    times = np.zeros(len(gallery))
    for row in search.ranking.top_indices[:, :10]:
        times[row] += 1
    away = times - times.mean()
    skewness = (away**3).mean() / (away**2).mean() ** 1.5
    assert facts.hubness == pytest.approx(skewness, abs=1e-5)
