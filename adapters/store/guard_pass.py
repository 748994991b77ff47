"""GUARDRAILS, in the store: the contended facts of one pass, read under its locks, and all its writes in one go.

A pass takes three statements between BEGIN and COMMIT, and one before: `load` (no transaction), then `lock`,
`contended_facts`, and the `Batch` of its writes. Locks are taken in the fixed order: proposal, lease, the agent's
count, breakers, budget windows by key. Common table expressions that read one another keep that order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Insert, Text, bindparam, column, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.database import Database
from adapters.store.ledger import Balance, Position
from adapters.store.schema import Moment, evaluations, proposals
from contracts.errors import NotFound
from contracts.evaluation import Evaluation
from contracts.messages import PassInput, PassResult
from contracts.principal import Principal
from contracts.safety import Breaker, Halt

_PROPOSAL_COLUMNS = [column(one.name, one.type) for one in proposals.c]

_LOAD = text("""
    SELECT p.*, e.result AS stored, clock_timestamp() AS now
    FROM proposals p
    LEFT JOIN evaluations e
        ON e.proposal_id = p.id AND e.revision = :revision AND e.pass_number = :pass_number
    WHERE p.id = :proposal_id
""").columns(*_PROPOSAL_COLUMNS, column("stored", JSONB), column("now", Moment))

_LOCK = text("""
    WITH locked AS MATERIALIZED (
        SELECT * FROM proposals WHERE id = :proposal_id FOR UPDATE
    ), lease AS (
        INSERT INTO leases (domain) SELECT :domain FROM locked WHERE :admitting
        ON CONFLICT (domain) DO UPDATE SET domain = excluded.domain
        RETURNING domain
    ), agent AS MATERIALIZED (
        SELECT CAST(pg_advisory_xact_lock(:agent_lock) AS text) AS taken
        FROM lease WHERE :agent_lock IS NOT NULL
    ), breaker AS MATERIALIZED (
        SELECT b.id FROM breakers b
        WHERE b.id = ANY (:breaker_ids) AND :admitting
            AND (SELECT count(*) FROM lease) >= 0 AND (SELECT count(taken) FROM agent) >= 0
        ORDER BY b.id FOR UPDATE
    ), position AS (
        SELECT scope, "window", currency,
            CAST(sum(CASE WHEN kind = 'reserve' THEN amount ELSE -amount END) AS text) AS reserved,
            jsonb_build_object(
                'reserve', count(*) FILTER (WHERE kind = 'reserve'),
                'commit', count(*) FILTER (WHERE kind = 'commit'),
                'release', count(*) FILTER (WHERE kind = 'release')
            ) AS postings
        FROM ledger_entries WHERE proposal_id = :proposal_id
        GROUP BY scope, "window", currency
    )
    SELECT locked.*,
        (SELECT count(*) FROM breaker) AS breakers_locked,
        (SELECT coalesce(jsonb_agg(to_jsonb(position)), '[]') FROM position) AS positions,
        clock_timestamp() AS now
    FROM locked
