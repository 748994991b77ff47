"""What the second pass decides: admitted, denied, expired, or back to people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import insert, select, update

from adapters.configuration import parse
from adapters.opa.engine import OpaPolicyEngine
from adapters.store.schema import decisions, proposals
from adapters.store.schema import leases as lease_rows
from contracts.base import new_id, utc_now
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import ProposalState
from tests.activities.guardrail.admitting import approve, ready
from tests.activities.guardrail.conftest import CONFIGURATION, Guards, Provider
from tests.contracts.samples import BEN, observation
from tests.opa_fixtures import TIMEOUT

OPERATOR = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))


async def test_an_admitted_proposal_owns_the_lease_and_has_used_its_rate_once(guards: Guards) -> None:
    proposal = await ready(guards)
    result = await guards.admit(proposal)
    assert (result.state, result.admitted, result.held_on) == (ProposalState.READY, True, None)
    (lease,) = await guards.rows("leases")
    assert (lease.domain, lease.owner) == (proposal.action.target.serialisation_domain, proposal.id)
    assert await guards.admit(proposal) == result
    assert (await guards.admit(proposal, 3)).admitted
    assert len(await guards.rows("rate_uses")) == 1
    types = [row.type for row in await guards.rows("audit_events")]
    assert types.count("lease.taken") == 1


async def test_the_provider_is_not_asked_again(guards: Guards) -> None:
    proposal = await ready(guards)
    await guards.admit(proposal)
    assert guards.provider.asked == 1


async def test_past_its_last_moment_it_expires_and_gives_its_budget_back(guards: Guards) -> None:
    proposal = await ready(guards)
    assert (await guards.admit(proposal)).admitted
    async with guards.database.transaction() as connection:
        await connection.execute(update(proposals).values(execute_by=utc_now()))
    result = await guards.admit(proposal, 3)
    assert (result.state, result.reason_code) == (ProposalState.EXPIRED, "execute_by_passed")
    assert {row.reserved for row in await guards.rows("budget_windows")} == {Decimal(0)}
    assert (await guards.rows("leases"))[0].owner is None


async def test_what_the_second_pass_denies_gives_its_budget_back(guards: Guards) -> None:
    proposal = await ready(guards)
    guards.configuration = parse(CONFIGURATION.replace("max_nodes_per_zone: 8", "max_nodes_per_zone: 3"))
    result = await guards.admit(proposal)
    assert (result.state, result.reason_code) == (ProposalState.DENIED, "above_max_nodes")
    assert {row.reserved for row in await guards.rows("budget_windows")} == {Decimal(0)}


async def test_opa_that_is_gone_by_then_denies(guards: Guards) -> None:
    proposal = await ready(guards)
    guards.policy = OpaPolicyEngine("http://127.0.0.1:1", timeout=TIMEOUT)
    assert (await guards.admit(proposal)).reason_code == "policy_unavailable"
    await guards.policy.close()


async def test_a_stricter_second_pass_goes_back_to_people_and_keeps_their_votes(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    await approve(guards, proposal, BEN)
    stricter = CONFIGURATION.replace("quorum: 1", "quorum: 2, roles: [approver, operator]")
    guards.configuration = parse(stricter)
    result = await guards.admit(proposal)
    assert result.state is ProposalState.AWAITING_APPROVAL
    assert result.rules is not None
    assert result.rules.requirement.quorum == 2
    assert len(await guards.rows("decisions", status="applied")) == 1
    assert {row.reserved > 0 for row in await guards.rows("budget_windows")} == {True}
    await approve(guards, proposal, OPERATOR)
    assert (await guards.admit(proposal, 3)).admitted


async def test_an_approval_is_not_counted_once_its_person_has_said_otherwise(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    await approve(guards, proposal, BEN)
    (given,) = await guards.rows("decisions")
    newer = given._asdict() | {"id": new_id("dec"), "kind": "withdraw", "status": "recorded"}
    async with guards.database.transaction() as connection:
        await connection.execute(insert(decisions).values(newer))
    assert (await guards.admit(proposal)).state is ProposalState.AWAITING_APPROVAL


async def test_without_enough_approvals_nothing_is_admitted(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    await approve(guards, proposal)
    assert (await guards.admit(proposal)).state is ProposalState.AWAITING_APPROVAL
    await approve(guards, proposal, OPERATOR)
    assert (await guards.admit(proposal, 3)).state is ProposalState.AWAITING_APPROVAL


async def test_more_people_asked_for_after_their_time_is_over_means_expiry(guards: Guards) -> None:
    proposal = await guards.propose(decide_by=utc_now() + timedelta(seconds=3))
    await guards.check(proposal)
    await approve(guards, proposal)
    await asyncio.sleep(3.1)
    result = await guards.admit(proposal)
    assert (result.state, result.reason_code) == (ProposalState.EXPIRED, "decide_by_passed")
    assert {row.reserved for row in await guards.rows("budget_windows")} == {Decimal(0)}


async def test_ones_own_reservation_is_not_counted_against_one(guards: Guards) -> None:
    proposal = await ready(guards)
    cost = (await guards.evaluation(proposal)).cost
    assert cost is not None
    limit = max(line.amount for line in cost.lines)
    guards.configuration = parse(CONFIGURATION.replace("40000", str(limit)).replace("5000", str(limit)))
    assert (await guards.admit(proposal)).admitted
    other = await guards.propose_in_development(cluster="dev-2")
    assert (await guards.check(other)).reason_code == "budget_exceeded"


async def test_a_price_that_rose_is_reserved_in_full(guards: Guards) -> None:
    proposal = await ready(guards)
    before = {row.scope: row.reserved for row in await guards.rows("budget_windows")}
    dearer = observation().model_copy(update={"machine_type": "g2-standard-96"})
    async with guards.database.transaction() as connection:
        row = (await connection.execute(select(proposals.c.document))).scalar_one()
        document = row | {"observation": dearer.model_dump(mode="json")}
        await connection.execute(update(proposals).values(document=document))
    assert (await guards.admit(proposal)).admitted
    after = {row.scope: row.reserved for row in await guards.rows("budget_windows")}
    assert all(after[scope] > 5 * before[scope] for scope in before)
    entries = await guards.rows("ledger_entries", scope="tenant")
    assert [(entry.kind, entry.posting) for entry in entries] == [("reserve", 1), ("reserve", 2)]


async def test_an_operation_seen_in_the_first_pass_does_not_hold_the_second(guards: Guards) -> None:
    from contracts.observation import ProviderOperation

    running = ProviderOperation(name="operation-1", type="UPGRADE_NODES", status="RUNNING")
    seen = observation().model_copy(update={"operations": (running,), "taken_at": utc_now()})
    guards.provider = Provider(seen)
    proposal = await ready(guards)
    assert (await guards.admit(proposal)).admitted


async def test_a_proposal_that_is_not_ready_is_returned_as_it_stands(guards: Guards) -> None:
    proposal = await guards.propose()
    await guards.check(proposal)
    result = await guards.admit(proposal)
    assert (result.state, result.admitted) == (ProposalState.AWAITING_APPROVAL, False)
    async with guards.database.reading() as connection:
        assert (await connection.execute(select(lease_rows))).all() == []
