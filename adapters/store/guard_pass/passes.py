"""GUARDRAILS, in the store: a pass from its first read to its last write, with the locks that it takes.

A pass takes three statements between BEGIN and COMMIT, and one before: `load` (no transaction), then `lock`,
`contended_facts` (facts.py), and the `Batch` of its writes. Locks are taken in the fixed order: proposal, lease, rate
buckets by key, breakers, budget windows by key. Common table expressions that read one another keep that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Text, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.database import Database
from adapters.store.driver import Record, query
from adapters.store.ledger import Position
from adapters.store.schema import evaluations
from adapters.store.writes import Json, Write, inserting
from contracts.base import Sealed
from contracts.errors import NotFound
from contracts.evaluation import Evaluation
from contracts.messages import PassInput, PassResult

_LOAD = query("""
    SELECT p.*, e.result AS stored, clock_timestamp() AS now, CASE WHEN :with_fleet THEN (
        SELECT CASE WHEN bool_and(
            CAST(o.document ->> 'taken_at' AS timestamptz) > clock_timestamp() - interval '1 hour'
        ) IS TRUE AND count(*) = count(o.document) THEN sum((
            SELECT coalesce(sum(CAST(z ->> 'target_size' AS bigint)), 0)
            FROM jsonb_array_elements(o.document -> 'zones') z
        )) END FROM observed_pools o WHERE o.tenant = p.tenant
    ) END AS fleet_nodes
    FROM proposals p
    LEFT JOIN evaluations e
        ON e.proposal_id = p.id AND e.revision = :revision AND e.pass_number = :pass_number
    WHERE p.id = :proposal_id
""")

# Planning the contended facts for the values of each pass takes longer than reading them, and finds the same indexes:
# within this transaction PostgreSQL keeps to the plan that it has made for any values.
_LOCK = query(
    """
    WITH locked AS MATERIALIZED (
        SELECT id, tenant, state, revision, draft, environment, requester, priority, created_at, decide_by, execute_by,
            held_on, held_until, reason_code
        FROM proposals WHERE id = :proposal_id FOR UPDATE
    ), lease AS (
        INSERT INTO leases (domain) SELECT :domain FROM locked WHERE :admitting
        ON CONFLICT (domain) DO UPDATE SET domain = excluded.domain
        RETURNING domain
    ), bucket AS (
        INSERT INTO rate_buckets (key, deficit, as_of)
        SELECT wanted.key, 0, clock_timestamp() FROM lease, unnest(:bucket_keys) AS wanted (key)
        ORDER BY wanted.key COLLATE "C"
        ON CONFLICT (key) DO UPDATE SET key = excluded.key
        RETURNING key
    ), breaker AS MATERIALIZED (
        SELECT b.id FROM breakers b
        WHERE b.id = ANY (:breaker_ids) AND :admitting
            AND (SELECT count(*) FROM bucket) >= 0
        ORDER BY b.id FOR UPDATE
    ), position AS (
        SELECT scope, "window", currency,
            CAST(sum(CASE WHEN credit = 'reserved' THEN amount WHEN debit = 'reserved' THEN -amount ELSE 0 END)
                AS text) AS reserved,
            jsonb_build_object(
                'reserve', count(*) FILTER (WHERE kind = 'reserve'),
                'commit', count(*) FILTER (WHERE kind = 'commit'),
                'release', count(*) FILTER (WHERE kind = 'release')
            ) AS postings
        FROM ledger_entries WHERE proposal_id = :proposal_id
        GROUP BY scope, "window", currency
    )
    SELECT locked.*,
        (SELECT count(*) FROM bucket) AS buckets_locked,
        (SELECT count(*) FROM breaker) AS breakers_locked,
        (SELECT coalesce(jsonb_agg(to_jsonb(position)), '[]') FROM position) AS positions,
        set_config('plan_cache_mode', 'force_generic_plan', true) AS planned_once,
        clock_timestamp() AS now
    FROM locked
