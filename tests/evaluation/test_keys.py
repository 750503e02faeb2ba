"""Keys of bare vectors: equal by value whatever holds them, and a part of the order of the gallery."""

import numpy as np
import pytest
import torch

from pytest_prodbench import evaluate_embeddings

QUERY = np.array([[1.0, 0.0]])
GALLERY = np.array([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]])


def evaluated(query_keys, gallery_keys):
    return evaluate_embeddings(
        *(QUERY, GALLERY, ["a"], ["b", "a", "c"]),
        query_keys=query_keys,
        gallery_keys=gallery_keys,
        resamples=100,
    )


@pytest.mark.parametrize(
    ("query_keys", "gallery_keys"),
    [
        ([5], [5, 6, 7]),
        (torch.tensor([5]), torch.tensor([5, 6, 7])),
        (np.array([5]), [5, 6, 7]),
        ([np.int32(5)], torch.tensor([5, 6, 7])),
        (np.array(["x"]), ["x", None, "z"]),
        ([b"x"], (b"x", b"y", b"z")),
        (["x"], ["x", 6, b"z"]),
    ],
)
def test_equal_keys_are_one_image_whatever_holds_them(query_keys, gallery_keys):
    found = evaluated(query_keys, gallery_keys)
    assert found.measurement.excluded == 1
    assert found.ranks.tolist() == [2]


@pytest.mark.parametrize(
    ("query_keys", "gallery_keys", "said"),
    [
        ([torch.tensor(5)], [5, 6, 7], r"query_keys\[0\] is .*Tensor.*expected a string"),
        ([5], [5, 6, float("nan")], r"gallery_keys\[2\] is nan \(float\)"),
        (torch.tensor([[5]]), [5, 6, 7], r"query_keys\[0\] is \[5\] \(list\)"),
        ("x", ["x", "y", "z"], "query_keys is one str"),
        (["5"], [5, 6, 7], "query_keys are of type str, gallery_keys of type int"),
        ([b"x"], ["x", "y", "z"], "query_keys are of type bytes, gallery_keys of type str"),
    ],
)
def test_keys_that_could_never_be_equal_are_refused(query_keys, gallery_keys, said):
    with pytest.raises(TypeError, match=said):
        evaluated(query_keys, gallery_keys)


def test_the_order_of_rows_changes_nothing_where_only_keys_tell_two_images_apart():
    """A query is in the gallery twice over: as itself, and as a twin with another key."""
    rng = np.random.default_rng(0)
    base = np.repeat(rng.normal(size=(6, 8)), 9, axis=0) + 0.8 * rng.normal(size=(54, 8))
    vectors = np.concatenate([base, base])
    products = [f"p{i // 9}" for i in range(54)] * 2
    keys = list(range(108))

    def measured(order):
        done = evaluate_embeddings(
            *(base, vectors[order], products[:54], [products[i] for i in order]),
            query_keys=keys[:54],
            gallery_keys=[keys[i] for i in order],
            resamples=100,
        ).measurement
        return {name: value.value for name, value in done.metrics.items()}, done.embedding

    expected = measured(np.arange(108))
    for seed in range(3):
        assert measured(np.random.default_rng(seed).permutation(108)) == expected
