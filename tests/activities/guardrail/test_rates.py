"""Execution budgets, storms, circles and turns, in real guard passes."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from adapters.audit.replay import replay
from adapters.configuration import parse
from adapters.store import halts, proposals
from adapters.store.schema import rate_buckets, rate_uses
from contracts.audit import AuditEvent
from contracts.base import utc_now
from contracts.evaluation import Outcome
from contracts.principal import SYSTEM
from contracts.proposal import Draft, Planner, PlannerKind, Proposal, ProposalState
from guardrails.rate.bucket import TOKEN
from tests.activities.guardrail.admitting import close, ready
from tests.activities.guardrail.conftest import CONFIGURATION, Guards
from tests.contracts.samples import AGENT, ANA, BEN
from tests.editing import edit

BY_AGENT = {"authors": (ANA, AGENT), "confidence": 0.9}
BY_MODEL = BY_AGENT | {"planner": Planner(kind=PlannerKind.OPENAI)}


def limited(guards: Guards, **limits: Any) -> None:
    """Give the guards other limits."""
    usual = "limits: {cooldown: 0s, max_share: 1.0, effects_per_hour: 30}"
    assert usual in CONFIGURATION
    given = {"cooldown": "0s", "max_share": 5.0, "effects_per_hour": 30} | limits
    guards.configuration = parse(CONFIGURATION.replace(usual, f"limits: {json.dumps(given)}"))


async def bucket(guards: Guards, key: str) -> Any:
    (row,) = await guards.rows("rate_buckets", key=key)
    return row


async def let_pass(guards: Guards, time: timedelta) -> None:
    """Let time pass for the budgets."""
    async with guards.database.transaction() as connection:
        await connection.execute(update(rate_buckets).values(as_of=rate_buckets.c.as_of - time))


@pytest.mark.parametrize("agent", [False, True], ids=["target", "agent"])
async def test_a_full_budget_holds_until_its_next_token(guards: Guards, agent: bool) -> None:
    limited(guards, effects_per_hour=2)
    # An agent's effects count wherever they are; a target's whoever asked.
    places = [{"node_pool": f"pool-{number}"} if agent else {} for number in range(3)]
    made = [await ready(guards, **(BY_AGENT if agent else {}), **place) for place in places]
    for proposal in made[:2]:
        assert (await guards.admit(proposal)).admitted
        await close(guards, proposal)
    result = await guards.admit(made[2])
    assert (result.admitted, result.reason_code) == (False, "rate_limited")
    key = "agent:local/capacity-agent" if agent else f"target:{made[2].action.target.key}"
    assert result.held_on == f"rate:{key}"
    await let_pass(guards, timedelta(minutes=30))
    assert (await guards.admit(made[2], 3)).admitted
    assert (await guards.row(made[2])).held_until is None


async def test_who_is_held_is_woken_at_the_very_moment_and_once(guards: Guards) -> None:
    limited(guards, rates={"fleet": {"capacity": 1, "per_hour": 1}})
    first, second, third = [await ready(guards, node_pool=f"pool-{n}") for n in range(3)]
    assert (await guards.admit(first)).admitted
    await close(guards, first)
    for number in (2, 3, 4):
        assert (await guards.admit(second, number)).held_on == "rate:fleet"
    full = (await bucket(guards, "fleet")).as_of
    (wake,) = await guards.rows("outbox", kind="wake")
    assert (wake.subject, wake.due_at) == (second.id, full + timedelta(hours=1))
    assert (await guards.row(second)).held_until == wake.due_at
    # Whoever comes later is woken for the token after that one.
    await guards.admit(third)
    assert (await guards.row(third)).held_until == full + timedelta(hours=2)
    # And gets none before those that wait already.
    await let_pass(guards, timedelta(hours=1))
    assert not (await guards.admit(third, 3)).admitted
    assert (await guards.admit(second, 5)).admitted


async def test_a_token_is_taken_once_however_often_a_proposal_is_admitted(guards: Guards) -> None:
    limited(guards, rates={"tenant": {"capacity": 1, "per_hour": 0}})
    proposal = await ready(guards)
    for number in (2, 3, 4):
        assert (await guards.admit(proposal, number)).admitted
    assert (await bucket(guards, "tenant:default")).deficit == TOKEN
    async with guards.database.transaction() as connection:
        await connection.execute(update(rate_uses).values(used_at=utc_now() - timedelta(hours=2)))
    assert (await guards.admit(proposal, 5)).admitted
    (use,) = await guards.rows("rate_uses")
    assert utc_now() - use.used_at < timedelta(minutes=1)


async def test_a_token_that_comes_too_late_denies_at_once(guards: Guards) -> None:
    limited(guards, effects_per_hour=1)
    first = await ready(guards)
    await guards.admit(first)
    soon = utc_now() + timedelta(minutes=10)
    hurried = await guards.propose_in_development(decide_by=soon, execute_by=soon)
    assert (await guards.check(hurried)).reason_code == "rate_limited"


@pytest.mark.parametrize("scope", ["agent", "tenant", "fleet"])
async def test_of_many_at_once_exactly_as_many_as_the_budget_has_are_admitted(
    guards: Guards, scope: str
) -> None:
    limited(guards, rates={scope: {"capacity": 4, "per_hour": 1}})
    waiting = [await ready(guards, cluster=f"dev-{number}", **BY_AGENT) for number in range(10)]
    results = await asyncio.gather(*[guards.admit(proposal) for proposal in waiting])
    assert [result.admitted for result in results].count(True) == 4
    assert {result.reason_code for result in results if not result.admitted} == {"rate_limited"}
    (row,) = [one for one in await guards.rows("rate_buckets") if one.key.startswith(scope)]
    assert 4 * TOKEN - TOKEN // 60 < row.deficit <= 4 * TOKEN
    assert len(await guards.rows("rate_uses")) == 4


async def test_the_budgets_can_be_rebuilt_from_the_audit_log(guards: Guards) -> None:
    for number in range(3):
        assert (await guards.admit(await ready(guards, cluster=f"dev-{number}", **BY_AGENT))).admitted
    rows = sorted(await guards.rows("audit_events"), key=lambda row: row.ordinal)
    rebuilt = replay(AuditEvent.model_validate_json(row.leaf) for row in rows)
    stored = {row.key: (row.deficit, row.as_of) for row in await guards.rows("rate_buckets")}
    assert {key: (one.deficit, one.as_of) for key, one in rebuilt.buckets.items()} == stored
    uses = {
        row.proposal_id: (row.target_key, row.environment, row.agent, row.direction, row.used_at)
        for row in await guards.rows("rate_uses")
    }
    assert {
        key: (one.target_key, one.environment, one.agent, one.direction, one.used_at)
        for key, one in rebuilt.uses.items()
    } == uses


async def test_what_was_admitted_as_growth_and_edited_to_less_counts_as_less(guards: Guards) -> None:
    limited(guards)
    proposal = await ready(guards, node_count=4)
    assert (await guards.admit(proposal)).admitted
    async with guards.database.transaction() as connection:
        row = await proposals.lock(connection, proposal.id)
        asked = ProposalState.AWAITING_APPROVAL
        await proposals.move(connection, row, asked, actor=SYSTEM, reason_code="approval_required")
    assert isinstance(await edit(guards.database, proposal.id, BEN, node_count=1), Draft)
    edited = proposal.model_copy(update={"revision": 2})
    assert (await guards.check(edited)).state is ProposalState.READY
    assert (await guards.admit(edited)).admitted
    rows = sorted(await guards.rows("audit_events"), key=lambda row: row.ordinal)
    rebuilt = replay(AuditEvent.model_validate_json(row.leaf) for row in rows)
    (use,) = await guards.rows("rate_uses")
    assert (use.direction, rebuilt.uses[proposal.id].direction) == (-1, -1)


STORM = {"storm": {"proposals": 3, "changes": 2}}


async def test_a_storm_is_denied_and_its_agent_halted_once_until_a_person_ends_that(guards: Guards) -> None:
    limited(guards, **STORM)
    made = [await guards.propose_in_development(cluster=f"dev-{n}", **BY_AGENT) for n in range(8)]
    results = await asyncio.gather(*[guards.check(proposal) for proposal in made])
    codes = [result.reason_code for result in results]
    assert codes.count("action_storm") == 1
    assert set(codes) == {"action_storm", "halted"}
    (halt,) = [halts.halt_of(row) for row in await guards.rows("halts")]
    assert halt.scope.agent == "local/capacity-agent"
    assert halt.created_by == SYSTEM
    assert "more than 3 proposals" in halt.reason
    assert len(await guards.rows("audit_events", type="halt.created")) == 1
    (told,) = await guards.rows("outbox", kind="notify")
    assert (told.subject, told.payload["event"]) == (halt.id, "halt_created")
    assert (told.payload["reason_code"], told.payload["by"]) == ("action_storm", "sluice/sluice")
    assert (told.payload["reason"], told.payload["scope"]) == (halt.reason, {"agent": "local/capacity-agent"})
    # People are not the agent.
    assert (
        await guards.check(await guards.propose_in_development(node_pool="other"))
    ).state is ProposalState.READY
    async with guards.database.transaction() as connection:
        await halts.end(connection, halt.id, actor=BEN)
    calm = await guards.propose_in_development(node_pool="calm", **BY_AGENT)
    assert (await guards.check(calm)).state is ProposalState.READY


async def test_too_many_changes_in_an_environment_halt_the_environment(guards: Guards) -> None:
    limited(guards, **STORM)
    people = [ANA.model_copy(update={"subject": f"person-{n}"}) for n in range(4)]
    made = [await ready(guards, cluster=f"dev-{n}", authors=(one,)) for n, one in enumerate(people)]
    results = [await guards.admit(proposal) for proposal in made]
    assert [result.admitted for result in results] == [True, True, True, False]
    assert (results[3].state, results[3].reason_code) == (ProposalState.DENIED, "action_storm")
    (halt,) = [halts.halt_of(row) for row in await guards.rows("halts")]
    assert halt.scope.environment == "development"


async def test_agents_that_are_halted_leave_everybody_beside_them_alone(guards: Guards) -> None:
    limited(guards, **STORM)
    for number in range(2):
        agent = AGENT.model_copy(update={"subject": f"agent-{number}"})
        by_agent = BY_AGENT | {"authors": (ANA, agent)}
        made = [
            await guards.propose_in_development(cluster=f"dev-{number}-{n}", **by_agent) for n in range(4)
        ]
        assert "action_storm" in [(await guards.check(proposal)).reason_code for proposal in made]
    assert len(await guards.rows("halts")) == 2
    beside = await guards.propose_in_development(cluster="dev-2", authors=(BEN,))
    assert (await guards.check(beside)).state is ProposalState.READY


async def test_what_one_person_does_alone_is_denied_to_them_and_halts_nobody(guards: Guards) -> None:
    limited(guards, **STORM)
    made = [await ready(guards, cluster=f"dev-{n}") for n in range(3)]
    results = [await guards.admit(proposal) for proposal in made]
    assert [result.admitted for result in results] == [True, True, False]
    assert (results[2].state, results[2].reason_code) == (ProposalState.DENIED, "requester_storm")
    fourth = await guards.check(await guards.propose_in_development(cluster="dev-3"))
    assert (fourth.state, fourth.reason_code) == (ProposalState.DENIED, "requester_storm")
    beside = await ready(guards, cluster="dev-4", authors=(BEN,))
    assert (await guards.admit(beside)).admitted
    assert await guards.rows("halts") == []


async def test_a_dry_run_halts_nothing(guards: Guards) -> None:
    limited(guards, storm={"proposals": 1, "changes": 1})
    for number in range(3):
        proposal = await guards.propose_in_development(cluster=f"dev-{number}", dry_run=number > 0)
        await guards.check(proposal)
    assert await guards.rows("halts") == []
    for number in (3, 4):
        await guards.propose_in_development(cluster=f"dev-{number}", **BY_AGENT)
    dry = await guards.propose_in_development(cluster="dev-5", dry_run=True, **BY_AGENT)
    assert (await guards.check(dry)).reason_code == "dry_run"
    assert "action_storm" in [one.reason_code for one in (await guards.evaluation(dry)).verdicts]
    assert await guards.rows("halts") == []


async def test_up_down_up_asks_a_person_and_shows_the_history(guards: Guards) -> None:
    async def changed(nodes: int) -> Proposal:
        proposal = await guards.propose_in_development(node_count=nodes)
        result = await guards.check(proposal)
        if result.state is ProposalState.READY:
            assert (await guards.admit(proposal)).admitted
            await close(guards, proposal)
        return proposal

    limited(guards)
    for nodes in (4, 1):
        assert (await guards.row(await changed(nodes))).state == "succeeded"
    turned = await changed(4)
    row = await guards.row(turned)
    assert (row.state, row.reason_code) == ("awaiting_approval", "oscillation")
    (verdict,) = [one for one in (await guards.evaluation(turned)).verdicts if one.guardrail == "rate"]
    history: Any = verdict.facts["history"]
    assert [one["direction"] for one in history] == ["up", "down"]


async def test_a_change_that_never_happened_is_no_turn(guards: Guards) -> None:
    limited(guards)
    for nodes, state in ((4, "succeeded"), (1, "stale"), (4, "succeeded")):
        proposal = await ready(guards, node_count=nodes)
        assert (await guards.admit(proposal)).admitted
        await close(guards, proposal, state)


async def test_a_turn_rests_for_the_reversal_cooldown(guards: Guards) -> None:
    limited(guards, reversal_cooldown="30m")
    grown = await ready(guards, node_count=4)
    assert (await guards.admit(grown)).admitted
    await close(guards, grown)
    more, less = await ready(guards, node_count=5), await ready(guards, node_count=1)
    held = await guards.admit(less)
    assert (held.reason_code, held.held_on) == (
        "reversal_cooldown",
        f"rate:reversal_cooldown:{less.action.target.key}",
    )
    assert (await guards.admit(more)).admitted


async def test_a_model_may_not_ask_for_more_while_an_accepted_growth_has_not_arrived(guards: Guards) -> None:
    limited(guards)
    accepted = await ready(guards, node_count=4, **BY_MODEL)
    again = await guards.propose_in_development(node_count=6, **BY_MODEL)
    assert (await guards.check(again)).reason_code == "capacity_on_its_way"
    (verdict,) = [one for one in (await guards.evaluation(again)).verdicts if one.guardrail == "rate"]
    assert verdict.facts["proposals_on_their_way"] == [accepted.id]
    assert verdict.facts["nodes_on_their_way"] == 6
    fewer = await guards.propose_in_development(node_count=1, **BY_MODEL)
    assert (await guards.check(fewer)).state is ProposalState.READY
    person = await guards.propose_in_development(node_count=6)
    assert (await guards.check(person)).state is ProposalState.READY
    await close(guards, accepted)
    for other in (fewer, person):
        await close(guards, other, "cancelled")
    later = await guards.propose_in_development(node_count=7, **BY_MODEL)
    assert (await guards.check(later)).state is ProposalState.READY


async def test_the_same_again_and_again_is_denied_whatever_became_of_the_earlier_ones(guards: Guards) -> None:
    limited(guards, repeats={"proposals": 2})
    states = []
    for number in range(4):
        proposal = await guards.propose_in_development(node_count=3 if number == 3 else 4, **BY_MODEL)
        states.append((await guards.check(proposal)).reason_code)
        if states[-1] == "allowed":
            await close(guards, proposal, "cancelled")
    assert states == ["allowed", "allowed", "repeated_proposal", "allowed"]
    by_person = await guards.propose_in_development(node_count=4)
    assert (await guards.check(by_person)).state is ProposalState.READY


async def test_a_verdict_that_denies_or_holds_says_what_would_have_to_change(guards: Guards) -> None:
    limited(guards, effects_per_hour=0)
    proposal = await guards.propose_in_development()
    await guards.check(proposal)
    (verdict,) = [one for one in (await guards.evaluation(proposal)).verdicts if one.guardrail == "rate"]
    assert verdict.outcome is Outcome.DENY
    assert verdict.remedy
