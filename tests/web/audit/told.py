"""Whole stories in a real database: events as the store writes them, numbered by the real sequencer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.store import audit_log
from tests.api.audit.story import Story
from tests.api.serving import Api


async def tell(api: Api, made: Callable[[Story], Story], **changes: Any) -> str:
    """Propose, then let happen what the story says; return the proposal's id."""
    proposal_id = await api.propose()
    story = made(Story(id=proposal_id, **changes))
    async with api.database.transaction() as connection:
        await audit_log.append(connection, *(one.event for one in story.events[1:]))
    await api.parts.sequencer.checkpoint()
    return proposal_id
