"""A morning in the inbox: one proposal of each kind that a reader meets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from adapters.store.database import Database
from contracts.action import SetNodePoolAutoscaling
from contracts.base import utc_now
from contracts.decision import DecisionKind
from contracts.evaluation import Outcome, RiskTier
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import Proposal, ProposalState
from contracts.request import Channel, Trust
from tests.contracts.samples import AGENT, ANA, resize
from tests.inbox_samples import dev_pool, move, vote, waiting

CLEO = Principal(kind=PrincipalKind.HUMAN, subject="cleo", roles=(Role.APPROVER,))
ALERTS = Principal(kind=PrincipalKind.SERVICE, subject="alertmanager")
S = ProposalState


def _left(minutes: float) -> dict[str, Any]:
    now = utc_now()
    return {
        "decide_by": now + timedelta(minutes=minutes),
        "execute_by": now + timedelta(minutes=minutes + 60),
    }


async def twins(database: Database, *names: str) -> list[Proposal]:
    """The same low-risk change for several pools."""
    development: dict[str, Any] = {
        "environment": "development",
        "team": "platform",
        "risk": RiskTier.LOW,
        "sizes": (2, 2),
    }
    return [
        await waiting(
            database,
            action=dev_pool(name, 3),
            judgement={"monthly": "312.40"},
            **development,
            **_left(150 + place),
        )
        for place, name in enumerate(names)
    ]


async def a_morning(database: Database) -> dict[str, Proposal]:
    """Fill the inbox; return some of what waits by name."""
    bounds = SetNodePoolAutoscaling(
        **resize().model_dump(exclude={"kind", "node_count", "node_pool"}),
        node_pool="embeddings-gpu",
        min_node_count=2,
        max_node_count=8,
    )
    urgent = await waiting(
        database,
        risk=RiskTier.HIGH,
        authors=(ALERTS, AGENT),
        channel=Channel.EVENT,
        trust=Trust.UNTRUSTED,
        action=resize(6),
        judgement={
            "monthly": "11842.20",
            "quorum": 2,
            "outcomes": {
                "approval_rule": Outcome.REQUIRE_APPROVAL,
                "blast_radius": Outcome.REQUIRE_APPROVAL,
                "policy": Outcome.HOLD,
            },
        },
        **_left(8),
    )
    half = await waiting(database, action=bounds, judgement={"quorum": 2, "monthly": "4931.00"}, **_left(47))
    await vote(database, half, CLEO)
    shrink = await waiting(
        database,
        action=resize(1).model_copy(update={"node_pool": "batch-eu"}),
        judgement={"monthly": "-1969.10"},
        **_left(95),
    )
    await twins(database, "ci-runners", "ci-runners-arm", "load-tests")
    for state, name in ((S.REJECTED, "reranker"), (S.EXPIRED, "archive"), (S.READY, "frontend")):
        made = await waiting(database, action=resize(3).model_copy(update={"node_pool": name}), **_left(200))
        if state is not S.EXPIRED:
            kind = DecisionKind.APPROVE if state is S.READY else DecisionKind.REJECT
            await vote(database, made, CLEO, kind)
        await move(database, made, state)
        if state is S.READY:
            await move(database, made, S.EXECUTING, S.VERIFYING, S.SUCCEEDED)
    await waiting(
        database,
        to=S.DENIED,
        risk=RiskTier.HIGH,
        action=resize(9).model_copy(update={"node_pool": "gpu-a100-80gb"}),
        judgement={"outcomes": {"budget": Outcome.DENY}},
    )
    dirty = await waiting(database, action=resize(5).model_copy(update={"node_pool": "scarce"}))
    await vote(database, dirty, CLEO)
    await move(database, dirty, S.READY, S.EXECUTING, S.DIRTY)
    return {"urgent": urgent, "half": half, "shrink": shrink, "asked_by": await _own(database)}


async def _own(database: Database) -> Proposal:
    ben = ANA.model_copy(update={"subject": "ben"})
    return await waiting(database, authors=(ben,), action=resize(3), **_left(210))
