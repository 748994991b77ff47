"""What each stage asks of the database, exactly. Gates, PostgreSQL and OPA are real, over the practice fleet.

docs/reference/workflow-cost.md tells the figures. Whoever changes the statements of a stage changes that page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple, TypeVar

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.execution.attempt import EffectTimings
from activities.execution.through import ThroughVerification
from adapters.store import proposal_reads
from adapters.store.ledger import sweep_reservations
from benchmarks.copies import OF_PROPOSALS, copy_closed
from contracts.decision import DecisionKind
from contracts.effect import Step
from contracts.messages import CloseInput, DecisionInput, EffectInput
from contracts.proposal import Proposal, ProposalState
from emulators.gke.faults import FaultKind
from tests.activities.guardrail.conftest import Guards, guards, opa_url, policy_engine
from tests.docs.pages import rows
from tests.gke_fixtures import RunningEmulator, local_fleet
from tests.proposal_stack import EffectStack, effect_stack, resize
from tests.round_trips import round_trips
from tests.waiting import eventually

__all__ = ["guards", "local_fleet", "opa_url", "policy_engine"]

S = ProposalState
T = TypeVar("T")
COLUMNS = 5
"""Of the table that tells them: path, stage, and the three of `Cost`."""
MANY = 5_000
"""Stored proposals beside which no stage may read through a table."""
WEB = "acme-prod/europe-west4/serving/web"
PATIENT = EffectTimings(
    call_timeout=timedelta(minutes=2),
    call_margin=timedelta(minutes=2),
    operation_timeout=timedelta(minutes=10),
    poll_interval=timedelta(seconds=0.05),
)
"""However busy the machine is: how long things take says nothing here."""


class Cost(NamedTuple):
    round_trips: int
    statements: int
    commits: int


@dataclass
class Ground:
    """One proposal's way, and what each stage of it asked of the database."""

    guards: Guards
    stack: EffectStack
    paid: dict[str, Cost] = field(default_factory=dict)

    async def counted(self, stage: str, work: Awaitable[T]) -> T:
        with round_trips(self.guards.database) as seen:
            result = await work
        commits = sum(one.startswith("COMMIT") for one in seen)
        begun = sum(one.startswith("BEGIN") for one in seen)
        self.paid[stage] = Cost(len(seen), len(seen) - begun - commits, commits)
        return result

    async def judged(self, proposal: Proposal) -> ProposalState:
        return (await self.counted("first pass", self.guards.check(proposal))).state

    async def decided(self, proposal: Proposal, kind: DecisionKind = DecisionKind.APPROVE) -> None:
        signed = await self.stack.signed(proposal.id, kind=kind)
        await self.stack.record(signed)
        record = ActivityEnvironment().run(self.stack.approval.record_decision, DecisionInput(signed=signed))
        await self.counted("decision", record)

    async def admitted(self, proposal: Proposal) -> None:
        assert (await self.counted("second pass", self.guards.admit(proposal))).admitted

    async def executed(self, proposal: Proposal, step: Step = Step.FORWARD) -> ProposalState:
        whole = ThroughVerification(self.stack.effects, self.stack.verification)
        given = EffectInput(proposal_id=proposal.id, revision=1, step=step, pass_number=2)
        stage = "effect and verification" if step is Step.FORWARD else "way back and verification"
        return (await self.counted(stage, ActivityEnvironment().run(whole.execute_action, given))).state

    async def approved(self, node_count: int = 3) -> Proposal:
        """Let a proposal come to its effect."""
        proposal = await self.guards.propose(action=resize(node_count, "web"))
        assert await self.judged(proposal) is S.AWAITING_APPROVAL
        await self.decided(proposal)
        await self.admitted(proposal)
        return proposal


@pytest.fixture
async def ground(guards: Guards, local_fleet: RunningEmulator) -> AsyncIterator[Ground]:
    async with effect_stack(guards.database, local_fleet) as stack:
        guards.provider = stack.reader  # type: ignore[assignment]
        yield Ground(guards, replace(stack, configuration=guards.configuration, timings=PATIENT))


async def rows_read_without_an_index(url: str) -> dict[str, int]:
    """Return them by table. What a connection has read is told when it has ended, so all others must have."""
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1))
    alone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    try:
        await eventually(lambda: connection.fetchval(alone))
        found = await connection.fetch("SELECT relname, seq_tup_read FROM pg_stat_user_tables")
        return {one["relname"]: one["seq_tup_read"] for one in found}
    finally:
        await connection.close()


