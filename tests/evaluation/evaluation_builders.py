"""A small catalog of drawn products, and the metrics written out as slowly as they are defined."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pytest_prodbench.settings.types import ModelSpec

TINY = ModelSpec(
    name="tiny", library="timm", identifier="test_convnext", checkpoint="random:0", where="test"
)
PRODUCTS = ("007", "7", "4006381333931", "4006381333932", "größe", "x")


def product_photo(product: str, shot: int) -> Image.Image:
    """Draw one product: coarse patches decide which one, fine noise which shot."""
    which = np.random.default_rng(PRODUCTS.index(product))
    coarse = Image.fromarray(which.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((32, 32), Image.Resampling.NEAREST)).astype(int)
    noise = np.random.default_rng(1000 + shot).integers(-40, 40, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def catalog(folder: Path, shots: int = 2) -> list[dict[str, str]]:
    """Write the images of a catalog; returns the rows of its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i, product in enumerate(PRODUCTS):
        for shot in range(shots + 1):
            name = f"p{i}-{shot}.png"
            product_photo(product, 10 * i + shot).save(folder / name)
            role = "query" if shot == shots else "gallery"
            light = ("dim", "bright")[i % 2] if role == "query" else ""
            rows.append(
                {"image": name, "product_id": product, "role": role, "family": f"f{i // 2}"}
                | {"light": light}
            )
    return rows


def manifest(folder: Path, rows: Sequence[dict[str, str]], name: str = "parts.csv") -> Path:
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def by_definition(
    queries: Any,
    gallery: Any,
    query_products: Sequence[str],
    gallery_products: Sequence[str],
    *,
    query_keys: Sequence[Any] | None = None,
    gallery_keys: Sequence[Any] | None = None,
    families: tuple[Sequence[str], Sequence[str]] | None = None,
    ks: Sequence[int] = (1, 5, 10),
) -> tuple[dict[str, float], list[int | None]]:
    """Metrics and pessimistic ranks (None: absent), one query after the other."""
    unit = [
        (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
        for rows in (np.asarray(queries, np.float64), np.asarray(gallery, np.float64))
    ]
    collected: dict[str, list[float]] = {}
    ranks: list[int | None] = []
    for i, query in enumerate(unit[0]):
        found = []
        for j, image in enumerate(unit[1]):
            same = query_keys is not None and gallery_keys is not None
            if same and query_keys[i] is not None and query_keys[i] == gallery_keys[j]:
                continue
            score = float(np.float32(np.dot(query, image)))
            hit = gallery_products[j] == query_products[i]
            found.append((-score, hit, j))  # negatives first among equals
        found.sort()
        rank = next((place for place, (_, hit, _) in enumerate(found, 1) if hit), None)
        ranks.append(rank)
        total = sum(hit for _, hit, _ in found)
        own_family = families[0][i] if families else ""
        of_family = [s for s, _, j in found if families and own_family == families[1][j] != ""]
        if of_family:
            best = min(of_family)
            ahead = sum(s <= best for s, _, j in found if families[1][j] != own_family)
            collected.setdefault("category_recall@1", []).append(float(ahead == 0))
        if rank is None:
            continue
        for k in ks:
            collected.setdefault(f"recall@{k}", []).append(float(rank <= k))
        collected.setdefault("mrr", []).append(1 / rank)
        best = min(s for s, hit, _ in found if hit)
        products_ahead = {gallery_products[j] for s, hit, j in found if not hit and s <= best}
        collected.setdefault("product_recall@1", []).append(float(not products_ahead))
        hits, precision = 0, 0.0
        for place, (_, hit, _) in enumerate(found[:20], 1):
            if hit:
                hits += 1
                precision += hits / place
        collected.setdefault("map@20", []).append(precision / min(20, total))
    return {name: sum(values) / len(values) for name, values in collected.items()}, ranks
