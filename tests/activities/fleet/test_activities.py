"""`observe_fleet` over the emulator's real wire, and over a reader that fails the way providers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from activities.fleet.activities import AT_ONCE, GONE_FOR, FleetActivities
from adapters.configuration import load
from adapters.gke.reader import GkeNodePoolReader
from adapters.store import breakers, fleet
from adapters.store.database import Database
from adapters.store.fleet import SeenPool
from adapters.store.schema import observed_pools
from contracts.action import NodePoolTarget
from contracts.base import utc_now
from contracts.configuration import Configuration
from contracts.errors import ProviderUnavailable, TargetNotFound
from contracts.messages import FleetLook
from contracts.observation import NodePoolObservation, ProviderOperation
from tests.contracts.samples import observation
from tests.database_clock import set_clock
from tests.gke_fixtures import RunningEmulator

PRACTICE = load(Path(__file__).resolve().parents[3] / "local" / "practice.yaml")
SERVING = "gke.node_pool/acme-prod/europe-west4/serving"


def configuration(*node_pools: str) -> Configuration:
    entry = {
        "kind": "gke.node_pool",
        "project": "acme-prod",
        "location": "europe-west4",
        "cluster": "serving",
        "environment": "production",
        "team": "inference",
        "max_nodes_per_zone": 12,
    }
    targets = [entry | {"node_pool": name} for name in node_pools]
    return Configuration.model_validate({"environments": {"production": {}}, "targets": targets})


@dataclass
class ScriptedReader:
    """Answers from memory, and counts how many reads are under way."""

    names: list[str] = field(default_factory=lambda: ["inference", "web"])
    failing: dict[str, Exception] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    is_listing: bool = True
    under_way: int = 0
    most: int = 0

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        if not self.is_listing:
            raise ProviderUnavailable("down")
        return self.names

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(60 if target.node_pool in self.hanging else 0.01)
            if target.node_pool in self.failing:
                raise self.failing[target.node_pool]
            return observation().model_copy(update={"taken_at": utc_now()})
        finally:
            self.under_way -= 1

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        return []

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        raise TargetNotFound(name)


async def pools(database: Database) -> dict[str, SeenPool]:
    async with database.reading() as connection:
        return {pool.target.node_pool: pool for pool in await fleet.pools(connection, "default")}


async def look(database: Database, reader: ScriptedReader, *node_pools: str, within: float = 5) -> FleetLook:
    wanted = configuration(*(node_pools or ("*",)))
    acting = FleetActivities(database, reader, wanted, within=timedelta(seconds=within))
    return await acting.observe_fleet()


@pytest.fixture
async def reader(local_fleet: RunningEmulator) -> AsyncIterator[GkeNodePoolReader]:
    opened = GkeNodePoolReader.to_endpoint(local_fleet.address, local_fleet.compute_url)
    yield opened
    await opened.close()


async def test_looks_are_dated_by_the_clock_of_the_database_whatever_the_worker_takes_for_the_time(
    migrated_database_url: str,
) -> None:
    await set_clock(migrated_database_url, timedelta(days=1000))
    database = Database(migrated_database_url, pool_size=2)
    await look(database, ScriptedReader())
    seen = (await pools(database)).values()
    await database.close()
    earliest = utc_now() + timedelta(days=999)
    assert all(one.observation and one.observation.taken_at > earliest < one.looked_at for one in seen)
    assert seen


async def test_every_pool_that_a_pattern_registers_is_seen_on_the_wire(
    database: Database, reader: GkeNodePoolReader
) -> None:
    looked = await FleetActivities(database, reader, PRACTICE).observe_fleet()
    seen = await pools(database)
    assert (looked.failed, looked.gone) == (0, 0)
    assert looked.seen >= 13
    inference = seen["inference"]
    assert inference.observation is not None
    assert (inference.environment, inference.team) == ("production", "inference")
    assert inference.observation.target_sizes == dict.fromkeys(
        ["europe-west4-a", "europe-west4-b", "europe-west4-c"], 2
    )
    assert [one.type for one in inference.observation.accelerators] == ["nvidia-l4"]


async def test_looking_changes_nothing_at_the_provider(
    database: Database, reader: GkeNodePoolReader, local_fleet: RunningEmulator
) -> None:
    await FleetActivities(database, reader, PRACTICE).observe_fleet()
    served = [call for call in local_fleet.calls() if call.surface != "admin"]
    assert {call.method for call in served} == {
        *("ListNodePools", "GetCluster", "GetNodePool", "ListOperations", "instanceGroupManagers.get")
    }
    assert [call for call in served if call.accepted] == []


async def test_one_pool_that_cannot_be_read_keeps_its_last_observation(database: Database) -> None:
    reader = ScriptedReader()
    assert await look(database, reader) == FleetLook(seen=2, failed=0, gone=0)
    before = (await pools(database))["web"]
    reader.failing["web"] = ProviderUnavailable("busy")
    assert await look(database, reader) == FleetLook(seen=1, failed=1, gone=0)
    after = await pools(database)
    assert (after["web"].observation, after["web"].reason_code) == (
        before.observation,
        "provider_unavailable",
    )
    assert after["inference"].reason_code is None


async def test_a_cluster_that_does_not_answer_marks_every_pool_of_it(database: Database) -> None:
    reader = ScriptedReader()
    await look(database, reader)
    reader.is_listing = False
    assert await look(database, reader) == FleetLook(seen=0, failed=2, gone=0)
    assert {pool.reason_code for pool in (await pools(database)).values()} == {"provider_unavailable"}


async def test_a_pool_that_vanished_is_marked_and_left_out_a_day_later(database: Database) -> None:
    reader = ScriptedReader()
    await look(database, reader)
    reader.names = ["inference"]
    assert await look(database, reader) == FleetLook(seen=1, failed=0, gone=1)
    assert (await pools(database))["web"].reason_code == "target_not_found"
    long_ago = observation().model_copy(update={"taken_at": utc_now() - GONE_FOR - timedelta(minutes=1)})
    async with database.transaction() as connection:
        await connection.execute(
            update(observed_pools)
            .where(observed_pools.c.target_key == f"{SERVING}/web")
            .values(document=long_ago.model_dump(mode="json"))
        )
    await look(database, reader)
    assert set(await pools(database)) == {"inference"}


async def test_a_pool_that_the_configuration_names_and_nobody_has_is_told(database: Database) -> None:
    await look(database, ScriptedReader(names=["inference"]), "inference", "typo")
    found = await pools(database)
    assert (found["typo"].observation, found["typo"].reason_code) == (None, "target_not_found")


async def test_a_pool_that_nobody_registers_any_more_is_left_out(database: Database) -> None:
    await look(database, ScriptedReader())
    await look(database, ScriptedReader(), "inference")
    assert set(await pools(database)) == {"inference"}


async def test_few_reads_run_at_a_time_and_a_provider_that_hangs_ends_the_look_in_time(
    database: Database,
) -> None:
    reader = ScriptedReader(names=[f"pool-{number}" for number in range(20)], hanging={"pool-3"})
    began = asyncio.get_running_loop().time()
    assert await look(database, reader, within=3) == FleetLook(seen=19, failed=1, gone=0)
    assert asyncio.get_running_loop().time() - began < 30
    assert reader.most == AT_ONCE
    assert (await pools(database))["pool-3"].reason_code == "provider_unavailable"


async def test_a_provider_that_answers_to_no_look_is_counted_and_a_good_look_takes_that_back(
    database: Database,
) -> None:
    reader = ScriptedReader()
    looking = FleetActivities(database, reader, configuration("inference", "web"))

    async def failures() -> int | None:
        async with database.reading() as connection:
            found = await breakers.find(connection, "provider:gke")
        return None if found is None else found.consecutive_failures

    await looking.observe_fleet()
    assert await failures() is None
    reader.failing = {"web": ProviderUnavailable("down")}
    await looking.observe_fleet()
    assert await failures() is None
    reader.failing["inference"] = ProviderUnavailable("down")
    for count in (1, 2):
        await looking.observe_fleet()
        assert await failures() == count
    reader.failing = {"web": TargetNotFound("gone"), "inference": TargetNotFound("gone")}
    await looking.observe_fleet()
    assert await failures() == 0
    reader.failing = dict.fromkeys(("inference", "web"), ProviderUnavailable("down"))
    for _ in range(3):
        await looking.observe_fleet()
    async with database.reading() as connection:
        found = await breakers.find(connection, "provider:gke")
    assert found is not None
    assert (found.state, found.last_reason_code) == ("open", "fleet_unreadable")
    reader.failing = {}
    await looking.observe_fleet()
    async with database.reading() as connection:
        assert await breakers.find(connection, "provider:gke") == found
