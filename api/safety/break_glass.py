"""Break-glass over HTTP: opened, confirmed by a second person, ended, reviewed by a third. Only ever by people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import break_glass as store
from adapters.store import held_reads
from adapters.store.database import database_now
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, not_found
from api.safety.exception_schemas import Grants, GrantUse, GrantView, OpenGrantBody, ReviewBody
from api.safety.schemas import HeldProposal
from api.safety.service import covers_something
from contracts.base import new_id
from contracts.break_glass import (
    NOT_ACTIVE,
    NOT_AWAITING,
    NOT_IN_REVIEW,
    PEOPLE_ONLY,
    SAME_PERSON,
    BreakGlass,
    BreakGlassStatus,
    BreakGlassUse,
    confirm_refusal,
    review_refusal,
)
from contracts.principal import SYSTEM, Principal, PrincipalKind

_S = BreakGlassStatus
_REFUSALS = {
    PEOPLE_ONLY: (403, "Only people break glass."),
    SAME_PERSON: (403, "This takes another person than those who took part."),
    NOT_AWAITING: (409, "It does not wait for a second person any more."),
    NOT_IN_REVIEW: (409, "There is no open review of it."),
    NOT_ACTIVE: (409, "It is over already."),
}


@dataclass(frozen=True)
class GrantFor:
    """One grant as one person meets it."""

    view: GrantView
    confirm: str | None
    """Why this person may not be the second, as a reason code; None where they may."""
    review: str | None
    """Why this person may not close the review."""
    proposals: Mapping[str, HeldProposal]
    """What it let through, by id."""


async def open_grant(parts: ApiParts, body: OpenGrantBody, opener: Principal, claim: Claim) -> Answer:
    """Open a grant. It bypasses nothing until a second person confirms it.

    Raises:
        Problem: 403 not a person; 422 a gate or a length that the configuration does not allow, or a scope that
            covers nothing here.
    """
    _is_person(opener)
    _is_allowed(parts, body)
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        now = await database_now(connection)
        grant = BreakGlass(
            id=new_id("brk"),
            scope=body.scope,
            gates=tuple(dict.fromkeys(body.gates)),
            reason=body.reason,
            minutes=body.minutes,
            status=_S.AWAITING_SECOND,
            opened_by=opener,
            opened_at=now,
            confirm_by=now + parts.configuration.break_glass.confirm_within,
        )
        await store.create(connection, grant, tenant=parts.tenant)
        return await claim.keep(connection, Answer.of(201, grant_view(grant, (), now)))


async def confirm(parts: ApiParts, grant_id: str, second: Principal, claim: Claim) -> Answer:
    """Confirm a grant as the second person: from now on it counts.

    What the configuration allows is asked again: it may allow less than when the grant was opened.

    Raises:
        Problem: 403 not a person, or the one who opened it; 404; 409 too late; 422 as for `open_grant`.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        grant, now = await _locked(connection, parts, grant_id)
        _refuse(confirm_refusal(grant, second, now))
        _is_allowed(parts, grant)
        active = await store.confirm(connection, grant, second, tenant=parts.tenant)
        return await claim.keep(connection, Answer.of(200, grant_view(active, (), now)))


async def end(parts: ApiParts, grant_id: str, person: Principal, claim: Claim) -> Answer:
    """End a grant before its time. Then it has to be reviewed, if it was ever active.

    Raises:
        Problem: 403 not a person; 404; 409 it is over.
    """
    _is_person(person)
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        grant, now = await _locked(connection, parts, grant_id)
        if standing(grant, now) not in (_S.AWAITING_SECOND, _S.ACTIVE):
            _refuse(NOT_ACTIVE)
        ended = await store.end(connection, grant, person, tenant=parts.tenant)
        used = await store.uses(connection, [grant_id])
        return await claim.keep(connection, Answer.of(200, grant_view(ended, used[grant_id], now)))


