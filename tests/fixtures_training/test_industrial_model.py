"""The domain model that ships: small, loaded as any team's own, trained where its card says it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.training.families import is_held_back, portion
from fixtures.training.training import Recipe, frozen_parts, pretrained
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.settings.files import load_suite
from pytest_prodbench.settings.types import RunSettings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "fixtures" / "models" / "industrial-lite0"


@pytest.fixture(scope="module")
def events():
    lines = (FOLDER / "training.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_it_is_small():
    assert (FOLDER / "model.safetensors").stat().st_size < 15_000_000


def test_the_suite_loads_it_like_any_checkpoint(tmp_path):
    suite = load_suite([ROOT / "suites"], ROOT)
    settings = RunSettings(cache_dir=tmp_path, device="cpu", threads=1)
    assert suite.models["industrial-lite0"].family == "domain"
    ours, general = (
        ModelHandle(suite.models[name], settings).identity for name in ("industrial-lite0", "lite0")
    )
    assert ours.dimension == general.dimension == 1280
    # The same pixels reach both: what differs is what was learnt.
    assert ours.preprocessing == general.preprocessing
    assert ours.weights_digest != general.weights_digest


def test_stem_and_first_blocks_are_those_of_imagenet_and_the_rest_is_not():
    from safetensors.torch import load_file

    state, model = load_file(FOLDER / "model.safetensors"), pretrained()
    before = model.state_dict()
    assert state.keys() == before.keys()
    frozen = {id(p) for part in frozen_parts(model, Recipe().frozen) for p in part.parameters()}
    for name, parameter in model.named_parameters():
        same = state[name].float().allclose(before[name], rtol=2e-3, atol=1e-6)
        assert same or id(parameter) not in frozen, name
    changed = [n for n in before if n.startswith("blocks.5") and n.endswith("conv_pw.weight")]
    assert changed
    assert not any(state[n].float().allclose(before[n], rtol=2e-3, atol=1e-6) for n in changed)


def test_the_log_is_of_these_families(events):
    begin = events[0]
    assert begin["event"] == "begin"
    assert begin["recipe"] == json.loads(json.dumps(begin["recipe"]))
    families = [f.name for n in begin["portions"] for f in portion(n, begin["seed"]).families]
    assert begin["families"] == sum(not is_held_back(name) for name in families)
    assert begin["held_back_families"] == sum(map(is_held_back, families))
    assert sum(event["event"] == "epoch" for event in events) == sum(
        epochs for _, epochs in begin["recipe"]["stages"]
    )


def test_the_share_of_the_mean_was_chosen_on_what_was_held_back(events):
    shares = {event["share"]: event["map@20"] for event in events if event["event"] == "mean"}
    (chosen,) = [event["share"] for event in events if event["event"] == "chosen"]
    assert shares[chosen] == max(shares.values())
    before = next(event for event in events if event["event"] == "before")
    assert shares[0.0] == pytest.approx(before["map@20"], abs=2e-3)
    assert shares[chosen] > before["map@20"]
