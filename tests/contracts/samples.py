"""Well-formed nouns for tests: one pool, one proposal, its people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contracts.action import ResizeNodePool
from contracts.observation import NodePoolObservation, SizesPrecondition, ZoneSize
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Planner, PlannerKind, Proposal
from contracts.request import Channel, Trust

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ANA = Principal(kind=PrincipalKind.HUMAN, subject="ana", roles=(Role.REQUESTER, Role.VIEWER))
BEN = Principal(kind=PrincipalKind.HUMAN, subject="ben", roles=(Role.APPROVER, Role.VIEWER))
AGENT = Principal(kind=PrincipalKind.AGENT, subject="capacity-agent")
ZONES = ("europe-west4-a", "europe-west4-b", "europe-west4-c")


def resize(node_count: int = 4) -> ResizeNodePool:
    return ResizeNodePool(
        project="acme-prod",
        location="europe-west4",
        cluster="serving",
        node_pool="inference",
        node_count=node_count,
    )


def observation(*sizes: int) -> NodePoolObservation:
    sizes = sizes or (2, 2, 2)
    return NodePoolObservation(
        taken_at=NOON,
        status="RUNNING",
        machine_type="g2-standard-8",
        zones=tuple(
            ZoneSize(zone=zone, instance_group=f"{zone}-grp", target_size=size, running=size, stable=True)
            for zone, size in zip(ZONES, sizes, strict=True)
        ),
        cluster_node_count=12,
    )


def proposal(**changes: object) -> Proposal:
    seen = observation()
    fields: dict[str, object] = {
        "id": "prp_1",
        "tenant": "default",
        "revision": 1,
        "authors": (ANA,),
        "channel": Channel.API,
        "trust": Trust.TRUSTED,
        "action": resize(),
        "reason": "the queue grows",
        "planner": Planner(kind=PlannerKind.DIRECT),
        "environment": "production",
        "team": "inference",
        "mode": "practice",
        "created_at": NOON,
        "decide_by": NOON + timedelta(hours=4),
        "execute_by": NOON + timedelta(hours=5),
        "observation": seen,
        "precondition": SizesPrecondition(machine_type=seen.machine_type, target_sizes=seen.target_sizes),
    }
    return Proposal.model_validate(fields | changes)
