"""A fleet is listed several clusters at a time, in the order of its file."""

from __future__ import annotations

import asyncio

import pytest

from agents.capacity.tools.list_targets import registered_pools
from contracts.configuration import Configuration, Environment, Target
from contracts.errors import ProviderUnavailable, TargetNotFound
from contracts.ports import NodePoolReader

CLUSTERS = 45
FLEET = Configuration(
    environments={"development": Environment()},
    targets=tuple(
        Target(
            kind="gke.node_pool",
            project="acme-dev",
            location="us-central1",
            cluster=f"c-{number:02}",
            environment="development",
            team="inference",
            max_nodes_per_zone=10,
        )
        for number in range(CLUSTERS)
    ),
)


class Slow:
    """Answers those that were asked first last, and counts how many wait for it."""

    def __init__(self) -> None:
        self.asked = 0
        self.waiting = 0
        self.most = 0

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        self.asked += 1
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await asyncio.sleep(0.05 / self.asked)
        self.waiting -= 1
        return await self.answer(cluster)

    async def answer(self, cluster: str) -> list[str]:
        return [f"pool-of-{cluster}"]


class Lost(Slow):
    async def answer(self, cluster: str) -> list[str]:
        if cluster == "c-07":
            raise TargetNotFound("no such cluster")
        return await super().answer(cluster)


class Down(Slow):
    async def answer(self, cluster: str) -> list[str]:
        if cluster == "c-07":
            raise ProviderUnavailable("no answer")
        return await super().answer(cluster)


async def names(reader: Slow, **where: str) -> list[str]:
    """The clusters of the pools that were found, in their order."""
    port: NodePoolReader = reader  # type: ignore[assignment]  # all that is asked of it here
    return [target.cluster for target, _ in await registered_pools(port, FLEET, where)]


async def test_ten_clusters_are_read_at_a_time_and_told_in_the_order_of_the_file() -> None:
    reader = Slow()
    assert await names(reader) == [f"c-{number:02}" for number in range(CLUSTERS)]
    assert (reader.asked, reader.most) == (CLUSTERS, 10)


async def test_only_the_cluster_that_is_named_is_read() -> None:
    reader = Slow()
    assert await names(reader, cluster="c-09", project="acme-dev") == ["c-09"]
    assert reader.asked == 1


async def test_a_cluster_that_is_gone_has_no_pools_and_one_that_cannot_be_read_is_an_error() -> None:
    assert await names(Lost()) == [f"c-{number:02}" for number in range(CLUSTERS) if number != 7]
    with pytest.raises(ProviderUnavailable):
        await names(Down())
