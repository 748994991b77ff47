"""Looks at every registered node pool under the viewer identity and keeps what it saw. `FleetWorkflow` runs it.

Bounded in concurrency and time: a provider that hangs costs one look, and what is kept keeps its last observation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from temporalio import activity

from adapters.store import fleet
from adapters.store.database import Database
from adapters.store.fleet import Look, SeenPool
from contracts.action import NodePoolTarget
from contracts.base import utc_now
from contracts.configuration import Configuration
from contracts.errors import ProviderError, ProviderUnavailable, TargetNotFound
from contracts.messages import FleetLook
from contracts.ports import NodePoolReader

AT_ONCE = 4
"""Reads of the provider under way at a time."""
WITHIN = timedelta(seconds=40)
"""What is not read by then counts as not read."""
GONE_FOR = timedelta(days=1)
"""A pool that the provider does not have is shown for this long after it was last seen."""

Cluster = tuple[str, str, str]
"""Project, location, cluster."""
T = TypeVar("T")


@dataclass(frozen=True)
class _Limits:
    """One look's share of the provider: so many reads at a time, all of them over by then."""

    within: timedelta
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    began: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def read(self, reading: Callable[[], Awaitable[T]]) -> T:
        """Return what a read returns.

        Raises:
            ProviderError: it failed, or the time is over.
        """
        try:
            async with asyncio.timeout_at(self.began + self.within.total_seconds()), self.slots:
                return await reading()
        except TimeoutError as error:
            raise ProviderUnavailable("the provider took too long") from error


class FleetActivities:
    """Reads under a viewer identity and writes `observed_pools`."""

    def __init__(
        self,
        database: Database,
        reader: NodePoolReader,
        configuration: Configuration,
        *,
        within: timedelta = WITHIN,
    ) -> None:
        """`within` bounds one look at the whole fleet."""
        self._database = database
        self._reader = reader
        self._configuration = configuration
        self._within = within

    @activity.defn
    async def observe_fleet(self) -> FleetLook:
        """Look at every registered pool once and keep what was seen.

        A pool that cannot be read keeps its last observation beside the reason; one that the provider does not have
        any more is marked `target_not_found`, and left out a day later.
        """
        at, limits = utc_now(), _Limits(self._within)
        async with self._database.reading() as connection:
            known = await fleet.pools(connection, self._configuration.tenant)
        found = await asyncio.gather(
            *(self._look_at_cluster(cluster, known, limits) for cluster in self._clusters())
        )
        looks = [look for of_cluster in found for look in of_cluster]
        await self._keep(looks, known, at)
        gone = sum(look.reason_code == TargetNotFound.reason_code for look in looks)
        seen = sum(look.observation is not None for look in looks)
        return FleetLook(seen=seen, failed=len(looks) - seen - gone, gone=gone)

    def _clusters(self) -> list[Cluster]:
        """Return the clusters that the configuration names. One named by a wildcard cannot be listed."""
        named = [(one.project, one.location, one.cluster) for one in self._configuration.targets]
        return [one for one in dict.fromkeys(named) if not set(one[2]) & {"*", "?"}]

    async def _look_at_cluster(
        self, cluster: Cluster, known: Sequence[SeenPool], limits: _Limits
    ) -> list[Look]:
        expected = self._expected(cluster, known)
        try:
            names = await limits.read(partial(self._reader.list_node_pools, *cluster))
        except ProviderError as error:
            return self._failed(expected, error.reason_code)
        present = [_target(cluster, name) for name in names]
        keys = {target.key for target in present}
        looks = await asyncio.gather(*(self._look_at(target, limits) for target in present))
        missing = [target for target in expected if target.key not in keys]
        return [look for look in looks if look is not None] + self._failed(
            missing, TargetNotFound.reason_code
        )

    async def _look_at(self, target: NodePoolTarget, limits: _Limits) -> Look | None:
        """Look at one pool; None when no entry registers it."""
        entry = self._configuration.registered(target)
        if entry is None:
            return None
        try:
            seen = await limits.read(partial(self._reader.observe, target))
        except ProviderError as error:
            return Look(target, entry.environment, entry.team, reason_code=error.reason_code)
        return Look(target, entry.environment, entry.team, observation=seen)

    def _expected(self, cluster: Cluster, known: Sequence[SeenPool]) -> list[NodePoolTarget]:
        """Return the pools of a cluster that were seen before, or that the configuration names one by one."""
        before = [pool.target for pool in known if _cluster(pool.target) == cluster]
        named = [
            _target(cluster, entry.node_pool)
            for entry in self._configuration.targets
            if (entry.project, entry.location, entry.cluster) == cluster
            and not set(entry.node_pool) & {"*", "?"}
        ]
        return list({target.key: target for target in (*before, *named)}.values())

    def _failed(self, targets: Iterable[NodePoolTarget], reason_code: str) -> list[Look]:
        registered = ((target, self._configuration.registered(target)) for target in targets)
        return [
            Look(target, entry.environment, entry.team, reason_code=reason_code)
            for target, entry in registered
            if entry is not None
        ]

    async def _keep(self, looks: Sequence[Look], known: Sequence[SeenPool], at: datetime) -> None:
        seen_last = {pool.target.key: pool for pool in known}
        long_gone = {
            look.target.key for look in looks if _is_long_gone(look, seen_last.get(look.target.key), at)
        }
        unregistered = {
            pool.target.key for pool in known if self._configuration.registered(pool.target) is None
        }
        async with self._database.transaction() as connection:
            kept = [look for look in looks if look.target.key not in long_gone]
            await fleet.record(connection, self._configuration.tenant, kept, at)
            if long_gone or unregistered:
                await fleet.forget(connection, self._configuration.tenant, long_gone | unregistered)


def _is_long_gone(look: Look, before: SeenPool | None, at: datetime) -> bool:
    if look.reason_code != TargetNotFound.reason_code or before is None or before.observation is None:
        return False
    return at - before.observation.taken_at > GONE_FOR


def _cluster(target: NodePoolTarget) -> Cluster:
    return (target.project, target.location, target.cluster)


def _target(cluster: Cluster, node_pool: str) -> NodePoolTarget:
    project, location, name = cluster
    return NodePoolTarget(project=project, location=location, cluster=name, node_pool=node_pool)
