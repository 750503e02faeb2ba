"""A suite with models of providers: outages, money, and keys that are found in nothing that a run leaves."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from wire import PLANTED, Provider, Wire, closing, status

from pytest_prodbench.embedding.remote.job import LOCK
from pytest_prodbench.errors import ModelError, SettingsError
from pytest_prodbench.models import library_for
from pytest_prodbench.settings.files import load_suite
from pytest_prodbench.settings.types import ModelSpec

Serve = Callable[..., Provider]


@pytest.fixture
def serve(wire_named: Callable[[str], Wire]) -> Iterator[Serve]:
    """Start one server a provider."""
    with ExitStack() as stack:

        def started(wire: str | Wire) -> Provider:
            server = stack.enter_context(closing(HTTPServer(threaded=True)))
            return Provider(wire_named(wire) if isinstance(wire, str) else wire, server)

        yield started


def entry(name: str, provider: Provider, **more: Any) -> str:
    wire = provider.wire
    keys = {
        "source": f"{wire.library}:{wire.identifier}",
        **wire.options,
        "endpoint": f"{provider.address}{wire.endpoint}",
        "family": "api",
        "retries": 1,
        "backoff_s": 0.05,
        **more,
    }
    lines = [
        f"{key} = {value if key == 'price_date' else toml(value)}" for key, value in keys.items()
    ]
    return "\n".join([f"[models.{name}]", *lines, ""])


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


PIXELS = '[models.pixels]\nsource = "baseline:pixels"\n'


def everywhere(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path, str(path).encode() + path.read_bytes()


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["alone", "n2"])
def test_outages_of_two_providers_stop_no_other_model(
    cold_repository: Any, serve: Serve, processes: tuple[str, ...]
) -> None:
    repository, works = cold_repository, serve("cohere")
    outages = {"cohere-down": serve("cohere"), "voyage-down": serve("voyage")}
    for provider in outages.values():
        provider.behaviours = [status(503, "maintenance \ud83d\x1b[31m")] * 100
    repository.write(
        "suites/models.toml",
        PIXELS
        + entry("works", works, price_per_1000=2.0, price_date="2026-11-01")
        + "".join(entry(name, provider, concurrency=1) for name, provider in outages.items()),
    )
    result = repository.run(*processes)
    assert result.ret == 1
    pairs = repository.pairs()
    assert {name: pair["status"] for name, pair in pairs.items()} == {
        f"{model}:{dataset}": "failed" if model in outages else "evaluated"
        for model in ("pixels", "works", *outages)
        for dataset in ("bolts", "boxes")
    }
    for name, provider in outages.items():
        library = provider.wire.library
        for dataset in ("bolts", "boxes"):
            assert (
                f"{library} is not to be had: HTTP 503: maintenance \ufffd\ufffd[31m, after 2 attempts"
                in (pairs[f"{name}:{dataset}"]["error"])
            )
    paid = [pairs[f"works:{dataset}"]["timing"]["paid"] for dataset in ("bolts", "boxes")]
    sent = sum(works.requests)
    assert sum(one["images"] for one in paid) == sent == len(set(works.files))
    assert sum(one["usd"] for one in paid) == pytest.approx(sent * 0.002)
    assert sum(one["requests"] for one in paid) == len(works.requests)
    for dataset in ("bolts", "boxes"):
        costs = pairs[f"works:{dataset}"]["timing"]["costs"]
        assert costs["latency_p95_ms"] > 0
        assert costs["images_per_s"] > 0
    assert repository.evidence()["models"]["works"]["price_date"] == "2026-11-01"
    # Once more: nothing is paid for, and the numbers are the same.
    assert repository.run(*processes, "--prodbench-model", "works", name="again").ret == 0
    assert sum(works.requests) == sent
    again = repository.pairs("again")
    for dataset in ("bolts", "boxes"):
        name = f"works:{dataset}"
        assert again[name]["measurement"] == pairs[name]["measurement"]
        assert again[name]["timing"]["paid"]["images"] == 0


def test_a_key_is_found_in_nothing_that_a_run_leaves(
    cold_repository: Any, wire: Wire, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good answers, answers that repeat the key, and silence; with every log, and locals in tracebacks."""
    repository, works, denies, breaks = cold_repository, *(serve(wire) for _ in range(3))
    denies.behaviours = [status(401, f"the key {PLANTED} is not known")] * 100
    breaks.behaviours = [status(200, f"no vectors for {PLANTED}")] * 100
    repository.write(
        "suites/models.toml",
        entry("works", works) + entry("denied", denies) + entry("broken", breaks),
    )
    result = repository.run(
        *("suites/diy", "--showlocals", "--tb=long", "-rA", "-vv"),
        *("--log-level=DEBUG", "--log-file=everything.log"),
    )
    assert result.ret == 1
    pairs = repository.pairs()
    assert pairs["works:bolts"]["status"] == "evaluated"
    assert "denied the request" in pairs["denied:bolts"]["error"]
    assert pairs["broken:bolts"]["status"] == "failed"
    said = "\n".join([*result.outlines, *result.errlines]).encode()
    forms = (PLANTED.encode(), base64.b64encode(PLANTED.encode()))
    left = dict(everywhere(repository.path, repository.cache))
    assert any(path.name == "everything.log" for path in left)
    assert any(path.name == "index.html" for path in left)
    assert any(path.suffix == ".safetensors" for path in left)
    for form in forms:
        assert form not in said
        assert [str(path) for path, data in left.items() if form in data] == []


