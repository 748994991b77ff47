"""REQUEST: the turns of a conversation. It is no row of its own: its requests share an id, and one person's name.

A conversation belongs to whoever asked first, and nobody else can add to it or list it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store.proposal_filters import newest_evaluation, summaries
from adapters.store.schema import proposals, requests
from contracts.action import Action
from contracts.messages import summary_of
from contracts.principal import Principal
from contracts.proposal import Draft
from contracts.request import MAX_EARLIER_TURNS, MAX_TURN_TEXT, RequestStatus, Turn

MAX_TURNS = 200
"""Turns of one conversation that a reader gets: the newest."""
MAX_TITLE = 120
"""Characters of the first turn that stand for the whole."""
_OPEN = (RequestStatus.RECEIVED.value, RequestStatus.PLANNING.value)


async def lock_own(connection: AsyncConnection, tenant: str, conversation_id: str, owner: Principal) -> bool:
    """Lock a conversation until the transaction ends, so that its turns come one after the other.

    False: there is no such conversation of this person.
    """
    first = (
        select(requests.c.id)
        .where(_is(tenant, owner), requests.c.conversation_id == conversation_id)
        .order_by(requests.c.created_at, requests.c.id)
        .limit(1)
        .with_for_update()
    )
    return (await connection.execute(first)).one_or_none() is not None


async def open_turn(connection: AsyncConnection, conversation_id: str) -> str | None:
    """Return the id of the turn that has no outcome yet."""
    wanted = select(requests.c.id).where(
        requests.c.conversation_id == conversation_id, requests.c.status.in_(_OPEN)
    )
    return (await connection.execute(wanted.limit(1))).scalar_one_or_none()


async def earlier_turns(connection: AsyncConnection, conversation_id: str) -> tuple[Turn, ...]:
    """Return the newest turns, oldest first, cut for a planner."""
    rows = await _newest(connection, requests.c.conversation_id == conversation_id, MAX_EARLIER_TURNS)
    actions = await _actions(connection, [row.id for row in rows])
    return tuple(
        Turn(
            text=row.document["text"][:MAX_TURN_TEXT],
            answer=(row.answer or "")[:MAX_TURN_TEXT],
            proposals=tuple(summary_of(one) for one in actions.get(row.id, ())),
        )
        for row in rows
    )


async def turns(
    connection: AsyncConnection, tenant: str, conversation_id: str, owner: Principal
) -> Sequence[Row[Any]]:
    """Return the rows of a person's own conversation, oldest first; none when there is no such conversation."""
    own = _is(tenant, owner) & (requests.c.conversation_id == conversation_id)
    return await _newest(connection, own, MAX_TURNS)


async def made_of(
    connection: AsyncConnection, tenant: str, request_ids: Sequence[str]
) -> Mapping[str, Sequence[Row[Any]]]:
    """Return request id → rows of its proposals in their order, each as `proposal_reads.page` returns one."""
    newest = newest_evaluation()
    wanted = (
        summaries(newest)
        .where(proposals.c.tenant == tenant, proposals.c.request_id.in_(request_ids))
        .order_by(proposals.c.created_at, proposals.c.id)
    )
    found: dict[str, list[Row[Any]]] = {}
    for row in await connection.execute(wanted):
        found.setdefault(row.request_id, []).append(row)
    return found


async def own(
    connection: AsyncConnection, tenant: str, owner: Principal, *, limit: int
) -> Sequence[Row[Any]]:
    """Return a person's conversations, the one with the newest turn first.

    Each row: `conversation_id`, `title`, `turns`, `started_at`, `last_at`, and `status` of the newest turn.
    """
    oldest_first = aggregate_order_by(
        func.left(requests.c.document["text"].as_string(), MAX_TITLE), requests.c.created_at, requests.c.id
    )
    newest_first = aggregate_order_by(requests.c.status, requests.c.created_at.desc(), requests.c.id.desc())
    last_at = func.max(requests.c.created_at)
    wanted = (
        select(
            requests.c.conversation_id,
            func.array_agg(oldest_first)[1].label("title"),
            func.count().label("turns"),
            func.min(requests.c.created_at).label("started_at"),
            last_at.label("last_at"),
            func.array_agg(newest_first)[1].label("status"),
        )
        .where(_is(tenant, owner))
        .group_by(requests.c.conversation_id)
        .order_by(last_at.desc(), requests.c.conversation_id)
        .limit(limit)
    )
    return (await connection.execute(wanted)).all()


def _is(tenant: str, owner: Principal) -> ColumnElement[bool]:
    """Match one person's requests, spelled as in the index `ix_requests_own`."""
    return (
        (requests.c.tenant == tenant)
        & (literal_column("(requests.document #>> '{requester,issuer}')") == owner.issuer)
        & (literal_column("(requests.document #>> '{requester,subject}')") == owner.subject)
        & requests.c.conversation_id.is_not(None)
    )


async def _newest(connection: AsyncConnection, which: ColumnElement[bool], limit: int) -> Sequence[Row[Any]]:
    wanted = (
        select(requests)
        .where(which)
        .order_by(requests.c.created_at.desc(), requests.c.id.desc())
        .limit(limit)
    )
    return (await connection.execute(wanted)).all()[::-1]


async def _actions(connection: AsyncConnection, request_ids: Sequence[str]) -> Mapping[str, Sequence[Action]]:
    rows = await connection.execute(
        select(proposals.c.request_id, proposals.c.draft)
        .where(proposals.c.request_id.in_(request_ids))
        .order_by(proposals.c.created_at, proposals.c.id)
    )
    found: dict[str, list[Action]] = {}
    for row in rows:
        found.setdefault(row.request_id, []).append(Draft.model_validate(row.draft).action)
    return found
