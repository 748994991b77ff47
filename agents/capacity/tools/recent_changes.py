"""Tool: what was proposed for a node pool lately, and what came of it."""

from __future__ import annotations

from pydantic import JsonValue
from sqlalchemy import select

from adapters.store.schema import proposals
from agents.capacity.tools.tool import Evidence, PoolArguments, Tool, require_registered

MAX_CHANGES = 10
_SHOWN = frozenset({"kind", "node_count", "min_node_count", "max_node_count"})


async def run(evidence: Evidence, arguments: PoolArguments) -> JsonValue:
    """Return the newest proposals on this target. Nobody's free text is repeated."""
    require_registered(evidence, arguments.target)
    statement = (
        select(
            proposals.c.draft["action"].label("action"),
            proposals.c.state,
            proposals.c.reason_code,
            proposals.c.created_at,
        )
        .where(proposals.c.target_key == arguments.target.key)
        .order_by(proposals.c.created_at.desc())
        .limit(MAX_CHANGES)
    )
    async with evidence.database.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return {
        "changes": [
            {
                "action": {key: value for key, value in row.action.items() if key in _SHOWN},
                "state": row.state,
                "reason_code": row.reason_code,
                "created_at": row.created_at.isoformat(),
            }
            for row in rows
        ]
    }


RECENT_CHANGES = Tool(
    "recent_changes", "List recent proposals on a node pool and what became of them.", PoolArguments, run
)
