from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, update

from adapters.store import halt_reads, halts
from adapters.store.database import Database, database_now
from adapters.store.halt_reads import Fate, Reach
from adapters.store.schema import intents, proposals
from contracts.holds import on_halt
from contracts.proposal import Proposal, ProposalState
from contracts.safety import HaltScope
from tests.adapters.store.samples import stored_proposal
from tests.contracts.samples import AGENT, ANA, BEN, resize

pytestmark = pytest.mark.postgres_15

EVERYTHING = HaltScope(everything=True)
_S = ProposalState


async def put(database: Database, state: ProposalState, **changes: object) -> Proposal:
    """Store a proposal and set its state, without the way there."""
    made = await stored_proposal(database, **changes)
    async with database.transaction() as connection:
        await connection.execute(update(proposals).where(proposals.c.id == made.id).values(state=state.value))
    return made


async def intend(
    database: Database, proposal: Proposal, seconds: float, *, step: str = "forward", **values: object
) -> None:
    async with database.transaction() as connection:
        deadline = await database_now(connection) + timedelta(seconds=seconds)
        await connection.execute(
            insert(intents).values(
                key=f"{proposal.id}/1/{step}",
                proposal_id=proposal.id,
                step=step,
                document={},
                fence=1,
                call_deadline=deadline,
                **values,
            )
        )


async def reach(database: Database, scope: HaltScope = EVERYTHING, halt_id: str = "") -> Reach:
    async with database.reading() as connection:
        return await halt_reads.reach(connection, "default", scope, halt_id)


async def fates(database: Database) -> dict[str, Fate]:
    met = await reach(database)
    return {one.id: one.fate for one in (*met.stops, *met.finishes)}


async def test_what_has_no_effect_yet_is_stopped_and_the_first_pass_denies(database: Database) -> None:
    new = await put(database, _S.EVALUATING)
    waiting = await put(database, _S.AWAITING_APPROVAL)
    ready = await put(database, _S.READY)
    await put(database, _S.SUCCEEDED)
    met = await reach(database)
    assert {one.id: one.fate for one in met.stops} == {
        new.id: Fate.DENIED,
        waiting.id: Fate.HELD,
        ready.id: Fate.HELD,
    }
    assert (met.stops_count, met.finishes_count, met.calls_in_flight) == (3, 0, 0)
    held = next(one for one in met.stops if one.id == ready.id)
    assert (held.until, held.summary) == (
        ready.execute_by,
        "resize acme-prod/serving/inference to 4 per zone",
    )


async def test_a_call_inside_its_deadline_finishes_and_says_until_when(database: Database) -> None:
    calling = await put(database, _S.EXECUTING)
    await intend(database, calling, 60)
    met = await reach(database)
    (shown,) = met.finishes
    assert (shown.id, shown.fate, met.calls_in_flight) == (calling.id, Fate.CALLING, 1)
    assert shown.until == met.last_deadline is not None


async def test_what_the_provider_has_taken_runs_on_without_a_deadline(database: Database) -> None:
    running = await put(database, _S.EXECUTING)
    await intend(database, running, -1, operation="operation-1", issued_at=func.now())
    verifying = await put(database, _S.VERIFYING)
    await intend(database, verifying, -1, receipt={}, issued_at=func.now())
    met = await reach(database)
    assert {one.id: (one.fate, one.until) for one in met.finishes} == {
        running.id: (Fate.RUNNING, None),
        verifying.id: (Fate.VERIFYING, None),
    }
    assert (met.calls_in_flight, met.last_deadline) == (0, None)


async def test_an_attempt_that_withdrew_and_a_way_back_that_has_not_begun_are_held(
    database: Database,
) -> None:
    withdrawn = await put(database, _S.EXECUTING)
    await intend(database, withdrawn, -1, settled_at=func.now())
    going_back = await put(database, _S.ROLLING_BACK)
    await intend(database, going_back, -1, receipt={}, issued_at=func.now())
    assert await fates(database) == {withdrawn.id: Fate.HELD, going_back.id: Fate.HELD}
    await intend(database, going_back, 60, step="compensation")
    assert (await fates(database))[going_back.id] is Fate.CALLING


@pytest.mark.parametrize(
    ("scope", "is_met"),
    [
        (HaltScope(environment="production"), True),
        (HaltScope(environment="development"), False),
        (HaltScope(target="gke.node_pool/acme-prod/*"), True),
        (HaltScope(target="gke.node_pool/acme-%"), False),
        (HaltScope(target="gke.node_pool/acme-prod/europe-west4/serving/inference"), True),
        (HaltScope(target="gke.node_pool/acme-prod/europe-west4/serving/web"), False),
        (HaltScope(action_kind="gke.node_pool.resize"), True),
        (HaltScope(action_kind="gke.node_pool.autoscaling"), False),
        (HaltScope(tenant="other"), False),
        (HaltScope(environment="production", action_kind="gke.node_pool.autoscaling"), False),
        (HaltScope(agent="capacity-agent"), True),
        (HaltScope(agent="local/capacity-agent"), True),
        (HaltScope(agent="other/capacity-agent"), False),
        (HaltScope(agent="capacity-agent", environment="development"), False),
        (HaltScope(agent="ana"), False),
    ],
)
async def test_it_covers_what_the_scope_covers(database: Database, scope: HaltScope, is_met: bool) -> None:
    made = await put(database, _S.READY, authors=(ANA, AGENT))
    assert is_met == scope.covers(
        tenant="default",
        environment="production",
        target_key=made.action.target.key,
        action_kind=made.action.kind,
        authors=made.authors,
    )
    assert (await reach(database, scope)).stops_count == int(is_met)


async def test_it_tells_what_goes_on_when_this_halt_ends(database: Database) -> None:
    async with database.transaction() as connection:
        made = await halts.create(connection, EVERYTHING, "drill", actor=BEN, tenant="default")
    held = await put(database, _S.READY)
    await put(database, _S.AWAITING_APPROVAL)
    async with database.transaction() as connection:
        await connection.execute(
            update(proposals).where(proposals.c.id == held.id).values(held_on=on_halt(made.id))
        )
    met = await reach(database, halt_id=made.id)
    assert (met.resumes_count, met.stops_count) == (1, 2)
    assert (met.stops[0].id, met.stops[0].resumes) == (held.id, True)


async def test_counts_are_of_all_and_the_lists_of_the_first_fifty(database: Database) -> None:
    for count in range(halt_reads.MOST_LISTED + 2):
        await put(database, _S.READY, action=resize(count))
    met = await reach(database)
    assert (len(met.stops), met.stops_count) == (halt_reads.MOST_LISTED, halt_reads.MOST_LISTED + 2)


async def test_ended_halts_are_listed_with_who_ended_them(database: Database) -> None:
    async with database.transaction() as connection:
        made = await halts.create(connection, EVERYTHING, "drill", actor=BEN, tenant="default")
        await halts.end(connection, made.id, actor=BEN)
    async with database.reading() as connection:
        (listed,) = await halt_reads.ended(connection, "default")
        assert listed.id == made.id
        assert await halt_reads.enders(connection, "default", [made.id]) == {made.id: "local/ben"}
        assert await halt_reads.find(connection, "other", made.id) is None
