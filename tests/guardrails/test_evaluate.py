from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.break_glass import BYPASS_FACT
from contracts.configuration import Environment, EnvironmentApproval
from contracts.eligibility import is_met
from contracts.evaluation import ApprovalRequirement, Outcome, Verdict
from contracts.principal import Principal, PrincipalKind, Role
from guardrails.answers import Answers
from guardrails.evaluate import REQUIRED, combine, evaluate, is_sound, union
from guardrails.facts import Facts
from guardrails.registry import GUARDRAILS
from tests.contracts.samples import BEN
from tests.guardrails.samples import facts

ANSWER = Answers("test")
NAMES = [name for name, _ in GUARDRAILS]


def test_what_every_guardrail_allows_is_allowed() -> None:
    evaluation = evaluate(facts())
    assert evaluation.outcome is Outcome.ALLOW
    assert [verdict.guardrail for verdict in evaluation.verdicts] == NAMES
    assert evaluation.requirement is None
    assert evaluation.cost is not None
    assert evaluation.policy_revision == "sha256:1"
    assert all(verdict.message.endswith(".") for verdict in evaluation.verdicts)


def test_the_required_names_are_those_of_the_design() -> None:
    assert set(NAMES) == REQUIRED
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_removing_any_one_guardrail_denies(name: str) -> None:
    rest = [entry for entry in GUARDRAILS if entry[0] != name]
    evaluation = evaluate(facts(), rest)
    assert evaluation.outcome is Outcome.DENY
    assert (evaluation.worst.guardrail, evaluation.worst.reason_code) == (name, "guardrail_missing")


def raising(_: Facts) -> Verdict:
    raise ZeroDivisionError


def silent(_: Facts) -> Any:
    return None


def impostor(_: Facts) -> Verdict:
    return Answers("scope").allow("r", "Fine.")


def hold_on_nothing(_: Facts) -> Verdict:
    return ANSWER.allow("r", "Wait.").model_copy(update={"guardrail": "halt", "outcome": Outcome.HOLD})


def people_without_number(_: Facts) -> Verdict:
    asking = ANSWER.allow("r", "Ask.")
    return asking.model_copy(update={"guardrail": "halt", "outcome": Outcome.REQUIRE_APPROVAL})


@pytest.mark.parametrize("broken", [raising, silent, impostor, hold_on_nothing, people_without_number])
def test_a_guardrail_that_fails_or_answers_unsoundly_denies(broken: Any) -> None:
    guardrails = [(name, broken if name == "halt" else guardrail) for name, guardrail in GUARDRAILS]
    evaluation = evaluate(facts(), guardrails)
    assert evaluation.outcome is Outcome.DENY
    assert (evaluation.worst.guardrail, evaluation.worst.reason_code) == ("halt", "guardrail_error")
    assert len(evaluation.verdicts) == len(GUARDRAILS)


@pytest.mark.parametrize("name", NAMES)
def test_without_any_fact_from_outside_everything_is_denied_and_nothing_breaks(name: str) -> None:
    nothing = facts(
        observation=None,
        observation_error="provider_unavailable",
        policy=None,
        price=None,
        target=None,
        environment=None,
        budgets=(),
    )
    evaluation = evaluate(nothing)
    assert evaluation.outcome is Outcome.DENY
    (verdict,) = [verdict for verdict in evaluation.verdicts if verdict.guardrail == name]
    assert verdict.reason_code != "guardrail_error"


def test_nothing_said_at_all_is_a_deny() -> None:
    assert combine([]) is Outcome.DENY


def test_enough_approvals_turn_what_needs_people_into_an_allow() -> None:
    strict = Environment(approval=EnvironmentApproval(quorum=1))
    assert evaluate(facts(environment=strict)).outcome is Outcome.REQUIRE_APPROVAL
    approved = evaluate(facts(environment=strict, admitting=True, approvers=(BEN,)))
    assert approved.outcome is Outcome.ALLOW
    assert approved.requirement is not None


