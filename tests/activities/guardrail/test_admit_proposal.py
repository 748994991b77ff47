from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import insert, select, update

from adapters.configuration import parse
from adapters.opa.engine import OpaPolicyEngine
from adapters.store import breakers, halts, leases, ledger
from adapters.store.database import database_now
from adapters.store.schema import decisions, intents, proposals, rate_uses
from adapters.store.schema import leases as lease_rows
from contracts import circuit_breaker
from contracts.base import new_id, utc_now
from contracts.configuration import BreakerLimits
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Proposal, ProposalState
from contracts.safety import HaltScope
from tests.activities.guardrail.conftest import CONFIGURATION, Guards, Provider
from tests.contracts.samples import AGENT, ANA, BEN, observation
from tests.opa_fixtures import TIMEOUT

OPERATOR = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))


async def ready(guards: Guards, **changes: object) -> Proposal:
    proposal = await guards.propose_in_development(**changes)
    assert (await guards.check(proposal)).state is ProposalState.READY
    return proposal


async def approve(guards: Guards, proposal: Proposal, *reviewers: Principal) -> None:
    """Store applied approvals as the decision activity would, and move the proposal to ready."""
    async with guards.database.transaction() as connection:
        for reviewer in reviewers:
            await connection.execute(
                insert(decisions).values(
                    id=new_id("dec"),
                    proposal_id=proposal.id,
                    revision=proposal.revision,
                    kind="approve",
                    reviewer=f"{reviewer.issuer}/{reviewer.subject}",
                    document={"decision": {"reviewer": reviewer.model_dump(mode="json")}, "signature": ""},
                    status="applied",
                )
            )
        await connection.execute(update(proposals).where(proposals.c.id == proposal.id).values(state="ready"))


async def woken(guards: Guards) -> list[str]:
    return [row.subject for row in await guards.rows("outbox", kind="wake")]


async def close(guards: Guards, proposal: Proposal, state: str = "succeeded") -> None:
    """Close a proposal as a later stage would: lease, probe and budget are given back."""
    async with guards.database.transaction() as connection:
        await leases.release(connection, proposal.action.target.serialisation_domain, proposal.id)
        await breakers.release_probes(connection, proposal.id)
        await ledger.release_all(connection, proposal.id)
        await connection.execute(update(proposals).where(proposals.c.id == proposal.id).values(state=state))


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


async def test_one_cluster_is_changed_by_one_proposal_at_a_time_and_the_next_is_woken(guards: Guards) -> None:
    first, second = await ready(guards), await ready(guards, node_pool="other")
    results = [await guards.admit(first), await guards.admit(second)]
    assert [result.admitted for result in results] == [True, False]
    held = results[1]
    assert (held.state, held.reason_code) == (ProposalState.READY, "target_busy")
    assert held.held_on == (await guards.row(second)).held_on == second.action.target.serialisation_domain
    assert await woken(guards) == []
    await close(guards, first)
    assert await woken(guards) == [second.id]
    assert (await guards.admit(second, 3)).admitted
    assert (await guards.row(second)).held_on is None


async def test_of_many_at_once_exactly_one_gets_the_cluster(guards: Guards) -> None:
    waiting = [await ready(guards) for _ in range(6)]
    results = await asyncio.gather(*[guards.admit(proposal) for proposal in waiting])
    assert [result.admitted for result in results].count(True) == 1
    assert {result.reason_code for result in results if not result.admitted} == {"target_busy"}


async def test_a_newcomer_does_not_overtake_who_waits_already(guards: Guards) -> None:
    first, waiting, newcomer = await ready(guards), await ready(guards), await ready(guards)
    urgent = await ready(guards, priority=1)
    await guards.admit(first)
    await guards.admit(waiting)
    await close(guards, first)
    overtaken = await guards.admit(newcomer)
    assert (overtaken.admitted, overtaken.reason_code) == (False, "target_busy")
    assert (await guards.admit(urgent)).admitted


async def waiting_in_line(guards: Guards) -> list[Proposal]:
    """Two who waited for a cluster that is free by now, of whom the first was woken."""
    first, *waiting = [await ready(guards, node_pool=name) for name in ("at-work", "one", "two")]
    assert [(await guards.admit(one)).admitted for one in (first, *waiting)] == [True, False, False]
    await close(guards, first)
    assert await woken(guards) == [waiting[0].id]
    return waiting


