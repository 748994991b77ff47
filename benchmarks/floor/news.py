"""Rows that come to a state, told of by their database: a trigger says so at commit, one connection listens.

Every contender with tables is watched in this way. Its database pays for a notification when a row comes to such a
state and for no question, and the driver learns of a verdict when it is there, not at its next look.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

TOLD_WITHIN = 600.0
"""Seconds. Whoever waits longer waits for something that will not come."""
_TRIGGER = """
    CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM pg_notify('{name}', {told}); RETURN NULL; END$$;
    CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}();"""


class News:
    """What has been told, by id."""

    def __init__(self, within: float = TOLD_WITHIN) -> None:
        """Begin with nothing. Nobody waits longer than `within`, in seconds."""
        self._within = within
        self._told: dict[str, asyncio.Future[list[str]]] = {}
        self._lost = False

    async def of(self, one: str) -> list[str]:
        """Return what was told of an id, once it was.

        Raises:
            ConnectionError: nothing is told any more.
            TimeoutError: nothing was told of it in time.
        """
        try:
            async with asyncio.timeout(self._within):
                return await asyncio.shield(self._future(one))
        except TimeoutError as error:
            raise TimeoutError(f"nothing was told of {one} within {self._within:.0f} s") from error

    def hear(self, *heard: Any) -> None:
        """Take a notification: an id, and what else is told, with blanks between."""
        one, *more = str(heard[-1]).split(" ")
        if not (future := self._future(one)).done():
            future.set_result(more)

    def lose(self, *_: Any) -> None:
        """Tell whoever waits that nothing will come."""
        self._lost = True
        for future in self._told.values():
            if not future.done():
                future.set_exception(ConnectionError("the database has gone"))

    def _future(self, one: str) -> asyncio.Future[list[str]]:
        if one not in self._told:
            future = self._told[one] = asyncio.get_running_loop().create_future()
            if self._lost:
                future.set_exception(ConnectionError("the database has gone"))
        return self._told[one]


@asynccontextmanager
async def told_of(
    dsn: str, table: str, when: str, told: str = "NEW.id", event: str = "UPDATE"
) -> AsyncIterator[News]:
    """Listen meanwhile. `when` is a condition on `NEW` and `OLD`; `told` gives the id, and more after blanks."""
    news, name = News(), f"bench_{os.urandom(4).hex()}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.add_listener(name, news.hear)
        connection.add_termination_listener(news.lose)
        await connection.execute(_TRIGGER.format(name=name, told=told, event=event, table=table, when=when))
        yield news
    finally:
        connection.remove_termination_listener(news.lose)
        await connection.close()
