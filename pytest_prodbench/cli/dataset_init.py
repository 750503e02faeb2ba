"""``prodbench dataset init DIR``: a first manifest and sector.toml for a folder of photos."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import get_args

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.datasets.guessing import Guess, guess
from pytest_prodbench.datasets.manifest_columns import Column
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError, shorten
from pytest_prodbench.settings.tables import check_name
from pytest_prodbench.settings.types import DatasetSpec, RunSettings

MANIFEST, SECTOR = "manifest.csv", "sector.toml"

MOST_VALUES = 20
"""Values of a column beyond which it is taken for a note, not for a condition."""

_TOML = """\
# Written by 'prodbench dataset init' as a first draft: read it, and the manifest, before you trust it.

owner = ""

[datasets."{name}"]
path = "manifest.csv"
# open_set = true       # some queries' product is absent from the gallery, on purpose
{notes}
[thresholds]
# The first run shows what your models reach. Without a threshold nothing can be accepted.
# "recall@1" = 0.80
"""


def init(directory: str, name: str | None) -> int:
    """Write both files, say what was guessed, and open what was written.

    Returns:
        0, or 1 where the dataset has problems that the team must mend; they are printed.

    Raises:
        SettingsError: one of the files is there already (nothing is written), or the name cannot be used.
        DatasetError: nothing in the folder can be guessed at.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise SettingsError(directory, found="no folder", expected="a folder with photos")
    there = [str(folder / file) for file in (MANIFEST, SECTOR) if (folder / file).exists()]
    if there:
        raise SettingsError(
            ", ".join(there),
            found="a file that is there already, and is never overwritten",
            next_step=f"look at it with 'prodbench dataset show {there[0]}', or move it away",
        )
    name = name or _name_of(folder)
    check_name("dataset", name, "--name")
    made = guess(folder)
    if not made.rows:
        raise DatasetError(directory, found="no image whose product can be told", expected="some")
    notes = _notes(made)
    atomic_write_text(folder / MANIFEST, _csv(made))
    stated = f"notes = {json.dumps(notes, ensure_ascii=False)}\n" if notes else ""
    atomic_write_text(folder / SECTOR, _TOML.format(name=name, notes=stated))
    products = len({row["product_id"] for row in made.rows})
    queries = sum(row["role"] == "query" for row in made.rows)
    print(
        f"{folder / MANIFEST}  {queries:,} queries, {len(made.rows) - queries:,} gallery images, ",
        end="",
    )
    print(f"{products:,} products\n{folder / SECTOR}  dataset {name!r}\n\nguessed, please check:")
    more = [
        f"{note}: a note, as it has more than {MOST_VALUES} values among the queries"
        for note in notes
    ]
    for line in shorten([*made.reasons, *more], 30):
        print(f"  {line}")
    return _try(folder, name, notes)


def _try(folder: Path, name: str, notes: list[str]) -> int:
    spec = DatasetSpec(
        name=name,
        layout="manifest",
        path=(folder / MANIFEST).resolve(),
        where=str(folder / SECTOR),
        options={"notes": notes} if notes else {},
    )
    try:
        open_dataset(spec, max_pixels=RunSettings().max_pixels)
    except ProblemList as error:
        print(f"\nto be mended before it can be measured, {len(error.problems):,}:")
        for problem in shorten(error.problems, 20):
            print(f"  {problem}")
        return 1
    except DatasetError as error:
        print(f"\nto be mended before it can be measured:\n  {error}")
        return 1
    print(f"\nit opens; see 'prodbench dataset show {folder / MANIFEST}'")
    return 0


def _notes(made: Guess) -> list[str]:
    """Columns with so many values that each would be a slice of a few queries: no conditions."""
    queries = [row for row in made.rows if row["role"] == "query"]
    others = [name for name in made.rows[0] if name not in get_args(Column)]
    return [name for name in others if len({row[name] for row in queries}) > MOST_VALUES]


def _csv(made: Guess) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(made.rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(made.rows)
    return text.getvalue()


def _name_of(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("._-") or "catalog"