async def test_whoever_is_denied_when_its_turn_has_come_leaves_it_to_the_next(guards: Guards) -> None:
    denied, following = await waiting_in_line(guards)
    guards.configuration = parse(CONFIGURATION.replace("max_nodes_per_zone: 8", "max_nodes_per_zone: 3"))
    assert (await guards.admit(denied, 3)).state is ProposalState.DENIED
    assert await woken(guards) == [denied.id, following.id]


async def test_whoever_is_held_by_something_else_when_its_turn_has_come_leaves_it_to_the_next(
    guards: Guards,
) -> None:
    held, following = await waiting_in_line(guards)
    async with guards.database.transaction() as connection:
        scope = HaltScope(target=held.action.target.key)
        await halts.create(connection, scope, "stop", actor=BEN, tenant="default")
    assert (await guards.admit(held, 3)).reason_code == "halted"
    assert await woken(guards) == [held.id, following.id]
    assert (await guards.admit(following, 3)).admitted


async def test_nobody_is_woken_for_a_cluster_at_which_somebody_is_at_work(guards: Guards) -> None:
    first, held, other = [await ready(guards, node_pool=name) for name in ("at-work", "one", "two")]
    assert [(await guards.admit(one)).admitted for one in (first, held, other)] == [True, False, False]
    async with guards.database.transaction() as connection:
        await connection.execute(
            update(proposals).where(proposals.c.id == held.id).values(execute_by=utc_now())
        )
    assert (await guards.admit(held, 3)).state is ProposalState.EXPIRED
    assert await woken(guards) == []


async def test_a_halt_holds_and_its_end_wakes(guards: Guards) -> None:
    proposal = await ready(guards)
    async with guards.database.transaction() as connection:
        halt = await halts.create(connection, HaltScope(everything=True), "stop", actor=BEN, tenant="default")
    result = await guards.admit(proposal)
    assert (result.state, result.admitted, result.held_on) == (ProposalState.READY, False, f"halt:{halt.id}")
    assert (await guards.rows("leases"))[0].owner is None
    async with guards.database.transaction() as connection:
        await halts.end(connection, halt.id, actor=BEN)
    assert await woken(guards) == [proposal.id]
    assert (await guards.admit(proposal, 3)).admitted


async def test_a_hold_gives_the_lease_back_and_keeps_the_reservation(guards: Guards) -> None:
    proposal = await ready(guards)
    assert (await guards.admit(proposal)).admitted
    reserved = [row.reserved for row in await guards.rows("budget_windows")]
    async with guards.database.transaction() as connection:
        await halts.create(connection, HaltScope(everything=True), "stop", actor=BEN, tenant="default")
    assert not (await guards.admit(proposal, 3)).admitted
    assert (await guards.rows("leases"))[0].owner is None
    assert [row.reserved for row in await guards.rows("budget_windows")] == reserved


async def fail(guards: Guards, proposal: Proposal, times: int, cooldown: timedelta) -> None:
    async with guards.database.transaction() as connection:
        for _ in range(times):
            await breakers.record_outcome(
                connection,
                breakers.breaker_ids(proposal.action.target.key, proposal.action.kind)[:1],
                False,
                "stockout",
                BreakerLimits(failures=3, cooldown=cooldown),
                await database_now(connection),
            )


async def test_an_open_breaker_holds(guards: Guards) -> None:
    proposal = await ready(guards)
    await fail(guards, proposal, 3, timedelta(minutes=5))
    result = await guards.admit(proposal)
    assert (result.admitted, result.reason_code) == (False, "breaker_open")
    assert result.held_on == "breaker:kind:gke.node_pool.resize"


async def test_an_open_breaker_denies_at_once_what_it_would_outlast(guards: Guards) -> None:
    proposal = await guards.propose_in_development()
    await fail(guards, proposal, 3, timedelta(days=1))
    assert (await guards.check(proposal)).reason_code == "breaker_open"


async def test_when_a_breaker_is_due_exactly_one_proposal_probes_it(guards: Guards) -> None:
    waiting = [await ready(guards, cluster=f"dev-{number}") for number in range(4)]
    await fail(guards, waiting[0], 3, timedelta(0))
    results = await asyncio.gather(*[guards.admit(proposal) for proposal in waiting])
    admitted = [proposal for proposal, result in zip(waiting, results, strict=True) if result.admitted]
    assert len(admitted) == 1
    assert {result.reason_code for result in results if not result.admitted} == {"breaker_half_open"}
    (breaker,) = await guards.rows("breakers")
    assert (breaker.state, breaker.probe_owner) == ("half_open", admitted[0].id)
    await close(guards, admitted[0], "stale")
    (breaker,) = await guards.rows("breakers")
    assert (breaker.state, breaker.probe_owner) == ("open", None)
    assert len(await woken(guards)) == 1