""").columns(
    *_PROPOSAL_COLUMNS,
    column("breakers_locked", BigInteger),
    column("positions", JSONB),
    column("now", Moment),
)
_LOCK = _LOCK.bindparams(
    bindparam("breaker_ids", type_=ARRAY(Text)), bindparam("agent_lock", type_=BigInteger)
)

_FACTS = text("""
    WITH wanted AS (
        SELECT * FROM unnest(:scopes, :windows, :currencies) AS w (scope, "window", currency)
    ), windows AS (
        INSERT INTO budget_windows (tenant, scope, "window", currency)
        SELECT :tenant, scope, "window", currency FROM wanted ORDER BY scope COLLATE "C", "window" COLLATE "C"
        ON CONFLICT (tenant, scope, "window") DO UPDATE SET currency = budget_windows.currency
        RETURNING scope, "window", currency, CAST(reserved AS text) AS reserved, CAST(committed AS text) AS committed
    ), target_uses AS (
        SELECT used_at FROM rate_uses
        WHERE target_key = :target_key AND used_at > :hour_ago AND proposal_id <> :proposal_id
    ), agent_uses AS (
        SELECT used_at FROM rate_uses
        WHERE agent = :agent AND used_at > :hour_ago AND proposal_id <> :proposal_id
    ), latest AS (
        SELECT proposal_id, used_at FROM rate_uses
        WHERE target_key = :target_key AND proposal_id <> :proposal_id
        ORDER BY used_at DESC LIMIT 1
    )
    SELECT
        (SELECT result FROM evaluations WHERE proposal_id = :proposal_id AND revision = :revision
            AND pass_number = :pass_number) AS stored,
        (SELECT coalesce(jsonb_agg(to_jsonb(windows)), '[]') FROM windows) AS balances,
        (SELECT coalesce(jsonb_agg(to_jsonb(h) - 'tenant' ORDER BY h.created_at, h.id), '[]')
            FROM halts h WHERE h.status <> 'ended') AS halts,
        (SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY b.id), '[]')
            FROM breakers b WHERE b.id = ANY (:breaker_ids)) AS breakers,
        (SELECT owner FROM leases WHERE domain = :domain) AS lease_owner,
        (SELECT count(*) FROM proposals w
            WHERE w.held_on = :domain AND w.state = 'ready' AND w.execute_by > :now
            AND (w.priority, w.created_at, w.id) < (:priority, :created_at, :proposal_id)) AS ahead,
        (SELECT count(*) FROM target_uses) AS target_count,
        (SELECT used_at FROM target_uses ORDER BY used_at DESC OFFSET :nth LIMIT 1) AS target_full_since,
        (SELECT count(*) FROM agent_uses) AS agent_count,
        (SELECT used_at FROM agent_uses ORDER BY used_at DESC OFFSET :nth LIMIT 1) AS agent_full_since,
        (SELECT greatest(used_at, (SELECT max(settled_at) FROM intents i WHERE i.proposal_id = latest.proposal_id))
            FROM latest) AS last_effect_at,
        (SELECT coalesce(jsonb_agg(d.document -> 'decision' -> 'reviewer'), '[]') FROM decisions d
            WHERE d.proposal_id = :proposal_id AND d.revision = :revision
            AND d.status = 'applied' AND d.kind = 'approve') AS approvers
