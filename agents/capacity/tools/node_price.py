"""Tool: what one node of a pool costs, by list price."""

from __future__ import annotations

from pydantic import JsonValue

from agents.capacity.tools.tool import Evidence, PoolArguments, Tool, require_registered


async def run(evidence: Evidence, arguments: PoolArguments) -> JsonValue:
    """Return the list price of one node per hour, GPUs included."""
    require_registered(evidence, arguments.target)
    seen = await evidence.reader.observe(arguments.target)
    price = evidence.prices.node_price(arguments.location, seen)
    return {
        "machine_type": seen.machine_type,
        "per_node_hour": str(price.per_hour),
        "currency": price.currency,
        "as_of": price.as_of.isoformat(),
        "zones": len(seen.zones),
    }


NODE_PRICE = Tool("node_price", "Read the list price of one node of a pool, per hour.", PoolArguments, run)
