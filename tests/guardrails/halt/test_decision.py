from __future__ import annotations

import pytest

from contracts.evaluation import Outcome
from contracts.safety import Halt, HaltScope, HaltStatus
from guardrails.halt.decision import decide
from tests.contracts.samples import AGENT, ANA, BEN, NOON
from tests.guardrails.samples import KEY, draft, facts


def halt(scope: HaltScope, status: HaltStatus = HaltStatus.DRAINING, name: str = "hlt_1") -> Halt:
    return Halt(id=name, scope=scope, reason="smoke", status=status, created_by=BEN, created_at=NOON)


COVERING = [
    HaltScope(everything=True),
    HaltScope(tenant="default"),
    HaltScope(environment="production"),
    HaltScope(target=KEY),
    HaltScope(target="gke.node_pool/acme-prod/*"),
    HaltScope(action_kind="gke.node_pool.resize", environment="production"),
    HaltScope(agent="local/capacity-agent", environment="production"),
]
OTHER = [
    HaltScope(tenant="other"),
    HaltScope(environment="development"),
    HaltScope(target=KEY + "-2"),
    HaltScope(action_kind="gke.node_pool.autoscaling"),
    HaltScope(action_kind="gke.node_pool.resize", environment="development"),
    HaltScope(agent="other-agent"),
    HaltScope(agent="ana"),
]


@pytest.mark.parametrize("scope", COVERING)
@pytest.mark.parametrize("status", [HaltStatus.DRAINING, HaltStatus.EFFECTIVE])
def test_a_covering_halt_denies_first_and_holds_later(scope: HaltScope, status: HaltStatus) -> None:
    stopping = (halt(scope, status),)
    by_agent = draft(authors=(ANA, AGENT))
    verdict = decide(facts(draft=by_agent, halts=stopping))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "halted")
    assert "smoke" in verdict.message
    verdict = decide(facts(draft=by_agent, halts=stopping, admitting=True))
    assert (verdict.outcome, verdict.reason_code, verdict.held_on) == (Outcome.HOLD, "halted", "halt:hlt_1")


@pytest.mark.parametrize("scope", OTHER)
def test_a_halt_of_something_else_stops_nothing(scope: HaltScope) -> None:
    assert decide(facts(halts=(halt(scope),))).outcome is Outcome.ALLOW


def test_of_several_the_first_that_covers_is_named() -> None:
    halts = (halt(OTHER[0], name="hlt_a"), halt(COVERING[0], name="hlt_b"), halt(COVERING[1], name="hlt_c"))
    assert decide(facts(halts=halts, admitting=True)).held_on == "halt:hlt_b"


def test_without_halts_nothing_is_stopped() -> None:
    assert decide(facts()).reason_code == "ok"
