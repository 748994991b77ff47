"""APPROVAL, reading side: what waits for whom, and what became of the rest. Reads only, none of them locking.

What waits is sorted by its deadline (`ix_proposals_waiting`), what does not by its last move
(`ix_proposals_decided`); both go on by key, never by offset. Counts stop at `MAX_COUNT`, so that no page grows dearer
with the number of proposals.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, column, false, func, literal, select, true, tuple_
from sqlalchemy.dialects.postgresql import JSONB, array
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.proposal_filters import ProposalFilters, conditions, newest_evaluation
from adapters.store.schema import decisions, proposals
from adapters.store.spelling import spelled
from contracts.decision import DecisionKind, DecisionStatus
from contracts.eligibility import names_of
from contracts.evaluation import ApprovalRequirement
from contracts.principal import Principal, PrincipalKind
from contracts.proposal import ProposalState

MAX_COUNT = 1_000
"""Counts end here; a page says `1,000+`."""
_STANDING = (DecisionStatus.RECORDED.value, DecisionStatus.APPLIED.value)
_UNDECIDED = (ProposalState.EVALUATING.value, ProposalState.AWAITING_APPROVAL.value)
_ANY_APPROVER = [role.value for role in ApprovalRequirement(quorum=1).roles]


class Tab(StrEnum):
    """Which part of the inbox."""

    MINE = "mine"
    """Waits, and the reader may decide and has not."""
    ALL = "all"
    """Waits, for whomever."""
    DECIDED = "decided"
    """Past approval: it runs, or is over."""


class Position(NamedTuple):
    """Where a page ends: by `decide_by` while it waits, by `state_since` afterwards."""

    moment: datetime
    id: str


async def page(
    connection: AsyncConnection,
    tenant: str,
    reader: Principal,
    tab: Tab,
    *,
    filters: ProposalFilters,
    after: Position | None = None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return up to `limit` rows of `proposals`, the soonest to expire first, decided ones newest first.

    Each has `outcome`, `evaluation_digest`, `monthly_delta`, `currency`, `requirement` and `verdicts`
    ([{guardrail, outcome}]) of its newest evaluation, and `votes` ([{reviewer, kind, at}], those that stand).
    """
    newest = newest_evaluation()
    wanted = _rows(newest).where(proposals.c.tenant == tenant, *conditions(filters, newest))
    wanted = wanted.where(*_of_tab(tab, reader, newest)).limit(limit)
    key = tuple_(_moment(tab), proposals.c.id)
    if tab is Tab.DECIDED:
        wanted = wanted.order_by(proposals.c.state_since.desc(), proposals.c.id.desc())
        past = key < tuple_(*after) if after else None
    else:
        wanted = wanted.order_by(proposals.c.decide_by, proposals.c.id)
        past = key > tuple_(*after) if after else None
    if past is not None:
        wanted = wanted.where(past)
    rows: Sequence[Row[Any]] = (await connection.execute(wanted)).all()
    return rows


