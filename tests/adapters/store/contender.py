"""One contender of `test_ledger_contention`, a process of its own: python contender.py URL PROPOSAL_PREFIX COUNT LIMIT.

It reserves as a guard pass does: lock the proposal, lock the windows, look at the cap, post. It prints how often
there was room.
"""

from __future__ import annotations

import asyncio
import random
import sys
from decimal import Decimal

from adapters.store import ledger, proposals
from adapters.store.database import Database
from adapters.store.ledger import Amount
from tests.steps import reserve

SCOPES = ("environment=production", "team=inference", "tenant")
WINDOWS = ("day:2026-11-21", "month:2026-11")


async def reserve_one(database: Database, proposal_id: str, limit: Decimal) -> bool:
    amounts = [Amount(scope, window, "USD", Decimal("1.25")) for scope in SCOPES for window in WINDOWS]
    # Every contender names its windows in another order; the ledger locks them in one.
    random.shuffle(amounts)
    async with database.transaction() as connection:
        row = await proposals.lock(connection, proposal_id)
        windows = [(one.scope, one.window, one.currency) for one in amounts]
        for balance in await ledger.lock_windows(connection, row.tenant, windows):
            if balance.reserved + balance.committed + Decimal("1.25") > limit:
                return False
        await reserve(connection, row.tenant, proposal_id, amounts)
    return True


async def main(url: str, prefix: str, count: int, limit: Decimal) -> None:
    database = Database(url, pool_size=8)
    todo = [f"{prefix}{number}" for number in range(count)]
    granted = 0

    async def work() -> None:
        nonlocal granted
        while todo:
            if await reserve_one(database, todo.pop(), limit):
                granted += 1

    try:
        await asyncio.gather(*[work() for _ in range(8)])
    finally:
        await database.close()
    sys.stdout.write(f"{granted}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Decimal(sys.argv[4])))
