"""Tool: how much of each budget is left for a change of one node pool."""

from __future__ import annotations

from pydantic import JsonValue

from adapters.store import budget_reads
from adapters.store.database import database_now
from adapters.store.ledger import Wanted
from agents.capacity.tools.tool import Evidence, PoolArguments, Tool, require_registered
from contracts.principal import CAPACITY_AGENT
from guardrails.budget.windows import window_at


async def run(evidence: Evidence, arguments: PoolArguments) -> JsonValue:
    """Return limit, reserved, committed and the rest of every budget that covers the pool, in its present window."""
    entry = require_registered(evidence, arguments.target)
    covering = evidence.configuration.covering(entry, CAPACITY_AGENT.spelled)
    async with evidence.database.reading() as connection:
        now = await database_now(connection)
        windows = [(budget, window_at(budget, now)) for budget in covering]
        wanted = [Wanted(budget.key, window.key, budget.currency, window.hours) for budget, window in windows]
        balances = await budget_reads.balances(connection, evidence.configuration.tenant, wanted)
    lines: list[JsonValue] = []
    for budget, window in windows:
        balance = balances[budget.key, window.key]
        lines.append(
            {
                "scope": budget.key,
                "window": window.key,
                "currency": budget.currency,
                "limit": str(budget.limit),
                "soft_limit": str(budget.soft_limit) if budget.soft_limit is not None else None,
                "reserved": str(balance.reserved),
                "committed": str(balance.committed),
                "left": str(budget.limit - balance.standing),
                "hours_left": str(window.hours_left),
            }
        )
    return {"budgets": lines}


BUDGET_LEFT = Tool(
    "budget_left", "Read what is left of the budgets that a node pool counts against.", PoolArguments, run
)
