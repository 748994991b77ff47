"""Too much at once, and the same again and again."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.configuration import Limits, Repeats, Storm
from contracts.evaluation import Outcome, Verdict
from contracts.principal import SYSTEM
from contracts.safety import Halt, HaltScope, HaltStatus
from guardrails.facts import Facts, StormFacts
from guardrails.rate.decision import decide
from tests.contracts.samples import AGENT, ANA, NOON
from tests.guardrails.samples import draft, facts

LIMITS = Limits(storm=Storm(proposals=10, changes=4), repeats=Repeats(proposals=3))
BY_AGENT = {"authors": (ANA, AGENT), "confidence": 0.9}


def counted(by: dict[str, Any] | None = None, **counts: int) -> Facts:
    changes: dict[str, Any] = {"admitting": bool(counts.pop("admitting", 0))}
    return facts(limits=LIMITS, draft=draft(**(by or {})), storm=StormFacts(**counts), **changes)


def halted(verdict: Verdict) -> object:
    return verdict.facts.get("halt_scope")


@pytest.mark.parametrize("kind", ["agent", "environment"])
def test_so_many_proposals_are_no_storm_and_one_more_is(kind: str) -> None:
    by = BY_AGENT if kind == "agent" else {}
    assert decide(counted(by, **{f"{kind}_proposals": 10})).outcome is Outcome.ALLOW
    verdict = decide(counted(by, **{f"{kind}_proposals": 11}))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "action_storm")
    scope = {"agent": "local/capacity-agent"} if kind == "agent" else {"environment": "production"}
    assert halted(verdict) == scope
    assert "must look" in verdict.message


@pytest.mark.parametrize("kind", ["agent", "environment"])
def test_so_many_changes_are_no_storm_and_one_more_is(kind: str) -> None:
    by = BY_AGENT if kind == "agent" else {}
    changes = f"{kind}_changes"
    assert decide(counted(by, admitting=1, **{changes: 3})).outcome is Outcome.ALLOW
    assert decide(counted(by, admitting=1, **{changes: 4})).reason_code == "action_storm"
    assert decide(counted(by, **{changes: 4})).outcome is Outcome.ALLOW
    assert decide(counted(by, **{changes: 5})).reason_code == "action_storm"


def test_the_agent_that_is_the_cause_is_halted_and_not_everybody_beside_it() -> None:
    verdict = decide(counted(BY_AGENT, agent_proposals=11, environment_proposals=11))
    assert halted(verdict) == {"agent": "local/capacity-agent"}


@pytest.mark.parametrize(("what", "most"), [("proposals", 10), ("changes", 4)])
def test_what_a_requester_alone_does_denies_theirs_and_halts_nobody(what: str, most: int) -> None:
    assert decide(counted(None, **{f"requester_{what}": most})).outcome is Outcome.ALLOW
    verdict = decide(counted(None, **{f"requester_{what}": most + 1}))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "requester_storm")
    assert halted(verdict) is None
    assert "local/ana" in verdict.message
    assert decide(counted(BY_AGENT, **{f"requester_{what}": most + 1})).outcome is Outcome.ALLOW


def test_a_requester_has_as_many_changes_admitted_as_a_storm_has_and_no_more() -> None:
    assert decide(counted(admitting=1, requester_changes=3)).outcome is Outcome.ALLOW
    assert decide(counted(admitting=1, requester_changes=4)).reason_code == "requester_storm"


def test_a_storm_of_nobodys_target_halts_the_tenant() -> None:
    verdict = decide(counted({"environment": ""}, environment_proposals=11))
    assert halted(verdict) == {"tenant": "default"}


def test_a_storm_that_is_halted_already_is_the_halts_matter() -> None:
    halt = Halt(
        id="hlt_1",
        scope=HaltScope(agent="local/capacity-agent"),
        reason="storm",
        status=HaltStatus.DRAINING,
        created_by=SYSTEM,
        created_at=NOON,
    )
    storm = StormFacts(agent_proposals=11)
    seen = facts(limits=LIMITS, draft=draft(**BY_AGENT), storm=storm, halts=(halt,))
    assert decide(seen).outcome is Outcome.ALLOW
    other = halt.model_copy(update={"scope": HaltScope(agent="local/another")})
    seen = facts(limits=LIMITS, draft=draft(**BY_AGENT), storm=storm, halts=(other,))
    assert decide(seen).reason_code == "action_storm"


@pytest.mark.parametrize(("earlier", "denied"), [(2, False), (3, True), (9, True)])
def test_an_agent_that_proposes_the_same_again_and_again_is_denied(earlier: int, denied: bool) -> None:
    verdict = decide(facts(limits=LIMITS, draft=draft(**BY_AGENT), repeats=earlier))
    assert (verdict.reason_code == "repeated_proposal") is denied
    assert (verdict.remedy is not None) is denied


def test_people_may_repeat_themselves_and_what_was_accepted_stays_accepted() -> None:
    assert decide(facts(limits=LIMITS, repeats=9)).outcome is Outcome.ALLOW
    at_last = facts(limits=LIMITS, draft=draft(**BY_AGENT), repeats=9, admitting=True)
    assert decide(at_last).outcome is Outcome.ALLOW
