"""What a vendor's odd day may cost: no key shown, no reply lost, nothing booked wrongly, no run destroyed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_catalog import draw_catalog
from test_remote_job import Bench, blocks, expected, requests_in
from werkzeug import Response
from wire import PLANTED, Provider, Wire, payloads, refused, status

from pytest_prodbench.embedding import ImageRequest, ModelHandle
from pytest_prodbench.embedding.remote import job
from pytest_prodbench.embedding.remote.ledger import Ledger
from pytest_prodbench.embedding.remote.pace import Pace
from pytest_prodbench.embedding.remote.roles import account_of
from pytest_prodbench.embedding.remote.sending import SHOWN, Refusal, Sender
from pytest_prodbench.errors import EmbeddingError, ModelError, ProblemList
from pytest_prodbench.models.remote import RemoteOptions
from pytest_prodbench.models.remote.vectors import usage_of


@pytest.fixture
def bench(provider: Provider, tmp_path: Path) -> Bench:
    return Bench(provider, tmp_path / "cache")


@pytest.fixture
def images(tmp_path: Path) -> list[ImageRequest]:
    draw_catalog(tmp_path / "photos", products=3)
    return requests_in(tmp_path / "photos")


def one(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("wire", [name], indirect=True)


def said(wire: Wire, provider: Provider, folder: Path) -> str:
    """What is shown of the answer to one image."""
    spec = wire.spec(provider.address)
    sender = Sender(
        wire.loaded(spec).connect(spec),
        Pace(folder / "pace.json", per_minute=None),
        Ledger(folder / "ledger.json"),
        RemoteOptions(retries=0),
    )
    found: list[Any] = []
    ended = sender.send(payloads(1), lambda _, answers: found.extend(answers))
    if ended is not None:
        return str(ended.error)
    (refusal,) = found
    assert isinstance(refusal, Refusal)
    return refusal.reason


@pytest.mark.parametrize("code", [400, 401, 500])
def test_no_part_of_a_key_is_left_where_a_message_is_cut(
    wire: Wire, provider: Provider, tmp_path: Path, code: int
) -> None:
    for before in range(SHOWN - len(PLANTED) - 40, SHOWN, 7):
        provider.behaviours = [status(code, f"{'x' * before} {PLANTED} and more")]
        shown = said(wire, provider, tmp_path)
        assert PLANTED[:4] not in shown
        assert len(shown) <= SHOWN + 40


@pytest.mark.parametrize(
    "message",
    ["cut \ud83d", "\x1b[31mred\x07\x00", "turned \u202egnp.exe", "größe 写真 🔩"],
    ids=["half a pair", "terminal", "direction", "unicode"],
)
def test_a_message_can_be_written_and_printed(
    wire: Wire, provider: Provider, tmp_path: Path, message: str
) -> None:
    provider.behaviours = [status(403, message)]
    shown = said(wire, provider, tmp_path)
    assert shown.encode("utf-8")
    assert shown.isprintable()
    assert "größe 写真 🔩" in shown or "größe" not in message


@one("cohere")
def test_who_could_not_be_reached_has_cost_nothing(
    wire: Wire, bench: Bench, images: list[ImageRequest]
) -> None:
    there = bench.provider.address
    bench.provider.address = "http://127.0.0.1:9"
    with pytest.raises(ModelError, match="no connection"):
        bench.embed(images, price=1000.0, budget_usd=9.0)
    handle = ModelHandle(bench.spec(1000.0), bench.settings)
    assert account_of(handle, bench.settings).usd == 0.0
    bench.provider.address = there


@pytest.mark.parametrize(
    "wire", ["cohere", "gemini", "jina", "voyage", "azure_vision"], indirect=True
)
def test_a_reply_that_cannot_be_unpacked_was_paid_for(
    wire: Wire, bench: Bench, images: list[ImageRequest]
) -> None:
    def broken(*_: Any) -> Response:
        return Response(b"no gzip", 200, {"Content-Encoding": "gzip"})

    bench.provider.behaviours = [broken] * 9
    with pytest.raises(EmbeddingError):
        bench.embed(images[:1], price=1000.0, budget_usd=9.0)
    handle = ModelHandle(bench.spec(1000.0), bench.settings)
    assert account_of(handle, bench.settings).usd == 1.0


@one("cohere")
def test_replies_are_on_disk_while_the_next_photos_are_still_decoded(
    bench: Bench, images: list[ImageRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk: list[int] = []

    def slowly(*given: Any, **options: Any) -> Iterator[Any]:
        for number, image in enumerate(decoded(*given, **options)):
            if number == 7:  # two batches of three were sent, and the third is not full
                deadline = time.monotonic() + 20
                while blocks(bench.settings.cache_dir) < 2 and time.monotonic() < deadline:
                    time.sleep(0.01)
                on_disk.append(blocks(bench.settings.cache_dir))
            yield image

    decoded = job.decoded_ahead
    monkeypatch.setattr(job, "decoded_ahead", slowly)
    bench.embed(images, images_per_request=3)
    assert on_disk == [2]


@one("cohere")
def test_who_interrupts_pays_for_nothing_twice(
    bench: Bench, images: list[ImageRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.provider.lasts = 0.1

    def interrupted(*given: Any, **options: Any) -> Iterator[Any]:
        for number, image in enumerate(decoded(*given, **options)):
            if number == 7:
                raise KeyboardInterrupt
            yield image

    decoded = job.decoded_ahead
    with monkeypatch.context() as patched:
        patched.setattr(job, "decoded_ahead", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench.embed(images, images_per_request=1, price=1000.0)
    asked = sum(bench.provider.requests)
    assert 0 < asked < 9
    found = bench.embed(images, images_per_request=1, price=1000.0)
    assert (found.cached, found.embedded) == (asked, 9 - asked)
    assert sum(bench.provider.requests) == 9
    np.testing.assert_allclose(found.vectors, expected(images, 256), rtol=1e-6)


@one("cohere")
def test_each_part_of_a_refused_request_is_kept_before_the_next_is_sent(
    bench: Bench, images: list[ImageRequest]
) -> None:
    """The first half is taken, then the provider is gone."""
    bench.provider.behaviours = [refused, lambda *_: None, status(401)]
    with pytest.raises(ModelError, match="4 images are in the cache"):
        bench.embed(images)
    assert bench.provider.requests == [9, 4, 5]


@one("cohere")
def test_a_request_that_is_wrong_is_not_halved_for_ever(bench: Bench, tmp_path: Path) -> None:
    draw_catalog(tmp_path / "many", products=40)
    many = requests_in(tmp_path / "many")
    bench.provider.behaviours = [refused] * 1000
    with pytest.raises(ModelError, match=r"cohere refused the first \d+ images"):
        bench.embed(many, images_per_request=30)
    # Each of four threads comes down to single images before eight are known.
    assert len(bench.provider.requests) <= 4 * 14


@one("cohere")
def test_broken_photos_are_not_taken_for_refused_ones(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    draw_catalog(folder, products=1)
    for number in range(9):
        (folder / f"0{number}.png").write_bytes(b"no png %d" % number)
    bench.provider.behaviours = [refused]
    with pytest.raises(ProblemList, match="10 problems"):
        bench.embed(requests_in(folder), images_per_request=1, concurrency=1)


def test_a_pause_holds_for_who_has_a_place_already(tmp_path: Path) -> None:
    pace = Pace(tmp_path / "p.json", per_minute=300.0)
    pace.take()
    came: list[float] = []
    began = time.monotonic()

    def wait() -> None:
        pace.wait(threading.Event())
        came.append(time.monotonic() - began)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.05)
    pace.pause(0.8)
    waiting.join()
    assert came[0] >= 0.8


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1, 10**400, True, "7", None])
def test_what_is_no_amount_is_left_out(odd: object) -> None:
    assert usage_of({"tokens": 7, "odd": odd}) == {"tokens": 7.0}
