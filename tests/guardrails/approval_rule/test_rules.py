"""The operator's rules: which apply, what they come to together, and what is let pass without a person."""

from __future__ import annotations

from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from contracts.configuration import ApprovalLimits, Environment, EnvironmentApproval
from contracts.configuration.conditions import AskWhen, PassWhen
from contracts.evaluation import Outcome, RiskTier
from contracts.principal import Role
from contracts.proposal import Draft, Planner, PlannerKind
from contracts.request import Channel, Trust
from guardrails.approval_rule.conditions import Judged, asks, passes
from guardrails.approval_rule.decision import decide
from guardrails.approval_rule.delegation import delegation_of, draw_of, is_sampled
from guardrails.facts import Facts
from tests.contracts.samples import AGENT, ANA, BEN, NOON, observation, resize
from tests.guardrails.samples import TARGET, draft, facts

SALT = "a salt of the tests"
MODEL = Planner(kind=PlannerKind.OPENAI, model="some-model")
STAGING = Environment(approval=EnvironmentApproval(quorum=2), production=False)


def limits(**given: Any) -> ApprovalLimits:
    return ApprovalLimits.model_validate({"sample_salt": SALT, **given})


def asking(when: dict[str, Any], **more: Any) -> ApprovalLimits:
    return limits(rules=[{"name": "mine", "when": when, **more}])


def by_agent(confidence: float | None) -> Any:
    return draft(authors=(ANA, AGENT), confidence=confidence)


LABELLED = TARGET.model_copy(update={"labels": {"tier": "gold", "zone": "eu"}})
GENTLE = {"action": resize(3)}


@pytest.mark.parametrize(
    ("when", "changes"),
    [
        ({"everything": True}, {}),
        ({"environments": ["staging", "production"]}, {}),
        ({"risk": ["medium", "high"]}, {}),
        ({"action_kinds": ["gke.node_pool.resize"]}, {}),
        ({"monthly_delta_above": "3941.99"}, {}),
        ({"monthly_delta_above": "999999"}, {"price": None}),
        ({"confidence_below": 0.8}, {"draft": by_agent(0.79)}),
        ({"confidence_below": 0.8}, {"draft": by_agent(None)}),
        ({"trust": "untrusted"}, {"draft": draft(trust=Trust.UNTRUSTED)}),
        ({"channels": ["chat"]}, {"draft": draft(channel=Channel.CHAT)}),
        ({"planner": ["openai"]}, {"draft": draft(planner=MODEL)}),
        ({"agents": ["capacity-agent"]}, {"draft": by_agent(0.9)}),
        ({"agents": ["local/capacity-agent"]}, {"draft": by_agent(0.9)}),
        ({"teams": ["inference"]}, {}),
        ({"labels": {"tier": "gold"}}, {"target": LABELLED}),
        ({"production": True}, {"draft": draft()}),
    ],
)
def test_a_rule_whose_condition_holds_asks_and_is_named(
    when: dict[str, Any], changes: dict[str, Any]
) -> None:
    verdict = decide(facts(**changes, approval_limits=asking(when)))
    assert verdict.outcome is Outcome.REQUIRE_APPROVAL
    assert verdict.requirement is not None
    assert verdict.requirement.rules[-1] == "approval_rule.mine"
    assert "rule mine" in verdict.message


