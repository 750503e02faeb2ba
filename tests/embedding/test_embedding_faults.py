"""What cannot be embedded is named, and what could be is kept."""

from __future__ import annotations

import numpy as np
import pytest
from embedding_builders import FaultyLibrary, embed, handle, photo, photos, request
from PIL import Image

from pytest_prodbench.embedding import embed as room
from pytest_prodbench.errors import EmbeddingError, ModelError, ProblemList, SettingsError


def test_every_bad_image_is_listed_and_every_other_is_kept(tmp_path):
    paths = photos(tmp_path / "photos", 9)
    cut, text, gone, large = (
        tmp_path / "photos" / name for name in ("cut.jpg", "t.png", "g.png", "l.png")
    )
    photo(50, 200, 200).save(cut)
    cut.write_bytes(cut.read_bytes()[:-2000])
    text.write_text("not an image")
    photo(51).save(gone)
    photo(52, 80, 80).save(large)
    requests = [request(path) for path in [cut, *paths[:5], text, gone, *paths[5:], large]]
    requests.append(request(paths[0], (0.0, 0.0, 500.0, 500.0)))
    gone.unlink()
    with pytest.raises(ProblemList) as caught:
        embed(requests, tmp_path / "cache", max_pixels=5000)
    message = str(caught.value)
    assert len(caught.value.problems) == 5
    for name in ("cut.jpg", "t.png", "g.png", "l.png", "0.png: box"):
        assert f"\n  - {name}" in message
    assert "all others are embedded" in message
    assert str(tmp_path) not in message
    again = embed([request(path) for path in paths], tmp_path / "cache")
    assert (again.embedded, again.cached) == (0, 9)


@pytest.mark.parametrize(
    ("fault", "said"), [("nan", "not finite"), ("infinity", "not finite"), ("zero", "all zero")]
)
def test_an_unusable_vector_names_its_image(tmp_path, monkeypatch, fault, said):
    monkeypatch.setattr(room, "BLOCK_IMAGES", 4)
    paths = photos(tmp_path / "photos", 10)
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    requests = [request(path) for path in [*paths[:9], tmp_path / "red.png", paths[9]]]
    with pytest.raises(EmbeddingError, match=said) as caught:
        embed(requests, tmp_path / "cache", f"faulty:{fault}")
    assert "image red.png" in str(caught.value)
    kept = embed(requests[:8], tmp_path / "cache", f"faulty:{fault}")
    assert (kept.embedded, kept.cached) == (0, 8)


def test_an_output_of_another_shape(tmp_path):
    (path,) = photos(tmp_path / "photos", 1)
    with pytest.raises(
        EmbeddingError, match=r"model 'tried': an output of shape \(1, 5\).*\(1, 48\)"
    ):
        embed([request(path)], tmp_path / "cache", "faulty:shape")


def test_a_batch_that_does_not_fit_is_halved(tmp_path):
    requests = [request(path) for path in photos(tmp_path / "photos", 11)]
    found = embed(requests, tmp_path / "cache", "faulty:memory", batch_size=8)
    assert np.array_equal(found.vectors, embed(requests, tmp_path / "other", "faulty:none").vectors)
    embedder = handle(tmp_path / "third", "faulty:memory")
    assert embedder.load().calls == []


def test_each_size_is_tried_once(tmp_path):
    requests = [request(path) for path in photos(tmp_path / "photos", 11)]
    embed(requests, tmp_path / "cache", "faulty:memory", batch_size=8)
    assert FaultyLibrary.loaded.calls == [8, 4, 2, 2, 2, 2, 2, 2]


def test_a_file_that_changes_after_it_was_hashed(tmp_path):
    paths = photos(tmp_path / "photos", 3)
    requests = [request(path) for path in paths]
    photo(99).save(paths[1])
    with pytest.raises(ProblemList, match=r"1\.png: a file that was changed") as caught:
        embed(requests, tmp_path / "cache")
    assert len(caught.value.problems) == 1


def test_weights_that_change_between_key_and_load(tmp_path):
    first = handle(tmp_path / "cache", "faulty:one")
    assert first.identity.weights_digest == "weights of one"
    changed = handle(tmp_path / "cache", "faulty:two")
    changed.__dict__["_known"] = first.identity, first.engine
    with pytest.raises(ModelError, match="other weights, preprocessing or engine than a moment"):
        changed.load()
    assert not changed.loaded


def test_an_interrupt_keeps_what_is_done(tmp_path):
    requests = [request(path) for path in photos(tmp_path / "photos", 12)]

    def interrupt(event):
        if event.done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(requests, tmp_path / "cache", on_progress=interrupt)
    again = embed(requests, tmp_path / "cache")
    assert (again.embedded, again.cached) == (4, 8)


def test_a_library_that_nobody_registered(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'timm'"):
        handle(tmp_path, "tim:x")
