"""Layout ``rp2k``: RP2K, products cut out of photos of shelves; the folder of an image is its product.

Peng, Xiao and Li, "RP2K: A Large-Scale Retail Product Dataset for Fine-Grained Image Classification", 2020,
arXiv 2006.12634, https://www.pinlandata.com/rp2k_dataset/; the terms of use could not be read. Its authors
define a classification task; the retrieval protocol is ours and the report says so. Versions of the paper
count differently (350,000 to 500,000 images of more than 2,000 products), so that no count is held against
them; third parties find about 384,000 images of 2,388 products. Layout read in Graviti's loader (tensorbay,
``opendataset/RP2K``): ``all/{train,test}/<class>/<image>.jpg``.

Names of classes are Chinese. Where unzip knows no encoding for them, it writes each character as ``#U`` and
four hexadecimal digits (``#L`` and six above U+FFFF). One product has one id, however its copy was unpacked:

    product id = NFC(name of the folder with these escapes decoded)

NFC is the composed form of Unicode: a disk that stores names decomposed does not make another product of
them. Not NFKC, which would also make one of full-width and half-width characters: that is a difference that
people type, not one that an archive makes. The paths of images stay as they are on the disk.
"""

from __future__ import annotations

import re
import unicodedata

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.folder import EXTENSIONS, ProductFolders
from pytest_prodbench.datasets.layout import Layout, Tables
from pytest_prodbench.datasets.release import StatedCounts
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

_ESCAPE = re.compile(r"#U([0-9A-Fa-f]{4})|#L([0-9A-Fa-f]{6})")


class Rp2kOptions(Frozen):
    """Options of the layout ``rp2k``.

    Attributes:
        expected_counts: counts that the set must have; none are published that agree.
    """

    expected_counts: StatedCounts | None = None


def product_of_folder(name: str) -> str:
    """Return the product id of a class folder: escapes decoded, then NFC.

    What no archive makes an escape of (ASCII, half of a surrogate pair, beyond U+10FFFF) is no escape
    and stays as it is.
    """
    return unicodedata.normalize("NFC", _ESCAPE.sub(_character, name))


def _character(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2], 16)
    if code < 0x80 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return escape[0]
    return chr(code)


def open_rp2k(spec: DatasetSpec, options: Rp2kOptions) -> Tables:
    """Read the folders of both splits into tables; see ``Layout.open``.

    Raises:
        DatasetError: a split is missing, or counts differ from the stated ones.
    """
    inner = spec.path / "all"
    root = (inner if inner.is_dir() else spec.path).resolve()
    folders = ProductFolders(
        root,
        frozenset(EXTENSIONS),
        expected="the folder 'all' of RP2K with train and test in it, or the folder that holds it",
        next_step="Correct path, or unpack the archive again",
    )
    gallery = folders.table("train", empty_is_problem=False, product_id=product_of_folder)
    queries = folders.table("test", empty_is_problem=False, product_id=product_of_folder)
    if not folders.problems:
        found = {
            "train images": len(gallery),
            "train products": len(set(gallery.product_ids)),
            "test images": len(queries),
            "test products": len(set(queries.product_ids)),
        }
        verify_counts(root, found, {}, options.expected_counts)
    note = (
        "Ours, not official (the set is made for classification): query = test images, gallery = train "
        "images; product = class folder, #U escapes decoded, Unicode NFC."
    )
    if folders.empty:
        noun = "folder" if folders.empty == 1 else "folders"
        note += f" {folders.empty:,} class {noun} without an image."
    return Tables(
        root=root,
        queries=queries,
        gallery=gallery,
        protocol_note=note + folders.ignored_note(),
        problems=tuple(folders.problems),
        published="rp2k",
    )


LAYOUT = Layout(options=Rp2kOptions, open=open_rp2k)