@pytest.mark.parametrize(
    ("when", "changes"),
    [
        ({"environments": ["staging"]}, {}),
        ({"risk": ["low"]}, {}),
        ({"action_kinds": ["gke.node_pool.autoscaling"]}, {}),
        ({"monthly_delta_above": "3942"}, {}),
        ({"confidence_below": 0.8}, {"draft": by_agent(0.8)}),
        ({"confidence_below": 0.8}, {"draft": draft(confidence=None)}),
        ({"trust": "untrusted"}, {}),
        ({"channels": ["chat"]}, {}),
        ({"planner": ["openai"]}, {}),
        ({"agents": ["capacity-agent"]}, {}),
        ({"agents": ["sluice/capacity-agent"]}, {"draft": by_agent(0.9)}),
        ({"teams": ["other"]}, {}),
        ({"labels": {"tier": "gold"}}, {}),
        ({"labels": {"tier": "gold", "zone": "us"}}, {"target": LABELLED}),
        ({"labels": {"tier": "gold"}}, {"target": None}),
        ({"production": False}, {}),
        ({"production": True, "teams": ["other"]}, {}),
    ],
)
def test_a_rule_with_one_condition_that_does_not_hold_asks_nobody(
    when: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert decide(facts(**changes, approval_limits=asking(when))).outcome is Outcome.ALLOW


def test_all_rules_that_match_are_united_with_what_the_environment_asks() -> None:
    given = limits(
        rules=[
            {
                "name": "money",
                "when": {"everything": True},
                "require": {"groups": ["finance"]},
                "decide_within": "1h",
            },
            {
                "name": "nobody",
                "when": {"environments": ["production"], "risk": ["low"]},
                "require": {"quorum": 9},
            },
            {
                "name": "lead",
                "when": {"production": True},
                "require": {"quorum": 3, "roles": ["operator"]},
                "decide_within": "30m",
                "execute_within": "5m",
            },
        ]
    )
    environment = Environment(approval=EnvironmentApproval(quorum=2, groups=("sre",)))
    asked = decide(facts(environment=environment, approval_limits=given)).requirement
    assert asked is not None
    assert (asked.quorum, set(asked.roles)) == (3, {Role.APPROVER, Role.OPERATOR})
    assert asked.groups == ("sre", "finance")
    assert (asked.decide_within, asked.execute_within) == (timedelta(minutes=30), timedelta(minutes=5))
    assert asked.rules == ("approval_rule.environment", "approval_rule.money", "approval_rule.lead")


def passing(sample: float = 0, when: dict[str, Any] | None = None, **more: Any) -> ApprovalLimits:
    return limits(
        automatic=[{"name": "small", "when": when or {"production": False}, "sample": sample}], **more
    )


def small(**changes: Any) -> Facts:
    given = {
        "draft": draft(environment="staging", **GENTLE),
        "environment": STAGING,
        "approval_limits": passing(),
    }
    return facts(**(given | changes))


def test_what_a_rule_delegates_needs_nobody_although_the_environment_asks() -> None:
    verdict = decide(small())
    assert (verdict.outcome, verdict.rule) == (Outcome.ALLOW, "automatic.small")
    assert verdict.facts["delegated_by"] == "small"
    assert decide(small(approval_limits=ApprovalLimits())).outcome is Outcome.REQUIRE_APPROVAL


MADE_BY_MODEL = {"trust": Trust.UNTRUSTED, "planner": MODEL}


@pytest.mark.parametrize(
    "changes",
    [
        {"draft": draft(environment="staging", **GENTLE, **MADE_BY_MODEL)},
        {"observation": observation(1, 2, 3)},
        {"draft": draft(environment="staging", action=resize(0))},
        {"observation": None},
        {"price": None},
        {"environment": None},
        {"draft": draft(**GENTLE), "environment": Environment(approval=EnvironmentApproval(quorum=2))},
        {"approval_limits": passing(rules=[{"name": "all", "when": {"everything": True}}])},
        {"approval_limits": passing(when={"production": False, "monthly_delta_at_most": 10})},
        {
            "approval_limits": passing(when={"confidence_at_least": 0.9}),
            "draft": draft(environment="staging", authors=(ANA, AGENT), confidence=0.89, **GENTLE),
        },
        {"approval_limits": passing(when={"risk": ["high"]})},
    ],
    ids=[
        "a model read untrusted text",
        "no single call takes it back",
        "a high risk",
        "not observed",
        "its cost is not known",
        "not declared",
        "production that no rule names",
        "another rule asks",
        "too dear",
        "not sure enough",
        "no condition holds",
    ],
)
def test_what_is_never_delegated_still_asks(changes: dict[str, Any]) -> None:
    assert decide(small(**changes)).outcome is Outcome.REQUIRE_APPROVAL


def test_production_is_delegated_only_by_its_name() -> None:
    production = {
        "draft": draft(action=resize(3)),
        "environment": Environment(approval=EnvironmentApproval(quorum=2)),
    }
    named = passing(when={"environments": ["production"], "monthly_delta_at_most": 5000})
    assert decide(facts(**production, approval_limits=named)).outcome is Outcome.ALLOW
    unnamed = passing(when={"production": True, "monthly_delta_at_most": 5000})
    assert decide(facts(**production, approval_limits=unnamed)).outcome is Outcome.REQUIRE_APPROVAL


def test_what_is_sampled_asks_as_many_as_the_environment_and_one_at_least() -> None:
    verdict = decide(small(approval_limits=passing(1)))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, "sampled")
    assert verdict.requirement is not None
    assert verdict.requirement.quorum == 2
    nobody = STAGING.model_copy(update={"approval": EnvironmentApproval(quorum=0)})
    asked = decide(small(approval_limits=passing(1), environment=nobody)).requirement
    assert asked is not None
    assert asked.quorum == 1


def test_of_two_rules_that_delegate_the_one_with_the_larger_sample_counts() -> None:
    given = limits(
        automatic=[
            {"name": "free", "when": {"production": False}, "sample": 0},
            {"name": "watched", "when": {"environments": ["staging"]}, "sample": 1},
        ]
    )
    assert decide(small(approval_limits=given)).rule == "automatic.watched"


def pools(count: int) -> list[Draft]:
    return [draft(action=resize().model_copy(update={"node_pool": f"p{one}"})) for one in range(count)]


def is_drawn(one: Draft, share: float, salt: str = SALT) -> bool:
    return is_sampled(one, draw_of(one, salt), share)


def test_the_sample_is_the_configured_share_the_same_each_time_and_depends_on_the_salt() -> None:
    changes = pools(5_000)
    drawn = [one for one in changes if is_drawn(one, 0.05)]
    assert 190 < len(drawn) < 310
    assert drawn == [one for one in changes if is_drawn(one, 0.05)]
    assert drawn != [one for one in changes if is_drawn(one, 0.05, SALT + "!")]
    wider = [one for one in changes if is_drawn(one, 0.06)]
    assert all(one in wider for one in drawn)
    assert not any(is_drawn(one, 0) for one in changes)
    assert all(is_drawn(one, 1) for one in changes)


