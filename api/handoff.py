"""The hand-off after a commit: try Temporal for a moment; what fails is redelivered from the outbox (design §4)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from adapters.store import outbox
from api.parts import ApiParts
from contracts.errors import SluiceError, StoreUnavailable, WorkflowUnavailable

HANDOFF_DELAY = timedelta(seconds=4)
"""The dispatcher leaves a row alone for this long, because the API tries first. Longer than `gateway_timeout`."""

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


async def within(limit: timedelta, call: Coroutine[Any, Any, _T]) -> _T:
    """Return what the call returns.

    Raises:
        WorkflowUnavailable: it did not return in time.
    """
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await call
    except TimeoutError as error:
        raise WorkflowUnavailable("Temporal did not answer in time") from error


async def hand_off(parts: ApiParts, row: int, call: Coroutine[Any, Any, object]) -> bool:
    """Try a call that may be repeated, and settle its outbox row. False: the dispatcher will do it."""
    try:
        await within(parts.gateway_timeout, call)
        await settle(parts, row)
    except SluiceError as error:
        _log.info("left to the dispatcher", reason_code=error.reason_code, outbox_row=row)
        return False
    return True


async def settle(parts: ApiParts, row: int) -> None:
    """Mark the row as delivered. If that fails, a second delivery is harmless."""
    try:
        async with parts.database.writing() as connection:
            await outbox.settle(connection, row)
    except StoreUnavailable:
        _log.info("outbox row stays open", outbox_row=row)
