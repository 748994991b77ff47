"""What a candidate in shadow would have decided, beside what was decided: counts, money, and the newest differences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Row

from adapters.store import shadows
from adapters.store.database import database_now
from api.parts import ApiParts
from api.shadow.schemas import Disagreement, Pair, ShadowComparison
from contracts.action import ACTION
from contracts.evaluation import Outcome
from contracts.messages import summary_of
from contracts.money import plain
from contracts.ports import PolicyViolation


async def compare(
    parts: ApiParts, *, within: timedelta, revision: str | None, limit: int
) -> ShadowComparison:
    """Compare one candidate, by default the one that answered last."""
    tenant = parts.tenant
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        known = [name for name, _ in await shadows.revisions(connection, tenant, within)]
        chosen = revision or next(iter(known), None)
        counted = await shadows.pairs(connection, tenant, within, chosen) if chosen else []
        differing = await shadows.disagreements(connection, tenant, within, chosen, limit) if chosen else []
        silent = await shadows.unanswered(connection, tenant, within)
    pairs = _pairs(counted)
    return ShadowComparison(
        since=now - within,
        revision=chosen,
        revisions=tuple(known),
        answered=sum(one.count for one in pairs),
        agreed=sum(one.count for one in pairs if one.live is one.candidate),
        unanswered=silent,
        pairs=pairs,
        disagreements=tuple(_disagreement(row) for row in differing),
    )


def _pairs(rows: Sequence[Row[Any]]) -> tuple[Pair, ...]:
    keys = sorted({(row.live, row.candidate) for row in rows})
    found = []
    for live, candidate in keys:
        own = [row for row in rows if (row.live, row.candidate) == (live, candidate)]
        found.append(
            Pair(
                live=Outcome(live),
                candidate=Outcome(candidate),
                count=sum(row.count for row in own),
                unpriced=sum(row.count for row in own if row.currency is None),
                monthly_delta={row.currency: plain(Decimal(row.monthly)) for row in own if row.currency},
            )
        )
    return tuple(found)


def _disagreement(row: Row[Any]) -> Disagreement:
    violations = tuple(PolicyViolation.model_validate(one) for one in row.violations)
    live = tuple(f"{one['guardrail']}.{one['rule']}" for one in row.verdicts if one["outcome"] == row.live)
    return Disagreement(
        proposal_id=row.proposal_id,
        revision=row.revision,
        at=row.created_at,
        target=row.target_key,
        summary=summary_of(ACTION.validate_python(row.action)),
        live=Outcome(row.live),
        candidate=Outcome(row.candidate),
        rules=tuple(dict.fromkeys(f"policy.{one.rule}" for one in violations)) or live,
        violations=violations,
        monthly_delta=row.monthly,
        currency=row.currency,
    )
