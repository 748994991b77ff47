"""APPROVAL: who may decide for whom. People lend their own vote; an admin does it for somebody already away."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import delegations
from adapters.store.database import database_now
from adapters.store.delegations import StoredDelegation
from api.approvers.schemas import DelegationBody, Delegations, DelegationView
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, not_found
from contracts.base import new_id
from contracts.delegation import Delegation
from contracts.principal import Principal, PrincipalKind, Role, whole

_SEES_ALL = frozenset({Role.OPERATOR, Role.ADMIN})


async def delegate(parts: ApiParts, body: DelegationBody, caller: Principal, claim: Claim) -> Answer:
    """Store a delegation.

    Raises:
        Problem: 403 not one's own vote to lend; 409 the delegate was lent too many; 422 unknown people, or a span of
            time that is none.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        now = await database_now(connection)
        delegator = await _delegator(connection, body, caller)
        receiver = await _person(connection, body.to)
        _is_not_taken(delegator, receiver, caller)
        _is_declared(parts, body)
        if await delegations.count_to(connection, parts.tenant, receiver) >= delegations.MOST_IN_FORCE:
            told = (
                f"{whole(body.to)} was lent {delegations.MOST_IN_FORCE} votes already: end one of them first."
            )
            raise Problem(409, "too_many_delegations", told, most=delegations.MOST_IN_FORCE)
        made = _delegation(parts, body, (delegator, receiver), caller, now)
        await delegations.create(connection, made)
        view = delegation_view(StoredDelegation(made, None, None), now, caller)
        return await claim.keep(connection, Answer.of(201, view))


async def _delegator(connection: AsyncConnection, body: DelegationBody, caller: Principal) -> Principal:
    if caller.kind is not PrincipalKind.HUMAN:
        raise Problem(403, "not_eligible_kind", "Only people delegate.")
    if body.delegator is None or whole(body.delegator) == caller.key:
        return caller
    if Role.ADMIN not in caller.roles:
        raise Problem(
            403, "role_required", "Delegating for somebody else needs the role admin.", roles=["admin"]
        )
    return await _person(connection, body.delegator)


def _is_not_taken(delegator: Principal, receiver: Principal, caller: Principal) -> None:
    """One person alone never gets a vote that nobody gave them."""
    if receiver.same_as(caller) and not delegator.same_as(caller):
        raise Problem(
            403, "delegation_taken", "Nobody takes another's vote for themself: another admin lends it."
        )


async def _person(connection: AsyncConnection, name: str) -> Principal:
    found = await delegations.known_person(connection, whole(name))
    if found is None:
        raise Problem(422, "person_unknown", f"{whole(name)} holds no token or session here.")
    if found.kind is not PrincipalKind.HUMAN:
        raise Problem(
            422, "not_eligible_kind", f"{whole(name)} is no person: agents and services take no part."
        )
    return found


def _is_declared(parts: ApiParts, body: DelegationBody) -> None:
    environment = body.scope.environment
    if environment is not None and environment not in parts.configuration.environments:
        known = sorted(parts.configuration.environments)
        raise Problem(422, "environment_unknown", f"There is no environment {environment!r}.", known=known)


def _delegation(
    parts: ApiParts,
    body: DelegationBody,
    people: tuple[Principal, Principal],
    caller: Principal,
    now: datetime,
) -> Delegation:
    delegator, receiver = people
    if body.until <= now:
        raise Problem(422, "delegation_invalid", "It would be over already.")
    try:
        return Delegation(
            id=new_id("dlg"),
            tenant=parts.tenant,
            delegator=delegator,
            delegate=receiver,
            scope=body.scope,
            starts_at=max(body.starts_at or now, now),
            until=body.until,
            reason=body.reason,
            created_by=caller,
        )
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise Problem(422, "delegation_invalid", f"A delegation {detail}.") from error


async def listed(parts: ApiParts, caller: Principal) -> Delegations:
    """Return the delegations in force or to come: all for operators and admins, else those of the caller."""
    of = None if _SEES_ALL & set(caller.roles) else caller
    async with parts.database.reading() as connection:
        now = await database_now(connection)
        found = await delegations.not_over(connection, parts.tenant, of)
    return Delegations(items=tuple(delegation_view(one, now, caller) for one in found))


async def end(parts: ApiParts, delegation_id: str, caller: Principal) -> DelegationView:
    """End a delegation at once. Ending twice changes nothing.

    Raises:
        Problem: 404, also for whoever it does not concern; 403 for the delegate.
    """
    async with parts.database.transaction() as connection:
        stored = await delegations.find(connection, parts.tenant, delegation_id)
        if stored is None or not _concerns(stored.delegation, caller):
            raise not_found("delegation")
        if not _ends(stored.delegation, caller):
            raise Problem(403, "role_required", "The delegator ends it, or an admin.", roles=["admin"])
        await delegations.revoke(connection, stored.delegation, caller)
        after = await delegations.find(connection, parts.tenant, delegation_id)
        now = await database_now(connection)
    return delegation_view(after or stored, now, caller)


def _concerns(delegation: Delegation, caller: Principal) -> bool:
    people = (delegation.delegator, delegation.delegate)
    return bool(_SEES_ALL & set(caller.roles)) or any(one.same_as(caller) for one in people)


def _ends(delegation: Delegation, caller: Principal) -> bool:
    return delegation.delegator.same_as(caller) or Role.ADMIN in caller.roles


def delegation_view(stored: StoredDelegation, now: datetime, caller: Principal) -> DelegationView:
    """Return a delegation as the caller sees it."""
    one = stored.delegation
    return DelegationView(
        id=one.id,
        delegator=one.delegator.key,
        delegate=one.delegate.key,
        scope=one.scope,
        out_of_office=one.scope.is_everything,
        is_active=stored.revoked_at is None and stored.lends and one.is_active(now),
        starts_at=one.starts_at,
        until=one.until,
        reason=one.reason,
        created_by=one.created_by.key,
        revoked_at=stored.revoked_at,
        revoked_by=stored.revoked_by,
        may_end=_ends(one, caller),
    )