ALLOW = ANSWER.allow("r", "Fine.")
DENY = ANSWER.deny("r", "no", "No.")
HOLD = ANSWER.hold("r", "later", "Later.", held_on="x")
requirements = st.builds(
    lambda quorum, roles: ANSWER.require_approval("r", "ask", "Ask.", quorum=quorum, roles=roles),
    st.integers(1, 4),
    st.lists(st.sampled_from(list(Role)), min_size=1, max_size=3, unique=True),
)
verdicts = st.one_of(st.just(ALLOW), st.just(DENY), st.just(HOLD), requirements)
people = st.lists(
    st.builds(
        lambda subject, roles: Principal(kind=PrincipalKind.HUMAN, subject=subject, roles=tuple(roles)),
        st.sampled_from(["ana", "ben", "cleo", "dan"]),
        st.lists(st.sampled_from(list(Role)), max_size=3),
    ),
    max_size=4,
)


@given(said=st.lists(verdicts, min_size=1, max_size=8), one_more=verdicts, approvers=people)
def test_one_more_verdict_never_loosens(
    said: list[Verdict], one_more: Verdict, approvers: list[Principal]
) -> None:
    before, after = combine(said, approvers), combine([*said, one_more], approvers)
    assert after.severity >= before.severity
    assert after.severity >= (0 if one_more.requirement else one_more.outcome.severity)


@given(said=st.lists(verdicts, min_size=1, max_size=8), approvers=people)
def test_the_order_of_the_verdicts_is_of_no_matter(said: list[Verdict], approvers: list[Principal]) -> None:
    assert combine(said, approvers) is combine(list(reversed(said)), approvers)


@given(said=st.lists(requirements, min_size=1, max_size=6), approvers=people)
def test_meeting_the_union_meets_each_of_its_parts(said: list[Verdict], approvers: list[Principal]) -> None:
    asked = union(verdict.requirement for verdict in said)
    assert asked is not None
    for verdict in said:
        assert verdict.requirement is not None
        assert asked.covers(verdict.requirement)
        assert not is_met(asked, approvers) or is_met(verdict.requirement, approvers)


def test_a_union_names_every_rule_that_asked() -> None:
    asked = union(
        [
            ApprovalRequirement(quorum=1, rules=("a.x",)),
            None,
            ApprovalRequirement(quorum=2, roles=(Role.OPERATOR,), rules=("b.y", "a.x")),
        ]
    )
    assert asked == ApprovalRequirement(quorum=2, roles=(Role.APPROVER, Role.OPERATOR), rules=("a.x", "b.y"))


def test_a_union_asks_every_group_excludes_everybody_and_takes_the_shortest_times() -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    one = ApprovalRequirement(quorum=1, groups=("sre",), excluded=("local/ana",), decide_within=day)
    other = ApprovalRequirement(
        quorum=1, groups=("finance",), excluded=("owners",), decide_within=hour, execute_within=day
    )
    asked = union([one, other, ApprovalRequirement(quorum=1, execute_within=hour)])
    assert asked is not None
    assert (asked.groups, asked.excluded) == (("sre", "finance"), ("local/ana", "owners"))
    assert (asked.decide_within, asked.execute_within) == (hour, hour)


def test_no_guardrail_can_claim_a_grant_for_itself() -> None:
    claimed = ANSWER.allow("rule", "Bypassed.", {BYPASS_FACT: {"grant": "brk_1"}})
    assert not is_sound(claimed, "test")
    assert is_sound(ANSWER.allow("rule", "Plain."), "test")


def test_owners_of_agents_are_excluded_wherever_people_are_asked_and_their_approval_counts_for_nothing() -> (
    None
):
    asking = facts(environment=Environment(approval=EnvironmentApproval(quorum=1)), owners=("local/ben",))
    found = evaluate(asking)
    assert found.requirement is not None
    assert found.requirement.excluded == ("local/ben",)
    assert evaluate(replace(asking, approvers=(BEN,))).outcome is Outcome.REQUIRE_APPROVAL
    carol = BEN.model_copy(update={"subject": "carol"})
    assert evaluate(replace(asking, approvers=(carol,))).outcome is Outcome.ALLOW
