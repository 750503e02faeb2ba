"""The ``prodbench`` fixture: one pair, evaluated and checked inside one test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_prodbench.evaluation.bench import PairOutcome, PairPlan, failed, failure_message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.embedding import OnProgress
    from pytest_prodbench.evaluation.bench import Bench
    from pytest_prodbench.evaluation.result import Evaluation
    from pytest_prodbench.evidence.types import PairRecord
    from pytest_prodbench.evidence.values import MetricValue
    from pytest_prodbench.settings.policy import GateMode


class JudgedPair:
    """A pair that was measured and held against its sector's rules."""

    def __init__(self, outcome: PairOutcome, evaluation: Evaluation, gate: GateMode) -> None:
        self.record: PairRecord = outcome.record
        self.evaluation = evaluation
        self._gate = gate

    @property
    def metrics(self) -> dict[str, MetricValue]:
        """Metric name → value with interval and counts."""
        return self.evaluation.metrics

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Pessimistic rank of each query, int64 (q,)."""
        return self.evaluation.ranks

    def check(self) -> None:
        """Fail the test unless every rule is proven to hold, or the gate is not enforced."""
        __tracebackhide__ = True
        message = self.objection()
        if message is not None:
            pytest.fail(message, pytrace=False)

    def objection(self) -> str | None:
        """Why this pair may not pass; None if it may."""
        return failure_message(self.record, self._gate)


class PairTest:
    """What the ``prodbench`` fixture gives to a test.

    Attributes:
        plan: model, dataset and sector of this test.
        outcome: None until ``evaluate`` has run.
    """

    def __init__(self, plan: PairPlan, bench: Bench, on_progress: OnProgress | None) -> None:
        self.plan = plan
        self.outcome: PairOutcome | None = None
        self.judged: JudgedPair | None = None
        self._bench, self._on_progress = bench, on_progress

    def evaluate(self) -> JudgedPair:
        """Embed, rank, measure and judge this pair; fails the test if that is not possible."""
        __tracebackhide__ = True
        self.outcome = self._bench.evaluate(self.plan, self._on_progress)
        if self.outcome.evaluation is None:
            pytest.fail(failure_message(self.outcome.record) or "", pytrace=False)
        self.judged = JudgedPair(self.outcome, self.outcome.evaluation, self._bench.gate)
        return self.judged

    def unproven(self) -> str | None:
        """Why a test that passed proves nothing; None if it does."""
        if self.judged is None:
            return f"{self.plan.name}: the test never called prodbench.evaluate()"
        # A test may make assertions of its own and may even swallow the failure of check(), but the sector's
        # rules hold all the same.
        return self.judged.objection()

    def result(self, error: str | None) -> PairOutcome:
        """Return the outcome; a failed record if the test broke before there was one."""
        if self.outcome is not None:
            return self.outcome
        return PairOutcome(failed(self.plan, error or "the test did not evaluate the pair"), None)
