"""Tool: what one node pool looks like now, from its instance groups."""

from __future__ import annotations

from pydantic import JsonValue

from agents.capacity.tools.tool import Evidence, PoolArguments, Tool, require_registered


async def run(evidence: Evidence, arguments: PoolArguments) -> JsonValue:
    """Return machine type, sizes per zone and the autoscaler's bounds."""
    require_registered(evidence, arguments.target)
    seen = await evidence.reader.observe(arguments.target)
    bounds = seen.autoscaling
    return {
        "status": seen.status,
        "machine_type": seen.machine_type,
        "spot": seen.spot,
        "accelerators": [one.model_dump(mode="json") for one in seen.accelerators],
        "zones": [
            {"zone": zone.zone, "target": zone.target_size, "running": zone.running, "stable": zone.stable}
            for zone in seen.zones
        ],
        "nodes_per_zone": seen.even_node_count,
        "autoscaling": bounds.model_dump(mode="json", exclude_defaults=True) if bounds else None,
        "running_operations": len(seen.operations),
        "taken_at": seen.taken_at.isoformat(),
    }


READ_NODE_POOL = Tool(
    "read_node_pool", "Read sizes per zone, machine type and autoscaling of a node pool.", PoolArguments, run
)
