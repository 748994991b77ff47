from __future__ import annotations

from typing import Any

import pytest

from contracts.evaluation import Outcome
from contracts.observation import AutoscalingBounds, ProviderOperation
from contracts.principal import Principal, PrincipalKind
from guardrails.scope.decision import decide
from tests.contracts.samples import AGENT, ANA, observation, resize
from tests.guardrails.samples import DOMAIN, TARGET, autoscaled, bounds, draft, facts

WIDE = observation().model_copy(update={"autoscaling": AutoscalingBounds(total_max_node_count=9)})
RUNNING = ProviderOperation(name="operation-1", type="UPGRADE_MASTER", status="RUNNING")
DONE = ProviderOperation(name="operation-0", type="UPGRADE_MASTER", status="DONE")


def seen(**changes: object) -> Any:
    return observation().model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "reason_code"),
    [
        ({"target": None}, "target_not_registered"),
        ({"draft": draft(environment="development")}, "registration_changed"),
        ({"draft": draft(team="platform")}, "registration_changed"),
        ({"environment": None}, "registration_changed"),
        ({"mode": "google"}, "mode_mismatch"),
        ({"draft": draft(action=resize(13))}, "above_max_nodes"),
        ({"draft": draft(action=bounds(1, 13)), "observation": autoscaled()}, "above_max_nodes"),
        ({"observation": None, "observation_error": "target_not_found"}, "target_not_found"),
        ({"observation": None}, "observation_unavailable"),
        ({"observation": seen(zones=())}, "observation_incomplete"),
        ({"observation": autoscaled()}, "pool_is_autoscaled"),
        ({"draft": draft(action=bounds())}, "pool_is_not_autoscaled"),
        ({"draft": draft(action=bounds()), "observation": WIDE}, "pool_wide_bounds"),
        ({"observation": seen(status="STOPPING")}, "pool_is_not_running"),
        ({"observation": seen(status="ERROR")}, "pool_is_not_running"),
        ({"observation": seen(status="SOMETHING_NEW")}, "pool_is_not_running"),
    ],
)
@pytest.mark.parametrize("admitting", [False, True])
def test_out_of_scope_is_denied_with_its_reason(
    changes: dict[str, Any], reason_code: str, admitting: bool
) -> None:
    verdict = decide(facts(**changes, admitting=admitting))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, reason_code)


@pytest.mark.parametrize(
    "changes",
    [
        {"draft": draft(action=resize(12))},
        {"draft": draft(action=resize(0))},
        {"draft": draft(action=bounds(0, 12)), "observation": autoscaled()},
        {"target": TARGET.model_copy(update={"node_pool": "inf*"})},
        {"draft": draft(authors=(ANA, AGENT))},
    ],
)
def test_within_its_bounds_it_is_allowed(changes: dict[str, Any]) -> None:
    verdict = decide(facts(**changes))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.ALLOW, "ok")


@pytest.mark.parametrize(
    "changes",
    [
        {"draft": draft(action=resize(2))},
        {"draft": draft(action=bounds(1, 2)), "observation": autoscaled(1, 2)},
    ],
)
def test_what_is_as_desired_already_is_allowed_and_says_so(changes: dict[str, Any]) -> None:
    verdict = decide(facts(**changes))
    assert verdict.outcome is Outcome.ALLOW
    assert "already" in verdict.message


@pytest.mark.parametrize(
    ("changes", "reason_code"),
    [
        ({"lease_owner": "prp_other"}, "target_busy"),
        ({"ahead": 2, "first_ahead": "prp_other"}, "target_busy"),
    ],
)
def test_a_busy_cluster_holds_right_before_the_effect_and_not_earlier(
    changes: dict[str, Any], reason_code: str
) -> None:
    assert decide(facts(**changes)).outcome is Outcome.ALLOW
    verdict = decide(facts(**changes, admitting=True))
    assert (verdict.outcome, verdict.reason_code, verdict.held_on) == (Outcome.HOLD, reason_code, DOMAIN)
    assert "prp_other" in verdict.message


@pytest.mark.parametrize(
    "observation",
    [seen(operations=(DONE, RUNNING)), seen(status="RECONCILING"), seen(status="PROVISIONING")],
)
def test_what_ran_when_it_was_observed_is_left_to_the_execution_to_wait_for(observation: Any) -> None:
    for admitting in (False, True):
        assert decide(facts(observation=observation, admitting=admitting)).outcome is Outcome.ALLOW


def test_ones_own_lease_does_not_hold() -> None:
    mine = facts(admitting=True, lease_owner="prp_1", ahead=3)
    assert decide(mine).outcome is Outcome.ALLOW


def test_agents_alone_need_a_person() -> None:
    other = Principal(kind=PrincipalKind.AGENT, subject="other-agent")
    verdict = decide(facts(draft=draft(authors=(AGENT, other))))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, "agent_alone")
    assert verdict.requirement is not None
    assert verdict.requirement.quorum == 1


def test_a_pool_with_errors_needs_a_person() -> None:
    verdict = decide(facts(observation=seen(status="RUNNING_WITH_ERROR")))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, "pool_has_errors")


def test_a_denial_outweighs_what_needs_a_person() -> None:
    both = facts(draft=draft(authors=(AGENT,), action=resize(13)))
    assert decide(both).reason_code == "above_max_nodes"
