"""APPROVAL: a person lets another decide in their place for a while, for example while they are away.

Delegations do not chain: what is lent are the roles the delegator holds themself. They lend nothing but the vote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Self

from pydantic import AwareDatetime, Field, model_validator

from contracts.base import Contract
from contracts.configuration.values import Name
from contracts.eligibility import reviewer_refusal
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal, PrincipalKind

MAX_DELEGATION = timedelta(days=92)
MAX_REASON = 500


class DelegationScope(Contract):
    """What a delegation covers. Every given field must match; none given covers everything: out of office."""

    environment: Name | None = None
    team: Name | None = None

    def covers(self, *, environment: str, team: str) -> bool:
        """Tell whether a proposal of this environment and team is covered."""
        return self.environment in (None, environment) and self.team in (None, team)

    @property
    def is_everything(self) -> bool:
        """Whether the delegator is away altogether."""
        return self.environment is None and self.team is None


class Delegation(Contract):
    """One person's word that another may decide in their place."""

    schema_version: Literal[1] = 1
    id: str
    tenant: str
    delegator: Principal
    """As known when this was made: these roles are lent, no later ones, and only while the delegator holds them."""
    delegate: Principal
    scope: DelegationScope = DelegationScope()
    starts_at: AwareDatetime
    until: AwareDatetime
    """Exclusive."""
    reason: str = Field(min_length=1, max_length=MAX_REASON)
    created_by: Principal

    @model_validator(mode="after")
    def _is_between_two_people(self) -> Self:
        if {self.delegator.kind, self.delegate.kind} != {PrincipalKind.HUMAN}:
            raise ValueError("only people delegate, and only to people")
        if self.delegator.same_as(self.delegate):
            raise ValueError("nobody delegates to themself")
        if not timedelta(0) < self.until - self.starts_at <= MAX_DELEGATION:
            raise ValueError(f"must end after it starts, and within {MAX_DELEGATION.days} days")
        return self

    def is_active(self, now: datetime) -> bool:
        """Tell whether it holds at this moment, unless it was revoked."""
        return self.starts_at <= now < self.until


def covering(found: Iterable[Delegation], environment: str, team: str) -> tuple[Delegation, ...]:
    """Return those that cover a proposal of this environment and team."""
    return tuple(one for one in found if one.scope.covers(environment=environment, team=team))


def as_held(delegation: Delegation, seen: Iterable[Principal]) -> Delegation | None:
    """Return a delegation with what its delegator still holds, by `seen`; None where no role is left to lend.

    `seen`: the delegator as whatever is in force knows them.
    """
    present = [one for one in seen if one.kind is PrincipalKind.HUMAN and one.same_as(delegation.delegator)]
    held = {role for one in present for role in one.roles}
    among = {group for one in present for group in one.groups}
    lender = delegation.delegator
    roles = tuple(role for role in lender.roles if role in held)
    groups = tuple(group for group in lender.groups if group in among)
    if not roles:
        return None
    left = lender.model_copy(update={"roles": roles, "groups": groups})
    return delegation.model_copy(update={"delegator": left})


class Acting(NamedTuple):
    """A reviewer with what was lent to them."""

    reviewer: Principal
    on_behalf_of: tuple[Principal, ...] = ()
    """Whose roles were lent. Whoever had a hand in the proposal lends nothing for it."""


def widened(reviewer: Principal, lent: Iterable[Delegation]) -> Principal:
    """Return somebody with all that is lent to them: for finding what may wait for them, never for deciding."""
    lenders = [one.delegator for one in lent if one.delegate.same_as(reviewer)]
    if not lenders:
        return reviewer
    roles = dict.fromkeys([*reviewer.roles, *(role for one in lenders for role in one.roles)])
    return reviewer.model_copy(update={"roles": tuple(roles)})


def acting(
    reviewer: Principal,
    lent: Iterable[Delegation],
    authors: Sequence[Principal],
    requirement: ApprovalRequirement,
) -> Acting:
    """Return the reviewer as they may act on a proposal by `lent`: delegations to them, in force, that cover it.

    Only what the requirement asks for is lent, and only where the reviewer does not hold it themself. Authors have no
    vote, so they have none to lend.
    """
    roles, groups = dict.fromkeys(reviewer.roles), dict.fromkeys(reviewer.groups)
    behalf: list[Principal] = []
    for delegation in sorted(lent, key=lambda one: one.id):
        lender = delegation.delegator
        if (
            not delegation.delegate.same_as(reviewer)
            or reviewer_refusal(lender, authors, requirement) is not None
        ):
            continue
        more_roles = [one for one in lender.roles if one in requirement.roles and one not in roles]
        more_groups = [one for one in lender.groups if one in requirement.groups and one not in groups]
        if more_roles or more_groups:
            roles.update(dict.fromkeys(more_roles))
            groups.update(dict.fromkeys(more_groups))
            behalf.append(lender)
    if not behalf:
        return Acting(reviewer)
    return Acting(reviewer.model_copy(update={"roles": tuple(roles), "groups": tuple(groups)}), tuple(behalf))
