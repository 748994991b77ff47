"""The read that comes before a breaker's probe. Where it fails, no effect is risked; where it succeeds, one may go.

One sweep of housekeeping, under the viewer identity. Processes may run it side by side: a breaker that another one
moved is left alone. While nobody runs it, `READ_WITHIN` ends the wait (`contracts/circuit_breaker.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from adapters.store import breakers, fleet
from adapters.store.database import Database, database_now
from contracts.action import NodePoolTarget
from contracts.circuit_breaker import UNREACHABLE, BreakerScope, is_due_for_read, scope_of, target_of
from contracts.configuration import Configuration, ConfigurationSource
from contracts.errors import ProviderError, ProviderUnavailable
from contracts.ports import NodePoolReader
from contracts.safety import Breaker

AT_MOST = 20
"""Breakers read in one round; the others come in the next."""
AT_ONCE = 4
READ_TIMEOUT = timedelta(seconds=8)


class BreakerProbes:
    """Reads what open breakers guard once their time is over."""

    def __init__(
        self,
        database: Database,
        reader: NodePoolReader,
        configuration: ConfigurationSource,
        *,
        timeout: timedelta = READ_TIMEOUT,
    ) -> None:
        """`timeout` bounds each read."""
        self._database = database
        self._reader = reader
        self._configuration = configuration
        self._timeout = timeout

    async def sweep(self) -> int:
        """Read for every breaker that is due, forget old outcomes, and return how many breakers moved."""
        configuration = self._configuration.current
        async with self._database.reading() as connection:
            now = await database_now(connection)
            due = [one for one in await breakers.all_breakers(connection) if is_due_for_read(one, now)]
            pools = await fleet.pools(connection, configuration.tenant) if due else ()
        seen = [pool.target for pool in pools if pool.observation is not None]
        slots = asyncio.Semaphore(AT_ONCE)
        moved = await asyncio.gather(*(self._probe(one, seen, configuration, slots) for one in due[:AT_MOST]))
        await self._tidy(configuration)
        return sum(moved)

    async def _probe(
        self,
        breaker: Breaker,
        seen: Sequence[NodePoolTarget],
        configuration: Configuration,
        slots: asyncio.Semaphore,
    ) -> int:
        async with slots:
            failure = await self._read(breaker, seen, configuration)
        tenant, limits = configuration.tenant, configuration.limits.breaker
        async with self._database.transaction() as connection:
            now = await database_now(connection)
            if failure is None:
                return await breakers.mark_ready(connection, now, read=breaker, tenant=tenant)
            return int(
                await breakers.reopen_after_read(connection, breaker, failure, limits, now, tenant=tenant)
            )

    async def _read(
        self, breaker: Breaker, seen: Sequence[NodePoolTarget], configuration: Configuration
    ) -> str | None:
        """Return the reason code of a read that failed; None: it succeeded, or there is nothing to read."""
        is_provider = scope_of(breaker.id) is BreakerScope.PROVIDER
        target = _any_registered(seen, configuration) if is_provider else target_of(breaker.id)
        if target is None or configuration.registered(target) is None:
            # What is out of scope is never read; and no effect on it passes the guardrails either.
            return None
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                await self._reader.observe(target)
        except TimeoutError:
            return ProviderUnavailable.reason_code
        except ProviderError as error:
            # A provider that refuses has answered: that says something of the target only.
            is_answer = is_provider and error.reason_code not in UNREACHABLE
            return None if is_answer else error.reason_code
        return None

    async def _tidy(self, configuration: Configuration) -> None:
        limits = configuration.limits.breaker
        async with self._database.transaction() as connection:
            before = await database_now(connection) - max(limits.window, limits.agent.window)
            await breakers.forget_outcomes(connection, before)


def _any_registered(seen: Sequence[NodePoolTarget], configuration: Configuration) -> NodePoolTarget | None:
    """Return a pool to ask the provider about: one that was seen, else one that the configuration spells out."""
    known = next((one for one in seen if configuration.registered(one) is not None), None)
    named = (entry.named_pool for entry in configuration.targets)
    return known or next((one for one in named if one is not None), None)
