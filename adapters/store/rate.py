"""The execution budget in counts: one use per admitted proposal, counted per target and per agent."""

from __future__ import annotations

import hashlib

from sqlalchemy import Insert, func
from sqlalchemy.dialects.postgresql import insert

from adapters.store.schema import rate_uses


def consuming(proposal_id: str, target_key: str, agent: str | None) -> Insert:
    """Return the statement that counts a proposal's use. One that is admitted anew is counted once, from now on."""
    return (
        insert(rate_uses)
        .values(proposal_id=proposal_id, target_key=target_key, agent=agent, used_at=func.clock_timestamp())
        .on_conflict_do_update(
            index_elements=[rate_uses.c.proposal_id], set_={"used_at": func.clock_timestamp()}
        )
    )


def held_on(key: str) -> str:
    """Return the key under which proposals wait for a target's or an agent's count to fall."""
    return f"rate:{key}"


def agent_lock(agent: str) -> int:
    """Return the advisory lock under which an agent's uses are counted: the lease covers a target's, not these."""
    digest = hashlib.sha256(f"rate\n{agent}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
