"""Evaluate one model on one dataset: what the test does in CI, in a notebook."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.datasets.content import DatasetContent, content
from pytest_prodbench.datasets.files import kept_in
from pytest_prodbench.datasets.known_files import KnownFiles
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.datasets.overview import absent_queries, distractors
from pytest_prodbench.embedding import ImageRequest, ModelHandle
from pytest_prodbench.embedding.costs import recorded_costs
from pytest_prodbench.embedding.remote.roles import embed_both
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evaluation.measure import measure
from pytest_prodbench.evaluation.result import Evaluation
from pytest_prodbench.evidence.queries import query_table
from pytest_prodbench.evidence.timing import Paid
from pytest_prodbench.evidence.types import DatasetRecord, EngineRecord, ModelRecord
from pytest_prodbench.models.overrides import overrides
from pytest_prodbench.protocol import Dataset, ImageTable
from pytest_prodbench.retrieval import normalise
from pytest_prodbench.settings.sources import parse_source
from pytest_prodbench.settings.tables import validate
from pytest_prodbench.settings.types import DatasetSpec, ModelSpec, RunSettings

if TYPE_CHECKING:
    from pytest_prodbench.embedding import OnProgress
    from pytest_prodbench.embedding.remote import Account


def evaluate(
    model: str | ModelSpec | ModelHandle,
    dataset: str | Path | DatasetSpec | Dataset,
    *,
    layout: str | None = None,
    open_set: bool = False,
    layout_options: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = (),
    project: Path | None = None,
    settings: RunSettings | None = None,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> Evaluation:
    """Embed what the cache lacks, rank, count.

    Args:
        model: ``library:identifier`` (``timm:tf_efficientnet_lite0``), a spec, or a handle that keeps the
            loaded model from one call to the next.
        dataset: path of a manifest or folder, a spec, or an opened dataset.
        layout: of a dataset given as a path; by default ``manifest`` for a file, ``folder`` for a folder.
        open_set: of a dataset given as a path: queries whose product is absent are declared, no error.
        layout_options: of a dataset given as a path: keys of the layout, as in ``sector.toml``
            (``{"notes": ["checked_by"]}``).
        metrics: names such as ``recall@20`` to measure beside the default ones; of statistics such as
            ``eer`` to measure for pairs of conditions as well.
        project: folder that paths in the evidence are relative to; the working directory by default.
        settings: how to run; defaults otherwise.
        on_progress: told about every batch that is embedded.
        **options: fields of ``RunSettings`` (``device="cpu"``, ``cache_dir=Path(…)`` …).

    Raises:
        ProdbenchError: names what is wrong with model, dataset or setting, and the next step.
        TypeError: an unknown option, or one of a path where the dataset is none.
    """
    settings = _settings(settings, options)
    handle = _handle(model, settings)
    known = KnownFiles(settings.cache_dir)
    opened = _dataset(dataset, layout, open_set, layout_options, settings, known)
    return evaluate_opened(
        handle,
        opened,
        content(opened, known),
        settings,
        metrics=metrics,
        project=(project or Path.cwd()).resolve(),
        on_progress=on_progress,
    )


def evaluate_opened(
    handle: ModelHandle,
    dataset: Dataset,
    digests: DatasetContent,
    settings: RunSettings,
    *,
    project: Path,
    metrics: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Evaluate a model on a dataset whose files have been read; ``evaluate`` and the suite both do this."""
    started = time.perf_counter()
    queries, gallery = query_requests(dataset, digests), gallery_requests(dataset, digests)
    requests = [*queries, *gallery]
    embedded = embed_both(
        queries, gallery, handle, settings, dataset=digests.digest[:16], on_progress=on_progress
    )
    embed_s = time.perf_counter() - started
    split = len(dataset.queries)
    names = [request.name for request in requests]
    unit = normalise(embedded.vectors, names.__getitem__)
    measured = measure(
        unit[:split],
        unit[split:],
        dataset.queries,
        dataset.gallery,
        query_keys=embedded.pixels[:split],
        gallery_keys=embedded.pixels[split:],
        query_contents=digests.query_digests,
        gallery_contents=digests.gallery_digests,
        open_set=dataset.open_set,
        name=dataset.name,
        device=handle.device,
        precision=handle.precision,
        settings=settings,
        answers=dataset.answers,
        extra=tuple(dict.fromkeys((*metrics, *dataset.official_metrics))),
    )
    contents = [request.key.hex() for request in requests[:split]]
    timing = measured.timing.model_copy(
        update={
            "total_s": time.perf_counter() - started,
            "embed_s": embed_s,
            "images_embedded": embedded.embedded,
            "images_cached": embedded.cached,
            "costs": recorded_costs(handle, settings),
            "paid": _paid(handle, embedded.paid),
        }
    )
    return Evaluation(
        measured.measurement,
        measured.ranking,
        query_table(dataset.queries, dataset.gallery, measured.ranking, contents),
        model_record(handle),
        dataset_record(dataset, digests, project),
        timing,
    )


