"""Brings proposals to where a second pass may admit them, and closes them as a later stage would."""

from __future__ import annotations

from sqlalchemy import insert, update

from adapters.store import breakers, leases, ledger
from adapters.store.schema import decisions, proposals
from contracts.base import new_id
from contracts.principal import Principal
from contracts.proposal import Proposal, ProposalState
from tests.activities.guardrail.conftest import Guards


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
                    reviewer=reviewer.key,
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
        await breakers.release_probes(connection, proposal.id, tenant="default")
        await ledger.release_all(connection, proposal.id)
        await connection.execute(update(proposals).where(proposals.c.id == proposal.id).values(state=state))