""").columns(
    column("stored", JSONB),
    column("balances", JSONB),
    column("halts", JSONB),
    column("breakers", JSONB),
    column("lease_owner", Text),
    column("ahead", BigInteger),
    column("target_count", BigInteger),
    column("target_full_since", Moment),
    column("agent_count", BigInteger),
    column("agent_full_since", Moment),
    column("last_effect_at", Moment),
    column("approvers", JSONB),
)
_FACTS = _FACTS.bindparams(
    *[bindparam(name, type_=ARRAY(Text)) for name in ("scopes", "windows", "currencies", "breaker_ids")],
    *[bindparam(name, type_=Moment) for name in ("hour_ago", "now", "created_at")],
    *[bindparam(name, type_=Text) for name in ("agent", "domain", "target_key")],
)

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Place:
    """What a pass locks and counts by."""

    domain: str
    target_key: str
    agent: str | None
    agent_lock: int | None
    breaker_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A proposal as it stood when the pass began, unlocked."""

    row: Row[Any]
    stored: PassResult | None
    """What an earlier run of the same pass returned."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Locked:
    """A proposal under its lock, with its own reservations."""

    row: Row[Any]
    positions: tuple[Position, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Count:
    """Uses of the past hour; `frees_at` is set when they are as many as allowed."""

    uses: int
    frees_at: datetime | None


@dataclass(frozen=True, slots=True)
class Contended:
    """What other proposals can change at any moment, as of this transaction."""

    stored: PassResult | None
    balances: tuple[Balance, ...]
    halts: tuple[Halt, ...]
    breakers: tuple[Breaker, ...]
    lease_owner: str | None
    ahead: int
    target_uses: Count
    agent_uses: Count
    last_effect_at: datetime | None
    approvers: tuple[Principal, ...]


async def load(database: Database, given: PassInput) -> Loaded:
    """Return the proposal's row and the stored result of this pass, in one round trip and no transaction.

    Raises:
        NotFound: there is no such proposal.
    """
    async with database.reading() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        row = (await plain.execute(_LOAD, given.model_dump())).one_or_none()
    if row is None:
        raise NotFound(f"there is no proposal {given.proposal_id}")
    return Loaded(row, _result(row.stored), row.now)


async def lock(connection: AsyncConnection, given: PassInput, place: Place, *, admitting: bool) -> Locked:
    """Lock what this pass may change, budget windows excepted. An admitting pass locks lease and breakers too."""
    parameters = {
        "proposal_id": given.proposal_id,
        "domain": place.domain,
        "admitting": admitting,
        "agent_lock": place.agent_lock,
        "breaker_ids": list(place.breaker_ids),
    }
    row = (await connection.execute(_LOCK, parameters)).one_or_none()
    if row is None:
        raise NotFound(f"there is no proposal {given.proposal_id}")
    positions = tuple(
        Position(one["scope"], one["window"], one["currency"], Decimal(one["reserved"]), one["postings"])
        for one in row.positions
    )
    return Locked(row, positions, row.now)


async def contended_facts(
    connection: AsyncConnection,
    given: PassInput,
    place: Place,
    locked: Locked,
    *,
    windows: Sequence[tuple[str, str, str]],
    effects_per_hour: int,
) -> Contended:
    """Lock the budget windows, given as (scope, window, currency), and read what others can change."""
    ordered = sorted({(scope, window): currency for scope, window, currency in windows}.items())
    parameters: Mapping[str, Any] = {
        **given.model_dump(),
        "tenant": locked.row.tenant,
        "scopes": [scope for (scope, _), _ in ordered],
        "windows": [window for (_, window), _ in ordered],
        "currencies": [currency for _, currency in ordered],
        "target_key": place.target_key,
        "agent": place.agent,
        "domain": place.domain,
        "breaker_ids": list(place.breaker_ids),
        "now": locked.now,
        "hour_ago": locked.now - HOUR,
        "nth": max(effects_per_hour - 1, 0),
        "priority": locked.row.priority,
        "created_at": locked.row.created_at,
    }
    row = (await connection.execute(_FACTS, parameters)).one()
    return Contended(
        stored=_result(row.stored),
        balances=tuple(
            Balance(
                one["scope"],
                one["window"],
                one["currency"],
                Decimal(one["reserved"]),
                Decimal(one["committed"]),
            )
            for one in row.balances
        ),
        halts=tuple(Halt.model_validate(one) for one in row.halts),
        breakers=tuple(Breaker.model_validate(one) for one in row.breakers),
        lease_owner=row.lease_owner,
        ahead=row.ahead,
        target_uses=Count(row.target_count, _plus_hour(row.target_full_since)),
        agent_uses=Count(row.agent_count, _plus_hour(row.agent_full_since)),
        last_effect_at=row.last_effect_at,
        approvers=tuple(Principal.model_validate(one) for one in row.approvers),
    )


async def stored_result(connection: AsyncConnection, given: PassInput) -> PassResult | None:
    """Return what another run of the same pass committed, or None."""
    found = await connection.execute(
        select(evaluations.c.result).where(
            evaluations.c.proposal_id == given.proposal_id,
            evaluations.c.revision == given.revision,
            evaluations.c.pass_number == given.pass_number,
        )
    )
    return _result(found.scalar_one_or_none())


def storing(evaluation: Evaluation, digest: str, result: PassResult) -> Insert:
    """Return the statement that keeps an evaluation, under its digest, and what the pass returned."""
    return insert(evaluations).values(
        proposal_id=evaluation.proposal_id,
        revision=evaluation.revision,
        pass_number=evaluation.pass_number,
        outcome=evaluation.outcome.value,
        digest=digest,
        document=evaluation.model_dump(mode="json"),
        result=result.model_dump(mode="json"),
    )


def _result(stored: dict[str, Any] | None) -> PassResult | None:
    return None if stored is None else PassResult.model_validate(stored)


def _plus_hour(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment + HOUR
