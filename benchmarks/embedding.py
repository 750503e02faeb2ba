"""Embedding from JPEG files, end to end, against the bare forward pass and against the usual loops.

python benchmarks/embedding.py [--images N] [--rounds N] [--threads N] [--engine NAME] [--batch-size N]
                               [--resampler torchvision]

Photos of 640 px are made of the shipped catalogs. Every contender embeds them with the weights of
``tf_efficientnet_lite0`` in a process of its own, once a round, side by side; loading the model is not timed.

limit        the forward pass alone, of the same engine, on one batch that is there already: in one thread
limits       the same in as many lanes as ours has
ours         ``embed_images`` with an empty cache: files read and checked, decoded, digests of their pixels,
             preprocessing, forward pass, vectors written to the cache
timm         its documented loop: open, transform, stack, ``model(batch)``; batches of 32
open_clip    its documented loop, on a CLIP whose image tower is the same network
st           ``SentenceTransformer.encode`` with the same network as its only module
loader0/1/2  a torch DataLoader with so many workers before timm's model

The loops have torch's own number of threads. Medians over the rounds, and whether each image has the first
hit and the ranking that timm's loop gives it.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODEL = "tf_efficientnet_lite0"
BATCH = 32
CONTENDERS = ("limit", "limits", "ours", "timm", "open_clip", "st", "loader0", "loader1", "loader2")


def make_photos(folder: Path, count: int) -> None:
    """Write ``count`` photos of the catalogs as JPEG files of 640 px."""
    from PIL import Image

    paths = sorted((ROOT / "fixtures" / "catalogs").glob("*/queries/*.jpg"))
    chosen = random.Random(20261128).sample(paths, count)  # noqa: S311
    for number, path in enumerate(chosen):
        with Image.open(path) as image:
            large = image.convert("RGB").resize((640, 640), Image.Resampling.LANCZOS)
        large.save(folder / f"{number:04}.jpg", quality=90)


def timed(embed: Callable[[list[Path]], object], paths: list[Path]) -> tuple[float, object]:
    """Embed a few images to warm up, then all of them; return images a second and the vectors."""
    embed(paths[:BATCH])
    started = time.perf_counter()
    vectors = embed(paths)
    return len(paths) / (time.perf_counter() - started), vectors


def ours(paths: list[Path], given: argparse.Namespace, *, passes: int) -> tuple[float, object]:
    """Measure this project, or the forward pass that it makes, in so many threads at once."""
    import hashlib

    import torch

    from pytest_prodbench.embedding import ImageRequest, ModelHandle, embed_images
    from pytest_prodbench.embedding.device import choose_batch_size
    from pytest_prodbench.settings.types import ModelSpec, Preprocess, RunSettings

    with tempfile.TemporaryDirectory() as name:
        settings = RunSettings(
            cache_dir=Path(name), device="cpu", threads=given.threads, batch_size=given.batch_size
        )
        spec = ModelSpec(
            name="lite0",
            library="timm",
            identifier=MODEL,
            engine=given.engine,
            preprocess=Preprocess(resampler=given.resampler),
        )
        model = ModelHandle(spec, settings)
        embedder = model.load()
        print(model.engine, file=sys.stderr)
        if passes:
            size = choose_batch_size(given.batch_size, "cpu")
            batch = torch.randn(size, 3, 224, 224)
            turns = len(paths) // size

            def forward() -> None:
                with torch.inference_mode():
                    for _ in range(turns):
                        embedder.embed(batch)

            for _ in range(2):  # the first time warms up
                lanes = [threading.Thread(target=forward) for _ in range(passes)]
                started = time.perf_counter()
                for lane in lanes:
                    lane.start()
                for lane in lanes:
                    lane.join()
                taken = time.perf_counter() - started
            return passes * turns * size / taken, None
        requests = [
            ImageRequest(p.name, p, hashlib.sha256(p.read_bytes()).hexdigest(), None) for p in paths
        ]
        elsewhere = settings.model_copy(update={"cache_dir": Path(name) / "warm"})
        embed_images(requests[:BATCH], model, elsewhere, dataset="benchmark")
        started = time.perf_counter()
        found = embed_images(requests, model, settings, dataset="benchmark")
        return len(paths) / (time.perf_counter() - started), found.vectors


def loop(name: str, paths: list[Path]) -> tuple[float, object]:
    """Measure one of the usual loops."""
    import torch

    network, transform = packaged()
    if name == "open_clip":
        network = open_clip_of(network)
    if name == "st":
        from sentence_transformers import SentenceTransformer

        encoder = SentenceTransformer(modules=[st_module(network, transform)], device="cpu")

        def encode(some: list[Path]) -> object:
            from PIL import Image

            images = [Image.open(path).convert("RGB") for path in some]
            return encoder.encode(images, batch_size=BATCH, show_progress_bar=False)

        return timed(encode, paths)
    if name.startswith("loader"):
        return timed(lambda some: loaded(network, transform, some, int(name[-1])), paths)
    forward = network.encode_image if name == "open_clip" else network

    def embed(some: list[Path]) -> object:
        from PIL import Image

        parts = []
        for start in range(0, len(some), BATCH):
            images = [Image.open(path).convert("RGB") for path in some[start : start + BATCH]]
            batch = torch.stack([transform(image) for image in images])
            with torch.no_grad():
                parts.append(forward(batch))
        return torch.cat(parts).numpy()

    return timed(embed, paths)


def packaged() -> tuple[object, object]:
    """Return timm's network with the weights and the transform that ours has."""
    import torch

    from pytest_prodbench.embedding import ModelHandle
    from pytest_prodbench.settings.types import ModelSpec, RunSettings

    threads = torch.get_num_threads()
    spec = ModelSpec(name="lite0", library="timm", identifier=MODEL, engine="torch")
    with tempfile.TemporaryDirectory() as name:
        embedder = ModelHandle(spec, RunSettings(cache_dir=Path(name), device="cpu")).load()
    torch.set_num_threads(threads)
    network = embedder.network
    network.reset_classifier(0)
    return network, embedder.preprocess


