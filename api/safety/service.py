"""What stops effects: preview, create and end halts; list and reset breakers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import breaker_reads, halt_reads, held_reads
from adapters.store import breakers as breaker_store
from adapters.store import halts as halt_store
from adapters.store.database import database_now
from adapters.store.halt_reads import Reach
from adapters.store.held_reads import Held, Waiting
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, not_found
from api.safety.schemas import (
    BreakerDetail,
    BreakerMove,
    Breakers,
    BreakerView,
    CoveredProposal,
    HaltBody,
    HaltDetail,
    HaltMoved,
    HaltPreview,
    HaltReach,
    Halts,
    HaltView,
    HeldProposal,
)
from contracts.action import ACTION_KINDS
from contracts.audit import AuditEvent
from contracts.principal import Principal
from contracts.safety import Breaker, BreakerState, Halt, HaltScope, HaltStatus


async def preview(parts: ApiParts, scope: HaltScope) -> HaltPreview:
    """Return what a halt of this scope would meet now. Nothing is changed.

    Raises:
        Problem: 422, as `covers_something`.
    """
    covers_something(parts, scope)
    async with parts.database.reading() as connection:
        met = await _reach(connection, parts.tenant, scope)
    return HaltPreview(scope=scope, **met.model_dump())


async def halt(parts: ApiParts, body: HaltBody, operator: Principal, claim: Claim) -> Answer:
    """Create a halt.

    Raises:
        Problem: 422, as `covers_something`: it would stop nothing.
    """
    covers_something(parts, body.scope)
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        made = await halt_store.create(
            connection, body.scope, body.reason, actor=operator, tenant=parts.tenant
        )
        return await claim.keep(connection, Answer.of(200, HaltMoved(id=made.id, status=made.status)))


def covers_something(parts: ApiParts, scope: HaltScope) -> None:
    """Refuse a scope that stops nothing here.

    Raises:
        Problem: 422, it names another tenant, an unknown environment or kind of action, or no key of a target.
    """
    if scope.tenant not in (None, parts.tenant):
        raise Problem(422, "halt_scope_unknown", "There is no such tenant here.")
    if scope.environment is not None and scope.environment not in parts.configuration.environments:
        known = sorted(parts.configuration.environments)
        raise Problem(422, "halt_scope_unknown", "There is no such environment.", environments=known)
    if not scope.can_cover:
        told = (
            "It would cover nothing. A target is a whole key (gke.node_pool/PROJECT/LOCATION/CLUSTER/POOL), or the "
            f"beginning of one and a *; a kind is one of {', '.join(ACTION_KINDS)}."
        )
        raise Problem(422, "halt_scope_unknown", told)


async def open_halts(parts: ApiParts) -> Halts:
    """Return every halt that has not ended, oldest first."""
    async with parts.database.reading() as connection:
        return Halts(items=tuple(halt_view(one) for one in await halt_store.open_halts(connection)))


async def ended_halts(parts: ApiParts) -> Halts:
    """Return the halts that ended last, newest first."""
    async with parts.database.reading() as connection:
        found = await halt_reads.ended(connection, parts.tenant)
        enders = await halt_reads.enders(connection, parts.tenant, [one.id for one in found])
    return Halts(items=tuple(halt_view(one, enders) for one in found))


async def halt_detail(parts: ApiParts, halt_id: str) -> HaltDetail:
    """Return one halt with what it stops and what finishes, as of now.

    Raises:
        Problem: 404.
    """
    async with parts.database.reading() as connection:
        found = await halt_reads.find(connection, parts.tenant, halt_id)
        if found is None:
            raise not_found("halt")
        enders = await halt_reads.enders(connection, parts.tenant, [halt_id])
        is_open = found.status is not HaltStatus.ENDED
        reach = await _reach(connection, parts.tenant, found.scope, halt_id) if is_open else None
    return HaltDetail(**halt_view(found, enders).model_dump(), reach=reach)


async def end_halt(parts: ApiParts, halt_id: str, operator: Principal) -> HaltMoved:
    """End a halt.

    Raises:
        Problem: 404.
    """
    async with parts.database.transaction() as connection:
        ended = await halt_store.end(connection, halt_id, actor=operator)
        if ended is None:
            raise not_found("halt")
        return HaltMoved(id=ended.id, status=ended.status)


async def breakers(parts: ApiParts) -> Breakers:
    """Return every breaker that ever counted a failure, with what it holds and its last moves."""
    tenant = parts.tenant
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        found = await breaker_store.all_breakers(connection)
        ids = [one.id for one in found]
        held = await breaker_reads.held(connection, tenant, ids)
        moves = await breaker_reads.moves(connection, tenant, ids)
        owners = [one.probe_owner for one in found if one.probe_owner is not None]
        probes = await held_reads.named(connection, tenant, owners)
    return Breakers(
        items=tuple(_breaker_detail(one, held[one.id], moves[one.id], probes, now) for one in found),
        failures_to_open=parts.configuration.limits.breaker.failures,
    )


async def reset(parts: ApiParts, breaker_id: str, reason: str, operator: Principal, claim: Claim) -> Answer:
    """Close a breaker.

    Raises:
        Problem: 404.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        closed = await breaker_store.reset(
            connection, breaker_id, actor=operator, reason=reason, tenant=parts.tenant
        )
        if closed is None:
            raise not_found("breaker")
        return await claim.keep(connection, Answer.of(200, BreakerView(**closed.model_dump())))


async def _reach(connection: AsyncConnection, tenant: str, scope: HaltScope, halt_id: str = "") -> HaltReach:
    now = await database_now(connection)
    met: Reach = await halt_reads.reach(connection, tenant, scope, halt_id)
    return HaltReach(
        at=now,
        stops=tuple(CoveredProposal(**asdict(one)) for one in met.stops),
        stops_count=met.stops_count,
        finishes=tuple(CoveredProposal(**asdict(one)) for one in met.finishes),
        finishes_count=met.finishes_count,
        calls_in_flight=met.calls_in_flight,
        last_deadline=met.last_deadline,
        resumes_count=met.resumes_count,
    )


def halt_view(one: Halt, enders: Mapping[str, str] | None = None) -> HaltView:
    """Return a halt as people see it."""
    return HaltView(
        id=one.id,
        scope=one.scope,
        reason=one.reason,
        status=one.status,
        created_by=one.created_by.spelled,
        created_at=one.created_at,
        effective_at=one.effective_at,
        ended_at=one.ended_at,
        ended_by=(enders or {}).get(one.id),
    )


def _breaker_detail(
    one: Breaker,
    held: Held,
    moves: tuple[AuditEvent, ...],
    probes: Mapping[str, Waiting],
    now: datetime,
) -> BreakerDetail:
    until = one.open_until if one.state is BreakerState.OPEN else None
    probe = probes.get(one.probe_owner or "")
    return BreakerDetail(
        **one.model_dump(),
        cooldown_seconds_left=max((until - now).total_seconds(), 0.0) if until else None,
        probe=_held(probe) if probe else None,
        held=tuple(_held(waiting) for waiting in held.first),
        held_count=held.count,
        moves=tuple(_move(event) for event in moves),
    )


def _held(waiting: Waiting) -> HeldProposal:
    return HeldProposal(**asdict(waiting))


def _move(event: AuditEvent) -> BreakerMove:
    return BreakerMove(
        at=event.at,
        from_state=event.payload["from"],
        to_state=event.payload["to"],
        reason_code=event.payload["reason_code"],
        reason=event.payload.get("reason", ""),
        actor=event.actor.spelled,
    )
