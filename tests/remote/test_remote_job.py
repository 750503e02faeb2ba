"""Images to vectors through a provider's real client, over real HTTP on the loopback interface."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_catalog import draw_catalog
from numpy.typing import NDArray
from PIL import Image
from wire import (
    PLANTED,
    Provider,
    Wire,
    changed,
    half_closed,
    not_finite,
    refused,
    slow,
    status,
    too_short,
    vector_of,
)

from pytest_prodbench.datasets.decoding import decode
from pytest_prodbench.embedding import ImageRequest, ModelHandle, embed_images
from pytest_prodbench.embedding.costs import recorded_costs
from pytest_prodbench.embedding.embed import EmbeddedImages
from pytest_prodbench.embedding.remote.roles import account_of
from pytest_prodbench.errors import EmbeddingError, ModelError, ProblemList
from pytest_prodbench.settings.types import ModelSpec, Preprocess, RunSettings


@pytest.fixture(params=["cohere"])
def wire(request: pytest.FixtureRequest, wire_named: Any) -> Wire:
    """One provider: what is tested here is the same for all."""
    found: Wire = wire_named(request.param)
    return found


def requests_in(folder: Path) -> list[ImageRequest]:
    import hashlib

    return [
        ImageRequest(path.name, path, hashlib.sha256(path.read_bytes()).hexdigest(), None)
        for path in sorted(folder.iterdir())
        if path.suffix != ".csv"
    ]


@pytest.fixture
def images(tmp_path: Path) -> list[ImageRequest]:
    """Nine different photos."""
    draw_catalog(tmp_path / "photos", products=3)
    return requests_in(tmp_path / "photos")


class Bench:
    """A model of the provider, and a cache."""

    def __init__(self, provider: Provider, cache: Path) -> None:
        self.provider, self.settings = provider, RunSettings(cache_dir=cache, device="cpu")

    def spec(self, price: float | None = None, **options: Any) -> ModelSpec:
        fast = {"backoff_s": 0.05, "retries": 3, **options}
        spec = self.provider.wire.spec(self.provider.address, **fast)
        if price is None:
            return spec
        import datetime as dt

        return spec.model_copy(update={"price_per_1000": price, "price_date": dt.date(2026, 11, 1)})

    def embed(
        self, images: list[ImageRequest], price: float | None = None, **options: Any
    ) -> EmbeddedImages:
        handle = ModelHandle(self.spec(price, **options), self.settings)
        return embed_images(images, handle, self.settings, dataset="drawn")


@pytest.fixture
def bench(provider: Provider, tmp_path: Path) -> Bench:
    return Bench(provider, tmp_path / "cache")


def expected(images: list[ImageRequest], dimension: int) -> NDArray[np.float32]:
    rows = []
    for image in images:
        stream = io.BytesIO()
        decode(image.read(), where=image.name, max_pixels=10**8).save(stream, "PNG")
        rows.append(vector_of(stream.getvalue(), dimension))
    return np.array(rows, np.float32)


def blocks(cache: Path) -> int:
    return len(list(cache.rglob("*.safetensors")))


def test_each_image_gets_its_own_vector_and_is_paid_for_once(
    bench: Bench, images: list[ImageRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = bench.embed(images, images_per_request=4)
    np.testing.assert_allclose(found.vectors, expected(images, 256), rtol=1e-6)
    assert (found.embedded, found.cached) == (9, 0)
    assert sorted(bench.provider.requests) == [1, 4, 4]
    assert blocks(bench.settings.cache_dir) == 1  # three replies, put together
    # Once more, on a machine that has no key: nothing is asked for.
    for name in bench.provider.wire.environment:
        monkeypatch.delenv(name)
    again = bench.embed(images, images_per_request=4)
    np.testing.assert_array_equal(again.vectors, found.vectors)
    assert (again.embedded, again.cached) == (0, 9)
    assert again.paid is not None
    assert again.paid.requests == 0
    assert len(bench.provider.requests) == 3


def test_every_kind_of_file_is_sent_upright_in_rgb(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "kinds"
    folder.mkdir()
    coarse = np.random.default_rng(3).integers(0, 255, (6, 9, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse).resize((90, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(folder / "rotated.jpg", exif=exif.tobytes(), quality=95)
    photo.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize((90, 60)))
    alpha.save(folder / "alpha.png")
    Image.fromarray(np.arange(5400, dtype=np.uint16).reshape(60, 90) * 12).save(
        folder / "grey16.png"
    )
    photo.save(folder / "größe <script>.webp", lossless=True)
    Image.new("RGB", (1, 1), "red").save(folder / "tiny.png")
    images = requests_in(folder)
    found = bench.embed(images)
    np.testing.assert_allclose(found.vectors, expected(images, 256), rtol=1e-6)
    sent = {Image.open(io.BytesIO(file)).size for file in bench.provider.files}
    assert (60, 90) in sent  # the rotated one


def test_equal_pixels_are_paid_for_once(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "twins"
    folder.mkdir()
    pixels = Image.effect_noise((30, 30), 60).convert("RGB")
    pixels.save(folder / "a.png")
    pixels.save(folder / "b.bmp")
    pixels.save(folder / "c.png", compress_level=1)
    found = bench.embed(requests_in(folder))
    assert bench.provider.requests == [1]
    assert (found.vectors == found.vectors[0]).all()


def test_it_waits_as_long_as_it_is_told(bench: Bench, images: list[ImageRequest]) -> None:
    bench.provider.behaviours = [status(429, "slow down", Retry_After="1")]
    found = bench.embed(images)
    np.testing.assert_allclose(found.vectors, expected(images, 256), rtol=1e-6)
    assert bench.provider.requests == [9, 9]
    first, second = bench.provider.times
    assert second - first >= 1.0
    assert found.paid is not None
    assert (found.paid.requests, found.paid.images) == (1, 9)


def test_twice_trouble_then_success(bench: Bench, images: list[ImageRequest]) -> None:
    bench.provider.behaviours = [status(500), status(503)]
    bench.embed(images)
    assert bench.provider.requests == [9, 9, 9]


def test_a_quota_of_the_day_is_not_waited_for(bench: Bench, images: list[ImageRequest]) -> None:
    bench.provider.behaviours = [status(429, "daily quota", Retry_After="80000")]
    with pytest.raises(ModelError, match=r"not to be had: HTTP 429: daily quota, after 1 attempt;"):
        bench.embed(images)
    assert bench.provider.requests == [9]


def test_an_outage_keeps_what_was_paid_for_and_the_next_run_goes_on(
    bench: Bench, images: list[ImageRequest]
) -> None:
    alone = {"images_per_request": 3, "concurrency": 1}
    bench.provider.behaviours = [lambda *_: None, *[status(502)] * 4]
    with pytest.raises(
        ModelError,
        match=r"cohere is not to be had: HTTP 502.*after 4 attempts.*3 images are in the cache",
    ):
        bench.embed(images, **alone)
    assert bench.provider.requests == [3] * 5
    found = bench.embed(images, **alone)
    np.testing.assert_allclose(found.vectors, expected(images, 256), rtol=1e-6)
    assert (found.embedded, found.cached) == (6, 3)
    assert bench.provider.requests == [3] * 7


def test_a_time_out_and_half_a_reply_are_tried_again_and_may_cost_twice(
    bench: Bench, images: list[ImageRequest]
) -> None:
    bench.provider.behaviours = [slow(5.0), half_closed]
    found = bench.embed(images, price=1000.0, timeout_s=3.0)
    assert len(bench.provider.requests) == 3
    assert found.paid is not None
    assert found.paid.usd == pytest.approx(27.0)
    assert found.paid.unanswered_usd == pytest.approx(18.0)


def test_a_refused_image_is_found_and_named(bench: Bench, images: list[ImageRequest]) -> None:
    """The request is halved until it stands alone; all others have their vectors."""
    bad = bench_file(images[4])

    def behave(provider: Provider, request: Any) -> Any:
        return provider.wire.refusal() if bad in provider.wire.read(request) else None

    bench.provider.behaviours = [behave] * 50
    with pytest.raises(ProblemList) as raised:
        bench.embed(images)
    (problem,) = raised.value.problems
    assert problem.startswith(f"{images[4].name}: refused by cohere: HTTP 400: invalid image")
    assert sorted(bench.provider.requests) == [1, 1, 2, 3, 4, 5, 9]
    asked = len(bench.provider.requests)
    with pytest.raises(ProblemList):
        bench.embed(images)
    assert len(bench.provider.requests) == asked + 1  # that one alone
    good = [image for image in images if image is not images[4]]
    np.testing.assert_allclose(bench.embed(good).vectors, expected(good, 256), rtol=1e-6)
    assert len(bench.provider.requests) == asked + 1


def bench_file(image: ImageRequest) -> bytes:
    stream = io.BytesIO()
    decode(image.read(), where=image.name, max_pixels=10**8).save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def test_where_nothing_is_taken_the_request_is_wrong(
    bench: Bench, images: list[ImageRequest]
) -> None:
    bench.provider.behaviours = [refused] * 100
    with pytest.raises(ModelError, match=r"cohere refused the first \d+ images.*check dimension"):
        bench.embed(images, images_per_request=1, concurrency=1)
    assert len(bench.provider.requests) == 8


def test_a_wrong_dimension_is_an_error_and_nothing_is_kept(
    bench: Bench, images: list[ImageRequest]
) -> None:
    bench.provider.behaviours = [changed(too_short)]
    with pytest.raises(
        EmbeddingError, match=r"a vector of 255 numbers; expected 256; set dimension"
    ):
        bench.embed(images)
    assert blocks(bench.settings.cache_dir) == 0


def test_a_vector_that_is_not_finite_is_named_and_the_others_are_kept(
    bench: Bench, images: list[ImageRequest]
) -> None:
    bench.provider.behaviours = [
        changed(lambda rows: [*rows[:2], *not_finite(rows[2:3]), *rows[3:]])
    ]
    with pytest.raises(EmbeddingError, match=images[2].name):
        bench.embed(images)
    found = bench.embed(images)
    assert (found.embedded, found.cached) == (1, 8)
    np.testing.assert_allclose(found.vectors, expected(images, 256), rtol=1e-6)


@pytest.mark.parametrize("module", ["tenacity", "cohere"])
def test_without_a_client_the_extra_is_named(
    bench: Bench, images: list[ImageRequest], module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=rf'{module}.*pip install "pytest-prodbench\[cohere\]"'):
        bench.embed(images)
    assert bench.provider.requests == []


def test_a_key_that_is_wrong_stands_in_no_message(bench: Bench, images: list[ImageRequest]) -> None:
    bench.provider.behaviours = [status(401, f"invalid key {PLANTED}")] * 9
    with pytest.raises(ModelError) as raised:
        bench.embed(images, images_per_request=1)
    assert "cohere denied the request: HTTP 401: invalid key (key)" in str(raised.value)
    assert PLANTED not in str(raised.value)
    assert len(bench.provider.requests) <= 4  # those under way; nothing was tried again


def test_it_stops_before_the_budget_is_exceeded(bench: Bench, images: list[ImageRequest]) -> None:
    """Three requests of three images: two of them may be sent."""
    options = {"price": 100.0, "images_per_request": 3, "concurrency": 3}
    with pytest.raises(
        ModelError, match=r"budget does not suffice.*US\$ 0\.6.*6 images are in the cache"
    ) as raised:
        bench.embed(images, budget_usd=0.75, **options)
    assert sum(bench.provider.requests) == 6
    assert "raise budget_usd" in str(raised.value)
    handle = ModelHandle(bench.spec(100.0), bench.settings)
    assert account_of(handle, bench.settings).usd == pytest.approx(0.6)
    # All runs together: the budget of the next one is not a new one.
    with pytest.raises(ModelError, match="budget"):
        bench.embed(images, budget_usd=0.75, **options)
    assert sum(bench.provider.requests) == 6
    found = bench.embed(images, budget_usd=0.9, **options)
    assert sum(bench.provider.requests) == 9
    np.testing.assert_allclose(found.vectors, expected(images, 256), rtol=1e-6)


def test_a_budget_needs_a_price_and_a_price_its_date(bench: Bench) -> None:
    with pytest.raises(ModelError, match="budget_usd without price_per_1000"):
        bench.embed([], budget_usd=1.0)
    undated = bench.spec().model_copy(update={"price_per_1000": 1.0})
    with pytest.raises(ModelError, match="price_per_1000 without price_date"):
        embed_images([], ModelHandle(undated, bench.settings), bench.settings, dataset="x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("checkpoint", "x.safetensors"),
        ("revision", "main"),
        ("pooling", "mean"),
        ("preprocess", Preprocess(resampler="torchvision")),
        ("engine", "torch"),
    ],
)
def test_keys_of_models_on_this_machine_are_refused(bench: Bench, key: str, value: Any) -> None:
    spec = bench.spec().model_copy(update={key: value})
    with pytest.raises(ModelError, match=f"key {key}; expected none: cohere runs the model"):
        assert ModelHandle(spec, bench.settings).identity


def test_requests_are_under_way_together_but_no_more_than_that(
    bench: Bench, images: list[ImageRequest]
) -> None:
    bench.provider.lasts = 0.3
    bench.embed(images, images_per_request=1, concurrency=3)
    assert bench.provider.most_under_way == 3


def test_pace(bench: Bench, images: list[ImageRequest]) -> None:
    bench.embed(images, images_per_request=3, requests_per_minute=120.0)
    first, second, third = sorted(bench.provider.times)
    assert second - first > 0.4
    assert third - second > 0.4


@pytest.mark.parametrize(
    ("stated", "sent"),
    [
        ({}, "image"),
        ({"input_type": "query"}, "search_query"),
        ({"input_type": "document"}, "search_document"),
    ],
    ids=["default", "query", "document"],
)
def test_what_images_are_said_to_be(
    bench: Bench, images: list[ImageRequest], stated: dict[str, Any], sent: str
) -> None:
    seen: list[str] = []
    bench.provider.behaviours = [lambda _, request: seen.append(request.get_json()["input_type"])]
    bench.embed(images[:1], **stated)
    assert seen == [sent]


def test_latency_and_rate_are_recorded(bench: Bench, images: list[ImageRequest]) -> None:
    bench.provider.lasts = 0.2
    bench.embed(images, images_per_request=3, concurrency=1)
    handle = ModelHandle(bench.spec(), bench.settings)
    costs = recorded_costs(handle, bench.settings)
    assert costs["latency_p95_ms"] >= 200
    assert 0 < costs["images_per_s"] <= 15


def test_a_damaged_account_stops_before_anything_is_sent(
    bench: Bench, images: list[ImageRequest]
) -> None:
    bench.embed(images[:2])
    (path,) = bench.settings.cache_dir.rglob("ledger.json")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"nobody knows what was spent.*delete the file"):
        bench.embed(images)
    assert len(bench.provider.requests) == 1


PROCESS = """
import hashlib, json, sys
from pathlib import Path
from pytest_prodbench.embedding import ImageRequest, ModelHandle, embed_images
from pytest_prodbench.settings.types import ModelSpec, RunSettings

