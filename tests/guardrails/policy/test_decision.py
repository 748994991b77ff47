from __future__ import annotations

from contracts.evaluation import Outcome, Verdict
from contracts.ports import PolicyResult, PolicyViolation
from contracts.principal import Role
from guardrails.policy.decision import decide
from tests.guardrails.samples import facts


def violated(*levels: str) -> Verdict:
    violations = tuple(
        PolicyViolation(rule=f"rule_{level}", level=level, message=f"The {level} one.") for level in levels
    )
    return decide(facts(policy=PolicyResult(violations=violations, rules_evaluated=4, revision="sha256:9")))


def test_a_hard_violation_denies_and_names_its_rule() -> None:
    verdict = violated("advisory", "soft", "hard")
    assert (verdict.outcome, verdict.rule, verdict.reason_code) == (
        Outcome.DENY,
        "rule_hard",
        "policy_rule_hard",
    )
    assert verdict.message == "The hard one."
    assert verdict.rule_revision == "sha256:9"


def test_a_soft_violation_needs_an_operator_among_the_approvers() -> None:
    verdict = violated("advisory", "soft")
    assert (verdict.outcome, verdict.reason_code) == (Outcome.REQUIRE_APPROVAL, "policy_rule_soft")
    assert verdict.requirement is not None
    assert set(verdict.requirement.roles) == {Role.APPROVER, Role.OPERATOR}
    assert verdict.requirement.rules == ("policy.rule_soft",)


def test_advice_is_told_and_allows() -> None:
    verdict = violated("advisory")
    assert verdict.outcome is Outcome.ALLOW
    assert verdict.message == "Advice: The advisory one."


def test_no_violation_allows() -> None:
    assert violated().message == "All 4 policies agree."


def test_no_answer_denies() -> None:
    assert decide(facts(policy=None, policy_error="policy_unavailable")).reason_code == "policy_unavailable"
    assert decide(facts(policy=None)).outcome is Outcome.DENY


def test_a_level_nobody_knows_denies() -> None:
    verdict = violated("advisory", "mandatory")
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "policy_unavailable")


def soft(*violations: PolicyViolation) -> Verdict:
    return decide(facts(policy=PolicyResult(violations=violations, rules_evaluated=4, revision="sha256:9")))


def test_a_violation_may_name_who_must_approve() -> None:
    verdict = soft(
        PolicyViolation(
            rule="cost",
            level="soft",
            message="Dear.",
            quorum=2,
            roles=(Role.APPROVER,),
            groups=("finance",),
            remedy="Ask for less.",
        )
    )
    assert verdict.requirement is not None
    assert verdict.requirement.quorum == 2
    assert verdict.requirement.roles == (Role.APPROVER,)
    assert verdict.requirement.groups == ("finance",)
    assert verdict.remedy == "Ask for less."
    assert verdict.message == (
        "Dear. It can be overridden with an approval by the role approver and the group finance."
    )


def test_several_violations_need_everybody_that_any_of_them_names() -> None:
    verdict = soft(
        PolicyViolation(
            rule="a", level="soft", message="A.", quorum=3, roles=(Role.APPROVER,), groups=("board",)
        ),
        PolicyViolation(rule="b", level="soft", message="B.", groups=("finance",), remedy="Wait."),
    )
    assert verdict.requirement is not None
    assert verdict.requirement.quorum == 3
    assert set(verdict.requirement.roles) == {Role.APPROVER, Role.OPERATOR}
    assert set(verdict.requirement.groups) == {"board", "finance"}
    assert verdict.requirement.rules == ("policy.a", "policy.b")


def test_a_denial_says_what_would_have_to_change_once() -> None:
    verdict = soft(
        PolicyViolation(rule="a", level="hard", message="A.", remedy="Ask for less."),
        PolicyViolation(rule="b", level="hard", message="B.", remedy="Ask for less."),
        PolicyViolation(rule="c", level="soft", message="C.", remedy="Wait."),
    )
    assert verdict.outcome is Outcome.DENY
    assert verdict.remedy == "Ask for less."
    assert violated("hard").remedy is None
