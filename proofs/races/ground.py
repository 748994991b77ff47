"""What every race stands on: its people, what an operator declared, and the proposals that are raced for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters.store import proposals
from adapters.store.database import Database, database_now
from contracts.action import ResizeNodePool
from contracts.configuration import Configuration
from contracts.proposal import Draft, Planner, PlannerKind
from contracts.request import Channel, Trust
from proofs.races.drawing import FIRST_SIZE, chance_of
from proofs.simulation.ground import ANA, APPROVERS, MODE

PEOPLE = {one.subject: one for one in (ANA, *APPROVERS)}
TENANT = "races"
BRIEFLY = timedelta(seconds=0.3)
"""How long a call to the provider may take, and what is added to it."""
NO_TIME = timedelta(0)
SHORT = timedelta(seconds=0.4)
"""Time to decide of those whose deadline is raced for."""
QUORUM = 2
_TARGET = {"project": "acme-races", "location": "europe-west4"}
_LIMIT = 10_000


def configuration() -> Configuration:
    """Return what an operator declared: two people approve, and no limit but that one is ever met."""
    return Configuration.model_validate(
        {
            "tenant": TENANT,
            "environments": {"production": {"approval": {"quorum": QUORUM}}},
            "targets": [
                _TARGET
                | {
                    "kind": "gke.node_pool",
                    "cluster": "*",
                    "environment": "production",
                    "team": "racers",
                    "max_nodes_per_zone": 20,
                }
            ],
            "budgets": [{"scope": {"environment": "production"}, "window": "month", "limit": "100000000"}],
            "limits": {
                "max_share": 100,
                "effects_per_hour": _LIMIT,
                "rates": {of: {"capacity": _LIMIT, "per_hour": _LIMIT} for of in ("tenant", "fleet")},
                "oscillation": {"turns": 20},
                "storm": {"proposals": 100_000, "changes": 100_000},
                "breaker": {"failures": 100},
            },
            "approval": {"decide_within": "10m", "execute_within": "10m"},
        }
    )


def named(number: int) -> str:
    """Return the id of a proposal by its number."""
    return f"prp_race{number:07d}"


async def propose(database: Database, seed: int, numbers: Sequence[int]) -> None:
    """Store proposals of Ana's in state `evaluating`, each on a cluster of its own; one in ten has little time."""
    async with database.transaction() as connection:
        now = await database_now(connection)
        for number in numbers:
            await proposals.create(connection, _draft(seed, number, now))


def _draft(seed: int, number: int, now: datetime) -> Draft:
    is_short = chance_of(seed, number).random() < 0.1
    return Draft(
        id=named(number),
        tenant=TENANT,
        revision=1,
        authors=(ANA,),
        channel=Channel.API,
        trust=Trust.TRUSTED,
        action=ResizeNodePool(
            **_TARGET, cluster=f"c{number}", node_pool="web", node_count=FIRST_SIZE + 1 + number % 3
        ),
        environment="production",
        team="racers",
        reason="",
        planner=Planner(kind=PlannerKind.DIRECT),
        created_at=now,
        decide_by=now + (SHORT if is_short else timedelta(hours=1)),
        execute_by=now + timedelta(hours=2),
        mode=MODE,
    )
