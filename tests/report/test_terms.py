"""Every name of a metric on the page opens its definition."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.report.html import environment
from pytest_prodbench.report.sections import METRICS
from pytest_prodbench.report.terms import Terms

from . import builders as b
from .four_sectors import four_sectors
from .test_html import page


@pytest.fixture(scope="module")
def terms() -> Terms:
    pairs = [b.pair("lite0", "parts", "diy", measurement=b.detailed())]
    return Terms.of(b.run(pairs, [b.model("lite0")], [b.dataset("parts", "diy")]))


def linked(terms: Terms, text: str) -> list[str]:
    return [piece for piece, place in terms.pieces(text) if place]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('lite0:parts: recall@1 0.42 >= 0.2 [x.toml: thresholds."recall@1"]', ["recall@1"]),
        ("eer 0.1, tar_far_1pct 0.2, auroc 0.3", ["eer", "tar_far_1pct", "auroc"]),
        ("product_recall@5 and recall@50", ["product_recall@5", "recall@50"]),
        ("recall@k by k", ["recall@k"]),
        ("mrr:parts, suites/mrr/sector.toml, mrr-2, my_mrr, mrr.toml", []),
        ("the rank, the margin of a query, the interval", []),
        ("recall is not recall@12345", []),
        ("no metric", []),
    ],
)
def test_names_in_a_sentence(terms, text, names):
    assert linked(terms, text) == names


def test_without_definitions_nothing_is_linked():
    record = b.run([], [], [], verdict="incomplete", definitions=[("a, b@k", ""), ("<i>@k", "")])
    assert Terms.of(record).pieces("recall@1 b@5 <i>@5") == [
        ("recall@1 ", None),
        ("b@5", "definition-1"),
        (" <i>@5", None),
    ]
    assert Terms.of(record.model_copy(update={"definitions": []})).pieces("a") == [("a", None)]


@given(st.text(alphabet="mr recal@1k_.:/5", max_size=40))
def test_no_letter_is_lost(text):
    pairs = [b.pair("lite0", "parts", "diy", measurement=b.detailed())]
    terms = Terms.of(b.run(pairs, [b.model("lite0")], [b.dataset("parts", "diy")]))
    assert "".join(piece for piece, _ in terms.pieces(text)) == text


class Labels(HTMLParser):
    """What stands in heads, captions and labels of a page, and whether a button or link holds it."""

    LABELS = frozenset(("th", "caption", "figcaption", "h3", "h4", "strong"))
    VOID = frozenset(("meta", "link", "img", "input", "br", "line", "circle", "path"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict]] = []
        self.found: list[tuple[str, str | None]] = []
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        if given.get("popovertarget"):
            self.targets.add(given["popovertarget"])
        if tag not in self.VOID:
            self.open.append((tag, given))

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        classes = {name for _, given in self.open for name in (given.get("class") or "").split()}
        tags = {tag for tag, _ in self.open}
        unseen = {"hidden", "about"} & classes or {"svg", "script", "style", "title"} & tags
        if unseen or not tags & self.LABELS:
            return
        opener = next((given for tag, given in self.open if tag == "button"), {})
        self.found.append((data.strip(), opener.get("popovertarget")))


def test_every_name_in_a_head_or_a_label_opens_its_definition(tmp_path):
    report = four_sectors(tmp_path)
    seen = Labels(page(report))
    names = {
        name
        for pair in report.record.pairs
        if pair.measurement
        for name in pair.measurement.metrics
    }
    titles = {title for _, title in METRICS} | names | {"recall@k"}
    pattern = re.compile(
        rf"(?<![\w@])({'|'.join(map(re.escape, sorted(titles, key=len, reverse=True)))})(?![\w@])"
    )
    named = [(text, target) for text, target in seen.found if pattern.search(text)]
    assert [text for text, target in named if target is None] == []
    assert {"R@1", "mAP@20", "recall@1", "recall@k", "eer"} <= {text for text, _ in named}
    assert seen.targets
    assert seen.targets <= seen.ids


def test_reasons_and_changes_name_their_metric(tmp_path):
    text = page(four_sectors(tmp_path))
    reasons = re.findall(r'<tr class="why">.*?</tr>', text, re.DOTALL)
    failed = [reason for reason in reasons if "must be at least" in reason]
    assert failed
    assert all(re.search(r'popovertarget="about-\d+">recall@1</button> is', one) for one in failed)


def test_on_a_page_without_definitions_names_are_words():
    macros = environment().get_template("macros.html").make_module({})
    assert macros.named("recall@1", "R@1") == "R@1"
    assert macros.told("recall@1 < 0.5") == "<bdi>recall@1 &lt; 0.5</bdi>"
