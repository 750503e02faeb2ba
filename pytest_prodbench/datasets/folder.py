"""Layout ``folder``: ``gallery/<product>/*.jpg`` and ``queries/<product>/*.jpg``.

The name of a folder is the product id, as it stands: ``007`` stays ``007``. Images may hang deeper below
their product's folder. Hidden files and folders are ignored.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, field_validator

from pytest_prodbench.datasets.layout import Layout, Tables, image_table
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.errors import DatasetError, did_you_mean
from pytest_prodbench.protocol import ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

EXTENSIONS = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"]


class FolderOptions(Frozen):
    """Options of the layout ``folder``.

    Attributes:
        gallery: folder of the catalog images, relative to the dataset's path.
        queries: folder of the photos, relative to the dataset's path.
        extensions: suffixes of image files, upper or lower case; other files are counted, not read.
    """

    gallery: str = "gallery"
    queries: str = "queries"
    extensions: list[str] = Field(default_factory=lambda: list(EXTENSIONS), min_length=1)

    @field_validator("gallery", "queries")
    @classmethod
    def _relative(cls, folder: str) -> str:
        problem = image_path_problem(folder)
        if problem:
            raise ValueError(problem)
        return image_path(folder)

    @field_validator("extensions")
    @classmethod
    def _suffixes(cls, extensions: list[str]) -> list[str]:
        for extension in extensions:
            if not extension.startswith(".") or len(extension) < 2:
                raise ValueError(f"{extension!r} is no suffix such as '.jpg'")
        return [extension.lower() for extension in extensions]


def open_folder(spec: DatasetSpec, options: FolderOptions) -> Tables:
    """Read two folders of product folders into tables; see ``Layout.open``.

    Raises:
        DatasetError: one of the two folders is missing.
    """
    root = spec.path.resolve()
    walker = ProductFolders(
        root,
        frozenset(options.extensions),
        expected="a folder of product folders",
        next_step="Name others with the options gallery, queries",
    )
    gallery = walker.table(options.gallery, empty_is_problem=True)
    queries = walker.table(options.queries, empty_is_problem=False)
    note = (
        f"Query = images below {options.queries}/, gallery = images below {options.gallery}/; "
        "folder names are product ids; not an official split."
    )
    return Tables(
        root=root,
        queries=queries,
        gallery=gallery,
        protocol_note=note + walker.ignored_note(),
        problems=tuple(walker.problems),
    )


class ProductFolders:
    """Collects images below product folders, in an order that no file system decides.

    Attributes:
        ignored: files so far that are no images, by their suffix.
        empty: product folders so far that hold no image.
        problems: what is wrong with single folders and files.
    """

    def __init__(
        self, root: Path, extensions: frozenset[str], *, expected: str, next_step: str
    ) -> None:
        self._root = root
        self._extensions = extensions
        self._expected = expected
        self._next_step = next_step
        self.ignored = 0
        self.empty = 0
        self.problems: list[str] = []

    def ignored_note(self) -> str:
        """Return a sentence on the files that were ignored, with a space before it, or nothing."""
        noun = "file" if self.ignored == 1 else "files"
        if not self.ignored:
            return ""
        return f" {self.ignored:,} {noun} without a known image suffix ignored."

    def table(
        self,
        folder: str,
        *,
        empty_is_problem: bool,
        product_id: Callable[[str], str] = str,
    ) -> ImageTable:
        """Return the images of one role.

        Args:
            folder: holds the product folders, relative to the root.
            empty_is_problem: a product folder without an image is one.
            product_id: name of a folder → its product.
        """
        top = self._root / folder
        if not top.is_dir():
            names = [entry.name for entry in _visible(self._root)] if self._root.is_dir() else []
            raise DatasetError(
                shown(self._root),
                found=f"no folder {folder!r}",
                expected=self._expected,
                next_step=f"{did_you_mean(folder, names)} {self._next_step}",
            )
        images: list[str] = []
        products: list[str] = []
        for entry in _visible(top):
            path = f"{folder}/{entry.name}"
            if not entry.is_dir():
                if self._is_image(entry.name):
                    self.problems.append(f"{path!r} is in no product folder; move it into one")
                continue
            product = product_id(entry.name)
            problem = product_id_problem(product)
            if problem:
                self.problems.append(f"folder {path!r}: {problem}; rename it")
                continue
            below = self._images(path, ())
            self.empty += not below
            if not below and empty_is_problem:
                self.problems.append(f"product folder {path!r} has no image; add one or remove it")
            images += below
            products += [product] * len(below)
        return image_table(images, products)

    def _images(self, folder: str, above: tuple[tuple[int, int], ...]) -> list[str]:
        status = (self._root / folder).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            self.problems.append(f"folder {folder!r} is a link to a folder above itself; remove it")
            return []
        images = []
        for entry in _visible(self._root / folder):
            path = f"{folder}/{entry.name}"
            # Links are followed: a folder that is silently left out would be worse.
            if entry.is_dir():
                images += self._images(path, (*above, identity))
            elif self._is_image(entry.name):
                images.append(image_path(path))
        return images

    def _is_image(self, name: str) -> bool:
        if os.path.splitext(name)[1].lower() in self._extensions:  # noqa: PTH122 - once a file
            return True
        self.ignored += 1
        return False


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (entry for entry in entries if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        raise DatasetError(
            shown(folder),
            found=f"cannot be listed: {error.strerror}",
            next_step="check permissions",
        ) from error


LAYOUT = Layout(options=FolderOptions, open=open_folder)
