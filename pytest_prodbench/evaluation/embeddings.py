"""Evaluate vectors that somebody already has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pytest_prodbench.datasets.problems import unicode_problem
from pytest_prodbench.evaluation.measure import measure
from pytest_prodbench.evaluation.result import Evaluation
from pytest_prodbench.evidence.queries import query_table
from pytest_prodbench.protocol import ImageTable
from pytest_prodbench.retrieval import normalise
from pytest_prodbench.settings.types import RunSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

Key: TypeAlias = str | int | bytes | None
"""What names an image; None names nothing."""


def evaluate_embeddings(
    query_vectors: Any,
    gallery_vectors: Any,
    query_products: Sequence[str],
    gallery_products: Sequence[str],
    *,
    query_keys: Sequence[Key] | None = None,
    gallery_keys: Sequence[Key] | None = None,
    families: tuple[Sequence[str], Sequence[str]] | Mapping[str, str] | None = None,
    conditions: Mapping[str, Sequence[str]] | None = None,
    k: Sequence[int] = (1, 5, 10),
    open_set: bool = False,
    answers: Mapping[str, Sequence[str]] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Evaluation:
    """Evaluate vectors by the protocol; they need not be normalised.

    Args:
        query_vectors, gallery_vectors: floating-point arrays or tensors of shape (q, d) and (n, d).
        query_products, gallery_products: product ids as strings, q and n of them.
        query_keys, gallery_keys: equal keys mean "the same image", which is taken out before ranking;
            strings, whole numbers or bytes, in a sequence, array or tensor. None matches nothing. Both or
            neither.
        families: product id → family, or the families of queries and of gallery images as two
            sequences; for ``category_recall``.
        conditions: column → q values; metrics are given per value as well.
        k: of ``recall@k``.
        open_set: queries whose product is absent are declared; else they are an error.
        answers: product of a query → products whose images are its positives, where those are more, or
            others, than the product itself.
        resamples, seed: of the interval.

    Raises:
        EmbeddingError: wrong shape or dtype, NaN, infinity, an all-zero vector; names the row.
        DatasetError: a query without a positive, and the set is not open.
        TypeError: a product id that is not a string; a key that is no string, whole number or bytes.
        ValueError: lengths that do not belong together; text that UTF-8 cannot write.
    """
    queries_array, gallery_array = _array(query_vectors), _array(gallery_vectors)
    if (query_keys is None) != (gallery_keys is None):
        raise ValueError("query_keys and gallery_keys belong together: give both or neither")
    query_unit = normalise(queries_array, lambda row: f"query {row}")
    gallery_unit = normalise(gallery_array, lambda row: f"gallery {row}")
    if query_unit.shape[1] != gallery_unit.shape[1]:
        raise ValueError(
            f"query vectors have {query_unit.shape[1]} dimensions, gallery vectors "
            f"{gallery_unit.shape[1]}; expected the same"
        )
    if not len(query_unit) or not len(gallery_unit):
        raise ValueError("no query or no gallery image; expected at least one of each")
    query_families, gallery_families = _families(families, query_products, gallery_products)
    queries = _table("query", len(query_unit), query_products, query_families, conditions or {})
    gallery = _table("gallery", len(gallery_unit), gallery_products, gallery_families, {})
    query_identities = _keys("query_keys", query_keys, len(queries))
    gallery_identities = _keys("gallery_keys", gallery_keys, len(gallery))
    _refuse_apart(query_identities, gallery_identities)
    measured = measure(
        query_unit,
        gallery_unit,
        queries,
        gallery,
        query_keys=query_identities,
        gallery_keys=gallery_identities,
        query_contents=_digests(query_unit),
        gallery_contents=_digests(gallery_unit),
        open_set=open_set,
        name="embeddings",
        device="cpu",
        precision="float32",
        settings=RunSettings(resamples=resamples, seed=seed),
        answers=answers,
        ks=k,
    )
    table = query_table(queries, gallery, measured.ranking, [""] * len(queries))
    return Evaluation(measured.measurement, measured.ranking, table, timing=measured.timing)


def _array(vectors: Any) -> NDArray[Any]:
    # A tensor may lie on a GPU, want gradients, or be bfloat16, which numpy does not know.
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu()
        vectors = vectors.float() if vectors.is_floating_point() else vectors
    return np.asarray(vectors)


def _digests(unit: NDArray[np.float32]) -> list[str]:
    """Name rows by what is in them, so that no draw and no tie depends on their order."""
    return [hashlib.sha256(row.tobytes()).hexdigest() for row in np.ascontiguousarray(unit)]


def _table(
    role: str,
    count: int,
    products: Sequence[str],
    families: Sequence[str],
    conditions: Mapping[str, Sequence[str]],
) -> ImageTable:
    if len(products) != count:
        raise ValueError(f"{len(products)} {role} products for {count} {role} vectors")
    if isinstance(products, str):
        raise TypeError(f"{role} products are one string; expected a sequence of strings")
    for row, product in enumerate(products):
        # numpy strings are str; a float would have lost digits before it came here.
        if not isinstance(product, str):
            raise TypeError(
                f"{role} product {row} is {product!r} ({type(product).__name__}); expected a string: "
                "ids that went through a number may have lost zeros or digits"
            )
        _refuse_unwritable(f"{role} product {row}", product)
    columns = {
        "families": families,
        **{f"conditions {name!r}": c for name, c in conditions.items()},
    }
    for name, values in columns.items():
        if isinstance(values, str) or len(values) != count:
            raise ValueError(f"{role} {name}: expected {count} values, one a {role} vector")
        for row, value in enumerate(values):
            _refuse_unwritable(f"{role} {name}, value {row}", str(value))
    return ImageTable(
        images=tuple(f"{role}-{row}" for row in range(count)),
        product_ids=tuple(map(str, products)),
        families=tuple(map(str, families)),
        groups=("",) * count,
        boxes=(None,) * count,
        conditions={name: tuple(map(str, values)) for name, values in conditions.items()},
    )


def _refuse_unwritable(what: str, text: str) -> None:
    problem = unicode_problem(what, text)
    if problem is not None:
        raise ValueError(
            f"{problem}: it holds half of a surrogate pair; expected text that UTF-8 can write; read it "
            "again with its right encoding"
        )


def _keys(name: str, keys: Any, count: int) -> list[Key]:
    """Keys as Python objects that are equal by value: those of tensors are equal to nothing."""
    if keys is None:
        return [None] * count
    if isinstance(keys, str | bytes):
        raise TypeError(f"{name} is one {type(keys).__name__}; expected a sequence, one a vector")
    listed = keys.tolist() if hasattr(keys, "tolist") else list(keys)
    if not isinstance(listed, list) or len(listed) != count:
        size = len(listed) if isinstance(listed, list) else "no list of"
        raise ValueError(f"{name} has {size} values for {count} vectors")
    found = [key.item() if isinstance(key, np.generic) else key for key in listed]
    for row, key in enumerate(found):
        if key is not None and not isinstance(key, str | int | bytes):
            raise TypeError(
                f"{name}[{row}] is {str(key)[:80]} ({type(key).__name__}); expected a string, a whole number "
                "or bytes, or None where there is no key: others may differ although they mean one image; "
                "convert them with str()"
            )
    return found


def _refuse_apart(queries: Sequence[Key], gallery: Sequence[Key]) -> None:
    """Refuse keys of kinds that are never equal: nothing would be excluded, and nothing said."""
    kinds = [
        {"int" if isinstance(key, int) else type(key).__name__ for key in keys if key is not None}
        for keys in (queries, gallery)
    ]
    if all(kinds) and not kinds[0] & kinds[1]:
        raise TypeError(
            f"query_keys are of type {', '.join(sorted(kinds[0]))}, gallery_keys of type "
            f"{', '.join(sorted(kinds[1]))}; expected the same type: others are never equal, so that no "
            "image would be excluded"
        )


def _families(
    families: tuple[Sequence[str], Sequence[str]] | Mapping[str, str] | None,
    query_products: Sequence[str],
    gallery_products: Sequence[str],
) -> tuple[Sequence[str], Sequence[str]]:
    if families is None:
        return [""] * len(query_products), [""] * len(gallery_products)
    if isinstance(families, Mapping):
        return (
            [families.get(product, "") for product in query_products],
            [families.get(product, "") for product in gallery_products],
        )
    if len(families) != 2:
        raise ValueError(
            f"families has {len(families)} parts; expected two sequences (of queries, of gallery "
            "images) or a mapping of product id to family"
        )
    return families
