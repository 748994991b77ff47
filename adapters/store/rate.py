"""The execution budgets: a token of each bucket per admitted proposal, and what was changed when, in which direction.

Buckets are locked by the admitting pass (`guard_pass`), so what is written here was decided on what is still true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Insert, Text, Update, cast, column, func, literal, update
from sqlalchemy.dialects.postgresql import insert

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.schema import Moment, rate_buckets, rate_uses
from contracts.audit import AuditType
from contracts.configuration import RateScope
from contracts.principal import SYSTEM
from contracts.proposal import Draft


@dataclass(frozen=True, slots=True)
class BucketState:
    """A row of `rate_buckets`."""

    key: str
    deficit: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """An admitted proposal, and the buckets as they are after it. No buckets: it had its tokens already."""

    draft: Draft
    agent: str | None
    direction: int
    """1 it grows its target, -1 it shrinks it, 0 neither."""
    at: datetime
    buckets: Sequence[BucketState]


def bucket_keys(tenant: str, target_key: str, agent: str | None) -> Mapping[RateScope, str]:
    """Return the key of each bucket that a change counts against."""
    keys = {
        RateScope.TARGET: f"target:{target_key}",
        RateScope.TENANT: f"tenant:{tenant}",
        RateScope.FLEET: "fleet",
    }
    return keys | ({RateScope.AGENT: f"agent:{agent}"} if agent else {})


def add_use(batch: Batch, use: Use) -> None:
    """Count an admitted proposal: once against its buckets, and as its target's latest change from now on."""
    batch.add(_using(use))
    if use.buckets:
        batch.add(_emptying(use.buckets))
    buckets = [
        {"key": one.key, "deficit": one.deficit, "as_of": one.as_of.isoformat()} for one in use.buckets
    ]
    payload: dict[str, object] = {
        "proposal_id": use.draft.id,
        "target_key": use.draft.action.target.key,
        "environment": use.draft.environment,
        "agent": use.agent,
        "direction": use.direction,
        "used_at": use.at.isoformat(),
        "buckets": buckets,
    }
    batch.audit(
        audit_log.event(
            AuditType.RATE_CONSUMED,
            tenant=use.draft.tenant,
            subject=use.draft.id,
            actor=SYSTEM,
            payload=payload,
            at=use.at,
        )
    )


def _using(use: Use) -> Insert:
    return (
        insert(rate_uses)
        .values(
            proposal_id=use.draft.id,
            target_key=use.draft.action.target.key,
            agent=use.agent,
            used_at=use.at,
            tenant=use.draft.tenant,
            environment=use.draft.environment,
            direction=use.direction,
        )
        .on_conflict_do_update(index_elements=[rate_uses.c.proposal_id], set_={"used_at": use.at})
    )


def _emptying(buckets: Sequence[BucketState]) -> Update:
    """One statement, the same whatever the number of buckets, so that it stays prepared.

    Numbers travel as texts: the driver asks the database about an array of bigints, once per connection.
    """
    after = (
        func.unnest(
            literal([one.key for one in buckets], ARRAY(Text)),
            literal([str(one.deficit) for one in buckets], ARRAY(Text)),
            literal([one.as_of for one in buckets], ARRAY(Moment)),
        )
        .table_valued(column("key", Text), column("deficit", Text), column("as_of", Moment))
        .render_derived(name="after")
    )
    return (
        update(rate_buckets)
        .where(rate_buckets.c.key == after.c.key)
        .values(deficit=cast(after.c.deficit, BigInteger), as_of=after.c.as_of)
    )
