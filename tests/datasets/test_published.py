"""What is said of published sets: each file can be read, and says nothing that nobody stated."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_builders import spec

from pytest_prodbench.datasets import published as room
from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.datasets.published import published, published_keys
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.metrics import parse_metric

KEYS = (
    *("stanford_online_products", "in_shop", "products_10k", "rp2k", "retail_786k", "ilias"),
    *("uned", "instre", "amazon_berkeley_objects", "m_beir", "mieb_sop", "mieb_rp2k"),
    *("mieb_met", "mcs_2023", "grocery_store"),
)

SOUND = """
title = "A set"
protocol = "ours"
sources = ["a test"]
"""
DOWNLOAD = """
[[download]]
address = "https://example.org/set.zip"
name = "set.zip"
what = "photos"
source = "a test"
"""
REFERENCE = """
[[reference]]
model = "one"
metric = "recall@1"
value = 0.5
kind = "first-hand"
source = "a paper"
"""


def test_every_set_of_the_documentation_is_there() -> None:
    assert set(KEYS) <= set(published_keys())


@pytest.mark.parametrize("key", published_keys())
def test_a_set_is_whole(key: str) -> None:
    about = published(key)
    for metric in [*about.official_metrics, *(row.metric for row in about.reference)]:
        parse_metric(metric, where=key)
    for part in about.download:
        assert part.address.startswith("https://")
        assert part.source
        assert not part.form or not part.unpack
    assert about.download or about.reference
    # Of a set that cannot be had automatically it is said what to do.
    assert all(part.form or part.forbidden for part in about.download if not part.automatic)


def test_figures_that_nobody_verified_are_marked() -> None:
    quoted = published("visual_product_search_2026").reference
    assert len(quoted) == 11
    assert not any(row.verified for row in quoted)
    assert {row.value for row in quoted if row.model == "DINOv2-L"} == {0.137, 0.182, 0.402}
    read = published("stanford_online_products").reference
    assert all(row.verified for row in read)
    assert {row.value for row in read if "336 pixels, zero-shot" in row.model} == {0.745}
    assert {row.value for row in published("mieb_sop").reference} == {
        *(0.691, 0.643, 0.537, 0.493, 0.562),
    }


def test_the_layout_of_a_set_is_one_of_ours() -> None:
    known = {
        *("online_products", "in_shop", "products_10k", "rp2k", "mcs_2023", "grocery_store"),
        *("ilias", "uned", "instre", "amazon_berkeley_objects", "m_beir", "hub_retrieval"),
    }
    assert {published(key).layout for key in KEYS} == known


@pytest.mark.parametrize("key", [key for key in KEYS if published(key).layout])
def test_the_lines_that_the_command_prints_are_options_of_the_layout(key: str) -> None:
    about = published(key)
    validate_options(spec(Path(), about.layout, options=dict(about.options)))


def test_an_unknown_key() -> None:
    with pytest.raises(SettingsError, match="did you mean 'ilias'"):
        published("illias")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title = ", "no TOML"),
        (SOUND + "colour = 1\n", "colour: Extra inputs"),
        ("title = 'x'\n", "protocol: Field required"),
        (SOUND + DOWNLOAD.replace("https", "http"), "is no https address"),
        (SOUND + DOWNLOAD.replace("https", "ftp"), "is no https address"),
        (SOUND + DOWNLOAD + "checksums = 'http://example.org/sums'\n", "is no https address"),
        (SOUND + DOWNLOAD.replace('"set.zip"', '"../set.zip"'), "no path below the folder"),
        (SOUND + DOWNLOAD.replace('"set.zip"', '"/set.zip"'), "no path below the folder"),
        (SOUND + DOWNLOAD + 'sha256 = "abc"\n', r"download\.0\.sha256"),
        (SOUND + DOWNLOAD + 'kind = "hub"\n', "which needs both"),
        (SOUND + DOWNLOAD + 'repository = "a/b"\nrevision = "main"\n', "belong to kind 'hub'"),
        (SOUND + DOWNLOAD + "bytes = 2.5\n", r"download\.0\.bytes"),
        (
            SOUND + REFERENCE.replace("0.5", "74.5"),
            r"reference\.0\.value: .*less than or equal to 1",
        ),
        (SOUND + REFERENCE.replace("0.5", "nan"), r"reference\.0\.value"),
        (SOUND + REFERENCE.replace("first-hand", "hearsay"), r"reference\.0\.kind"),
        (SOUND + REFERENCE.replace("a paper", ""), r"reference\.0\.source"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.setattr(room, "REFERENCES", tmp_path)
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(SettingsError, match=rf"/mine\.toml: (?s:.*){says}"):
        published("mine")


def test_a_sound_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "REFERENCES", tmp_path)
    (tmp_path / "mine.toml").write_text(SOUND + DOWNLOAD + REFERENCE)
    about = published("mine")
    assert published_keys() == ["mine"]
    assert (about.licence, about.commercial) == ("", "not stated")
    assert about.download[0].stated_size == "size not stated"
    assert about.download[0].known_hash is None
