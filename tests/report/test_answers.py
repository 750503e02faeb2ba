"""The three answers against numbers worked out by hand, and on the page."""

from __future__ import annotations

import math

import pytest

from pytest_prodbench.evidence.comparison import Change, Contest
from pytest_prodbench.report.answers import answers
from pytest_prodbench.report.html import write_html
from pytest_prodbench.report.markdown import write_markdown
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b


def change(value, low, high):
    """The domain model is better by ``value``: a drop below zero."""
    drop = b.metric(0.5).model_copy(
        update={"value": -value, "low": -high, "high": -low, "method": "adjusted"}
    )
    return Change(before=0.6, after=0.6 + value, drop=drop, only_before=3, only_after=11)


def conditions(dim, bright):
    slices = {
        "dim": {"recall@1": b.metric(dim)},
        "bright": {"recall@1": b.metric(bright, half=0.04)},
    }
    apart = b.spread(
        "light", worst="dim", best="bright", worst_value=dim, best_value=bright, spread=bright - dim
    )
    return {"conditions": {"light": slices}, "spreads": [apart]}


def record(*, domain=True, contests=()):
    values = {("lite0", "parts"): 0.6, ("lite1", "parts"): 0.7, ("lite0", "cans"): 0.8,
              ("lite1", "cans"): 0.75}  # fmt: skip
    if domain:
        values |= {("ours", "parts"): 0.9, ("ours", "cans"): 0.5}
    pairs = [
        b.pair(m, d, "diy" if d == "parts" else "retail",
               measurement=b.measurement(v, **(conditions(v - 0.2, v) if d == "parts" else {})))
        for (m, d), v in values.items()
    ]  # fmt: skip
    models = [b.model("lite0"), b.model("lite1"), b.model("ours", family="domain")]
    datasets = [b.dataset("parts", "diy"), b.dataset("cans", "retail")]
    return b.run(pairs, models, datasets, contests=list(contests))


CONTESTS = [
    Contest(
        model="ours", other="lite1", dataset="parts", changes={"recall@1": change(0.2, 0.1, 0.3)}
    ),
    Contest(
        model="ours", other="lite0", dataset="cans", changes={"recall@1": change(-0.3, -0.4, -0.2)}
    ),
]


def test_the_best_general_model_of_each_dataset():
    told = answers(record())
    assert [(t.dataset, t.model, t.identical.value) for t in told.transfer] == [
        ("cans", "lite0", 0.8),
        ("parts", "lite1", 0.7),
    ]
    assert [t.kind.value for t in told.transfer] == pytest.approx([0.88, 0.78])
    assert told.transferred == (
        "the identical product first for 70 to 80 % of the photos, one of its family for 78 to 88 %"
    )


def test_the_domain_model_is_better_worse_or_not_told_apart():
    told = answers(record(contests=CONTESTS))
    assert [(lead.dataset, lead.general, lead.proven) for lead in told.leads] == [
        ("cans", "lite0", "worse"),
        ("parts", "lite1", "better"),
    ]
    assert (told.leads[1].lead.value, told.leads[1].lead.low, told.leads[1].lead.high) == (
        0.2,
        0.1,
        0.3,
    )
    assert told.compared == "proven better on 1 of 2, worse on 1"
    untold = answers(record())  # nobody compared them
    assert [lead.proven for lead in untold.leads] == ["open", "open"]
    assert untold.compared == "proven better on 0 of 2, not told apart on 2"


def test_costs_are_read_off_the_best_model():
    told = answers(record())
    assert told.models == (("cans", "lite0"), ("parts", "ours"))
    (row,) = told.costs
    assert (row.column, row.cells[0]) == ("light", None)
    cost = row.cells[1]
    assert (cost.best, cost.worst, cost.value) == ("bright", "dim", pytest.approx(0.2))
    # bright 0.9 ± 0.04, dim 0.7 ± 0.025
    arm = math.hypot(0.04, 0.025)
    assert (cost.low, cost.high) == (pytest.approx(0.2 - arm), pytest.approx(0.2 + arm))
    assert told.costly == "light 0.20"


def test_that_no_domain_model_was_measured_is_said(tmp_path):
    made = ReportInput(record(domain=False), {}, tmp_path, tmp_path)
    assert "No model of family <code>domain</code> was measured." in write_html(made).read_text(
        "utf-8"
    )


def test_nothing_to_say_is_said_by_nothing(tmp_path):
    empty = b.run([], [], [])
    told = answers(empty)
    assert (told.transfer, told.leads, told.costs) == ((), (), ())
    assert (told.transferred, told.compared, told.costly) == ("", "", "")
    page = write_html(ReportInput(empty, {}, tmp_path, tmp_path)).read_text("utf-8")
    assert 'id="answers"' not in page
    assert "Conditions" not in write_markdown(ReportInput(empty, {}, tmp_path, tmp_path)).read_text(
        "utf-8"
    )


def test_on_the_page_and_in_the_summary(tmp_path):
    made = ReportInput(record(contests=CONTESTS), {}, tmp_path, tmp_path)
    page = write_html(made).read_text("utf-8")
    section = page[page.index('id="answers"') : page.index('class="sector"')]
    for said in ("proven better on 1 of 2", "+0.200", "[+0.100, +0.300]", "<bdi>bright</bdi>"):
        assert said in section
    summary = write_markdown(made).read_text("utf-8")
    assert (
        "**Domain model against the best general one**: proven better on 1 of 2, worse on 1."
        in summary
    )
