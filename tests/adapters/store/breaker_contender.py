"""One contender of `test_breaker_machine`, a process of its own: python breaker_contender.py URL BREAKER PREFIX COUNT.

Each of its requests asks for the one probe. It prints the ids that were let through.
"""

from __future__ import annotations

import asyncio
import sys

from adapters.store import breakers
from adapters.store.database import Database, database_now


async def ask(database: Database, breaker_id: str, owner: str) -> bool:
    async with database.transaction() as connection:
        return await breakers.take_probe(
            connection, breaker_id, owner, await database_now(connection), tenant="default"
        )


async def main(url: str, breaker_id: str, prefix: str, count: int) -> None:
    database = Database(url, pool_size=8)
    owners = [f"{prefix}{number}" for number in range(count)]
    try:
        let = await asyncio.gather(*[ask(database, breaker_id, owner) for owner in owners])
    finally:
        await database.close()
    sys.stdout.write(" ".join(owner for owner, through in zip(owners, let, strict=True) if through))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
