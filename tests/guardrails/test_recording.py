from __future__ import annotations

import json
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.configuration import (
    ApprovalLimits,
    BreakerLimits,
    Environment,
    EnvironmentApproval,
    Limits,
    RateScope,
)
from contracts.errors import RecordUnreadable
from contracts.evaluation import Outcome
from contracts.ports import PolicyResult, PolicyViolation
from contracts.safety import Breaker, BreakerState, Halt, HaltScope, HaltStatus
from guardrails.evaluate import evaluate
from guardrails.facts import Facts, RateFacts
from guardrails.recording import Record, dump, parse
from tests.contracts.samples import AGENT, ANA, BEN, NOON, observation, resize
from tests.guardrails.samples import BUDGET, KEY, autoscaled, bounds, draft, facts

HALT = Halt(
    id="hlt_1",
    scope=HaltScope(environment="production"),
    reason="stop",
    status=HaltStatus.EFFECTIVE,
    created_by=BEN,
    created_at=NOON,
)
OPEN = Breaker(
    id=f"target:{KEY}", state=BreakerState.OPEN, consecutive_failures=3, open_until=NOON + timedelta(hours=1)
)
DENIED = PolicyResult(
    violations=(PolicyViolation(rule="pool_maximum", level="hard", message="Too many."),),
    rules_evaluated=4,
    revision="sha256:2",
)
SAMPLES: dict[str, Facts] = {
    "allowed": facts(),
    "nothing known": facts(
        target=None, environment=None, observation=None, observation_error="target_not_found", policy=None,
        policy_error="policy_unavailable", price=None, price_error="price_unknown", budgets=(),
    ),
    "autoscaled by an agent": facts(
        draft=draft(authors=(ANA, AGENT), action=bounds(), confidence=0.1), observation=autoscaled(),
        rates=(RateFacts(scope=RateScope.AGENT, key="agent:local/capacity-agent", deficit=7, as_of=NOON, ahead=1),),
    ),
    "stopped": facts(halts=(HALT,), breakers=(OPEN,), policy=DENIED, last_effect_at=NOON, lease_owner="prp_2"),
    "admitting": facts(admitting=True, pass_number=2, approvers=(BEN,), ahead=2, first_ahead="prp_2"),
    "other limits": facts(
        limits=Limits(
            cooldown=timedelta(days=1, microseconds=1), max_share=0.1,
            breaker=BreakerLimits(failures=1, cooldown=timedelta(seconds=1)),
        ),
        approval_limits=ApprovalLimits(max_monthly_delta=Decimal("0.10"), min_confidence=0.3),
        configuration_revision="sha256:3",
    ),
}  # fmt: skip


def again(given: Facts, policy_input: dict[str, Any] | None = None) -> Record:
    return parse(json.loads(dump(Record(facts=given, policy_input=policy_input))))


@pytest.mark.parametrize("name", SAMPLES)
def test_recorded_facts_are_judged_as_they_were(name: str) -> None:
    judged = SAMPLES[name]
    back = again(judged).facts
    assert back == judged
    assert evaluate(back).digest == evaluate(judged).digest


moments = st.datetimes(min_value=NOON.replace(tzinfo=None)).map(lambda at: at.replace(tzinfo=UTC))
money = st.decimals(min_value=0, max_value=10**9, places=10)


@given(
    sizes=st.tuples(*[st.integers(0, 1_000)] * 3),
    wanted=st.integers(0, 1_000),
    limit=money,
    reserved=money,
    hours=st.decimals(min_value=0, max_value=744, places=4),
    share=st.floats(0, 100),
    now=moments,
    reason=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40),
    uses=st.integers(0, 100),
)
def test_any_numbers_times_and_words_come_back_as_they_were(
    sizes: tuple[int, int, int],
    wanted: int,
    limit: Decimal,
    reserved: Decimal,
    hours: Decimal,
    share: float,
    now: Any,
    reason: str,
    uses: int,
) -> None:
    window = {"limit": limit, "reserved": reserved, "hours_left": hours}
    judged = facts(
        draft=draft(action=resize(wanted), reason=reason),
        observation=observation(*sizes),
        budgets=(type(BUDGET)(**{name: getattr(BUDGET, name) for name in BUDGET.__slots__} | window),),
        limits=Limits(max_share=share),
        now=now,
        rates=(RateFacts(scope=RateScope.TARGET, key=f"target:{KEY}", deficit=uses, as_of=now),),
    )
    back = again(judged).facts
    assert back == judged
    assert evaluate(back) == evaluate(judged)


def test_a_sample_is_recorded_as_its_lot_and_never_with_the_salt() -> None:
    salt = "nobody may know this"
    rule = {"name": "small", "when": {"production": False}, "sample": 0.5}
    limits = ApprovalLimits.model_validate({"sample_salt": salt, "automatic": [rule]})
    asking = Environment(approval=EnvironmentApproval(quorum=1), production=False)
    outcomes = set()
    for number in range(12):
        judged = facts(
            draft=draft(created_at=NOON - timedelta(days=number)), approval_limits=limits, environment=asking
        )
        assert salt not in dump(Record(facts=judged))
        assert evaluate(again(judged).facts) == evaluate(judged)
        assert dump(Record(facts=again(judged).facts)) == dump(Record(facts=judged))
        outcomes.add(evaluate(judged).outcome)
    assert outcomes == {Outcome.ALLOW, Outcome.REQUIRE_APPROVAL}


def test_the_document_that_policies_judged_is_kept_with_the_facts() -> None:
    document = {"now": "2026-11-21T12:00:00+00:00", "change": {"zones": 3}, "load": None, "share": 0.25}
    assert again(facts(), document).policy_input == document


def test_a_fact_that_this_version_does_not_know_makes_a_record_unreadable() -> None:
    document = json.loads(dump(Record(facts=facts())))
    document["facts"]["earthquake"] = True
    with pytest.raises(RecordUnreadable, match=r"facts\.earthquake"):
        parse(document)


def test_an_unknown_fact_inside_a_list_makes_a_record_unreadable() -> None:
    document = json.loads(dump(Record(facts=facts())))
    document["facts"]["budgets"][0]["soft_limit_of_next_year"] = "1"
    with pytest.raises(RecordUnreadable, match=r"facts\.budgets\[0\]\.soft_limit_of_next_year"):
        parse(document)


@pytest.mark.parametrize("name", ["draft", "now", "target", "limits", "rates", "observation"])
def test_a_record_that_lacks_a_fact_is_unreadable(name: str) -> None:
    document = json.loads(dump(Record(facts=facts())))
    del document["facts"][name]
    with pytest.raises(RecordUnreadable):
        parse(document)


def test_a_record_that_is_none_is_unreadable() -> None:
    with pytest.raises(RecordUnreadable):
        parse({"facts": {"now": float("nan")}})
