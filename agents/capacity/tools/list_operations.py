"""Tool: what the provider is doing on a cluster, or did lately."""

from __future__ import annotations

from pydantic import JsonValue

from agents.capacity.tools.tool import Evidence, PoolArguments, Tool, require_registered

MAX_OPERATIONS = 10


async def run(evidence: Evidence, arguments: PoolArguments) -> JsonValue:
    """Return the newest operations of the pool's cluster."""
    require_registered(evidence, arguments.target)
    operations = await evidence.reader.list_operations(arguments.target)
    return {
        "operations": [
            {
                "type": one.type,
                "status": one.status,
                "target": one.target[-200:],
                "started_at": one.started_at.isoformat() if one.started_at else None,
                "error_code": one.error_code,
            }
            for one in operations[:MAX_OPERATIONS]
        ]
    }


LIST_OPERATIONS = Tool(
    "list_operations", "List running and recent operations of the node pool's cluster.", PoolArguments, run
)
