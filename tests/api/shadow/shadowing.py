"""What a candidate in shadow said of first passes, put where the worker puts it."""

from __future__ import annotations

from sqlalchemy import update

from adapters.store.schema import evaluations
from contracts.shadow import ShadowVerdict
from tests.api.serving import Api


async def shadowed(api: Api, *verdicts: ShadowVerdict | None) -> list[str]:
    """First passes that ask people, with what a candidate said of each; the ids, in order."""
    ids = []
    for verdict in verdicts:
        made = (await api.waiting())["id"]
        ids.append(made)
        if verdict is not None:
            async with api.database.transaction() as connection:
                await connection.execute(
                    update(evaluations)
                    .where(evaluations.c.proposal_id == made)
                    .values(shadow=verdict.model_dump(mode="json"))
                )
    return ids
