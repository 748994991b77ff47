from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.configuration import parse
from contracts.configuration import Limits
from contracts.errors import NotReplayable
from guardrails.backtest.candidate import REPLACED, Candidate
from guardrails.facts import Facts, StormFacts
from guardrails.recording import Record
from tests.guardrails.samples import BUDGET, facts

KEPT = frozenset(
    {
        "pass_number", "admitting", "now", "mode", "observation", "observation_error", "policy", "policy_error",
        "price", "price_error", "rates", "is_counted", "last_effect_at", "past_changes", "arriving", "repeats",
        "storm", "breakers", "turn", "halts", "overrides", "grants", "lease_owner", "ahead", "first_ahead", "approvers",
    }
)  # fmt: skip
TEXT = """
environments:
  production: {{approval: {{quorum: 0}}}}
targets:
  - {{kind: gke.node_pool, project: acme-prod, location: europe-west4, cluster: {cluster}, node_pool: "*",
     environment: production, team: {team}, max_nodes_per_zone: 12}}
{more}
"""


def candidate(cluster: str = "serving", team: str = "inference", more: str = "") -> Candidate:
    return Candidate(parse(TEXT.format(cluster=cluster, team=team, more=more)))


def under(trying: Candidate, document: dict[str, Any] | None = None, **changes: Any) -> Record:
    return trying.facts(Record(facts=facts(**changes), policy_input=document))


def test_every_fact_is_either_declared_or_kept() -> None:
    """A new fact: does it follow from the configuration? Then `Candidate.facts` has to replace it."""
    assert {one.name for one in fields(Facts)} == REPLACED | KEPT
    assert not REPLACED & KEPT


def test_what_was_observed_and_counted_stays() -> None:
    before = facts()
    after = under(candidate()).facts
    assert all(getattr(after, name) == getattr(before, name) for name in KEPT)


def test_a_budget_keeps_its_balance_under_another_limit() -> None:
    budgets = "budgets: [{scope: {environment: production}, window: month, limit: '7', soft_limit: '5'}]"
    booked = {name: getattr(BUDGET, name) for name in BUDGET.__slots__} | {
        "reserved": Decimal(11), "committed": Decimal(13)
    }  # fmt: skip
    (found,) = under(candidate(more=budgets), budgets=(type(BUDGET)(**booked),)).facts.budgets
    assert (found.limit, found.soft_limit) == (Decimal(7), Decimal(5))
    assert (found.reserved, found.committed) == (Decimal(11), Decimal(13))


def test_a_budget_that_did_not_exist_then_had_nothing_booked() -> None:
    found = under(candidate(more="budgets: [{scope: {}, window: day, limit: '7'}]")).facts.budgets
    assert [(one.scope, one.reserved, one.committed) for one in found] == [("tenant", Decimal(0), Decimal(0))]


def test_time_to_decide_moves_with_the_limits() -> None:
    before = facts()
    after = under(candidate(more="approval: {decide_within: 1h, execute_within: 2h}")).facts
    assert after.draft.decide_by - before.draft.decide_by == timedelta(hours=-3)
    assert after.draft.execute_by - before.draft.execute_by == timedelta(hours=-2)


def test_a_target_that_is_out_of_scope_now_is_not_even_read() -> None:
    document = {
        "target": {"team": "inference"},
        "observation": {"status": "RUNNING"},
        "change": {},
        "now": "then",
    }
    after = under(candidate(cluster="other"), document)
    assert after.facts.target is None
    assert (after.facts.observation, after.facts.price, after.facts.budgets) == (None, None, ())
    assert after.facts.observation_error == "target_not_registered"
    assert after.policy_input == {
        "target": None, "observation": None, "change": None, "now": "then", "environment": "", "production": True,
    }  # fmt: skip


def test_policies_are_told_of_the_new_registration_and_all_else_as_it_was() -> None:
    document = {"target": {"team": "inference"}, "observation": {"status": "RUNNING"}, "now": "then"}
    after = under(candidate(team="search"), document)
    assert after.facts.draft.team == "search"
    assert after.policy_input is not None
    assert after.policy_input["target"]["team"] == "search"  # type: ignore[call-overload, index]
    assert (after.policy_input["observation"], after.policy_input["now"]) == ({"status": "RUNNING"}, "then")


@pytest.mark.parametrize(
    ("more", "changes", "reason"),
    [
        ("", {"target": None}, "not registered then"),
        ("limits: {storm: {window: 5m}}", {}, "another window"),
        ("limits: {repeats: {window: 5m}}", {}, "another window"),
        ("limits: {reversal_cooldown: 3h}", {}, "not looked up so far back"),
        (
            "limits: {storm: {proposals: 900}}",
            {"storm": StormFacts(agent_proposals=501)},
            "more was not counted",
        ),
        (
            "limits: {storm: {changes: 900}}",
            {"storm": StormFacts(environment_changes=201)},
            "more was not counted",
        ),
        ("limits: {repeats: {proposals: 9}}", {"repeats": 6}, "more was not counted"),
    ],
    ids=["target", "storm window", "repeats window", "look back", "proposals", "changes", "repeats"],
)
def test_what_was_not_written_down_then_is_never_guessed(
    more: str, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(NotReplayable, match=reason):
        under(candidate(more=more), **changes)


def test_stricter_counts_can_be_replayed() -> None:
    after = under(candidate(more="limits: {repeats: {proposals: 2}}"), repeats=6).facts
    assert after.limits.repeats.proposals == 2
    assert Limits().repeats.proposals != 2


def test_a_candidate_draws_its_own_lots() -> None:
    """The recorded lot was drawn with the salt of then; the candidate's file has its own."""
    assert under(candidate(), sample_draw=0).facts.sample_draw is None