def _paid(handle: ModelHandle, account: Account | None) -> Paid | None:
    if account is None:
        return None
    return Paid(
        requests=account.requests,
        images=account.images,
        usd=None if handle.spec.price_per_1000 is None else round(account.usd, 9),
        unanswered_usd=round(account.unanswered_usd, 9),
        usage=account.usage,
    )


def model_record(handle: ModelHandle) -> ModelRecord:
    """Say what a model is."""
    import hashlib

    identity, spec = handle.identity, handle.spec
    return ModelRecord(
        name=spec.name,
        source=spec.source,
        family=spec.family,
        weights_digest=identity.weights_digest,
        preprocessing=identity.preprocessing,
        preprocessing_digest=hashlib.sha256(identity.preprocessing.encode()).hexdigest(),
        pooling=identity.pooling,
        dimension=identity.dimension,
        versions=dict(identity.versions),
        overrides=overrides(spec, identity.adapter),
        remote_code=spec.trust_remote_code,
        price_per_1000=spec.price_per_1000,
        price_date=None if spec.price_date is None else spec.price_date.isoformat(),
        engine=EngineRecord(**asdict(handle.engine)),
    )


def dataset_record(dataset: Dataset, digests: DatasetContent, project: Path) -> DatasetRecord:
    """Say what a dataset is; its root relative to the project, never an absolute home path."""
    conditions = {
        name: sorted(set(values) - {""}) for name, values in dataset.queries.conditions.items()
    }
    files, place = kept_in(dataset)
    return DatasetRecord(
        name=dataset.name,
        sector=dataset.sector,
        layout=dataset.layout,
        content_digest=digests.digest,
        root=_recorded_path(place, project) if isinstance(place, Path) else place,
        files=files,
        queries=len(dataset.queries),
        gallery=len(dataset.gallery),
        products=len(set(dataset.gallery.product_ids)),
        absent=absent_queries(dataset),
        distractors=distractors(dataset)[1],
        conditions={name: values for name, values in conditions.items() if values},
        protocol_note=dataset.protocol_note,
        open_set=dataset.open_set,
        official_metrics=list(dataset.official_metrics),
        published=dataset.published,
    )


def _recorded_path(folder: Path, project: Path) -> str:
    home = Path.home()
    if folder.is_relative_to(home) and not project.is_relative_to(home):
        return f"~/{folder.relative_to(home).as_posix()}"
    return Path(os.path.relpath(folder, project)).as_posix()


def _settings(settings: RunSettings | None, options: dict[str, Any]) -> RunSettings:
    unknown = sorted(set(options) - set(RunSettings.model_fields))
    if unknown:
        raise TypeError(
            f"evaluate() got unknown options {', '.join(unknown)}; known: "
            f"{', '.join(sorted(RunSettings.model_fields))}"
        )
    for name in ("cache_dir", "report_dir"):
        if isinstance(options.get(name), str):
            options[name] = Path(options[name]).expanduser()
    base = settings.model_dump() if settings is not None else {}
    return validate(RunSettings, {**base, **options}, "evaluate(…)")


def _handle(model: str | ModelSpec | ModelHandle, settings: RunSettings) -> ModelHandle:
    if isinstance(model, ModelHandle):
        return model
    if isinstance(model, str):
        library, identifier = parse_source(model, where="evaluate(model=…)")
        model = ModelSpec(name=model, library=library, identifier=identifier)
    return ModelHandle(model, settings)


def _dataset(
    dataset: str | Path | DatasetSpec | Dataset,
    layout: str | None,
    open_set: bool,
    layout_options: Mapping[str, Any] | None,
    settings: RunSettings,
    known: KnownFiles,
) -> Dataset:
    if isinstance(dataset, DatasetSpec | Dataset) and (layout or open_set or layout_options):
        raise TypeError(
            "evaluate(): layout, open_set and layout_options describe a dataset given as a path; "
            f"this one is a {type(dataset).__name__}, which says so itself"
        )
    if isinstance(dataset, Dataset):
        return dataset
    if not isinstance(dataset, DatasetSpec):
        path = Path(dataset).expanduser().resolve()
        if not path.exists():
            raise SettingsError(
                "evaluate(dataset=…)", found=f"{path}, which does not exist", expected="a path"
            )
        kind = layout or ("folder" if path.is_dir() else "manifest")
        options = dict(layout_options or {})
        dataset = DatasetSpec(
            name=path.stem, layout=kind, path=path, open_set=open_set, options=options
        )
    return open_dataset(dataset, max_pixels=settings.max_pixels, known=known)


def query_requests(dataset: Dataset, digests: DatasetContent) -> list[ImageRequest]:
    """Return the queries of a dataset as images to embed."""
    return _requests(dataset, dataset.queries, digests.query_digests)


def gallery_requests(dataset: Dataset, digests: DatasetContent) -> list[ImageRequest]:
    """Return the gallery of a dataset as images to embed."""
    return _requests(dataset, dataset.gallery, digests.gallery_digests)


def _requests(dataset: Dataset, table: ImageTable, digests: tuple[str, ...]) -> list[ImageRequest]:
    return [
        ImageRequest(image, dataset.path(image), digest, box, dataset.files)
        for image, digest, box in zip(table.images, digests, table.boxes, strict=True)
    ]
