"""The record: what goes in comes out, nothing that is not JSON goes in."""

from __future__ import annotations

import json
import math

import jsonschema
import pytest
from evidence_builders import measurement, pair, run, value
from pydantic import ValidationError

from pytest_prodbench.evidence.store import SCHEMA_FILE, evidence_json, schema_json
from pytest_prodbench.evidence.types import RunRecord, stable


def test_roundtrip():
    record = run()
    text = evidence_json(record)
    assert RunRecord.model_validate_json(text) == record
    assert evidence_json(RunRecord.model_validate_json(text)) == text


def test_the_text_is_canonical():
    text = evidence_json(run())
    assert text.endswith("}\n")
    assert "Größe" in text
    data = json.loads(text)
    assert list(data) == sorted(data)
    backwards = run(models=dict(reversed(run().models.items())))
    assert evidence_json(backwards) == text


def test_the_published_schema_is_current():
    said = "write it again: python -c 'from pytest_prodbench.evidence import store; "
    said += "store.SCHEMA_FILE.write_text(store.schema_json())'"
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_json(), said


def validator():
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_evidence_is_valid_by_its_schema():
    validator().validate(json.loads(evidence_json(run())))


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"schema_version": 3},
        {"schema_version": 5},
        {"verdict": "maybe"},
        {"pairs": [{"model": "x"}]},
        {"planned": None},
        {"rules": [{"metric": "recall@1"}]},
        {"rules": [{"metric": "recall@1", "sector": "diy", "limit": 0.5, "min": 0.5}]},
        {"waivers": [{"metric": "recall@1", "sector": "diy", "limit": 0.5}]},
        {"sector_checks": {"diy": [{"metric": "recall@1"}]}},
    ],
)
def test_what_is_no_evidence_is_not_valid(change):
    data = json.loads(evidence_json(run())) | change
    assert not validator().is_valid(data)
    with pytest.raises(ValidationError):
        RunRecord.model_validate(data)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_refused(bad):
    with pytest.raises(ValidationError, match="finite"):
        value(bad)
    broken = run(
        pairs=[
            pair(
                measurement=measurement(
                    metrics={
                        "mrr": value().model_construct(value=bad, low=0, high=0, n=1, products=1)
                    }
                )
            )
        ]
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        evidence_json(broken)


def test_stable_leaves_out_times_host_and_run_and_nothing_else():
    record = run()
    whole, kept = json.loads(evidence_json(record)), stable(record)
    assert set(whole) - set(kept) == {"host", "run"}
    for before, after in zip(whole["pairs"], kept["pairs"], strict=True):
        assert set(before) - set(after) == {"timing"}
        assert {**before, "timing": None} == {**after, "timing": None}
    del whole["host"], whole["run"], whole["pairs"], kept["pairs"]
    assert json.loads(json.dumps(kept)) == whole


def test_stable_goes_by_place_and_not_by_name():
    names = ("host", "timing", "run")
    conditions = {name: {name: {"recall@1": value()}} for name in names}
    record = run(
        sectors=dict.fromkeys(names, "accept"),
        owners=dict.fromkeys(names, "somebody"),
        pairs=[pair(measurement=measurement(conditions=conditions))],
    )
    kept = stable(record)
    assert set(kept["sectors"]) == set(kept["owners"]) == set(names)
    assert set(kept["pairs"][0]["measurement"]["conditions"]) == set(names)
    assert stable(json.loads(evidence_json(record))) == kept


def test_a_pair_by_name():
    record = run()
    assert record.pair("lite1:parts").status == "lost"
    with pytest.raises(KeyError):
        record.pair("lite9:parts")