@pytest.mark.parametrize(
    "again",
    [
        {"id": "prp_another"},
        {"authors": (BEN,)},
        {"reason": "in other words"},
        {"created_at": NOON.replace(hour=23)},
        {"created_at": NOON.astimezone(timezone(timedelta(hours=14)))},
    ],
    ids=[
        "as another proposal",
        "by somebody else",
        "in other words",
        "later that day",
        "in another time zone",
    ],
)
def test_the_same_change_proposed_again_that_day_draws_the_same_lot(again: dict[str, Any]) -> None:
    assert draw_of(draft(**again), SALT) == draw_of(draft(), SALT)


@pytest.mark.parametrize(
    "other",
    [{"tenant": "another"}, {"action": resize(5)}, {"created_at": NOON + timedelta(days=1)}],
    ids=["tenant", "values", "day"],
)
def test_another_change_or_day_draws_a_lot_of_its_own(other: dict[str, Any]) -> None:
    assert draw_of(draft(**other), SALT) != draw_of(draft(), SALT)


def test_an_edit_is_no_way_out_of_a_sample() -> None:
    """The smallest share: that all three changes are drawn by chance does not happen."""
    edited = [draft(environment="staging", revision=2, action=resize(size)) for size in (2, 3, 4)]
    for one in edited:
        sampled = decide(small(approval_limits=passing(1e-9), draft=one))
        assert sampled.reason_code == "sampled"
        assert is_drawn(one, 1e-9)
        assert not is_drawn(one.model_copy(update={"revision": 1}), 1e-9)
        assert decide(small(draft=one)).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    "when",
    [
        {"planner": ["rules"]},
        {"channels": ["event"]},
        {"agents": ["capacity-agent"]},
        {"confidence_at_least": 0.9},
    ],
    ids=["its planner", "its channel", "its agent", "its confidence"],
)
def test_a_rule_that_trusts_a_maker_delegates_nothing_that_a_person_edited(when: dict[str, Any]) -> None:
    made = {
        "environment": "staging",
        "authors": (ANA, AGENT),
        "confidence": 0.95,
        "planner": Planner(kind=PlannerKind.RULES),
        "channel": Channel.EVENT,
        **GENTLE,
    }
    given = passing(when=when)
    assert decide(small(approval_limits=given, draft=draft(**made))).outcome is Outcome.ALLOW
    edited = decide(small(approval_limits=given, draft=draft(**made, revision=2)))
    assert (edited.outcome, edited.rule) == (Outcome.REQUIRE_APPROVAL, "environment")


@pytest.mark.parametrize(
    "when", [{"planner": ["direct"]}, {"channels": ["cli"]}], ids=["a planner", "a channel"]
)
def test_a_rule_about_a_way_in_asks_for_what_came_in_by_another_and_a_person_edited(
    when: dict[str, Any],
) -> None:
    made = {"planner": Planner(kind=PlannerKind.RULES), "channel": Channel.EVENT}
    rule = asking(when, require={"quorum": 3})
    for revision, quorum in ((1, 2), (2, 3)):
        edited = draft(**made, environment="staging", revision=revision)
        asked = decide(small(approval_limits=rule, draft=edited)).requirement
        assert asked is not None
        assert asked.quorum == quorum


def test_the_threshold_of_the_rise_in_cost_is_exact() -> None:
    def outcome(most: str) -> Outcome:
        when = {"production": False, "monthly_delta_at_most": Decimal(most)}
        return decide(small(approval_limits=passing(when=when))).outcome

    assert (outcome("1971"), outcome("1970.99")) == (Outcome.ALLOW, Outcome.REQUIRE_APPROVAL)


def known(**changes: Any) -> Judged:
    given: dict[str, Any] = {
        "facts": small(),
        "risk": RiskTier.LOW,
        "monthly_delta": Decimal(1),
        "reversible": True,
    }
    return Judged(**(given | changes))


def test_each_fact_that_forbids_delegation_does_so_by_itself() -> None:
    assert delegation_of(known()) is not None
    by_model = small(draft=draft(environment="staging", **GENTLE, **MADE_BY_MODEL))
    named = passing(when={"environments": ["staging"], "monthly_delta_at_most": 5000})
    undeclared = small(environment=None, approval_limits=named)
    for changes in (
        {"facts": by_model},
        {"facts": undeclared},
        {"reversible": False},
        {"risk": RiskTier.HIGH},
    ):
        assert delegation_of(known(**changes)) is None, changes


def test_an_unknown_cost_is_above_every_threshold() -> None:
    cheap = PassWhen(monthly_delta_at_most=Decimal(10))
    assert passes(cheap, known())
    assert not passes(cheap, known(monthly_delta=None))
    assert asks(AskWhen(monthly_delta_above=Decimal(10)), known(monthly_delta=None))