def command(repository: Any, *arguments: str, **without: None) -> tuple[int, str, str]:
    """Run ``prodbench`` in a process of its own, and in one without some variables."""
    environment = {name: value for name, value in os.environ.items() if name not in without}
    run = "import sys; from pytest_prodbench.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", run, *arguments],
        cwd=repository.path,
        env={**environment, "PRODBENCH_CACHE_DIR": str(repository.cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


NO_KEY: dict[str, None] = {"COHERE_API_KEY": None}


def test_cost_and_plan_before_and_after(cold_repository: Any, serve: Serve) -> None:
    here, provider = cold_repository, serve("cohere")
    priced = {"price_per_1000": 100.0, "price_date": "2026-11-01"}
    here.write(
        "suites/models.toml",
        PIXELS
        + entry("poor", provider, budget_usd=0.25, images_per_request=1, **priced)
        + entry("unpriced", provider, dimension=256, max_edge=64),
    )
    # Neither command needs a key, or sends anything.
    code, said, _ = command(here, "cost", **NO_KEY)
    assert code == 1
    images = int(cells(said, "poor")[0])
    assert cells(said, "poor") == [
        *(str(images), str(images), "100", "2026-11-01"),
        *(f"{images / 10:.4f}", "0.0000", "0.2500"),
    ]
    assert "pixels" not in said
    assert f"poor exceeds its budget: it needs budget_usd = {images / 10:g}" in said
    assert "unpriced has no price: write price_per_1000 and price_date" in said
    code, planned, _ = command(here, "plan", "--model", "poor", **NO_KEY)
    assert code == 0
    assert cells(planned, "poor")[:5] == ["2", str(images), str(images), "–", "–"]
    assert cells(planned, "poor")[-1] == f"{images / 10:,.2f}"
    assert provider.requests == []

    assert here.run("--prodbench-model", "poor").ret == 1
    assert sum(provider.requests) == 2
    for dataset in ("bolts", "boxes"):
        assert "budget does not suffice" in here.pairs()[f"poor:{dataset}"]["error"]
    code, said, _ = command(here, "cost")
    assert code == 1
    assert cells(said, "poor")[1] == str(images - 2)
    assert cells(said, "poor")[5] == "0.2000"
    needed = re.search(r"budget_usd = ([\d.]+)", said)
    assert needed is not None

    here.write(
        "suites/models.toml",
        entry("poor", provider, budget_usd=float(needed[1]), images_per_request=1, **priced),
    )
    assert here.run("--prodbench-model", "poor", name="rich").ret == 0
    assert sum(provider.requests) == images
    code, said, _ = command(here, "cost")
    assert (code, cells(said, "poor")[1]) == (0, "0")
    assert "price_date" not in said

    # A price has a date so that somebody sees how old it is.
    for date, when in (("1999-01-01", "more than a year ago"), ("2999-01-01", "in the future")):
        here.write("suites/models.toml", entry("poor", provider, **{**priced, "price_date": date}))
        code, said, _ = command(here, "cost")
        assert code == 0
        assert f"poor: its price_date {date} is {when}; look the price up again" in said


def test_queries_are_said_to_be_queries_and_both_are_on_one_account(
    cold_repository: Any, serve: Serve
) -> None:
    """Each role's images are sent as what they are; the budget is of both together."""
    here, provider = cold_repository, serve("cohere")
    roles: list[tuple[str, int]] = []

    def listen(provider: Provider, request: Any) -> None:
        body = request.get_json()
        roles.append((body["input_type"], len(body["images"])))

    provider.behaviours = [listen] * 1000
    keys: dict[str, Any] = {
        "input_type": "by_role",
        "price_per_1000": 1000.0,
        "price_date": "2026-11-01",
        "images_per_request": 1,
    }
    here.write("suites/models.toml", entry("asks", provider, budget_usd=14.0, **keys))
    # Two catalogs of twelve queries and six gallery images.
    code, said, _ = command(here, "cost")
    assert (code, cells(said, "asks")[1]) == (1, "36")
    assert here.run("-n", "2").ret == 1
    assert sum(count for _, count in roles) == 14
    here.write("suites/models.toml", entry("asks", provider, budget_usd=36.0, **keys))
    assert here.run("-n", "2", name="rich").ret == 0
    assert {role: [r for r, _ in roles].count(role) for role in dict(roles)} == {
        "search_query": 24,
        "search_document": 12,
    }
    paid = [pair["timing"]["paid"] for pair in here.pairs("rich").values()]
    assert sum(one["images"] for one in paid) == 36 - 14
    model = here.evidence("rich")["models"]["asks"]
    assert "queries: upright RGB" in model["preprocessing"]
    assert "input_type search_query" in model["preprocessing"]
    assert "input_type search_document" in model["preprocessing"]
    code, said, _ = command(here, "cost")
    assert (code, cells(said, "asks")[1], cells(said, "asks")[5]) == (0, "0", "36.0000")
    code, said, _ = command(here, "models", "show", "asks", **NO_KEY)
    assert (code, "gallery: upright RGB" in said) == (0, True)

    # Who has every vector takes no lock: the cache may lie where nothing can be written.
    locks = [path for path in here.cache.rglob(f"{LOCK}.lock") if path.is_file()]
    assert locks
    for path in locks:
        path.unlink()
        path.mkdir()
    assert here.run(name="again").ret == 0
    assert len(roles) == 36


def test_models_show_says_what_is_sent(cold_repository: Any, serve: Serve) -> None:
    provider = serve("cohere")
    cold_repository.write("suites/models.toml", entry("remote", provider))
    code, said, _ = command(cold_repository, "models", "show", "remote", **NO_KEY)
    assert code == 0
    assert "sent to cohere, 96 images a request at most" in said
    assert "upright RGB; at most 2458624 pixels (Lanczos); sent as PNG, or JPEG" in said
    assert "output_dimension 256" in said
    assert f'endpoint = "{provider.address}"' in said
    code, _, told = command(cold_repository, "doctor", "remote")
    assert (code, "a model that cohere runs" in told) == (4, True)
    code, _, _ = command(cold_repository, "download", "remote")
    assert code == 0
    assert provider.requests == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('endpoint = "https://user:pass@host/"', "without user, password and query"),
        ('endpoint = "ftp://host"', "an address such as"),
        ('api_key = "x"', "unknown key 'models.remote.api_key'"),
        ("budget_usd = -1.0", "models.remote.budget_usd"),
        ('input_type = "both"', "models.remote.input_type"),
    ],
)
def test_options_are_checked_when_the_suite_is_read(tmp_path: Path, line: str, told: str) -> None:
    text = f'[models.remote]\nsource = "cohere:embed-v4.0"\n{line}\n'
    (tmp_path / "models.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(told)):
        load_suite([tmp_path], tmp_path, models_files=[tmp_path / "models.toml"])


def test_a_dimension_that_the_model_does_not_give() -> None:
    spec = ModelSpec(
        name="m", library="cohere", identifier="embed-v4.0", options={"dimension": 100}
    )
    with pytest.raises(ModelError, match="dimension 100; expected one of 1536, 1024, 512, 256"):
        library_for(spec).files(spec)


def test_a_model_that_nobody_here_knows_needs_its_dimension() -> None:
    spec = ModelSpec(name="m", library="cohere", identifier="embed-v9.0")
    with pytest.raises(ModelError, match=r"'embed-v9\.0'.*expected one of embed-v4\.0.*dimension"):
        library_for(spec).files(spec)
    newer = spec.model_copy(update={"options": {"dimension": 4096}})
    assert library_for(newer).files(newer) == []


def cells(said: str, model: str) -> list[str]:
    """Cells of a model's row; two spaces or more stand between them."""
    for line in said.splitlines():
        if line.startswith(f"{model} "):
            return re.split(r"  +", line.strip())[1:]
    raise AssertionError(f"no row of {model} in:\n{said}")