def told(kind: str) -> dict[str, Cost]:
    """Return what the page says of a kind of proposal."""
    of_kind = [row for row in rows("workflow-cost.md") if row[0] == kind and len(row) == COLUMNS]
    return {row[1]: Cost(*(int(cell) for cell in row[2:])) for row in of_kind}


async def test_an_approved_change_costs_what_the_page_says(ground: Ground) -> None:
    assert await ground.executed(await ground.approved()) is S.SUCCEEDED
    assert ground.paid == told("one approval")


async def test_what_nobody_must_approve_costs_what_the_page_says(ground: Ground) -> None:
    proposal = await ground.guards.propose_in_development(node_pool="default", node_count=2)
    assert await ground.judged(proposal) is S.READY
    await ground.admitted(proposal)
    assert await ground.executed(proposal) is S.SUCCEEDED
    assert ground.paid == told("nobody must approve")


async def test_what_is_rolled_back_costs_what_the_page_says(ground: Ground) -> None:
    proposal = await ground.approved()
    await ground.stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.STOCKOUT, node_pool="web")
    assert await ground.executed(proposal) is S.ROLLING_BACK
    assert await ground.executed(proposal, Step.COMPENSATION) is S.ROLLED_BACK
    assert ground.paid == told("stock-out, rolled back")


async def test_what_is_so_already_costs_what_the_page_says(ground: Ground) -> None:
    proposal = await ground.approved()
    await ground.stack.fleet.admin.change_pool(WEB, node_count=3)
    assert await ground.executed(proposal) is S.SUCCEEDED
    assert ground.paid == told("it is so already")


async def test_what_somebody_else_changed_costs_what_the_page_says(ground: Ground) -> None:
    proposal = await ground.approved()
    await ground.stack.fleet.admin.change_pool(WEB, node_count=4)
    assert await ground.executed(proposal) is S.STALE
    assert ground.paid == told("changed by others, stale")


async def test_what_the_provider_refuses_costs_what_the_page_says(ground: Ground) -> None:
    proposal = await ground.approved()
    await ground.stack.fleet.admin.add_fault("SetNodePoolSize", FaultKind.PERMISSION, node_pool="web")
    assert await ground.executed(proposal) is S.FAILED
    assert ground.paid == told("refused by the provider")


async def test_what_is_denied_costs_what_the_page_says(ground: Ground) -> None:
    proposal = await ground.guards.propose(action=resize(13, "web"))
    assert await ground.judged(proposal) is S.DENIED
    assert ground.paid == told("denied")


async def test_what_is_rejected_costs_what_the_page_says(ground: Ground) -> None:
    proposal = await ground.guards.propose(action=resize(3, "web"))
    assert await ground.judged(proposal) is S.AWAITING_APPROVAL
    await ground.decided(proposal, DecisionKind.REJECT)
    assert ground.paid == told("rejected")


async def test_what_nobody_decides_in_time_costs_what_the_page_says(ground: Ground) -> None:
    proposal = await ground.guards.propose(action=resize(3, "web"))
    assert await ground.judged(proposal) is S.AWAITING_APPROVAL
    given = CloseInput(proposal_id=proposal.id, revision=1, state=S.EXPIRED, reason_code="decide_by_passed")
    await ground.counted("close", ActivityEnvironment().run(ground.stack.approval.close_proposal, given))
    assert ground.paid == told("nobody decided in time")


async def test_no_stage_reads_through_what_is_stored(ground: Ground, migrated_database_url: str) -> None:
    """With much of everything there, each stage asks an index, and so does the sweep that comes every minute."""
    assert await ground.executed(await ground.approved(3)) is S.SUCCEEDED
    async with asyncpg.create_pool(migrated_database_url.replace("+asyncpg", "", 1)) as pool:
        await copy_closed(pool, MANY)
        assert await pool.fetchval("SELECT count(message) FROM proposals") == MANY
    await ground.guards.database.engine.dispose()
    before = await rows_read_without_an_index(migrated_database_url)
    assert before["proposals"] >= MANY, "what was read through just now is seen"

    proposal = await ground.approved(4)
    assert await ground.executed(proposal) is S.SUCCEEDED
    async with ground.guards.database.reading() as connection:
        assert len(await proposal_reads.votes(connection, proposal.id)) == 1
    assert await sweep_reservations(ground.guards.database) == 0
    await ground.guards.database.engine.dispose()
    after = await rows_read_without_an_index(migrated_database_url)
    assert {name: after[name] - before[name] for name in ("proposals", *OF_PROPOSALS)} == dict.fromkeys(
        ("proposals", *OF_PROPOSALS), 0
    )
