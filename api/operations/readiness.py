"""Whether this process can do its work: every part it needs is asked at once, each for a bounded time."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from functools import partial

import structlog
from pydantic import BaseModel

from adapters.store.revision import require_current
from api.parts import ApiParts, Probe
from contracts.errors import PolicyUnavailable, TablesNotCurrent

_LIMIT = timedelta(seconds=2)
_KEPT = timedelta(seconds=1)
"""Results this young are given again, so that nobody can load the parts through us."""

_log = structlog.get_logger(__name__)


class Check(BaseModel):
    """One part: can it be worked with, and how long ago could it last."""

    ok: bool
    age_seconds: float | None
    """Since it was last ok; None if it never was."""
    reason: str | None = None
    """Why not, where that can be told: tables of another version, policies that are not there; and what to do."""


class Readiness(BaseModel):
    """All parts. `ready` only when every one answers."""

    ready: bool
    checks: dict[str, Check]
    configuration: str | None = None
    """Revision in force; null where it cannot change."""
    configuration_refused: bool = False
    """Whether a newer file is refused; the one before it stays in force, so this process is ready all the same."""


class ReadinessChecks:
    """Asks the database, Temporal and the probes of the parts."""

    def __init__(self, parts: ApiParts) -> None:
        self._live = parts.live
        self._probes: dict[str, Probe] = {
            "database": partial(require_current, parts.database),
            "temporal": parts.gateway.check,
            **parts.probes,
        }
        self._answered: dict[str, float] = {}
        self._asked_at = float("-inf")
        self._ok: dict[str, bool] = {}
        self._reasons: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()

    async def read(self) -> Readiness:
        """Return what is known, asking anew when it is older than a second."""
        async with self._one_at_a_time:
            if time.monotonic() - self._asked_at > _KEPT.total_seconds():
                results = await asyncio.gather(*(self._check(name) for name in self._probes))
                self._ok = dict(zip(self._probes, results, strict=True))
                self._asked_at = time.monotonic()
        now = time.monotonic()
        checks = {
            name: Check(
                ok=ok,
                age_seconds=round(now - self._answered[name], 3) if name in self._answered else None,
                reason=self._reasons.get(name),
            )
            for name, ok in self._ok.items()
        }
        return Readiness(
            ready=all(self._ok.values()),
            checks=checks,
            configuration=self._live.loaded.revision if self._live else None,
            configuration_refused=self._live is not None and self._live.refused is not None,
        )

    async def _check(self, name: str) -> bool:
        self._reasons.pop(name, None)
        try:
            async with asyncio.timeout(_LIMIT.total_seconds()):
                await self._probes[name]()
        except Exception as error:  # noqa: BLE001 -- whatever a probe raises, the part is not ready
            _log.warning("a part does not answer", part=name, error=type(error).__name__)
            if isinstance(error, TablesNotCurrent | PolicyUnavailable):
                self._reasons[name] = str(error)
            return False
        self._answered[name] = time.monotonic()
        return True
