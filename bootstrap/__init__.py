"""The one place that wires: settings → adapters → activities and API. Everything else is given what it needs.

Each process holds only what its work needs. The agent's queue gets the model's key; the effects' queue the identity
that may change things; the API the keys that sign. What is opened is closed in reverse order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootstrap.api import run_api
from bootstrap.opened import database_url
from bootstrap.workers import run_worker

if TYPE_CHECKING:
    from settings import Settings

__all__ = ["database_url", "migrate", "run_api", "run_worker"]


async def migrate(settings: Settings) -> None:
    """Bring the database's tables to the newest revision; give Temporal our search attributes and schedules."""
    from adapters.store.migrate import upgrade
    from adapters.temporal import schedules
    from adapters.temporal.connection import connect
    from adapters.temporal.search_attributes import register

    await upgrade(database_url(settings))
    if settings.temporal.address is not None:
        client = await connect(settings.temporal)
        await register(client)
        await schedules.ensure(client)
