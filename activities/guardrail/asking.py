"""Before the transaction of a guard pass: the live policies are asked, and beside them a candidate in shadow.

The candidate can neither decide nor fail a pass, and holds it up no longer than `SHADOW_PATIENCE`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from contracts.errors import PolicyUnavailable
from contracts.ports import PolicyEngine, PolicyResult

SHADOW_PATIENCE = timedelta(milliseconds=250)
"""How long a pass waits for the candidate, counted from the moment both are asked."""


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """What the candidate said, or the reason code why it said nothing."""

    result: PolicyResult | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and what came back."""

    document: dict[str, JsonValue]
    result: PolicyResult | None
    error: str | None
    shadow: ShadowAnswer | None
    """None where there is no candidate."""


async def ask(
    live: PolicyEngine,
    candidate: PolicyEngine | None,
    document: dict[str, JsonValue],
    patience: timedelta = SHADOW_PATIENCE,
) -> Asked:
    """Ask both at the same time."""
    if candidate is None:
        result, error = await _live(live, document)
        return Asked(document, result, error, None)
    beside = asyncio.create_task(_shadow(candidate, document, patience))
    try:
        result, error = await _live(live, document)
        return Asked(document, result, error, await beside)
    finally:
        beside.cancel()


async def _live(
    engine: PolicyEngine, document: Mapping[str, JsonValue]
) -> tuple[PolicyResult | None, str | None]:
    try:
        return await engine.evaluate(document), None
    except PolicyUnavailable as error:
        return None, error.reason_code


async def _shadow(
    engine: PolicyEngine, document: Mapping[str, JsonValue], patience: timedelta
) -> ShadowAnswer:
    try:
        async with asyncio.timeout(patience.total_seconds()):
            return ShadowAnswer(await engine.evaluate(document))
    except TimeoutError:
        return ShadowAnswer(None, "shadow_too_slow")
    except Exception:  # noqa: BLE001  whatever is wrong with the candidate is no matter of this pass
        return ShadowAnswer(None, "shadow_unavailable")
