"""Each rule of the doctor on a few drawn photos: what it says, what it leaves alone, and its number."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pytest_prodbench.doctor.examination import Demands, Examination, examine
from pytest_prodbench.doctor.finding import Finding
from pytest_prodbench.doctor.pairs import close_hashes
from pytest_prodbench.doctor.subject import open_subject
from pytest_prodbench.doctor.waivers import WaivedFinding, read_waivers
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.policy import Rule
from pytest_prodbench.settings.types import DatasetSpec, RunSettings

TODAY = dt.date(2026, 3, 1)


def photo(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    soft = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(6))
    values = np.asarray(soft, np.float32)
    values = (values - values.min()) / (values.max() - values.min()) * 255
    return Image.fromarray(values.astype(np.uint8))


class Catalog:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[str] = []

    def add(
        self, role: str, product: str, image: Image.Image | None, name: str = "", rest: str = ",,"
    ) -> str:
        name = name or f"{len(self.lines)}.png"
        if image is not None:
            image.save(self.root / name)
        self.lines.append(f'{name},"{product}",{role}{rest}')
        return name

    def examine(self, **options: object) -> Examination:
        path = self.root / "manifest.csv"
        text = "\n".join(["image,product_id,role,group,light", *self.lines]) + "\n"
        path.write_text(text, encoding="utf-8")
        open_set = bool(options.pop("open_set", False))
        spec = DatasetSpec(name="bolts", layout="manifest", path=path, open_set=open_set)
        return examine(open_subject(spec), RunSettings(), today=TODAY, **options)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Three products with a query and a catalog image each, all of them in order."""
    found = Catalog(tmp_path)
    for n in range(3):
        found.add("gallery", f"P{n}", photo(2 * n))
        found.add("query", f"P{n}", photo(2 * n + 1))
    return found


def kinds(found: Examination) -> list[str]:
    return [finding.kind for finding in found.findings]


def only(found: Examination) -> Finding:
    assert len(found.findings) == 1, kinds(found)
    return found.findings[0]


def test_a_catalog_in_order_has_no_finding(catalog: Catalog) -> None:
    assert catalog.examine().findings == ()


def test_a_row_that_cannot_be_read_is_named_with_its_line(catalog: Catalog) -> None:
    catalog.add("galery", "P9", photo(50))
    finding = only(catalog.examine())
    assert finding.kind == "bad-row"
    assert "line 8" in finding.told
    assert "galery" in finding.told
    # Another row before it does not make it another finding.
    before = finding.id
    catalog.lines.insert(0, catalog.lines.pop())
    assert only(catalog.examine()).id == before


@pytest.mark.parametrize(
    ("ids", "difference"),
    [
        (("p0", "P0"), "case"),
        (("P 0", "P0"), "white space"),
        (("P00", "P0"), "leading zeros"),
        (("Ｐ0", "P0"), "Unicode form"),
        (("p00", "P0"), "case and leading zeros"),
    ],
)
def test_ids_that_a_person_would_call_the_same(
    catalog: Catalog, ids: tuple[str, str], difference: str
) -> None:
    catalog.add("query", ids[0], photo(40))
    found = [f for f in catalog.examine(open_set=True).findings if f.kind == "alike-ids"]
    assert len(found) == 1
    assert f"differ by {difference} alone" in found[0].told
    assert found[0].subject == tuple(sorted(ids))
    assert {(edit.column, edit.value) for edit in found[0].edits} == {("product_id", "P0")}
    assert not found[0].safe


@pytest.mark.parametrize("ids", [("1.05", "1.5"), ("10", "1"), ("A-1", "A1"), ("0,5", "0,05")])
def test_ids_that_are_two_are_left_alone(catalog: Catalog, ids: tuple[str, str]) -> None:
    for n, product in enumerate(ids):
        catalog.add("gallery", product, photo(40 + n))
    assert "alike-ids" not in kinds(catalog.examine())


def test_one_file_under_two_ids(catalog: Catalog) -> None:
    catalog.lines.append("0.png,P1,gallery,,")
    finding = only(catalog.examine())
    assert finding.kind == "two-products"
    assert finding.numbers == {"products": 2, "rows": 2, "files": 1}
    assert [edit.number for edit in finding.edits] == [8]
    assert not finding.safe


