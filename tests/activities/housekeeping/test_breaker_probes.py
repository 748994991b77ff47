"""The read before a breaker's probe, over real PostgreSQL and a reader that answers as a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import select

from activities.housekeeping.probing import BreakerProbes
from adapters.configuration import parse
from adapters.store import breakers
from adapters.store.database import Database, database_now, forbid_in_transaction
from adapters.store.schema import breaker_outcomes
from contracts.action import NodePoolTarget
from contracts.configuration import BreakerLimits, Configuration
from contracts.errors import ProviderUnavailable, SluiceError, TargetNotFound
from contracts.observation import NodePoolObservation, ProviderOperation
from contracts.safety import Breaker, BreakerState
from tests.contracts.samples import observation
from tests.steps import count_outcome

CONFIGURATION = parse("""
environments: {production: {}}
targets:
  - {kind: gke.node_pool, project: acme-prod, location: europe-west4, cluster: serving, node_pool: inference,
     environment: production, team: inference, max_nodes_per_zone: 12}
limits: {breaker: {cooldown: 5m, jitter: 0}}
""")
TARGET = "target:gke.node_pool/acme-prod/europe-west4/serving/inference"
PROVIDER, KIND = "provider:gke", "kind:gke.node_pool.resize"
AT_ONCE = BreakerLimits(failures=1, cooldown=timedelta(0), jitter=0)


@dataclass
class Viewer:
    """A provider's viewer."""

    failure: SluiceError | None = None
    hangs: bool = False
    asked: list[str] = field(default_factory=list)

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        forbid_in_transaction()
        self.asked.append(target.key)
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return observation()

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        return []

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        return []

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        raise LookupError(name)


@dataclass
class Sweeping:
    database: Database
    viewer: Viewer = field(default_factory=Viewer)
    configuration: Configuration = CONFIGURATION

    async def opened(self, breaker_id: str) -> None:
        async with self.database.transaction() as connection:
            now = await database_now(connection)
            await count_outcome(connection, [breaker_id], False, "stockout", AT_ONCE, now)

    async def sweep(self) -> int:
        probes = BreakerProbes(self.database, self.viewer, self.configuration, timeout=timedelta(seconds=1))
        return await probes.sweep()

    async def breaker(self, breaker_id: str) -> Breaker:
        async with self.database.reading() as connection:
            found = await breakers.find(connection, breaker_id)
        assert found is not None
        return found

    async def lets_through(self, breaker_id: str) -> bool:
        async with self.database.transaction() as connection:
            now = await database_now(connection)
            return await breakers.take_probe(connection, breaker_id, "prp_1", now, tenant="default")


@pytest.fixture
async def sweeping(migrated_database_url: str) -> AsyncIterator[Sweeping]:
    opened = Database(migrated_database_url)
    yield Sweeping(opened)
    await opened.close()


@pytest.mark.parametrize("breaker_id", [TARGET, PROVIDER])
async def test_a_good_read_lets_one_probe_go(sweeping: Sweeping, breaker_id: str) -> None:
    await sweeping.opened(breaker_id)
    assert await sweeping.sweep() == 1
    assert sweeping.viewer.asked == [TARGET.removeprefix("target:")]
    assert (await sweeping.breaker(breaker_id)).ready_at is not None
    assert await sweeping.sweep() == 0
    assert await sweeping.lets_through(breaker_id)


@pytest.mark.parametrize("breaker_id", [TARGET, PROVIDER])
@pytest.mark.parametrize("hangs", [False, True])
async def test_a_failed_read_keeps_it_open_for_longer(
    sweeping: Sweeping, breaker_id: str, hangs: bool
) -> None:
    await sweeping.opened(breaker_id)
    sweeping.viewer.failure, sweeping.viewer.hangs = ProviderUnavailable("down"), hangs
    assert await sweeping.sweep() == 1
    found = await sweeping.breaker(breaker_id)
    assert (found.state, found.openings, found.rule) == (BreakerState.OPEN, 2, "read")
    assert found.last_reason_code == "provider_unavailable"
    assert found.opened_at is not None
    assert found.open_until == found.opened_at + timedelta(minutes=10)
    assert await sweeping.sweep() == 0
    assert not await sweeping.lets_through(breaker_id)


async def test_a_provider_that_refuses_has_answered_but_a_target_that_is_gone_cannot_be_probed(
    sweeping: Sweeping,
) -> None:
    await sweeping.opened(PROVIDER)
    await sweeping.opened(TARGET)
    sweeping.viewer.failure = TargetNotFound("gone")
    assert await sweeping.sweep() == 2
    assert (await sweeping.breaker(PROVIDER)).ready_at is not None
    assert (await sweeping.breaker(TARGET)).last_reason_code == "target_not_found"


async def test_what_is_not_registered_is_never_read(sweeping: Sweeping) -> None:
    other = "target:gke.node_pool/acme-prod/europe-west4/serving/unknown"
    await sweeping.opened(other)
    assert await sweeping.sweep() == 1
    assert sweeping.viewer.asked == []


async def test_what_is_not_due_is_left_alone(sweeping: Sweeping) -> None:
    await sweeping.opened(KIND)
    async with sweeping.database.transaction() as connection:
        now = await database_now(connection)
        await count_outcome(connection, [TARGET], False, "stockout", BreakerLimits(failures=1), now)
    assert await sweeping.sweep() == 0
    assert sweeping.viewer.asked == []


async def test_two_sweeps_at_once_move_a_breaker_once(sweeping: Sweeping) -> None:
    await sweeping.opened(TARGET)
    assert sum(await asyncio.gather(sweeping.sweep(), sweeping.sweep())) == 1


async def test_outcomes_that_no_window_looks_back_to_are_forgotten(sweeping: Sweeping) -> None:
    async with sweeping.database.transaction() as connection:
        now = await database_now(connection)
        for days in (8, 1):
            at = now - timedelta(days=days)
            await count_outcome(connection, [KIND], True, "verified", AT_ONCE, at)
    await sweeping.sweep()
    async with sweeping.database.reading() as connection:
        kept = (await connection.execute(select(breaker_outcomes.c.at))).scalars().all()
    assert kept == [now - timedelta(days=1)]
