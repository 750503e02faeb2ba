"""Every link of the documentation leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from docs_reading import PAGES, ROOT, anchor, headings, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in links(page):
        if target.startswith("https://"):
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or not found.is_relative_to(ROOT):
            broken.append(f"{target}: no such file")
        elif fragment and fragment not in map(anchor, headings(found)):
            broken.append(f"{target}: no such heading in {found.name}")
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_one_title_a_page(page: Path) -> None:
    titles = [
        line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("# ")
    ]
    assert headings(page)[0] == titles[0].removeprefix("# ")


def test_the_guides_are_all_reached_from_another_page() -> None:
    reached = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in links(page)
        if not target.startswith("https://")
    }
    # Whoever wonders about a dependency looks into the folder; everything else is on somebody's way.
    alone = set((ROOT / "docs").glob("*.md")) - reached
    assert alone <= {ROOT / "docs/dependencies.md", ROOT / "docs/quick-start.md"}