def open_clip_of(network: object) -> object:
    """Return a CLIP of open_clip whose image tower is a network."""
    import open_clip

    text = {"width": 32, "heads": 2, "layers": 1, "context_length": 8, "vocab_size": 50}
    vision = {"timm_model_name": "resnet18", "timm_model_pretrained": False, "image_size": 224}
    model = open_clip.CLIP(embed_dim=64, vision_cfg=vision, text_cfg=text).eval()
    model.visual = network
    return model


def st_module(network: object, transform: object) -> object:
    """Return a module of sentence-transformers that embeds images with a network."""
    import torch

    class Photos(torch.nn.Module):
        modalities = ["image"]  # noqa: RUF012 - theirs

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def preprocess(self, inputs: list, *_: object, **__: object) -> dict:
            return {"pixels": torch.stack([transform(image) for image in inputs])}

        tokenize = preprocess

        def forward(self, features: dict, **_: object) -> dict:
            features["sentence_embedding"] = self.network(features["pixels"])
            return features

    return Photos()


class Photos:
    """Paths as a dataset of torch."""

    def __init__(self, paths: list[Path], transform: object) -> None:
        self._paths, self._transform = paths, transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> object:
        from PIL import Image

        return self._transform(Image.open(self._paths[place]).convert("RGB"))


def loaded(network: object, transform: object, paths: list[Path], workers: int) -> object:
    """Embed by a DataLoader with some workers."""
    import torch

    loader = torch.utils.data.DataLoader(
        Photos(paths, transform), batch_size=BATCH, num_workers=workers
    )
    with torch.no_grad():
        return torch.cat([network(batch) for batch in loader]).numpy()


def child(name: str, folder: Path, given: argparse.Namespace, out: Path) -> None:
    """Measure one contender and print images a second."""
    import numpy as np

    paths = sorted(folder.glob("*.jpg"))
    passes = {"limit": 1, "limits": given.threads, "ours": 0}
    if name in passes:
        rate, vectors = ours(paths, given, passes=passes[name])
    else:
        rate, vectors = loop(name, paths)
    if vectors is not None:
        np.save(out, np.asarray(vectors, np.float32))
    print(rate)


def ranks(path: Path) -> tuple[object, object]:
    """Return first hits and whole rankings of each image among the others."""
    import numpy as np

    vectors = np.load(path).astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -2)
    order = np.argsort(-similar, axis=1, kind="stable")
    return order[:, 0], order


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="lanes of our forward passes")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--batch-size", type=int, default=0)
    parser.add_argument("--resampler", choices=["torchvision"], help="instead of Pillow, in ours")
    parser.add_argument("--only", nargs="*", default=CONTENDERS, choices=CONTENDERS)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        name, folder, out = given.child
        child(name, Path(folder), given, Path(out))
        return
    rates: dict[str, list[float]] = {name: [] for name in given.only}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_photos(folder, given.images)
        for _ in range(given.rounds):
            for name in given.only:
                command = [sys.executable, __file__, f"--threads={given.threads}"]
                command += [f"--engine={given.engine}", f"--batch-size={given.batch_size}"]
                if given.resampler:
                    command.append(f"--resampler={given.resampler}")
                command += ["--child", name, str(folder), str(folder / f"{name}.npy")]
                said = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
                rates[name].append(float(said.stdout.split()[-1]))
                if name == "limit":
                    print(said.stderr.strip().splitlines()[-1])
        reference = ranks(folder / "timm.npy") if "timm" in rates else None
        mine = statistics.median(rates["ours"]) if "ours" in rates else None
        for name, found in rates.items():
            median = statistics.median(found)
            words = f"{name:10} {median:6.1f} images/s ({min(found):.1f} to {max(found):.1f})"
            if mine is not None:
                words += f"; ours {mine / median:.2f} times that"
            if reference is not None and not name.startswith("limit"):
                first, order = ranks(folder / f"{name}.npy")
                words += f"; first hits changed {(first != reference[0]).sum()}"
                words += f", rankings {(order != reference[1]).any(axis=1).sum()}"
            print(words)


if __name__ == "__main__":
    main()
