"""The end of a guard pass, as to rates: the tokens it takes, the halt of a storm, and when who must wait is woken."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import halts, rate
from adapters.store.batch import Batch
from adapters.store.guard_pass import Locked, Place
from adapters.store.outbox import OutboxKind
from contracts.evaluation import Evaluation, Outcome
from contracts.holds import FREE_AT
from contracts.principal import SYSTEM
from contracts.safety import HaltScope
from guardrails.facts import Facts
from guardrails.rate.bucket import Bucket
from guardrails.rate.direction import direction_of

ACTION_STORM = "action_storm"


class StormFound(Exception):
    """A pass would halt a storm and does not hold the lock for it: it runs anew, under that lock."""


def use_of(facts: Facts, place: Place) -> rate.Use:
    """Return what an admitted proposal takes: one token of each bucket, unless it has them already."""
    taken = [
        (one.key, Bucket(one.deficit, one.as_of).take(facts.now, facts.limits.rate_of(one.scope)))
        for one in (() if facts.is_counted else facts.rates)
    ]
    return rate.Use(
        draft=facts.draft,
        agent=place.agent,
        direction=direction_of(facts) or 0,
        at=facts.now,
        buckets=[rate.BucketState(key, bucket.deficit, bucket.as_of or facts.now) for key, bucket in taken],
    )


def finds_storm(facts: Facts, evaluation: Evaluation) -> bool:
    """Tell whether this pass must halt a storm."""
    return not facts.draft.dry_run and _storm(evaluation) is not None


async def halt_storm(connection: AsyncConnection, facts: Facts, evaluation: Evaluation) -> None:
    """Halt the storm that an evaluation found, in its transaction. A person must end the halt."""
    found = None if facts.draft.dry_run else _storm(evaluation)
    if found is None:
        return
    scope, reason = found
    await halts.create(
        connection, scope, reason, actor=SYSTEM, tenant=facts.draft.tenant, reason_code=ACTION_STORM
    )


def frees_at(evaluation: Evaluation) -> datetime | None:
    """Return when what holds the proposal ends by itself; None when nobody knows."""
    said = evaluation.worst.facts.get(FREE_AT) if evaluation.worst.outcome is Outcome.HOLD else None
    return datetime.fromisoformat(said) if isinstance(said, str) else None


def add_wake(batch: Batch, locked: Locked, held_on: str, until: datetime | None) -> None:
    """Let a held proposal be woken at the very moment; once, however often it is held for the same."""
    if until is not None and (locked.row.held_on, locked.row.held_until) != (held_on, until):
        batch.queue(OutboxKind.WAKE, locked.row.id, {"held_on": held_on}, due_at=until)


def _storm(evaluation: Evaluation) -> tuple[HaltScope, str] | None:
    for verdict in evaluation.verdicts:
        if verdict.guardrail == "rate" and verdict.reason_code == ACTION_STORM:
            return HaltScope.model_validate(verdict.facts["halt_scope"]), verdict.message
    return None
