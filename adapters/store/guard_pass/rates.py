"""GUARDRAILS, in the store: the execution budgets of a pass, and what was changed and is under way on its target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.store.guard_pass.fragment import Fragment, moment
from adapters.store.guard_pass.question import Question
from adapters.store.schema import Moment
from contracts.holds import RATE

# At most 50 changes of a target are read, the newest ones, and 50 proposals under way there.
FRAGMENT = Fragment(
    name="rates",
    value="""SELECT jsonb_build_object(
            'buckets', (SELECT coalesce(jsonb_agg(to_jsonb(b)), '[]') FROM buckets b),
            'is_counted', EXISTS (SELECT FROM rate_uses u WHERE u.proposal_id = :proposal_id),
            'last_effect_at', (SELECT ended_at FROM past ORDER BY used_at DESC LIMIT 1),
            'past', (SELECT coalesce(jsonb_agg(jsonb_build_object('direction', direction, 'at', ended_at)
                    ORDER BY used_at DESC), '[]') FROM past WHERE ended_at > :rate_since
                    AND state IN ('executing', 'verifying', 'succeeded', 'dirty')),
            'accepted', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', a.id, 'document', a.document)
                    ORDER BY a.created_at, a.id), '[]') FROM accepted a))""",
    tables=f"""
    buckets AS (
        SELECT wanted.key, coalesce(b.deficit, 0) AS deficit, b.as_of,
            (SELECT count(*) FROM proposals w
                WHERE w.held_on = '{RATE}' || wanted.key AND w.state = 'ready' AND w.execute_by > :rate_now
                AND (w.priority, w.created_at, w.id) < (:rate_priority, :rate_created_at, :proposal_id)) AS ahead
        FROM unnest(:bucket_keys) AS wanted (key) LEFT JOIN rate_buckets b ON b.key = wanted.key
    ), past AS (
        SELECT u.direction, u.used_at, p.state, greatest(u.used_at,
            (SELECT max(i.settled_at) FROM intents i WHERE i.proposal_id = u.proposal_id)) AS ended_at
        FROM rate_uses u JOIN proposals p ON p.id = u.proposal_id
        WHERE u.target_key = :target_key AND u.proposal_id <> :proposal_id
        ORDER BY u.used_at DESC LIMIT 50
    ), accepted AS (
        SELECT p.id, p.created_at, jsonb_build_object(
            'action', p.document -> 'action', 'observation', p.document -> 'observation') AS document
        FROM proposals p
        WHERE p.target_key = :target_key AND p.id <> :proposal_id AND NOT p.dry_run
            AND p.state IN ('ready', 'executing', 'verifying') AND p.document IS NOT NULL
            AND NOT :rate_admitting
        ORDER BY p.created_at, p.id LIMIT 50
    )
    """,  # noqa: S608  a constant
    types={
        "bucket_keys": ARRAY(Text),
        "target_key": Text(),
        "rate_now": Moment,
        "rate_since": Moment,
        "rate_created_at": Moment,
    },
)


@dataclass(frozen=True, slots=True)
class BucketRow:
    """A bucket as it stands. `as_of` None: it was never used."""

    deficit: int
    as_of: datetime | None
    ahead: int
    """Proposals that wait for a token of it and come first."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Everything that the guardrail `rate` reads, but the counts of a storm."""

    buckets: Mapping[str, BucketRow]
    """By key."""
    is_counted: bool
    last_effect_at: datetime | None
    past: tuple[tuple[int, datetime], ...]
    """Direction and end of changes on the target that took place, newest first."""
    accepted: tuple[tuple[str, dict[str, Any]], ...]
    """Id, and `action` and `observation`, of others that were let through and have not ended."""


def parameters(asked: Question) -> dict[str, Any]:
    """Return whose buckets, how far back, and this proposal's place in the order: priority, age, id."""
    row, limits = asked.locked.row, asked.limits
    return {
        "bucket_keys": list(asked.place.bucket_keys),
        "target_key": asked.place.target_key,
        "rate_now": asked.locked.now,
        "rate_since": asked.locked.now - max(limits.oscillation.window, limits.reversal_cooldown),
        "rate_priority": row.priority,
        "rate_created_at": row.created_at,
        "rate_admitting": asked.admitting,
    }


def parse(value: dict[str, Any]) -> Rates:
    """Return the budgets and the history."""
    return Rates(
        buckets={
            one["key"]: BucketRow(one["deficit"], moment(one["as_of"]), one["ahead"])
            for one in value["buckets"]
        },
        is_counted=value["is_counted"],
        last_effect_at=moment(value["last_effect_at"]),
        past=tuple((one["direction"], datetime.fromisoformat(one["at"])) for one in value["past"]),
        accepted=tuple((one["id"], one["document"]) for one in value["accepted"]),
    )
