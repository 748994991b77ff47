"""The stack whose clocks are set, and what the cases do on it. Everything that is judged afterwards is kept here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from adapters.prices.price_table import PriceTable, region_of
from proofs.clocks.faketime import Clocks
from proofs.clocks.up import DIRECTORY
from proofs.judgement.deadlines import DatabaseClock, Shift
from proofs.kills.traffic import LIMITS
from tests.e2e.practice_ground import CRITICAL, PRODUCTION, STAGING, Environment, Ground, Place
from tests.e2e.stack import Programs, Stack, eventually, running_stack

WORKER, API, DATABASE = "worker", "api", "postgres"
PARTS = (WORKER, API, DATABASE)
DECIDE_WITHIN, EXECUTE_WITHIN = timedelta(hours=1), timedelta(minutes=30)
SOON = timedelta(seconds=20)
"""How long there is to decide in staging."""
SOON_AFTER = timedelta(seconds=75), timedelta(seconds=15)
"""How long there is to decide in the critical environment, and then to begin."""
CLUSTERS = 8
WITHIN = 240.0
"""Seconds in which each thing that is waited for must happen: twice what a call of an older attempt is waited for."""
HOURS_OF_A_MONTH = 31 * 24
POOR = "poor"


@dataclass
class Course:
    """One run of the cases."""

    stack: Stack
    clocks: Clocks
    database_clock: DatabaseClock = field(default_factory=DatabaseClock)
    asked_at: dict[str, datetime] = field(default_factory=dict)
    proposals: list[str] = field(default_factory=list)

    def set(self, part: str, **by: float) -> None:
        """Put a part's clock so far ahead; nothing said: right again."""
        ahead = timedelta(**by)
        self.clocks.set(part, ahead)
        if part == DATABASE:
            self.database_clock.set(Shift(datetime.now(UTC), ahead))

    def out_of_reach(self) -> list[str]:
        """Return the parts whose clock cannot be set: what is shown on them shows nothing."""
        pids = {part: self.stack.pid(part) for part in PARTS}
        lost = [part for part, pid in pids.items() if pid is None or not self.clocks.drives(part, pid)]
        return [f"the clock of {part} cannot be set" for part in lost]

    async def propose(self, place: Place, size: int) -> str:
        """Ask for a size of a pool; return the proposal's id."""
        proposal_id = await self.stack.propose(place.resize(size))
        self.asked_at[proposal_id] = datetime.now(UTC)
        self.proposals.append(proposal_id)
        return proposal_id

    async def waiting(self, place: Place, size: int) -> str:
        """The same; return when it waits for people."""
        proposal_id = await self.propose(place, size)
        await self.stack.until(proposal_id, "awaiting_approval", limit=WITHIN)
        return proposal_id

    async def vote(
        self, proposal_id: str, people: httpx.AsyncClient | None = None, by: str = "approver"
    ) -> int:
        """Approve what is shown now; return the answer's status. `people`: over another API than the first."""
        ballot, sent_at = await self.stack.ballot(proposal_id), datetime.now(UTC)
        client = people or self.stack.people[by]
        answer = await client.post(f"/v1/proposals/{proposal_id}/decisions", json=ballot)
        decision_id = answer.json().get("decision_id")
        if decision_id is not None:
            self.asked_at[decision_id] = sent_at
        return answer.status_code

    async def end(self, proposal_id: str, *states: str) -> str:
        """Wait for one of these final states; return it."""
        return str((await self.stack.until(proposal_id, *states, limit=WITHIN))["state"])

    async def changed(self, place: Place, *, times: int = 1) -> None:
        """Wait until the provider has taken so many changes of a place."""

        async def has() -> bool:
            return len(self.stack.sizes_set(place)) >= times

        await eventually(has, limit=WITHIN, pause=0.05)

    @asynccontextmanager
    async def halted(self, environment: Environment) -> AsyncIterator[None]:
        """Halt an environment for as long as the block lasts."""
        body = {"scope": {"environment": environment.name}, "reason": "proof"}
        made = await self.stack.people["operator"].post("/v1/halts", json=body)
        made.raise_for_status()
        yield
        (await self.stack.people["operator"].delete(f"/v1/halts/{made.json()['id']}")).raise_for_status()

    async def held(self, proposal_id: str) -> None:
        """Wait until a proposal is approved and held."""

        async def is_held() -> bool:
            shown = await self.stack.show(proposal_id)
            return shown["state"] == "ready" and shown["held_on"] is not None

        await eventually(is_held, limit=WITHIN)


def ground() -> Ground:
    """A fleet with three ways to decide: in an hour, soon, and soon by two. Two clusters have one small budget."""
    rules = [_soon(STAGING, 1, SOON, SOON), _soon(CRITICAL, 2, *SOON_AFTER)]
    times = {"decide_within": _text(DECIDE_WITHIN), "execute_within": _text(EXECUTE_WITHIN)}
    plain = Ground(CLUSTERS).configuration()
    moved = {place.name for place in poor()}
    for target in plain["targets"]:
        if target["cluster"] in moved:
            target["team"] = POOR
    kept = [one for one in plain["budgets"] if one["scope"]["team"] not in moved]
    small = {"scope": {"team": POOR}, "window": "month", "limit": str(cap()), "currency": "USD"}
    return Ground(
        CLUSTERS,
        limits=dict(LIMITS),
        approval=times | {"rules": rules},
        targets=plain["targets"],
        budgets=[*kept, small],
    )


def poor() -> list[Place]:
    """The clusters whose team can pay for one change of a whole month, and not for two."""
    return Ground(CLUSTERS).places(PRODUCTION)[-2:]


def cap() -> Decimal:
    """What that team may spend in a month: one and a half changes by a node in each of two zones."""
    wanted = {"name": "e2-standard-4", "region": region_of(PRODUCTION.location)}
    [hourly] = [
        Decimal(one["usd_per_hour"]) for one in PriceTable.load().listed() if wanted.items() <= one.items()
    ]
    return (hourly * 2 * HOURS_OF_A_MONTH * 3 / 2).quantize(Decimal(1))


def _soon(environment: Environment, quorum: int, decide: timedelta, execute: timedelta) -> dict[str, Any]:
    return {
        "name": f"soon-{environment.name}",
        "when": {"environments": [environment.name]},
        "require": {"quorum": quorum},
        "decide_within": _text(decide),
        "execute_within": _text(execute),
    }


def _text(length: timedelta) -> str:
    return f"{int(length.total_seconds())}s"


@asynccontextmanager
async def clocked(directory: Path, programs: Programs, **changes: str) -> AsyncIterator[Course]:
    """Start a stack in `directory` whose worker, API and PostgreSQL have clocks of their own, all right at first."""
    clocks = Clocks(directory / "clocks")
    clocks.lay_out(*PARTS)
    changes |= {DIRECTORY: str(clocks.directory), "SLUICE_GKE__OPERATION_TIMEOUT": "PT5M"}
    try:
        async with running_stack(
            directory, programs, ground(), command="proofs.clocks.up", **changes
        ) as stack:
            yield Course(stack, clocks)
    finally:
        await asyncio.to_thread(clocks.clear_away)
