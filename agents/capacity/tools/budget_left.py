"""Tool: how much of each budget is left for a change of one node pool."""

from __future__ import annotations

from pydantic import JsonValue

from adapters.store import budget_reads
from adapters.store.database import database_now
from agents.capacity.tools.tool import Evidence, PoolArguments, Tool, require_registered
from guardrails.budget.windows import window_at


async def run(evidence: Evidence, arguments: PoolArguments) -> JsonValue:
    """Return limit, reserved, committed and the rest of every budget that covers the pool, in its present window."""
    entry = require_registered(evidence, arguments.target)
    covering = [
        budget
        for budget in evidence.configuration.budgets
        if budget.scope.covers(environment=entry.environment, team=entry.team)
    ]
    async with evidence.database.reading() as connection:
        now = await database_now(connection)
        windows = [window_at(budget, now) for budget in covering]
        keys = [(budget.scope.key, window.key) for budget, window in zip(covering, windows, strict=True)]
        sums = await budget_reads.sums(connection, evidence.configuration.tenant, keys)
    lines: list[JsonValue] = []
    for budget, window, key in zip(covering, windows, keys, strict=True):
        reserved, committed = sums[key]
        lines.append(
            {
                "scope": budget.scope.key,
                "window": window.key,
                "currency": budget.currency,
                "limit": str(budget.limit),
                "reserved": str(reserved),
                "committed": str(committed),
                "left": str(budget.limit - reserved - committed),
                "hours_left": str(window.hours_left),
            }
        )
    return {"budgets": lines}


BUDGET_LEFT = Tool(
    "budget_left", "Read what is left of the budgets that a node pool counts against.", PoolArguments, run
)
