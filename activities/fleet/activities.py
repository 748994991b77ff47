"""Looks at every registered node pool under the viewer identity and keeps what it saw. `FleetWorkflow` runs it.

Bounded in concurrency and time: a provider that hangs costs one look, and what is kept keeps its last observation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from temporalio import activity

from adapters.store import breakers, fleet
from adapters.store.database import Database, database_now
from adapters.store.fleet import Look, SeenPool
from contracts.action import ACTION_KINDS, NodePoolTarget
from contracts.circuit_breaker import UNREACHABLE, Outcome, provider_breaker
from contracts.configuration import Cluster, Configuration, ConfigurationSource
from contracts.errors import ProviderError, ProviderUnavailable, TargetNotFound
from contracts.messages import FLEET_WORKFLOW, FleetLook
from contracts.ports import NodePoolReader
from contracts.safety import Breaker, BreakerState

AT_ONCE = 4
"""Reads of the provider under way at a time."""
WITHIN = timedelta(seconds=40)
"""What is not read by then counts as not read."""
GONE_FOR = timedelta(days=1)
"""A pool that the provider does not have is shown for this long after it was last seen."""

PROVIDER = provider_breaker(ACTION_KINDS[0])
FLEET_UNREADABLE = "fleet_unreadable"
"""Reason code of a look at the fleet to which the provider did not answer at all."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Limits:
    """What one look keeps to: one configuration, so many reads at a time, and all of them over by then."""

    within: timedelta
    configuration: Configuration
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
        configuration: ConfigurationSource,
        *,
        within: timedelta = WITHIN,
    ) -> None:
        """`within` bounds one look at the whole fleet."""
        self._database = database
        self._reader = reader
        self._source = configuration
        self._within = within

    @activity.defn
    async def observe_fleet(self) -> FleetLook:
        """Look at every registered pool once and keep what was seen.

        A pool that cannot be read keeps its last observation beside the reason; one that the provider does not have
        any more is marked `target_not_found`, and left out a day later.
        """
        limits = _Limits(self._within, self._source.current)
        async with self._database.reading() as connection:
            at = await database_now(connection)
            known = await fleet.pools(connection, limits.configuration.tenant)
        found = await asyncio.gather(
            *(self._look_at_cluster(cluster, known, limits) for cluster in limits.configuration.clusters)
        )
        looks = [look for of_cluster in found for look in of_cluster]
        await self._keep(looks, known, limits.configuration, at)
        await self._tell_breaker(looks, limits.configuration)
        gone = sum(look.reason_code == TargetNotFound.reason_code for look in looks)
        seen = sum(look.observation is not None for look in looks)
        return FleetLook(seen=seen, failed=len(looks) - seen - gone, gone=gone)

    async def _tell_breaker(self, looks: Sequence[Look], configuration: Configuration) -> None:
        """Count a look that reached nothing at all against the provider. A good one takes such counts back."""
        if not looks:
            return
        unreachable = all(look.reason_code in UNREACHABLE for look in looks)
        async with self._database.transaction() as connection:
            if not unreachable and not _is_counted(await breakers.find(connection, PROVIDER)):
                return
            outcome = Outcome(PROVIDER, not unreachable, FLEET_UNREADABLE, owner=FLEET_WORKFLOW)
            limits, now = configuration.limits.breaker, await database_now(connection)
            await breakers.record(connection, [outcome], limits, now, tenant=configuration.tenant)

    async def _look_at_cluster(
        self, cluster: Cluster, known: Sequence[SeenPool], limits: _Limits
    ) -> list[Look]:
        expected = _expected(limits.configuration, cluster, known)
        try:
            names = await limits.read(partial(self._reader.list_node_pools, *cluster))
        except ProviderError as error:
            return _failed(limits.configuration, expected, error.reason_code)
        present = [_target(cluster, name) for name in names]
        keys = {target.key for target in present}
        looks = await asyncio.gather(*(self._look_at(target, limits) for target in present))
        missing = [target for target in expected if target.key not in keys]
        gone = _failed(limits.configuration, missing, TargetNotFound.reason_code)
        return [look for look in looks if look is not None] + gone

    async def _look_at(self, target: NodePoolTarget, limits: _Limits) -> Look | None:
        """Look at one pool; None when no entry registers it."""
        entry = limits.configuration.registered(target)
        if entry is None:
            return None
        try:
            seen = await limits.read(partial(self._reader.observe, target))
        except ProviderError as error:
            return Look(target, entry.environment, entry.team, reason_code=error.reason_code)
        return Look(target, entry.environment, entry.team, observation=seen)

    async def _keep(
        self, looks: Sequence[Look], known: Sequence[SeenPool], configuration: Configuration, at: datetime
    ) -> None:
        seen_last = {pool.target.key: pool for pool in known}
        long_gone = {
            look.target.key for look in looks if _is_long_gone(look, seen_last.get(look.target.key), at)
        }
        unregistered = {pool.target.key for pool in known if configuration.registered(pool.target) is None}
        async with self._database.transaction() as connection:
            kept = [_dated(look, at) for look in looks if look.target.key not in long_gone]
            await fleet.record(connection, configuration.tenant, kept, at)
            if long_gone or unregistered:
                await fleet.forget(connection, configuration.tenant, long_gone | unregistered)


def _dated(look: Look, at: datetime) -> Look:
    """Say when it was seen by the database's clock: by that its age is told, also of looks of other workers."""
    seen = look.observation
    return look if seen is None else replace(look, observation=seen.model_copy(update={"taken_at": at}))


def _is_counted(breaker: Breaker | None) -> bool:
    """Tell whether the last thing counted was such a look. One that opened it is for the probe to take back."""
    if breaker is None or breaker.state is not BreakerState.CLOSED:
        return False
    return breaker.last_reason_code == FLEET_UNREADABLE and breaker.consecutive_failures > 0


def _expected(
    configuration: Configuration, cluster: Cluster, known: Sequence[SeenPool]
) -> list[NodePoolTarget]:
    """Return the pools of a cluster that were seen before, or that the configuration names one by one."""
    before = [pool.target for pool in known if _cluster(pool.target) == cluster]
    named = [one for one in (entry.named_pool for entry in configuration.targets) if one is not None]
    both = (*before, *(one for one in named if _cluster(one) == cluster))
    return list({target.key: target for target in both}.values())


def _failed(configuration: Configuration, targets: Iterable[NodePoolTarget], reason_code: str) -> list[Look]:
    registered = ((target, configuration.registered(target)) for target in targets)
    return [
        Look(target, entry.environment, entry.team, reason_code=reason_code)
        for target, entry in registered
        if entry is not None
    ]


def _is_long_gone(look: Look, before: SeenPool | None, at: datetime) -> bool:
    if look.reason_code != TargetNotFound.reason_code or before is None or before.observation is None:
        return False
    return at - before.observation.taken_at > GONE_FOR


def _cluster(target: NodePoolTarget) -> Cluster:
    return (target.project, target.location, target.cluster)


def _target(cluster: Cluster, node_pool: str) -> NodePoolTarget:
    project, location, name = cluster
    return NodePoolTarget(project=project, location=location, cluster=name, node_pool=node_pool)