def test_equal_pixels_in_another_format_under_two_ids(catalog: Catalog) -> None:
    catalog.add("query", "P1", photo(0), "copy.bmp")
    assert kinds(catalog.examine()) == ["two-products"]


def test_the_query_itself_in_the_gallery_is_a_note_for_exclusion_takes_it_out(
    catalog: Catalog,
) -> None:
    catalog.add("gallery", "P0", photo(1), "same.bmp")
    finding = only(catalog.examine())
    assert (finding.kind, finding.severity, finding.edits) == ("same-pixels", "note", ())
    assert "exclusion takes out" in finding.told


def test_a_query_whose_only_positive_is_itself_has_none(catalog: Catalog) -> None:
    catalog.add("query", "P3", photo(20))
    catalog.add("gallery", "P3", photo(20), "same.bmp")
    found = catalog.examine()
    assert kinds(found) == ["no-positive", "same-pixels"]
    assert "its 1 gallery image is its own file, pixels" in found.findings[0].told


def test_a_query_of_an_absent_product_is_meant_in_an_open_set(catalog: Catalog) -> None:
    catalog.add("query", "P9", photo(20))
    assert kinds(catalog.examine()) == ["no-positive"]
    assert kinds(catalog.examine(open_set=True)) == []


def test_a_query_encoded_again_in_the_gallery_is_a_leak(catalog: Catalog) -> None:
    catalog.add("gallery", "P0", photo(1).resize((120, 120)), "small.jpg")
    finding = only(catalog.examine())
    assert finding.kind == "leak"
    assert "resized: 160 x 160 and 120 x 120" in finding.told
    assert 0 < finding.numbers["grey levels left"] < 4.5
    assert {edit.column for edit in finding.edits} == {"group"}
    assert finding.safe


def test_a_leak_that_an_exclusion_group_keeps_apart_is_none(catalog: Catalog) -> None:
    catalog.lines[1] = catalog.lines[1].replace("query,,", "query,g1,")
    catalog.add("gallery", "P0", photo(1).resize((120, 120)), "small.jpg", rest=",g1,")
    assert kinds(catalog.examine()) == []


def test_one_photo_encoded_again_as_another_product(catalog: Catalog) -> None:
    catalog.add("gallery", "P1", photo(0), "again.jpg")
    finding = only(catalog.examine())
    assert finding.kind == "near-duplicate"
    assert {row.product_id for row in finding.rows} == {"P0", "P1"}
    assert not finding.safe


def test_a_product_that_differs_in_one_place_is_another(catalog: Catalog) -> None:
    changed = photo(0)
    changed.paste((250, 250, 250), (20, 20, 40, 40))
    catalog.add("gallery", "P1", changed, "sibling.jpg")
    assert kinds(catalog.examine()) == []


def test_pictures_without_a_product(catalog: Catalog) -> None:
    catalog.add("gallery", "P0", photo(30).resize((31, 90)))
    catalog.add("gallery", "P0", Image.new("RGB", (90, 90), "white"))
    name = catalog.add("gallery", "P0", photo(31), "cut.png")
    path = catalog.root / name
    path.write_bytes(path.read_bytes()[:2000])
    catalog.add("gallery", "P0", None, "nowhere.png")
    found = {finding.kind: finding for finding in catalog.examine().findings}
    assert sorted(finding.kind for finding in catalog.examine().findings) == [
        "blank", "tiny", "unreadable", "unreadable",
    ]  # fmt: skip
    assert "31 x 90" in found["tiny"].told
    assert "line 8" in found["tiny"].told
    assert found["unreadable"].safe
    assert not found["blank"].safe


def test_rows_that_repeat(catalog: Catalog) -> None:
    catalog.lines.append(catalog.lines[0])
    finding = only(catalog.examine())
    assert (finding.kind, finding.safe) == ("repeated-row", True)
    assert [edit.number for edit in finding.edits] == [8]


def test_products_with_one_image_are_one_note(catalog: Catalog) -> None:
    for n in range(3):
        catalog.add("gallery", f"Q{n}", photo(60 + n))
    finding = only(catalog.examine())
    assert (finding.kind, finding.severity) == ("single-image", "note")
    assert finding.numbers == {"products": 3, "share": 0.5}


