"""The execution budgets: a token of each bucket per admitted proposal, and what was changed when, in which direction.

Buckets are locked by the admitting pass (`guard_pass`), so what is written here was decided on what is still true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.schema import rate_uses
from adapters.store.writes import Write, inserting
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


def _using(use: Use) -> Write:
    row = {
        "proposal_id": use.draft.id,
        "target_key": use.draft.action.target.key,
        "agent": use.agent,
        "used_at": use.at,
        "tenant": use.draft.tenant,
        "environment": use.draft.environment,
        "direction": use.direction,
    }
    again = (
        "ON CONFLICT (proposal_id) DO UPDATE SET used_at = excluded.used_at, direction = excluded.direction"
    )
    return inserting(rate_uses, row).ending(again)


# The same whatever the number of buckets, so that it stays prepared. Numbers travel as texts: the driver asks the
# database about an array of bigints, once per connection.
_EMPTY = """
    UPDATE rate_buckets b SET deficit = CAST(after.deficit AS bigint), as_of = after.as_of
    FROM unnest(CAST({keys} AS text[]), CAST({deficits} AS text[]), CAST({moments} AS timestamptz[]))
        AS after (key, deficit, as_of)
    WHERE b.key = after.key"""


def _emptying(buckets: Sequence[BucketState]) -> Write:
    return Write(
        _EMPTY,
        {
            "keys": [one.key for one in buckets],
            "deficits": [str(one.deficit) for one in buckets],
            "moments": [one.as_of for one in buckets],
        },
    )
