"""The folder of a site: which files are ours, what each page was made of, pictures that pages share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_prodbench.atomic import atomic_write_bytes, atomic_write_text
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.report.thumbnails import Thumbnails

CONTENTS = "site.json"
"""Names every page of the site; it is written last."""

MAKER = "prodbench site"


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison of two runs says in short.

    Attributes:
        address: of its page, beside the page that leads to it.
        pairs: compared.
        worse, better: of them, those whose headline is proven to have moved.
        reason: why nothing could be compared; empty if something was.
    """

    address: str
    pairs: int
    worse: int
    better: int
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site.

    Attributes:
        key: what it was made of; empty: it is made anew each time.
        pictures: files that it shows.
        told: of a comparison.
    """

    key: str
    pictures: tuple[str, ...]
    told: Compared | None


class SiteFiles:
    """The folder of a site while it is written."""

    def __init__(self, out: Path, project: Path, cache_dir: Path | None) -> None:
        """Take up what is there.

        Raises:
            SettingsError: the folder holds something else.
        """
        self._out, self._project, self._cache = out, project, cache_dir
        self._before = _contents(out)
        self._pages: dict[str, Page] = {}
        self._used: dict[str, dict[str, None]] = {}
        self._holes: set[str] = set()
        self._other: list[str] = []
        self._thumbnails: dict[Path, Thumbnails] = {}
        self._there = {path.name for path in (out / "pictures").glob("*.jpg")}

    def keep(self, name: str, key: str) -> Page | None:
        """Return a page that was made of the same and is whole, and keep it; None where there is none."""
        page = self._before.get(name)
        if page is None or page.key != key or not (self._out / name).is_file():
            return None
        if not self._there.issuperset(page.pictures):
            return None
        self._pages[name] = page
        return page

    def page(self, name: str, text: str, key: str = "", told: Compared | None = None) -> Path:
        """Write a page; one in which a picture is missing is made anew next time."""
        atomic_write_text(self._out / name, text)
        shown = tuple(self._used.get(name, ()))
        self._pages[name] = Page("" if name in self._holes else key, shown, told)
        return self._out / name

    def library(self, script: str) -> str:
        """Write the script that pages share; returns its name."""
        data = script.encode("utf-8")
        name = f"charts-{hashlib.sha256(data).hexdigest()[:12]}.js"
        if not (self._out / name).is_file():
            atomic_write_bytes(self._out / name, data)
        self._other.append(name)
        return name

    def pictures(self, name: str, run_dir: Path | None) -> Callable[[str, str], str | None]:
        """Return what gives a page the addresses of its pictures, which are those of a run."""
        used = self._used.setdefault(name, {})
        if run_dir is None:
            return lambda root, image: None  # noqa: ARG005 - a page without pictures
        thumbnails = self._thumbnails.setdefault(
            run_dir, Thumbnails(self._project, run_dir, self._cache)
        )
        up = "../" * name.count("/")

        def address(root: str, image: str) -> str | None:
            data = thumbnails.jpeg(root, image)
            if data is None:
                self._holes.add(name)
                return None
            file = f"{hashlib.sha256(data).hexdigest()[:24]}.jpg"
            if file not in self._there:
                atomic_write_bytes(self._out / "pictures" / file, data, durable=False)
                self._there.add(file)
            used[file] = None
            return f"{up}pictures/{file}"

        return address

    def close(self) -> int:
        """Take away what no page needs any more, write the list of contents; returns how many pages."""
        pictures = {picture for page in self._pages.values() for picture in page.pictures}
        for file in sorted(self._there - pictures):
            (self._out / "pictures" / file).unlink(missing_ok=True)
        for name in sorted(set(self._before) - set(self._pages)):
            (self._out / name).unlink(missing_ok=True)
        for script in self._out.glob("charts-*.js"):
            if script.name not in self._other:
                script.unlink(missing_ok=True)
        pages = {name: asdict(self._pages[name]) for name in sorted(self._pages)}
        text = json.dumps({"made_by": MAKER, "pages": pages}, indent=1, ensure_ascii=False)
        atomic_write_text(self._out / CONTENTS, text + "\n")
        return len(pages)


def _contents(out: Path) -> dict[str, Page]:
    """The pages of a site that is there; none of a new folder."""
    try:
        if not out.exists() or not any(out.iterdir()):
            return {}
        pages = _parsed((out / CONTENTS).read_text(encoding="utf-8"))
    except NotADirectoryError as error:
        raise SettingsError("--out", found=f"{out}: a file", expected="a folder") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            "--out",
            found=f"{out}: a folder that is not a site's ({CONTENTS}: {error!r})",
            expected="a new folder, an empty one, or that of a site",
            next_step="name another one, or remove it",
        ) from error
    # A list of contents may have been edited; nothing outside the folder is ever touched.
    return {
        name: page
        for name, page in pages.items()
        if name.endswith(".html") and not Path(name).is_absolute() and ".." not in Path(name).parts
    }


def _parsed(text: str) -> dict[str, Page]:
    held = json.loads(text)
    if held["made_by"] != MAKER:
        raise ValueError(f"made_by is {held['made_by']!r}")
    return {
        str(name): Page(
            str(page["key"]),
            tuple(map(str, page["pictures"])),
            None if page["told"] is None else Compared(**page["told"]),
        )
        for name, page in held["pages"].items()
    }
