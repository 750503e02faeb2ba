"""Web-datasets of tar shards, written member by member."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset_builders import encoded, noise

Members = Sequence[tuple[str, bytes]]


def jpeg(seed: int, width: int = 16, height: int = 12) -> bytes:
    return encoded(noise(seed, width, height), "JPEG", quality=95)


def labels(product: Any, **more: Any) -> bytes:
    return json.dumps({"product_id": product, **more}).encode()


def write_shard(
    path: Path, members: Members, *, kind: int = tarfile.PAX_FORMAT, mode: str = "w"
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=kind) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def sample(key: str, seed: int, product: Any, role: str, **more: Any) -> list[tuple[str, bytes]]:
    return [(f"{key}.jpg", jpeg(seed)), (f"{key}.json", labels(product, role=role, **more))]


def small_catalog(root: Path) -> Mapping[str, bytes]:
    """Two shards, three products; returns image name → bytes."""
    first = [
        *sample("000", 0, "007", "gallery", family="bolts", light="day", ignored={"deep": [1]}),
        *sample("001", 1, "7", "gallery", family="bolts", light="lamp"),
    ]
    second = [
        ("a/größe.front.jpg", jpeg(2)),
        ("a/größe.back.JPG", jpeg(3)),
        ("a/größe.json", labels(4006381333931, role="gallery", bbox=[1, 2, 8, 6])),
        *sample("000", 4, "007", "query", light="dim", group="g1"),
        *sample("001", 5, "7", "query"),
    ]
    write_shard(root / "catalog-0000.tar", first)
    write_shard(root / "catalog-0001.tar", second)
    return {
        f"catalog-{i:04}.tar/{name}": data
        for i, members in enumerate((first, second))
        for name, data in members
        if name.lower().endswith(".jpg")
    }
