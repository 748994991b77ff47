"""The fleet: what the last look found, beside the proposals that are about to change it. Reads our database only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from adapters.store import fleet as fleet_store
from adapters.store.database import database_now
from adapters.store.fleet import Change, SeenPool
from api.fleet.schemas import Fleet, FleetPool, PendingChange, PoolState, ZoneView
from api.parts import ApiParts
from contracts.configuration import Configuration
from contracts.observation import NodePoolObservation

NEAR = 0.8
"""Share of a bound from which a pool counts as near it."""


async def fleet(parts: ApiParts) -> Fleet:
    """Return every registered pool as it was last seen."""
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        pools = await fleet_store.pools(connection, parts.tenant)
        pending = await fleet_store.pending(connection, parts.tenant, [pool.target.key for pool in pools])
    return Fleet(
        at=now,
        looked_at=max((pool.looked_at for pool in pools), default=None),
        items=tuple(_view(parts.configuration, pool, pending[pool.target.key], now) for pool in pools),
    )


def _view(
    configuration: Configuration, pool: SeenPool, changes: Sequence[Change], now: datetime
) -> FleetPool:
    entry = configuration.registered(pool.target)
    most = entry.max_nodes_per_zone if entry else None
    environment = entry.environment if entry else pool.environment
    return FleetPool(
        key=pool.target.key,
        target=pool.target,
        environment=environment,
        is_production=configuration.is_production(environment),
        team=entry.team if entry else pool.team,
        max_nodes_per_zone=most,
        looked_at=pool.looked_at,
        reason_code=pool.reason_code,
        seen=_state(pool.observation, now) if pool.observation else None,
        near_bound=near_bound(pool.observation, most) if pool.observation else None,
        pending=tuple(PendingChange(**asdict(change)) for change in changes),
    )


def _state(seen: NodePoolObservation, now: datetime) -> PoolState:
    return PoolState(
        taken_at=seen.taken_at,
        age_seconds=max((now - seen.taken_at).total_seconds(), 0.0),
        status=seen.status,
        machine_type=seen.machine_type,
        spot=seen.spot,
        accelerators=seen.accelerators,
        zones=tuple(
            ZoneView(zone=zone.zone, target_size=zone.target_size, running=zone.running, stable=zone.stable)
            for zone in seen.zones
        ),
        target_size=seen.total_target,
        running=sum(zone.running for zone in seen.zones),
        autoscaling=seen.autoscaling,
        operations=len(seen.operations),
    )


def near_bound(seen: NodePoolObservation, max_nodes_per_zone: int | None) -> str | None:
    """Tell whether a pool is at or near what bounds it: the autoscaler's maximum, or the registered limit.

    Pool-wide bounds are compared with the whole pool, all others with its largest zone.
    """
    bounds = seen.autoscaling
    largest = max((zone.target_size for zone in seen.zones), default=0)
    limits = [(largest, max_nodes_per_zone)]
    if bounds is not None:
        limits.append(
            (seen.total_target, bounds.total_max_node_count)
            if bounds.is_pool_wide
            else (largest, bounds.max_node_count)
        )
    shares = [size / most for size, most in limits if most]
    if not shares or max(shares) < NEAR:
        return None
    return "at_maximum" if max(shares) >= 1 else "near_maximum"
