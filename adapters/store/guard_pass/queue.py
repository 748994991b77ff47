"""GUARDRAILS, in the store: who owns the lease that a pass wants, and who waits for it before this proposal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text

from adapters.store.guard_pass.fragment import Fragment
from adapters.store.guard_pass.question import Question
from adapters.store.schema import Moment

FRAGMENT = Fragment(
    name="queue",
    value="""SELECT jsonb_build_object(
            'lease_owner', (SELECT owner FROM leases WHERE domain = :domain),
            'ahead', count(*),
            'first', (array_agg(w.id ORDER BY w.priority, w.created_at, w.id))[1])
        FROM proposals w
        WHERE w.held_on = :domain AND w.state = 'ready' AND w.execute_by > :now
            AND (w.priority, w.created_at, w.id) < (:priority, :created_at, :proposal_id)""",
    types={"domain": Text(), "now": Moment, "created_at": Moment},
)


@dataclass(frozen=True, slots=True)
class Queue:
    """One in flight per serialisation domain, the others in order."""

    lease_owner: str | None
    ahead: int
    first_ahead: str | None


def parameters(asked: Question) -> dict[str, Any]:
    """Return the domain, and this proposal's place in the order: priority, age, id."""
    row = asked.locked.row
    return {
        "domain": asked.place.domain,
        "now": asked.locked.now,
        "priority": row.priority,
        "created_at": row.created_at,
    }


def parse(value: dict[str, Any]) -> Queue:
    """Return the queue."""
    return Queue(value["lease_owner"], value["ahead"], value["first"])
