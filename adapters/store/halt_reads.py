"""What a halt does to whom: read for people before it is made, while it drains, and before it ends.

The intent transaction is what stops an effect (`activities/execution/admission.py`). This only tells what it will
meet, and a proposal may move on between the reading and the halt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause

from adapters.store.halts import halt_of
from adapters.store.schema import audit_events, halts, intents, proposals
from contracts.audit import AuditType
from contracts.effect import Step
from contracts.holds import on_halt
from contracts.messages import summary_of
from contracts.principal import PrincipalKind
from contracts.proposal import Draft, ProposalState
from contracts.safety import Halt, HaltScope, HaltStatus

MOST_LISTED = 50
"""Proposals per list. The counts are of all of them."""
_S = ProposalState
_LIVE = tuple(state.value for state in ProposalState if not state.is_final)


class Fate(StrEnum):
    """What a halt does to a proposal that it covers."""

    DENIED = "denied"
    """Its first guard pass answers `halted`."""
    HELD = "held"
    """It waits until the halt ends or its `execute_by` passes."""
    CALLING = "calling"
    """A call may be on its way to the provider, until its deadline; afterwards the provider is read."""
    RUNNING = "running"
    """The provider works on it: a halt recalls nothing."""
    VERIFYING = "verifying"
    """The effect took place and is being looked at."""

    @property
    def is_stopped(self) -> bool:
        """Whether the halt keeps it from having an effect."""
        return self in (Fate.DENIED, Fate.HELD)


_STOPPED = [fate.value for fate in Fate if fate.is_stopped]


@dataclass(frozen=True, slots=True)
class Met:
    """One covered proposal."""

    id: str
    state: ProposalState
    target: str
    summary: str
    environment: str
    requester: str
    fate: Fate
    until: datetime | None
    """`held`: its `execute_by`. `calling`: the deadline of the call. Else None: as long as it takes."""
    resumes: bool
    """Whether it waits for the end of this very halt."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything a scope covers that is not over."""

    stops: tuple[Met, ...]
    stops_count: int
    finishes: tuple[Met, ...]
    finishes_count: int
    calls_in_flight: int
    """Covered calls inside their deadline: while there is one, a halt drains."""
    last_deadline: datetime | None
    """When the last of them passes."""
    resumes_count: int


def _matches(scope: HaltScope, tenant: str) -> ColumnElement[bool]:
    """`HaltScope.covers`, in SQL."""
    wanted: list[ColumnElement[bool]] = [proposals.c.tenant == tenant, proposals.c.state.in_(_LIVE)]
    if scope.tenant is not None:
        wanted.append(proposals.c.tenant == scope.tenant)
    if scope.environment is not None:
        wanted.append(proposals.c.environment == scope.environment)
    if scope.action_kind is not None:
        wanted.append(proposals.c.action_kind == scope.action_kind)
    if scope.target is not None and scope.target.endswith("*"):
        wanted.append(func.starts_with(proposals.c.target_key, scope.target[:-1]))
    elif scope.target is not None:
        wanted.append(proposals.c.target_key == scope.target)
    if scope.agent is not None:
        wanted.append(_is_by_agent(scope.agent))
    return and_(*wanted)


def _is_by_agent(name: str) -> ColumnElement[bool]:
    authors = func.jsonb_array_elements(proposals.c.draft["authors"]).table_valued(
        column("value", JSONB), name="author"
    )
    kind, issuer, subject = (authors.c.value[key].astext for key in ("kind", "issuer", "subject"))
    named = literal(name).in_([subject, issuer + "/" + subject])
    return exists().select_from(authors).where(kind == PrincipalKind.AGENT.value, named)


def _key() -> ColumnElement[str]:
    """Idempotency key of the effect that a proposal in this state has under way, if any."""
    going_back = proposals.c.state == _S.ROLLING_BACK.value
    step = case((going_back, Step.COMPENSATION.value), else_=Step.FORWARD.value)
    return func.concat_ws("/", proposals.c.id, cast(proposals.c.revision, Text), step)


def _effect() -> LateralFromClause:
    """The intent that `_key` names. Limited, so that it is looked up, and not all there ever were read through."""
    return select(intents).where(intents.c.key == _key()).limit(1).lateral("effect")


def _fate(effect: LateralFromClause) -> ColumnElement[str]:
    is_recorded = effect.c.issued_at.is_not(None) | effect.c.receipt.is_not(None)
    withdrawn = effect.c.key.is_(None) | (effect.c.settled_at.is_not(None) & ~is_recorded)
    return case(
        (proposals.c.state == _S.EVALUATING.value, Fate.DENIED.value),
        (proposals.c.state.in_([_S.AWAITING_APPROVAL.value, _S.READY.value]), Fate.HELD.value),
        (proposals.c.state == _S.VERIFYING.value, Fate.VERIFYING.value),
        (withdrawn, Fate.HELD.value),
        (is_recorded, Fate.RUNNING.value),
        else_=Fate.CALLING.value,
    )