async def review(
    parts: ApiParts, grant_id: str, body: ReviewBody, reviewer: Principal, claim: Claim
) -> Answer:
    """Close the review of a grant, in words.

    Raises:
        Problem: 403 not a person, or one of the two who broke the glass; 404; 409 it is not in review.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        grant, now = await _locked(connection, parts, grant_id)
        if grant.status is _S.ACTIVE and not grant.counts_at(now):
            grant = await store.end(connection, grant, SYSTEM, tenant=parts.tenant)
        _refuse(review_refusal(grant, reviewer))
        closed = await store.review(connection, grant, reviewer, body.words, tenant=parts.tenant)
        used = await store.uses(connection, [grant_id])
        return await claim.keep(connection, Answer.of(200, grant_view(closed, used[grant_id], now)))


async def grants(parts: ApiParts, statuses: Sequence[BreakGlassStatus]) -> Grants:
    """Return grants with what each let through, newest first."""
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        found = await store.listed(connection, parts.tenant, _stored_as(statuses))
        used = await store.uses(connection, [one.id for one in found])
    views = (grant_view(one, used[one.id], now) for one in found)
    return Grants(at=now, items=tuple(one for one in views if not statuses or one.status in statuses))


def _stored_as(statuses: Sequence[BreakGlassStatus]) -> tuple[BreakGlassStatus, ...]:
    """Return the statuses under which these may be stored: that a grant is over may not be written down yet."""
    earlier = {_S.REVIEW_OPEN: _S.ACTIVE, _S.LAPSED: _S.AWAITING_SECOND}
    return tuple({*statuses, *(earlier[one] for one in statuses if one in earlier)})


async def grant_detail(parts: ApiParts, grant_id: str) -> GrantView:
    """Return one grant.

    Raises:
        Problem: 404.
    """
    async with parts.database.reading() as connection:
        grant, now = await _read(connection, parts, grant_id)
        used = await store.uses(connection, [grant_id])
    return grant_view(grant, used[grant_id], now)


async def open_grants(connection: AsyncConnection, tenant: str) -> tuple[GrantView, ...]:
    """Return the grants that still ask something of people, newest first: waiting, active, or to be reviewed."""
    wanted = (_S.AWAITING_SECOND, _S.ACTIVE, _S.REVIEW_OPEN)
    found = await store.listed(connection, tenant, wanted)
    if not found:
        return ()
    now = await database_now(connection)
    views = (grant_view(one, (), now) for one in found)
    return tuple(one for one in views if one.status in wanted)


async def grant_for(parts: ApiParts, grant_id: str, person: Principal) -> GrantFor:
    """Return one grant, what it let through, and what this person may do about it.

    Raises:
        Problem: 404.
    """
    async with parts.database.reading() as connection:
        grant, now = await _read(connection, parts, grant_id)
        used = (await store.uses(connection, [grant_id]))[grant_id]
        named = await held_reads.named(connection, parts.tenant, [one.proposal_id for one in used])
    as_it_stands = grant.model_copy(update={"status": standing(grant, now)})
    return GrantFor(
        view=grant_view(grant, used, now),
        confirm=confirm_refusal(as_it_stands, person, now),
        review=review_refusal(as_it_stands, person),
        proposals={one: HeldProposal(**asdict(waiting)) for one, waiting in named.items()},
    )


def standing(grant: BreakGlass, now: datetime) -> BreakGlassStatus:
    """Return where a grant stands at a moment: no sweep has to run for it to be over."""
    if grant.status is _S.ACTIVE and not grant.counts_at(now):
        return _S.REVIEW_OPEN
    if grant.status is _S.AWAITING_SECOND and now >= grant.confirm_by:
        return _S.LAPSED
    return grant.status


def grant_view(grant: BreakGlass, uses: Sequence[BreakGlassUse], now: datetime) -> GrantView:
    """Return a grant as people see it."""
    people = {
        name: _named(getattr(grant, name))
        for name in ("opened_by", "confirmed_by", "ended_by", "reviewed_by")
    }
    return GrantView.model_validate(
        dict(grant)
        | people
        | {
            "status": standing(grant, now),
            "uses": [GrantUse.model_validate(one, from_attributes=True) for one in uses],
        }
    )


async def _read(connection: AsyncConnection, parts: ApiParts, grant_id: str) -> tuple[BreakGlass, datetime]:
    """Return a grant to be shown: whoever looks keeps nobody waiting who confirms or ends it."""
    grant = await store.find(connection, parts.tenant, grant_id)
    if grant is None:
        raise not_found("grant")
    return grant, await database_now(connection)


async def _locked(connection: AsyncConnection, parts: ApiParts, grant_id: str) -> tuple[BreakGlass, datetime]:
    grant = await store.lock(connection, parts.tenant, grant_id)
    if grant is None:
        raise not_found("grant")
    return grant, await database_now(connection)


def _is_allowed(parts: ApiParts, wanted: OpenGrantBody | BreakGlass) -> None:
    covers_something(parts, wanted.scope)
    allowed = parts.configuration.break_glass
    refused = [str(gate) for gate in wanted.gates if gate not in allowed.gates]
    if refused:
        raise Problem(
            422,
            "gate_not_bypassable",
            f"The configuration lets nobody bypass {', '.join(refused)}.",
            gates=[str(gate) for gate in allowed.gates],
        )
    if timedelta(minutes=wanted.minutes) > allowed.longest:
        most = int(allowed.longest / timedelta(minutes=1))
        raise Problem(422, "break_glass_too_long", f"At most {most} minutes.", most_minutes=most)


def _is_person(who: Principal) -> None:
    if who.kind is not PrincipalKind.HUMAN:
        _refuse(PEOPLE_ONLY)


def _refuse(code: str | None) -> None:
    if code is not None:
        status, detail = _REFUSALS[code]
        raise Problem(status, code, detail)


def _named(principal: Principal | None) -> str | None:
    return principal.spelled if principal else None
