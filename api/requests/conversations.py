"""REQUEST: a person's own conversations, for reading. Adding a turn is `service.receive`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Row

from adapters.store import conversations
from api.parts import ApiParts
from api.problems import not_found
from api.proposals.view import summary_view_of
from api.requests.schemas import ConversationPage, ConversationSummary, ConversationView, TurnView
from api.requests.service import view_members
from contracts.principal import Principal

MAX_PAGE = 100
"""Conversations on one page."""


async def page(parts: ApiParts, caller: Principal, limit: int) -> ConversationPage:
    """Return the caller's conversations, the one with the newest turn first."""
    async with parts.database.reading() as connection:
        rows = await conversations.own(connection, parts.tenant, caller, limit=limit)
    return ConversationPage(
        conversations=tuple(ConversationSummary.model_validate(row, from_attributes=True) for row in rows)
    )


async def show(parts: ApiParts, conversation_id: str, caller: Principal) -> ConversationView:
    """Return a conversation of the caller's.

    Raises:
        Problem: 404, there is none, or it is somebody else's.
    """
    async with parts.database.reading() as connection:
        rows = await conversations.turns(connection, parts.tenant, conversation_id, caller)
        if not rows:
            raise not_found("conversation")
        made = await conversations.made_of(connection, parts.tenant, [row.id for row in rows])
    return ConversationView(
        conversation_id=conversation_id, turns=tuple(_turn_view(row, made.get(row.id, ())) for row in rows)
    )


def _turn_view(row: Row[Any], made: Sequence[Row[Any]]) -> TurnView:
    return TurnView(
        **view_members(row),
        proposal_ids=tuple(one.id for one in made),
        steps=row.steps,
        proposals=tuple(summary_view_of(one) for one in made),
    )
