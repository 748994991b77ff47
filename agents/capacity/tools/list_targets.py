"""Tool: which node pools exist among those the operator registered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import JsonValue

from agents.capacity.tools.tool import Arguments, Evidence, Tool
from contracts.action import NodePoolTarget
from contracts.configuration import Cluster, Configuration, Target
from contracts.errors import TargetNotFound
from contracts.ports import NodePoolReader

MAX_POOLS = 60
_AT_A_TIME = 10
"""Clusters that are read at the same time: a person waits for the answer, and the provider counts what is asked."""
_PLACE = ("project", "location", "cluster")


async def registered_pools(
    reader: NodePoolReader, configuration: Configuration, where: Mapping[str, str] = MappingProxyType({})
) -> list[tuple[NodePoolTarget, Target]]:
    """Return every existing node pool that an entry of the configuration registers, in the file's order.

    `where` may name a project, location or cluster: the others are not read. Several clusters are read at a time. One
    that is named by a wildcard cannot be listed; one that does not exist has no pools.

    Raises:
        ProviderError: a cluster could not be read.
    """
    clusters = [
        one
        for one in configuration.clusters
        if all(where.get(name, value) == value for name, value in zip(_PLACE, one, strict=True))
    ]
    turns = asyncio.Semaphore(_AT_A_TIME)

    async def pools_of(cluster: Cluster) -> list[str]:
        async with turns:
            try:
                return await reader.list_node_pools(*cluster)
            except TargetNotFound:
                return []

    listed = await asyncio.gather(*map(pools_of, clusters))
    found: dict[str, tuple[NodePoolTarget, Target]] = {}
    for (project, location, cluster), names in zip(clusters, listed, strict=True):
        for name in names:
            target = NodePoolTarget(project=project, location=location, cluster=cluster, node_pool=name)
            entry = configuration.registered(target)
            if entry is not None:
                found.setdefault(target.key, (target, entry))
    return list(found.values())


async def run(evidence: Evidence, arguments: Arguments) -> JsonValue:
    """Return the registered pools, and say so when the list was cut."""
    pools = await registered_pools(evidence.reader, evidence.configuration)
    listed: list[JsonValue] = [
        {
            "project": target.project,
            "location": target.location,
            "cluster": target.cluster,
            "node_pool": target.node_pool,
            "environment": entry.environment,
            "team": entry.team,
            "max_nodes_per_zone": entry.max_nodes_per_zone,
        }
        for target, entry in pools[:MAX_POOLS]
    ]
    return {"node_pools": listed, "cut": len(pools) > MAX_POOLS}


LIST_TARGETS = Tool("list_targets", "List the registered node pools.", Arguments, run)
