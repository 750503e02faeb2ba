from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.errors import printable
from pytest_prodbench.report.sections import sections
from pytest_prodbench.report.wording import cells, count, duration, figure, fit, line, short, wrap

from . import builders as b


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.000"), (0.99962, ">0.999"), (0.0, "0.000"), (0.0004, "<0.001"), (0.8996, "0.900")],
)
def test_only_perfect_looks_perfect(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00 s"), (59.96, "1 min 00 s"), (245, "4 min 05 s"), (7400, "2 h 03 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_counts():
    assert count(1204) == "1,204"
    assert count(1, "query", "queries") == "1 query"
    assert count(2, "query", "queries") == "2 queries"


def test_twelve_digits_of_a_digest():
    assert short("sha256:" + "0123456789abcdef" * 4) == "0123456789ab"
    assert short("") == ""


@given(st.text(st.characters(exclude_categories=())))
def test_legal_text_can_be_written_everywhere(text):
    import xml.etree.ElementTree as ET

    made = printable(text)
    made.encode("utf-8")
    element = ET.Element("a")
    element.text = made
    assert (ET.fromstring(ET.tostring(element)).text or "") == made
    assert "\n" not in line(text)


@given(st.text(), st.integers(0, 40), st.integers(1, 5))
def test_fitted_and_wrapped_text_keeps_its_bounds(text, width, most):
    assert cells(fit(text, width)) <= width
    lines = wrap(text, width, most)
    assert len(lines) <= most
    assert all(cells(part) <= width for part in lines)


def test_names_with_colons_find_their_dataset():
    record = b.run(
        [],
        [],
        [b.dataset("x:y", "diy"), b.dataset("y", "retail")],
        planned=["m:x:y", "m:1:y"],
        selected=[],
        sectors={"diy": "accept", "retail": "accept"},
    )
    found = {
        pair.name: (pair.model, pair.dataset, s.name) for s in sections(record) for pair in s.pairs
    }
    assert found == {"m:x:y": ("m", "x:y", "diy"), "m:1:y": ("m:1", "y", "retail")}


def test_pairs_of_an_unknown_sector_are_still_shown():
    record = b.run([], [], [], planned=["m:gone"], selected=["m:gone"])
    (section,) = sections(record)
    assert (section.name, section.verdict, section.pairs[0].status) == ("", "incomplete", "lost")