def rule(**options: object) -> Rule:
    return Rule(**{"metric": "recall@1", "sector": "diy", "where": "sector.toml:9", **options})


def test_a_slice_with_too_few_queries_for_its_rule(catalog: Catalog) -> None:
    catalog.lines[1] = catalog.lines[1][:-1] + ",dim"
    demands = Demands(rules=(rule(limit=0.5, condition=(("light", "dim"),)),))
    finding = only(catalog.examine(demands=demands))
    assert finding.kind == "few-queries"
    assert finding.numbers == {"queries": 1, "products": 1, "limit": 0.5}
    assert "sector.toml:9" in finding.told


def test_a_rule_on_too_few_queries_says_its_interval(catalog: Catalog) -> None:
    finding = only(catalog.examine(demands=Demands(rules=(rule(limit=0.5),))))
    # Wilson for 1.5 of 3 at 95 %: 0.5 ± 0.375.
    assert "±0.37" in finding.told or "±0.38" in finding.told


def test_a_limit_that_nothing_could_show(catalog: Catalog) -> None:
    demands = Demands(rules=(rule(limit=0.8, confidence=0.95),))
    # 3 of 3 products right: 3 / (3 + 1.645²) = 0.526.
    assert "would end at 0.526" in only(catalog.examine(demands=demands)).told


def test_a_drop_that_cannot_be_seen(catalog: Catalog) -> None:
    demands = Demands(rules=(rule(limit=0.01, bound="max_drop"),))
    # 2.486² / (3 + 2.486²) = 0.673.
    assert "is 0.673" in only(catalog.examine(demands=demands)).told


def test_a_waived_finding_does_not_fail_until_its_last_day(catalog: Catalog) -> None:
    catalog.add("gallery", "P1", photo(0), "again.jpg")
    id_ = only(catalog.examine()).id
    waiver = WaivedFinding(id=id_, reason="same part", owner="ann", until=TODAY)
    found = catalog.examine(demands=Demands(waived=(waiver,)))
    assert not found.findings
    assert [(finding.id, w.owner) for finding, w in found.waived] == [(id_, "ann")]
    over = waiver.model_copy(update={"until": TODAY - dt.timedelta(days=1)})
    found = catalog.examine(demands=Demands(waived=(over,)))
    assert only(found).id == id_
    assert found.stale == (over,)


def test_a_waiver_of_nothing_is_shown(catalog: Catalog) -> None:
    waiver = WaivedFinding(id="leak-0000000000", reason="r", owner="o", until=TODAY)
    assert catalog.examine(demands=Demands(waived=(waiver,))).stale == (waiver,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[waivers]]\nid = "a"\nreason = "r"\nowner = "o"\n', "until"),
        ('[[waivers]]\nid = "a"\nreason = "r"\nowner = "o"\nuntil = "soon"\n', "until"),
        ('[[waivers]]\nid = "a"\nreason = ""\nowner = "o"\nuntil = 2026-01-01\n', "reason"),
        ("[[waiver]]\n", "waiver"),
        ("waivers = 3\n", "waivers"),
        ("[[waivers", "TOML"),
    ],
)
def test_waivers_are_checked(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "doctor.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=told):
        read_waivers(path)


def test_two_waivers_of_one_finding(tmp_path: Path) -> None:
    one = '[[waivers]]\nid = "a"\nreason = "r"\nowner = "o"\nuntil = 2026-01-01\n'
    (tmp_path / "doctor.toml").write_text(2 * one)
    with pytest.raises(SettingsError, match="two waivers of 'a'"):
        read_waivers(tmp_path / "doctor.toml")


def test_close_hashes_are_those_of_comparing_all_with_all() -> None:
    rng = np.random.default_rng(3)
    hashes = [int(h) for h in rng.integers(0, 2**63, 300, dtype=np.uint64)]
    for i in range(0, 300, 10):
        flipped = rng.choice(64, rng.integers(0, 10), replace=False)
        hashes[i + 1] = hashes[i] ^ sum(1 << int(bit) for bit in flipped)
    expected = [
        (i, j, (hashes[i] ^ hashes[j]).bit_count())
        for i in range(300)
        for j in range(i + 1, 300)
        if (hashes[i] ^ hashes[j]).bit_count() <= 6
    ]
    assert close_hashes(hashes) == expected
    assert len(expected) > 5
