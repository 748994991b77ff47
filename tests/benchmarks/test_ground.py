"""No limit stops what a benchmark does again and again: it would wait, and nobody would be told."""

from __future__ import annotations

from benchmarks import cost
from benchmarks.floor.ground import BenchGround
from contracts.circuit_breaker import Measure, Tally, opening_rule
from contracts.configuration.limits import BreakerLimits
from contracts.safety import Breaker, BreakerState


def test_breakers_stay_closed_through_all_stock_outs_of_the_benchmark_of_cost() -> None:
    limits = BreakerLimits.model_validate(BenchGround(1).configuration()["limits"]["breaker"])
    failures = cost.ROUNDS * (cost.FULL + 1)
    breaker = Breaker(id="target:any", state=BreakerState.CLOSED, consecutive_failures=failures)
    tally = Tally(outcomes=failures, failures=failures)
    assert opening_rule(breaker, Measure.EFFECT, tally, limits) is None
    assert opening_rule(breaker, Measure.EFFECT, tally, BreakerLimits()) is not None
