"""The GKE emulator's own state and rules, in process: the ports of EXECUTION over them, with a log for the judges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from adapters.gke.errors import provider_error
from adapters.store.database import forbid_in_transaction
from contracts.action import NodePoolTarget
from contracts.errors import ProviderAmbiguous, ProviderUnavailable
from contracts.observation import NodePoolObservation, ProviderOperation, ZoneSize
from emulators.gke.cloud import Cloud
from emulators.gke.failures import ApiError
from emulators.gke.faults import Fault, FaultKind
from emulators.gke.log import Calls, ServedCall
from emulators.gke.model import Cluster, Group, Operation, Pool, State, Timing
from proofs.simulation.world import BEGINS, Actor, World, current_actor

SEND = "set_size before send"
EFFECT = "set_size after the effect, before the answer"
ANSWER = "set_size after the answer"
CROSSINGS = (SEND, EFFECT, ANSWER)
PROJECT, LOCATION = "acme-prod", "europe-west4"
ZONES = ("europe-west4-a", "europe-west4-b")
POOLS = ("web", "batch")
FIRST_SIZE = 3
FOREIGN_SIZES = (6, 7, 9)
"""What outsiders ask for: never what a proposal asks for, so that the one is not taken for the other at the end."""
_TIMING = Timing(pending=0.5, operation=1, node_start=4, node_stop=2, stockout=8)
_LOOKS_AT_AN_OPERATION = 2
"""Reads from a change to the end of its operation; the next one would look at what came of it."""
_SPOILT = (FaultKind.STOCKOUT, FaultKind.PARTIAL, FaultKind.OPERATION_ERROR, FaultKind.STUCK)


class SimulatedProvider:
    """Implements `NodePoolReader`, `NodePoolEffector` and `ReadyNodeCounter`."""

    def __init__(self, world: World, cluster: str, *, spoils: float, skew: timedelta) -> None:
        """`spoils`: chance that an accepted change goes wrong. `skew`: how far its clock is off."""
        self._world = world
        self._skew = skew
        self._spoils = spoils
        pools = [_pool(cluster, name) for name in POOLS]
        self.cluster = Cluster(
            project=PROJECT, project_number=1, location=LOCATION, name=cluster, version="1.33", pools=pools
        )
        state = State(timing=_TIMING, clusters=[self.cluster])
        self.cloud = Cloud(state, clock=self._clock)
        begins = BEGINS + timedelta(seconds=world.chance.random() * 60)
        lasts = world.chance.choice((0,) * 9 + (30, 200))
        self._outage = (begins, begins + timedelta(seconds=lasts))
        """When it answers no read at all."""
        self._looks_left: int | None = None
        """Reads until the next outage."""
        self.calls = Calls()
        self.unanswered = 0
        """Changes that took place and whose answer came to nobody, or too late, though the caller lived."""
        self.callers: dict[str, str] = {}
        """Operation → the attempt that made it, as only the simulation knows."""
        self.touched: set[str] = set()
        """Pools that somebody else changed."""

    def _clock(self) -> float:
        return (self._world.now + self._skew).timestamp()

    async def observe(self, target: NodePoolTarget) -> NodePoolObservation:
        """Return the pool as it is."""
        await self._read("observe")
        actor = current_actor.get()
        if actor is not None and "execute" in actor.name and self._world.happens(self._world.fate.meddling):
            self.change_from_outside(target.node_pool, self._world.chance.choice(FOREIGN_SIZES))
        with _ours("observe", mutating=False):
            cluster, pool = self.cloud.pool(target.project, target.location, target.cluster, target.node_pool)
        return NodePoolObservation(
            taken_at=self._world.now,
            status="RUNNING",
            machine_type=pool.machine_type,
            zones=tuple(_zone(group) for group in pool.groups),
            cluster_node_count=sum(group.running for one in cluster.pools for group in one.groups),
            operations=tuple(_operation(one, target) for one in cluster.operations if one.status != "DONE"),
        )

    async def list_node_pools(self, project: str, location: str, cluster: str) -> list[str]:
        """Return the names of the pools."""
        await self._read("list_node_pools")
        return list(POOLS)

    async def list_operations(self, target: NodePoolTarget) -> list[ProviderOperation]:
        """Return all operations of the cluster, newest first."""
        await self._read("list_operations")
        found = self.cloud.cluster(target.project, target.location, target.cluster).operations
        return [_operation(one, target) for one in reversed(found)]

    async def get_operation(self, target: NodePoolTarget, name: str) -> ProviderOperation:
        """Return one operation."""
        await self._read("get_operation")
        with _ours("get_operation", mutating=False):
            return _operation(self.cloud.operation(target.project, target.location, name)[1], target)

    async def count_ready(self, target: NodePoolTarget) -> int | None:
        """No cluster is configured."""
        return None

    async def set_size(self, target: NodePoolTarget, node_count: int, *, timeout: timedelta) -> str:
        """Change a size. The request arrives within the caller's time-out, or never."""
        forbid_in_transaction()
        # No process stands still here: between the last check and the send nothing can be fenced (docs/reliability.md).
        self._world.cross(SEND)
        if self._world.happens(self._world.fate.losses):
            await self._world.pause(timeout.total_seconds())
        operation = self._accept(target, node_count)
        self._world.cross(EFFECT)
        if self._world.happens(self._world.fate.unanswered):
            await self._lose(timeout)
        await self._world.boundary(ANSWER)
        return operation

    async def set_autoscaling(
        self, target: NodePoolTarget, min_node_count: int, max_node_count: int, *, timeout: timedelta
    ) -> str:
        """Nobody asks for this here."""
        raise ProviderUnavailable("no autoscaling in the simulation")

    def change_from_outside(self, pool: str, node_count: int) -> None:
        """Somebody else resizes a pool, by other means than ours."""
        found = self.cloud.pool(PROJECT, LOCATION, self.cluster.name, pool)
        try:
            self.cloud.set_size(*found, node_count, None)
        except ApiError:
            return
        self.touched.add(pool)
        self._world.note(f"somebody sets {pool} to {node_count}")

    def running(self, pool: str) -> set[int]:
        """Return the sizes of the zones that run now."""
        _, found = self.cloud.pool(PROJECT, LOCATION, self.cluster.name, pool)
        return {group.running for group in found.groups}

    def finish_all(self) -> None:
        """End operations that would run for ever, as the vendor's support does."""
        for operation in self.cluster.operations:
            if operation.status != "DONE" and operation.done_at is None:
                operation.done_at = self.cloud.now()

    def _accept(self, target: NodePoolTarget, node_count: int) -> str:
        fault = self._spoilt()
        try:
            self._overloaded()
            found = self.cloud.pool(target.project, target.location, target.cluster, target.node_pool)
            operation = self.cloud.set_size(*found, node_count, fault)
        except ApiError as refusal:
            self._log(target, node_count, refusal, None, None)
            raise provider_error(
                "set_size", refusal.code, refusal.reason, refusal.message, mutating=True
            ) from refusal
        self._log(target, node_count, None, operation, fault)
        if self._world.fate.blind:
            self._looks_left = _LOOKS_AT_AN_OPERATION
        return operation.name

    def _spoilt(self) -> Fault | None:
        if self._world.happens(self._world.fate.shortfalls):
            return Fault(method="SetNodePoolSize", kind=FaultKind.PARTIAL)
        if not self._world.happens(self._spoils):
            return None
        kind = self._world.chance.choice(_SPOILT)
        # A part of the lost capacity comes back, so that some ways back find it and some do not.
        return Fault(
            method="SetNodePoolSize", kind=kind, recovers_after=self._world.chance.choice((None, 5.0))
        )

    def _overloaded(self) -> None:
        if self._world.happens(self._world.fate.losses / 4):
            raise ApiError("UNAVAILABLE", "The service is currently unavailable.")
        if self._world.happens(max(self._world.fate.losses / 8, self._world.fate.denials)):
            raise ApiError("PERMISSION_DENIED", "No permission.", "IAM_PERMISSION_DENIED")

    async def _lose(self, timeout: timedelta) -> None:
        if self._world.chance.random() < 0.5:
            self.unanswered += 1
            raise ProviderAmbiguous("the answer was lost")
        patience = timeout.total_seconds()
        lasts = self._world.chance.random() * patience * 2
        self.unanswered += lasts > patience
        await asyncio.sleep(lasts)

    def _log(
        self,
        target: NodePoolTarget,
        node_count: int,
        refusal: ApiError | None,
        operation: Operation | None,
        fault: Fault | None,
    ) -> None:
        actor = current_actor.get() or Actor("nobody")
        if operation is not None:
            self.callers[operation.name] = actor.name
        self._world.note(
            f"{actor.name} sets {target.node_pool} to {node_count}: "
            f"{refusal.code if refusal else 'accepted'}{f', {fault.kind}' if fault else ''}"
        )
        self.calls.append(
            ServedCall(
                seq=len(self.calls) + 1,
                ts=self._world.now,
                surface="container",
                method="SetNodePoolSize",
                project=target.project,
                location=target.location,
                cluster=target.cluster,
                node_pool=target.node_pool,
                request={"node_count": node_count},
                outcome=refusal.code if refusal else "OK",
                reason=refusal.reason if refusal else "",
                operation=operation.name if operation else "",
                accepted=operation is not None,
                fault=fault.kind.value if fault else "",
            )
        )

    async def _read(self, what: str) -> None:
        forbid_in_transaction()
        await self._world.turn()
        if self._looks_left == 0:
            blind = timedelta(seconds=self._world.fate.blind)
            self._outage, self._looks_left = (self._world.now, self._world.now + blind), None
        elif self._looks_left is not None:
            self._looks_left -= 1
        is_out = self._outage[0] <= self._world.now < self._outage[1] and not self._world.is_calm
        if is_out or self._world.happens(self._world.fate.refusals):
            await self._world.pause(1.0)
            raise ProviderUnavailable(f"{what}: no answer")


@contextmanager
def _ours(call: str, *, mutating: bool) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise provider_error(call, error.code, error.reason, error.message, mutating=mutating) from error


def _pool(cluster: str, name: str) -> Pool:
    groups = [
        Group(zone=zone, name=f"gke-{cluster}-{name}-{zone[-1]}-grp", target=FIRST_SIZE, running=FIRST_SIZE)
        for zone in ZONES
    ]
    return Pool(name=name, machine_type="n2-standard-4", initial_node_count=FIRST_SIZE, groups=groups)


def _zone(group: Group) -> ZoneSize:
    return ZoneSize(
        zone=group.zone,
        instance_group=group.name,
        target_size=group.target,
        running=group.running,
        stable=group.stable,
    )


def _operation(operation: Operation, target: NodePoolTarget) -> ProviderOperation:
    pool = f"/nodePools/{operation.node_pool}" if operation.node_pool else ""
    error = operation.error
    code = None if error is None else error.code if error.condition == "UNKNOWN" else error.condition
    return ProviderOperation(
        name=operation.name,
        type=operation.type,
        status=operation.status,
        target=target.cluster_name + pool,
        started_at=datetime.fromtimestamp(operation.created_at, UTC),
        error_code=code,
    )