async def test_while_an_agents_breaker_is_open_a_person_must_agree(guards: Guards) -> None:
    people, agents = (
        await ready(guards),
        await ready(guards, cluster="dev-1", authors=(ANA, AGENT), confidence=1.0),
    )
    async with guards.database.transaction() as connection:
        await breakers.open_by_hand(
            connection,
            circuit_breaker.agent_breaker(AGENT),
            actor=BEN,
            reason="it goes astray",
            lasts=None,
            now=await database_now(connection),
        )
    assert (await guards.admit(people)).admitted
    result = await guards.admit(agents)
    assert (result.state.value, result.reason_code) == ("awaiting_approval", "agent_breaker_open")
    fresh = await guards.propose_in_development(cluster="dev-2", authors=(ANA, AGENT), confidence=1.0)
    assert (await guards.check(fresh)).reason_code == "agent_breaker_open"


async def test_an_open_provider_holds_every_change_of_its(guards: Guards) -> None:
    proposal = await ready(guards)
    async with guards.database.transaction() as connection:
        now = await database_now(connection)
        await breakers.open_by_hand(
            connection, "provider:gke", actor=BEN, reason="outage", lasts=None, now=now
        )
    assert (await guards.admit(proposal)).held_on == "breaker:provider:gke"
    async with guards.database.transaction() as connection:
        await breakers.reset(connection, "provider:gke", actor=BEN, reason="over")
    assert await woken(guards) == [proposal.id]
    assert (await guards.admit(proposal, 3)).admitted


async def test_a_hold_gives_the_probe_to_the_next(guards: Guards) -> None:
    first, second = [await ready(guards, cluster=f"dev-{number}") for number in range(2)]
    await fail(guards, first, 3, timedelta(0))
    assert (await guards.admit(first)).admitted
    assert (await guards.admit(second)).reason_code == "breaker_half_open"
    only_first = HaltScope(target=first.action.target.key)
    async with guards.database.transaction() as connection:
        await halts.create(connection, only_first, "stop", actor=BEN, tenant="default")
    assert (await guards.admit(first, 3)).reason_code == "halted"
    assert await woken(guards) == [second.id]
    assert (await guards.admit(second, 3)).admitted


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


async def test_a_target_rests_after_its_last_effect_ended(guards: Guards) -> None:
    guards.configuration = parse(CONFIGURATION.replace("cooldown: 0s", "cooldown: 10m"))
    first, second = await ready(guards), await ready(guards)
    await guards.admit(first)
    now = utc_now()
    async with guards.database.transaction() as connection:
        await connection.execute(update(rate_uses).values(used_at=now - timedelta(hours=2)))
        await connection.execute(
            insert(intents).values(
                key="k",
                proposal_id=first.id,
                step="forward",
                document={},
                fence=1,
                call_deadline=now,
                settled_at=now - timedelta(minutes=9),
            )
        )
    await close(guards, first)
    assert (await guards.admit(second)).reason_code == "cooldown"
    async with guards.database.transaction() as connection:
        await connection.execute(update(intents).values(settled_at=now - timedelta(minutes=11)))
    assert (await guards.admit(second, 3)).admitted


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


async def test_passes_and_closings_in_a_crowd_never_deadlock(guards: Guards) -> None:
    """A deadlock would surface as `StoreUnavailable`. Two clusters, agents and people, breakers in use."""
    crowd = [
        await ready(
            guards,
            cluster=f"dev-{number % 2}",
            node_pool=f"pool-{number}",
            authors=(ANA, AGENT) if number % 3 else (ANA,),
            confidence=0.9,
        )
        for number in range(12)
    ]
    await fail(guards, crowd[0], 1, timedelta(0))
    done = []

    async def live(proposal: Proposal) -> None:
        for number in range(2, 200):
            if (await guards.admit(proposal, number)).admitted:
                await fail(guards, proposal, 1, timedelta(0))
                await close(guards, proposal)
                done.append(proposal.id)
                return
            await asyncio.sleep(0.05)

    await asyncio.wait_for(asyncio.gather(*[live(proposal) for proposal in crowd]), 60)
    assert len(done) == len(crowd)
    assert {row.reserved for row in await guards.rows("budget_windows")} == {Decimal(0)}
    assert {row.owner for row in await guards.rows("leases")} == {None}