async def of_ids(connection: AsyncConnection, tenant: str, ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return the rows of these proposals, as `page` does, in the order of `ids`; unknown ones are left out."""
    wanted = _rows(newest_evaluation()).where(proposals.c.tenant == tenant, proposals.c.id.in_(ids))
    found = {row.id: row for row in (await connection.execute(wanted)).all()}
    return [found[one] for one in ids if one in found]


async def counts(connection: AsyncConnection, tenant: str, reader: Principal) -> dict[Tab, int]:
    """Return how many each tab holds, `MAX_COUNT` at most."""
    row = (await connection.execute(select(*(_count(tab, tenant, reader).label(tab) for tab in Tab)))).one()
    return {tab: getattr(row, tab) for tab in Tab}


async def count_waiting_for(connection: AsyncConnection, tenant: str, reader: Principal) -> int:
    """Return how many proposals wait for this reader's decision, `MAX_COUNT` at most."""
    return int((await connection.execute(select(_count(Tab.MINE, tenant, reader)))).scalar_one())


async def choices(connection: AsyncConnection, tenant: str, tab: Tab) -> dict[str, list[str]]:
    """Return the values that filters can take on this tab: environments, teams and requesters, sorted."""
    within = select(proposals.c.environment, proposals.c.team, proposals.c.requester).where(
        proposals.c.tenant == tenant, *_in_state(tab)
    )
    newest_first = within.order_by(_moment(tab).desc()).limit(MAX_COUNT).subquery()
    wanted = select(*(func.array_agg(one.distinct()).label(one.name) for one in newest_first.c))
    row = (await connection.execute(wanted)).mappings().one()
    return {name: sorted(filter(None, values or ())) for name, values in row.items()}


def _rows(newest: Any) -> Select[Any]:
    document = newest.c.document
    found = func.jsonb_array_elements(document["verdicts"]).table_valued(column("value", JSONB)).c.value
    verdicts = select(
        func.jsonb_agg(func.jsonb_build_object("guardrail", found["guardrail"], "outcome", found["outcome"]))
    ).scalar_subquery()
    votes = (
        select(
            func.jsonb_agg(
                func.jsonb_build_object(
                    "reviewer", decisions.c.reviewer, "kind", decisions.c.kind, "at", decisions.c.created_at
                )
            )
        )
        .where(_stands())
        .correlate(proposals)
        .scalar_subquery()
    )
    return select(
        proposals,
        newest.c.outcome,
        newest.c.digest.label("evaluation_digest"),
        document["cost"]["monthly_delta"].as_string().label("monthly_delta"),
        document["cost"]["currency"].as_string().label("currency"),
        document["requirement"].label("requirement"),
        func.coalesce(verdicts, literal([], JSONB)).label("verdicts"),
        func.coalesce(votes, literal([], JSONB)).label("votes"),
    ).select_from(proposals.outerjoin(newest, true()))


def _stands() -> ColumnElement[bool]:
    return (
        (decisions.c.proposal_id == proposals.c.id)
        & (decisions.c.revision == proposals.c.revision)
        & decisions.c.status.in_(_STANDING)
    )


def _moment(tab: Tab) -> ColumnElement[datetime]:
    return proposals.c.state_since if tab is Tab.DECIDED else proposals.c.decide_by


def _in_state(tab: Tab) -> list[ColumnElement[bool]]:
    if tab is Tab.DECIDED:
        return [~spelled(proposals.c.state, _UNDECIDED)]
    # As the index has it: no list.
    return [proposals.c.state == literal(ProposalState.AWAITING_APPROVAL.value, literal_execute=True)]


def _of_tab(tab: Tab, reader: Principal, newest: Any) -> list[ColumnElement[bool]]:
    found = _in_state(tab)
    if tab is not Tab.MINE:
        return found
    name = reader.key
    asked = func.coalesce(newest.c.document["requirement"]["roles"], literal(_ANY_APPROVER, JSONB))
    mine = {"issuer": reader.issuer, "subject": reader.subject}
    excluded = newest.c.document["requirement"]["excluded"].has_any(array(sorted(names_of(reader))))
    voted = (
        select(literal(1))
        .where(_stands(), decisions.c.reviewer == name, decisions.c.kind != DecisionKind.WITHDRAW.value)
        .correlate(proposals)
        .exists()
    )
    return [
        *found,
        literal(reader.kind is PrincipalKind.HUMAN),
        proposals.c.decide_by > func.clock_timestamp(),
        # The planner takes `?|` for true in one of a hundred rows, and would read and sort all that waits instead of
        # walking the index until the page is full. Wrapped, it takes it for true in every other one.
        func.coalesce(asked.has_any(array([role.value for role in reader.roles] or [""])), false()),
        ~proposals.c.draft["authors"].contains([mine]),
        ~func.coalesce(excluded, false()),
        ~voted,
    ]


def _count(tab: Tab, tenant: str, reader: Principal) -> Any:
    newest = newest_evaluation()
    joined = proposals.outerjoin(newest, true()) if tab is Tab.MINE else proposals
    within = select(literal(1)).select_from(joined)
    within = within.where(proposals.c.tenant == tenant, *_of_tab(tab, reader, newest)).limit(MAX_COUNT)
    return select(func.count()).select_from(within.subquery()).scalar_subquery()
