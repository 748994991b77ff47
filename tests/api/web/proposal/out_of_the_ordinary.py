"""Proposals out of the ordinary: held on a window, asked of groups, decided in the place of somebody."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from adapters.store import delegations, proposals
from adapters.store.database import database_now
from adapters.store.schema import evaluations
from contracts.base import new_id
from contracts.delegation import Delegation, DelegationScope
from contracts.evaluation import Evaluation
from contracts.principal import Principal, PrincipalKind
from contracts.proposal import ProposalState
from tests.api.serving import PEOPLE, Api


def person(name: str) -> Principal:
    kind, roles = PEOPLE[name]
    assert kind is PrincipalKind.HUMAN
    return Principal(kind=kind, subject=name, roles=roles)


async def hold(api: Api, proposal_id: str, held_on: str) -> None:
    """Hold what waits for approval, as the second pass does."""
    await api.move(proposal_id, ProposalState.READY)
    async with api.database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        await proposals.hold(connection, row, held_on, "frozen", "Frozen by year-end.")


async def ask(api: Api, proposal_id: str, **changes: object) -> None:
    """Let the stored evaluation ask for something else of people."""
    async with api.database.transaction() as connection:
        wanted = select(evaluations.c.document).where(evaluations.c.proposal_id == proposal_id)
        found = Evaluation.model_validate((await connection.execute(wanted)).scalar_one())
        assert found.requirement is not None
        other = found.model_copy(update={"requirement": found.requirement.model_copy(update=changes)})
        await connection.execute(
            update(evaluations)
            .where(evaluations.c.proposal_id == proposal_id)
            .values(document=other.model_dump(mode="json"), digest=other.digest)
        )


async def lend(api: Api, delegator: str, delegate: str, *, environment: str | None = None) -> None:
    """Let somebody decide in the place of another; without an environment, for everything."""
    async with api.database.transaction() as connection:
        now = await database_now(connection)
        lent = Delegation(
            id=new_id("dlg"),
            tenant=api.parts.tenant,
            delegator=person(delegator),
            delegate=person(delegate),
            scope=DelegationScope(environment=environment),
            starts_at=now,
            until=now + timedelta(days=1),
            reason="on holiday",
            created_by=person(delegator),
        )
        await delegations.create(connection, lent)