spec = ModelSpec.model_validate_json(sys.argv[1])
settings = RunSettings(cache_dir=Path(sys.argv[2]), device="cpu")
images = [
    ImageRequest(p.name, p, hashlib.sha256(p.read_bytes()).hexdigest(), None)
    for p in sorted(Path(sys.argv[3]).glob("*.png"))
]
found = embed_images(images, ModelHandle(spec, settings), settings, dataset=sys.argv[4])
print(json.dumps([found.embedded, found.cached]))
"""


def started(bench: Bench, folder: Path, dataset: str, **options: Any) -> subprocess.Popen[str]:
    spec = bench.spec(**options).model_dump_json()
    command = [sys.executable, "-c", PROCESS, spec, bench.settings.cache_dir, folder, dataset]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))


def test_two_processes_pay_for_an_image_once(
    bench: Bench, images: list[ImageRequest], tmp_path: Path
) -> None:
    bench.provider.lasts = 0.1
    running = [
        started(bench, tmp_path / "photos", name, images_per_request=1) for name in ("one", "two")
    ]
    found = [json.loads(process.communicate()[0]) for process in running]
    assert sorted(found) == [[0, 9], [9, 0]]
    assert sum(bench.provider.requests) == 9


def test_a_killed_process_has_lost_what_was_under_way_and_no_more(
    bench: Bench, images: list[ImageRequest], tmp_path: Path
) -> None:
    bench.provider.lasts = 0.15
    options = {"images_per_request": 1, "concurrency": 1, "price": 1000.0}
    process = started(bench, tmp_path / "photos", "one", **options)
    deadline = time.monotonic() + 60
    while len(bench.provider.requests) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    asked = len(bench.provider.requests)
    assert 4 <= asked < 9
    found = bench.embed(images, **options)
    assert found.cached >= asked - 1
    assert sum(bench.provider.requests) <= 9 + 1
    total = account_of(ModelHandle(bench.spec(1000.0), bench.settings), bench.settings)
    assert total.usd >= 9.0 - 1e-9
    assert total.usd == pytest.approx(sum(bench.provider.requests), abs=1.0)
