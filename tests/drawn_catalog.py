"""A small catalog, drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def draw_catalog(folder: Path, products: int = 6, queries: int = 2, seed: int = 0) -> None:
    """Write photos of coloured shapes, with a manifest; each product has a shape and colour of its own."""
    rng = np.random.default_rng(seed)
    rows = ["image,product_id,role,family,light"]
    folder.mkdir(parents=True)
    for product in range(products):
        colour = tuple(int(c) for c in rng.integers(40, 220, 3))
        corners = rng.integers(8, 88, (5, 2))
        for shot in range(queries + 1):
            noise = rng.integers(0, 40, (96, 96, 3), dtype=np.uint8)
            image = Image.fromarray(noise)
            shape = [tuple(int(v) for v in point + shot * 2) for point in corners]
            ImageDraw.Draw(image).polygon(shape, fill=colour)
            name = f"{product:03}-{shot}.png"
            image.save(folder / name)
            role = "query" if shot else "gallery"
            light = ("", "dim", "warm")[shot % 3]
            rows.append(f"{name},{product:03},{role},family-{product // 2},{light}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
