"""Evaluations put where guard passes keep theirs, without the pass: for tests of what reads them."""

from __future__ import annotations

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.schema import evaluations
from contracts.evaluation import Evaluation


async def keep(connection: AsyncConnection, found: Evaluation) -> None:
    """Store an evaluation."""
    await connection.execute(
        insert(evaluations).values(
            proposal_id=found.proposal_id,
            revision=found.revision,
            pass_number=found.pass_number,
            outcome=found.outcome.value,
            digest=found.digest,
            document=found.model_dump(mode="json"),
            result={},
        )
    )
