"""``prodbench doctor DATASET`` and ``prodbench dataset fix`` as a user calls them, on drawn photos."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

from pytest_prodbench.cli import main
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.settings.types import DatasetSpec

HEADER = "image,product_id,role,weight,group"


def photo(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(6)), np.float32)
    return Image.fromarray(((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8))


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog with a fault of each kind that rows can mend, beside products in order."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "bolts"
    folder.mkdir()
    for n in range(6):
        photo(n).save(folder / f"{n}.png")
    photo(1).resize((120, 120)).save(folder / "leak.jpg")
    photo(0).save(folder / "other.jpg")
    (folder / "cut.png").write_bytes((folder / "5.png").read_bytes()[:900])
    rows = [
        '0.png,"P,0",gallery,1.10,',
        '1.png,"P,0",query,007,',
        "2.png,P1,gallery,,",
        "3.png,P1,query,1e3,",
        "4.png,P2,gallery,,",
        "5.png,P2,query,,",
        "4.png,P2,gallery,,",  # line 8: again
        'leak.jpg,"P,0",gallery,,',  # line 9
        "other.jpg,P1,gallery,,",  # line 10: P,0 as P1
        "cut.png,P1,query,,",  # line 11
        "2.png,P9,query,,",  # line 12: no positive, and P1 under another id
    ]
    (folder / "manifest.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


def write_as(folder: Path, suffix: str) -> Path:
    import csv
    import json

    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    path = folder / f"manifest{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def ids(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for id_ in re.findall(r"\[([a-z-]+-[0-9a-f]{10})\]", text):
        kind = id_.rpartition("-")[0]
        if id_ not in found.setdefault(kind, []):
            found[kind].append(id_)
    return found


def doctor(path: Path, *more: str) -> int:
    return main(["doctor", str(path), "--model", "none", *more])


def fix(path: Path, *more: str) -> int:
    return main(["dataset", "fix", str(path), "--model", "none", *more])


def test_the_doctor_fails_and_writes_its_page(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(broken / "manifest.csv", "--html", "page.html") == 1
    out = capsys.readouterr().out
    found = ids(out)
    assert set(found) == {
        "repeated-row", "two-products", "near-duplicate", "leak", "no-positive", "unreadable",
    }  # fmt: skip
    assert "compared by hash alone" in out
    page = Path("page.html").read_text()
    for kind_ids in found.values():
        assert all(f'id="{id_}"' in page for id_ in kind_ids)
    assert "default-src 'none'; img-src data:; style-src" in html.unescape(page)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_pictures_of_the_page_say_nothing_but_their_pixels(broken: Path) -> None:
    photo(0).save(broken / "other.jpg", comment=b"at home, 52 N 13 E")
    doctor(broken / "manifest.csv", "--html", "page.html")
    pictures = re.findall(r"data:image/jpeg;base64,([\w+/=]+)", Path("page.html").read_text())
    assert pictures
    assert not any(b"at home" in base64.b64decode(one) for one in pictures)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_mended_manifest_is_one_that_the_doctor_lets_pass(
    broken: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_as(broken, suffix)
    before = {path.name: path.read_bytes() for path in broken.iterdir()}
    assert doctor(manifest) == 1
    waiting = ids(capsys.readouterr().out)
    ambiguous = [waiting["near-duplicate"][0]]

    assert fix(manifest) == 1
    out = capsys.readouterr().out
    assert f"--confirm {ambiguous[0]}" in out
    assert "5 rows left out" not in out
    first = broken / f"manifest-fixed{suffix}"
    assert first.exists()

    confirmed = [word for id_ in ambiguous for word in ("--confirm", id_)]
    assert fix(manifest, "--out", str(broken / f"second{suffix}"), *confirmed) in (0, 1)
    capsys.readouterr()
    second = broken / f"second{suffix}"
    assert doctor(second) == 0, capsys.readouterr().out
    opened = open_dataset(
        DatasetSpec(name="bolts", layout="manifest", path=second), max_pixels=10**8
    )
    assert opened.queries.images == ("1.png", "3.png", "5.png")
    assert opened.gallery.images == ("0.png", "2.png", "4.png", "leak.jpg")
    assert opened.queries.product_ids[0] == "P,0"
    assert opened.queries.groups[0] == opened.gallery.groups[3] != ""
    # What nothing was wrong with is as it was, to the digit.
    assert opened.queries.conditions["weight"] == ("007", "1e3", "")
    after = {path.name: path.read_bytes() for path in broken.iterdir()}
    assert {name: after[name] for name in before} == before


def test_fields_are_parted_as_the_option_says(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (broken / "manifest.csv").read_text().replace('"P,0"', "P-0").replace(",", ";")
    manifest = broken / "shop.csv"
    manifest.write_text(rows)
    assert doctor(manifest) == 4
    assert "delimiter" in capsys.readouterr().err
    assert fix(manifest, "--set", 'delimiter=";"') == 1
    mended = (broken / "shop-fixed.csv").read_text().splitlines()
    assert mended[0] == "image;product_id;role;weight;group"
    assert {line.count(";") for line in mended} == {4}
    assert "3.png;P1;query;1e3;" in mended


def test_nothing_is_overwritten(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (broken / "manifest-fixed.csv").write_text("mine")
    assert fix(broken / "manifest.csv") == 4
    assert "nothing is overwritten" in capsys.readouterr().err
    assert (broken / "manifest-fixed.csv").read_text() == "mine"
    assert fix(broken / "manifest.csv", "--out", "elsewhere.csv") == 4
    assert fix(broken / "manifest.csv", "--out", str(broken / "new.jsonl")) == 4


def test_an_id_that_nothing_has_is_refused(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fix(broken / "manifest.csv", "--confirm", "leak-0000000000") == 4
    assert "--confirm leak-0000000000" in capsys.readouterr().err
    assert not (broken / "manifest-fixed.csv").exists()


def test_what_is_waived_is_shown_and_neither_fails_nor_is_mended(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = broken / "manifest.csv"
    doctor(manifest)
    every = [id_ for found in ids(capsys.readouterr().out).values() for id_ in found]
    entries = "".join(
        f'[[waivers]]\nid = "{id_}"\nreason = "<b>seen</b>"\nowner = "ann"\nuntil = 2999-01-01\n'
        for id_ in every
    )
    (broken / "doctor.toml").write_text(entries)
    assert doctor(manifest, "--html", "page.html") == 0
    assert f"waived {every[0]} until 2999-01-01 by ann" in capsys.readouterr().out
    assert "&lt;b&gt;seen" in Path("page.html").read_text()
    assert fix(manifest) == 0
    assert not (broken / "manifest-fixed.csv").exists()


def test_a_query_that_a_fix_leaves_without_a_positive_goes_too(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = broken / "manifest.csv"
    lines = manifest.read_text().splitlines()
    # The leaked photo is now all that the gallery has of the product.
    manifest.write_text("\n".join(line for line in lines if not line.startswith("0.png")) + "\n")
    fix(manifest)
    assert "left out: no positive is left for it" in capsys.readouterr().out


def test_a_query_waits_for_the_id_that_would_give_it_its_positive(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (broken / "manifest.csv").read_text().splitlines()[:7]
    lines[4] = lines[4].replace("P1", "p1")  # 3.png, the query
    manifest = broken / "ids.csv"
    manifest.write_text("\n".join(lines) + "\n")
    assert doctor(manifest) == 1
    (alike,) = ids(capsys.readouterr().out)["alike-ids"]
    assert fix(manifest) == 1
    assert "nothing was written" in capsys.readouterr().out
    assert fix(manifest, "--confirm", alike) == 0
    assert (broken / "ids-fixed.csv").read_text().replace("P1", "p1") == "\n".join(lines).replace(
        "P1", "p1"
    ) + "\n"
    assert doctor(broken / "ids-fixed.csv") == 0


def test_a_dataset_that_is_in_order_passes(broken: Path) -> None:
    lines = (broken / "manifest.csv").read_text().splitlines()[:7]
    (broken / "good.csv").write_text("\n".join(lines) + "\n")
    assert doctor(broken / "good.csv") == 0
    assert fix(broken / "good.csv") == 0


def test_a_folder_is_examined_and_not_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for n, place in enumerate(("gallery/a", "queries/a", "gallery/b", "queries/b")):
        (tmp_path / "set" / place).mkdir(parents=True)
        photo(n).save(tmp_path / "set" / place / "1.png")
    assert doctor(tmp_path / "set") == 0
    photo(1).resize((100, 100)).save(tmp_path / "set/gallery/a/2.jpg")
    assert doctor(tmp_path / "set") == 1
    assert "leak" in capsys.readouterr().out
    assert fix(tmp_path / "set") == 4


def test_a_name_that_is_both_is_an_error_that_says_how_to_choose(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suites = broken.parent / "suites"
    (suites / "diy").mkdir(parents=True)
    (suites / "models.toml").write_text('[models]\nbolts = "baseline:pixels"\n')
    (suites / "diy/sector.toml").write_text(
        '[datasets.bolts]\npath = "../../bolts/manifest.csv"\n[datasets.nuts]\npath = "../../n.csv"\n'
    )
    assert main(["doctor", "bolts"]) == 4
    assert "--as model or --as dataset" in capsys.readouterr().err
    assert main(["doctor", "bolts", "--as", "dataset", "--model", "none"]) == 1
    assert "two-products" in capsys.readouterr().out
    assert main(["doctor", "bolts", "--as", "model"]) in (0, 1)
    assert "throughput" in capsys.readouterr().out
    assert main(["doctor", "nuts"]) == 4
    assert "no such file" in capsys.readouterr().err
