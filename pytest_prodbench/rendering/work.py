"""Render a catalog: in several processes, resumable, a failed part costs itself alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_prodbench.atomic import atomic_write_bytes
from pytest_prodbench.rendering import RECIPE, progress
from pytest_prodbench.rendering import catalog as files
from pytest_prodbench.rendering.pictures import Catalog, Picture, digest, plan
from pytest_prodbench.rendering.progress import Say

OFTEN = 10.0
"""Seconds between two writings of the digests: what was made before a crash is made again, no more."""


@dataclass(frozen=True)
class Made:
    """A finished picture and what is recorded of it."""

    data: bytes
    told_by: int
    nearest: str


def start_worker() -> None:
    """Load the renderer in a process."""
    from pytest_prodbench.rendering import scene

    scene.start()


def make(catalog: Catalog, picture: Picture) -> Made:
    """Compose and photograph one picture; see :func:`composing.composed` for what it raises."""
    from pytest_prodbench.rendering import composing

    found = composing.composed(catalog, picture)
    return Made(
        composing.photographed(picture, found, catalog.quality), found.told_by, found.nearest
    )


def render(
    catalog: Catalog,
    folder: Path,
    *,
    command: str,
    jobs: int = 1,
    only: Sequence[str] = (),
    say: Say = print,
) -> int:
    """Make what is missing or outdated in ``folder``; return how many pictures failed.

    Args:
        catalog: what is made.
        folder: where manifest, digests and images lie.
        command: recorded: how to make it again.
        jobs: processes.
        only: products to make; none means all.
        say: where progress and failures go, a line each; on a terminal a bar below them takes the place of
            those of progress.
    """
    pictures = plan(catalog)
    record = files.read_digests(folder)
    known: dict[str, Any] = dict(record.get("images", {}))
    planned = {picture.image: digest(catalog, picture) for picture in pictures}

    def is_made(picture: Picture) -> bool:
        entry = known.get(picture.image)
        there = bool(entry) and (folder / picture.image).is_file()
        return there and known[picture.image]["plan"] == planned[picture.image]

    wanted = [p for p in pictures if not only or p.product_id in only]
    todo = [p for p in wanted if not is_made(p)]
    say(f"{catalog.name}: {len(wanted) - len(todo)} up to date, {len(todo)} to make")
    record = {
        "command": command,
        "images": known,
        "manifest": record.get("manifest", ""),
        "recipe": RECIPE,
        "samples": {role: catalog.quality.samples(role) for role in ("gallery", "query")},
        "sector": catalog.name,
        "seed": catalog.seed,
        "size": catalog.quality.size,
    } | (_tools() if todo else {tool: record[tool] for tool in _TOOLS if tool in record})
    failed, written = 0, time.monotonic()
    with progress.shown(catalog.name, len(todo), say) as advance:
        for picture, result in _made(catalog, todo, jobs):
            if isinstance(result, Exception):
                failed += 1
                part = catalog.part(picture.product_id)
                say(f"FAILED {picture.image} of {part.build} {dict(part.parameters)}: {result}")
                advance("")
                continue
            atomic_write_bytes(folder / picture.image, result.data)
            known[picture.image] = {
                "nearest": result.nearest,
                "plan": planned[picture.image],
                "sha256": files.sha256(result.data),
                "told_by": result.told_by or "",
            }
            if time.monotonic() - written > OFTEN:
                files.write_digests(folder, record)
                written = time.monotonic()
            advance(picture.image)
    _finish(catalog, folder, pictures, record, say)
    return failed


_TOOLS = ("geometry", "renderer")


def _tools() -> dict[str, Any]:
    from pytest_prodbench.rendering import scene

    variant = scene.start()
    return {
        "geometry": {"name": "build123d", "version": version("build123d")},
        "renderer": {"name": "mitsuba", "variant": variant, "version": version("mitsuba")},
    }


def _finish(
    catalog: Catalog, folder: Path, pictures: Sequence[Picture], record: dict[str, Any], say: Say
) -> None:
    """Write the manifest if every picture is there, and the digests in any case."""
    known = record["images"]
    if all(picture.image in known for picture in pictures):
        planned = {picture.image for picture in pictures}
        for image in sorted(set(known) - planned):
            (folder / image).unlink(missing_ok=True)
        record["images"] = {image: known[image] for image in known if image in planned}
        manifest = files.manifest_bytes(catalog.name, pictures, record["images"])
        atomic_write_bytes(folder / "manifest.csv", manifest)
        record["manifest"] = files.sha256(manifest)
    else:
        say(f"{catalog.name}: not complete, its manifest is left as it was")
    files.write_digests(folder, record)


def _made(
    catalog: Catalog, todo: Sequence[Picture], jobs: int
) -> Iterator[tuple[Picture, Made | Exception]]:
    """Every picture with its file, or with what went wrong."""
    if jobs <= 1:
        for picture in todo:
            try:
                yield picture, make(catalog, picture)
            except Exception as error:
                yield picture, error
        return
    with ProcessPoolExecutor(jobs, initializer=start_worker) as pool:
        futures = {pool.submit(make, catalog, picture): picture for picture in todo}
        try:
            for future in as_completed(futures):
                wrong = future.exception()
                if isinstance(wrong, Exception):
                    yield futures[future], wrong
                else:
                    yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)