async def reach(connection: AsyncConnection, tenant: str, scope: HaltScope, halt_id: str = "") -> Reach:
    """Return what a halt of this scope stops and what finishes, soonest first.

    With `halt_id` each entry also tells whether it waits for the end of that halt.
    """
    met = _covered(tenant, scope, halt_id)
    counts = (await connection.execute(_counts(met))).one()
    listed = [_met(row) for row in (await connection.execute(_soonest(met))).all()]
    return Reach(
        stops=tuple(one for one in listed if one.fate.is_stopped),
        stops_count=counts.stops,
        finishes=tuple(one for one in listed if not one.fate.is_stopped),
        finishes_count=counts.finishes,
        calls_in_flight=counts.in_flight,
        last_deadline=counts.last_deadline,
        resumes_count=counts.resumes,
    )


def _covered(tenant: str, scope: HaltScope, halt_id: str) -> CTE:
    """Every open proposal that the scope covers, with its fate and until when that lasts."""
    effect = _effect()
    fate = _fate(effect).label("fate")
    is_held, is_calling = fate == Fate.HELD.value, fate == Fate.CALLING.value
    until = case((is_held, proposals.c.execute_by), (is_calling, effect.c.call_deadline))
    in_flight = effect.c.receipt.is_(None) & (effect.c.call_deadline > func.clock_timestamp())
    return (
        select(
            proposals.c.id,
            proposals.c.state,
            proposals.c.target_key,
            proposals.c.environment,
            proposals.c.requester,
            proposals.c.draft,
            fate,
            until.label("until"),
            (proposals.c.held_on == on_halt(halt_id)).is_(True).label("resumes"),
            in_flight.is_(True).label("in_flight"),
            effect.c.call_deadline,
        )
        .select_from(proposals.outerjoin(effect, true()))
        .where(_matches(scope, tenant))
        .cte("met")
    )


def _counts(met: CTE) -> Select[int, int, int, Any, int]:
    stopped = met.c.fate.in_(_STOPPED)
    return select(
        func.count().filter(stopped).label("stops"),
        func.count().filter(~stopped).label("finishes"),
        func.count().filter(met.c.in_flight).label("in_flight"),
        func.max(met.c.call_deadline).filter(met.c.in_flight).label("last_deadline"),
        func.count().filter(met.c.resumes).label("resumes"),
    )


def _soonest(met: CTE) -> Select[Any]:
    """The first of what is stopped and the first of what is not."""
    place = func.row_number().over(
        partition_by=met.c.fate.in_(_STOPPED),
        order_by=(met.c.resumes.desc(), met.c.until.asc().nulls_last(), met.c.id),
    )
    ranked = select(met, place.label("place")).subquery()
    return select(ranked).where(ranked.c.place <= literal(MOST_LISTED, Integer)).order_by(ranked.c.place)


async def find(connection: AsyncConnection, tenant: str, halt_id: str) -> Halt | None:
    """Return one halt, ended or not, or None."""
    wanted = select(halts).where(halts.c.id == halt_id, halts.c.tenant == tenant)
    row = (await connection.execute(wanted)).one_or_none()
    return None if row is None else halt_of(row)


async def ended(connection: AsyncConnection, tenant: str, limit: int = MOST_LISTED) -> tuple[Halt, ...]:
    """Return the halts that ended last, newest first."""
    wanted = (
        select(halts)
        .where(halts.c.tenant == tenant, halts.c.status == HaltStatus.ENDED.value)
        .order_by(halts.c.ended_at.desc(), halts.c.id)
        .limit(limit)
    )
    return tuple(halt_of(row) for row in (await connection.execute(wanted)).all())


async def enders(connection: AsyncConnection, tenant: str, halt_ids: list[str]) -> dict[str, str]:
    """Return who ended each of these halts, as `issuer/subject`, from the audit log."""
    wanted = select(audit_events.c.subject, audit_events.c.actor).where(
        audit_events.c.subject.in_(halt_ids),
        audit_events.c.tenant == tenant,
        audit_events.c.type == AuditType.HALT_ENDED.value,
    )
    return {row.subject: row.actor for row in (await connection.execute(wanted)).all()}


def _met(row: Row[Any]) -> Met:
    return Met(
        id=row.id,
        state=ProposalState(row.state),
        target=row.target_key,
        summary=summary_of(Draft.model_validate(row.draft).action),
        environment=row.environment,
        requester=row.requester,
        fate=Fate(row.fate),
        until=row.until,
        resumes=row.resumes,
    )
