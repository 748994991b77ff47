"""Tool: how much of each budget is left for a change of one node pool."""

from __future__ import annotations

from decimal import Decimal

from pydantic import JsonValue
from sqlalchemy import select

from adapters.store.database import database_now
from adapters.store.schema import budget_windows
from agents.capacity.tools.tool import Evidence, PoolArguments, Tool, require_registered


async def run(evidence: Evidence, arguments: PoolArguments) -> JsonValue:
    """Return limit, reserved, committed and the rest of every budget that covers the pool, in its present window."""
    return None


BUDGET_LEFT = Tool(
    "budget_left", "Read what is left of the budgets that a node pool counts against.", PoolArguments, run
)
