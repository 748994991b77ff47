"""Node pools in memory that change at once, and a log of the calls as the emulator writes one."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

from adapters.store.database import forbid_in_transaction
from contracts.action import NodePoolTarget
from contracts.base import utc_now
from contracts.errors import ProviderUnavailable
from contracts.observation import NodePoolObservation, ProviderOperation, ZoneSize
from emulators.gke.log import CallLog, ServedCall
from proofs.races.drawing import FIRST_SIZE


class Pools:
    """The ports that read, change and count node pools. Every pool exists, in one zone, with `FIRST_SIZE` nodes."""

    def __init__(self, log: Path | None) -> None:
        """Keep calls in `log`."""
        self._log = CallLog(log)
        self._sizes: dict[str, int] = {}
        self._operations: dict[str, list[ProviderOperation]] = {}
        self._numbers = itertools.count(1)

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        """Return the pool: stable, nothing under way."""
        forbid_in_transaction()
        size = self._sizes.get(target.key, FIRST_SIZE)
        zone = ZoneSize(zone="a", instance_group="grp", target_size=size, running=size, stable=True)
        return NodePoolObservation(
            taken_at=utc_now(), status="RUNNING", machine_type="n2-standard-4", zones=(zone,), cluster_node_count=size
        )  # fmt: skip

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        """Nobody asks for this here."""
        raise ProviderUnavailable("no list of pools in a race")

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        """Return what was done, newest first."""
        return list(reversed(self._operations.get(target.key, [])))

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        """Return one operation."""
        return next(one for one in self._operations[target.key] if one.name == name)

    async def count_ready(self, target: NodePoolTarget) -> int | None:
        """No cluster is configured."""
        return None

    async def set_size(self, target: NodePoolTarget, node_count: int, *, timeout: timedelta) -> str:
        """Change the size at once."""
        forbid_in_transaction()
        number, now = next(self._numbers), utc_now()
        operation = ProviderOperation(
            name=f"op-{number}",
            type="SET_NODE_POOL_SIZE",
            status="DONE",
            target=target.resource_name,
            started_at=now,
            error_code=None,
        )
        self._sizes[target.key] = node_count
        self._operations.setdefault(target.key, []).append(operation)
        served = ServedCall(
            seq=number,
            ts=now,
            surface="container",
            method="SetNodePoolSize",
            project=target.project,
            location=target.location,
            cluster=target.cluster,
            node_pool=target.node_pool,
            request={"node_count": node_count},
            operation=operation.name,
            accepted=True,
        )
        self._log.append(served.model_dump_json())
        return operation.name

    async def set_autoscaling(
        self, target: NodePoolTarget, min_node_count: int, max_node_count: int, *, timeout: timedelta
    ) -> str:
        """Nobody asks for this here."""
        raise ProviderUnavailable("no autoscaling in a race")

    def close(self) -> None:
        """Close the log."""
        self._log.close()