""",
    {"breaker_ids": ARRAY(Text), "bucket_keys": ARRAY(Text)},
)


@dataclass(frozen=True, slots=True)
class Place:
    """What a pass locks and counts by."""

    domain: str
    target_key: str
    agent: str | None
    bucket_keys: tuple[str, ...]
    breaker_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A proposal as it stood when the pass began, unlocked."""

    row: Record
    stored: PassResult | None
    """What an earlier run of the same pass returned."""
    now: datetime
    fleet_nodes: int | None = None
    """Nodes of all registered pools, when it was asked for and every pool was seen within the hour."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A proposal under its lock, with its own reservations."""

    row: Record
    positions: tuple[Position, ...]
    now: datetime


async def load(database: Database, given: PassInput, *, with_fleet: bool = False) -> Loaded:
    """Return the proposal's row and the stored result of this pass, in one round trip and no transaction.

    `with_fleet` counts the fleet's nodes in the same round trip.

    Raises:
        NotFound: there is no such proposal.
    """
    async with database.single() as connection:
        row = await _LOAD.first_row(connection, given.model_dump() | {"with_fleet": with_fleet})
    if row is None:
        raise NotFound(f"there is no proposal {given.proposal_id}")
    fleet_nodes = None if row.fleet_nodes is None else int(row.fleet_nodes)
    return Loaded(row, result_of(row.stored), row.now, fleet_nodes)


async def lock(connection: AsyncConnection, given: PassInput, place: Place, *, admitting: bool) -> Locked:
    """Lock what this pass may change, budget windows excepted; an admitting one: lease, buckets, breakers too."""
    parameters = {
        "proposal_id": given.proposal_id,
        "domain": place.domain,
        "admitting": admitting,
        "bucket_keys": list(place.bucket_keys),
        "breaker_ids": list(place.breaker_ids),
    }
    row = await _LOCK.first_row(connection, parameters)
    if row is None:
        raise NotFound(f"there is no proposal {given.proposal_id}")
    positions = tuple(
        Position(one["scope"], one["window"], one["currency"], Decimal(one["reserved"]), one["postings"])
        for one in row.positions
    )
    return Locked(row, positions, row.now)


async def stored_result(connection: AsyncConnection, given: PassInput) -> PassResult | None:
    """Return what another run of the same pass committed, or None."""
    found = await connection.execute(
        select(evaluations.c.result).where(
            evaluations.c.proposal_id == given.proposal_id,
            evaluations.c.revision == given.revision,
            evaluations.c.pass_number == given.pass_number,
        )
    )
    return result_of(found.scalar_one_or_none())


@dataclass(frozen=True, slots=True)
class Beside:
    """What is kept beside an evaluation and is no part of it, as JSON texts. None: nothing."""

    facts: str | None = None
    """What it was judged by (`guardrails.recording`)."""
    shadow: str | None = None
    """What a candidate policy would have made of it (`contracts.shadow`)."""


NOTHING_BESIDE = Beside()


def storing(
    evaluation: Evaluation, kept: Sealed, result: PassResult, beside: Beside = NOTHING_BESIDE
) -> Write:
    """Return the write that keeps an evaluation, as it was sealed, and what the pass returned."""
    row = {
        "proposal_id": evaluation.proposal_id,
        "revision": evaluation.revision,
        "pass_number": evaluation.pass_number,
        "outcome": evaluation.outcome.value,
        "digest": kept.digest,
        "document": Json(kept.text),
        "result": Json(result.model_dump_json()),
        "facts": _json(beside.facts),
        "shadow": _json(beside.shadow),
    }
    return inserting(evaluations, row)


def _json(text: str | None) -> Json | None:
    return None if text is None else Json(text)


def result_of(stored: dict[str, Any] | None) -> PassResult | None:
    """Return what a stored pass returned, or None."""
    return None if stored is None else PassResult.model_validate(stored)
