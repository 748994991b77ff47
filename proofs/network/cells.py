"""One fault of the network at one dependency, with proposals on every part of the path: a cell of the table."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx

from contracts.proposal import ProposalState
from proofs.network.faults import Fault
from proofs.network.stack import DEPENDENCIES, MODEL, Proxied
from tests.e2e.practice_ground import DEVELOPMENT, PRODUCTION, Ground, Place
from tests.e2e.stack import eventually

LASTS = 4.0
"""Seconds of a fault."""
RECOVERS_WITHIN = 45.0
"""Seconds after a fault in which everything it met must have come to its end."""
GIVES_UP = 120.0
_SPREAD = 2.0
"""Seconds before a fault within which a change is begun, so that it is met anywhere on its path."""
_RETRY = 0.3

_STANDING = """
SELECT id, state, reason_code, closed_at FROM proposals
WHERE id = ANY($1::text[]) OR request_id = ANY($2::text[])"""
_ASKED = "SELECT id, status, closed_at FROM requests WHERE id = ANY($1::text[])"


@dataclass
class Cell:
    """What one fault at one dependency met, and what became of it."""

    fault: str
    dependency: str
    proposals: list[str] = field(default_factory=list)
    """Acknowledged ones."""
    requests: list[str] = field(default_factory=list)
    votes: list[str] = field(default_factory=list)
    repeated: int = 0
    """Calls of people that were sent again."""
    ended_meanwhile: int = 0
    """Of proposals and requests, before the fault was over."""
    asked_model: int = 0
    """Calls that reached the model."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Final states of proposals, with the reason where it is not success."""
    recovered_after: float = 0.0
    """Seconds from the end of the fault to the last end of anything."""
    open: list[str] = field(default_factory=list)
    """What had not ended when nobody waited any longer."""

    @property
    def name(self) -> str:
        """What `--only` finds it by."""
        return f"{self.fault} at {self.dependency}"

    @property
    def held_up(self) -> int:
        """Proposals and requests that were not over when the fault was."""
        return self.outcomes.total() + len(self.requests) - self.ended_meanwhile

    def is_felt(self, calm: Cell) -> bool:
        """Tell whether more than without a fault was held up, refused or sent again, or the model asked otherwise."""
        return (
            self.held_up > calm.held_up
            or self.outcomes["succeeded"] < self.outcomes.total()
            or self.repeated > calm.repeated
            or (self.dependency == MODEL and self.asked_model != calm.asked_model)
        )

    def faults(self) -> list[str]:
        """Return what is not as it must be."""
        found = [f"{self.name}: {one}" for one in self.open]
        if not self.outcomes:
            found.append(f"{self.name}: nothing was under way")
        if self.recovered_after > RECOVERS_WITHIN:
            found.append(f"{self.name}: the last one ended {self.recovered_after:.0f} s after the fault")
        dirty = sum(count for state, count in self.outcomes.items() if state.startswith("dirty"))
        if dirty:
            found.append(f"{self.name}: a person must look after {dirty}, though the network came back")
        if not self.outcomes["succeeded"] and self.dependency not in FAILING_CLOSED:
            found.append(f"{self.name}: nothing succeeded: {dict(self.outcomes)}")
        return found

    def said(self) -> str:
        """Return the cell as words for a table."""
        ends = ", ".join(f"{count} {state}" for state, count in sorted(self.outcomes.items()))
        return (
            f"{ends}; {self.held_up} held up, the last ended {self.recovered_after:.1f} s after it; "
            f"{self.repeated} calls sent again, {self.asked_model} reached the model"
        )


FAILING_CLOSED = ("OPA", "GKE")
"""Where no answer in time is a denial, so that a fault may leave nothing that succeeds."""


@dataclass(frozen=True)
class Spot:
    """The clusters of one cell, one for each of the things that are under way, and the size that all are to get."""

    met: Place
    """A change that the fault meets on its path."""
    voted: Place
    """One that a person approves meanwhile."""
    begun: Place
    """One that is proposed meanwhile."""
    asked: Place
    """One that is asked for in words meanwhile."""
    size: int


SPOTS = 4
"""Sets of clusters that cells use in turn."""


def spot(ground: Ground, number: int) -> Spot:
    """Return where the cell with this number plays: on few clusters, as the provider writes all down at each change."""
    place = number % SPOTS
    met, begun, asked = ground.places(DEVELOPMENT)[3 * place : 3 * place + 3]
    voted = ground.places(PRODUCTION)[place]
    return Spot(met=met, voted=voted, begun=begun, asked=asked, size=2 + number // SPOTS % 3)


async def run(proxied: Proxied, fault: Fault, dependency: str, spot: Spot, seed: int) -> Cell:
    """Let the fault strike, last and end, and wait until everything it met is over."""
    cell, proxies = Cell(fault.name, dependency), proxied.proxies[dependency]
    people, chance = _People(proxied, cell), random.Random(f"{seed} {cell.name}")  # noqa: S311  no secret
    address = proxied.stack.database_url.replace("+asyncpg", "", 1)
    watching, asked_before = await asyncpg.connect(address, timeout=10), len(proxied.model.calls)
    meanwhile: asyncio.Future[Any] = asyncio.gather()
    try:
        voted = await people.propose(spot.voted.resize(spot.size))
        await eventually(lambda: _is_in(watching, voted, "awaiting_approval"), limit=GIVES_UP)
        await people.propose(spot.met.resize(spot.size))
        await asyncio.sleep(chance.uniform(0, _SPREAD))
        await fault.strike(proxies)
        meanwhile = asyncio.gather(
            people.approve(voted),
            people.propose(spot.begun.resize(spot.size)),
            people.ask(spot.asked, spot.size),
        )
        await asyncio.sleep(LASTS)
        cell.ended_meanwhile = sum(await _ends(watching, cell))
        await fault.end(proxies)
        healed_at = datetime.now(UTC)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVES_UP):
                await meanwhile
                await eventually(lambda: _is_over(watching, cell), limit=GIVES_UP)
        await _conclude(watching, cell, healed_at)
        cell.asked_model = len(proxied.model.calls) - asked_before
        if not meanwhile.done():
            cell.open.append("somebody's call was never answered")
    finally:
        meanwhile.cancel()
        await asyncio.gather(meanwhile, return_exceptions=True)
        await watching.close()
    return cell


@dataclass(frozen=True)
class _People:
    """Those who ask and approve, and ask again with the same key where no answer came, as clients should."""

    proxied: Proxied
    cell: Cell

    async def propose(self, action: Mapping[str, Any]) -> str:
        answer = await self._post("/v1/proposals", {"action": action, "reason": "proof"}, "requester")
        self.cell.proposals.append(str(answer["proposal_id"]))
        return self.cell.proposals[-1]

    async def ask(self, place: Place, count: int) -> None:
        answer = await self._post(
            "/v1/requests", {"text": f"scale web in {place.name} to {count}"}, "requester"
        )
        self.cell.requests.append(str(answer["request_id"]))

    async def approve(self, proposal_id: str) -> None:
        shown = await self._get(f"/v1/proposals/{proposal_id}")
        ballot = {"decision": "approve", "revision": shown["revision"], "digest": shown["digest"]}
        body = ballot | {"reason": "looked at it"}
        answer = await self._post(f"/v1/proposals/{proposal_id}/decisions", body, "approver")
        self.cell.votes.append(str(answer["decision_id"]))

    async def _post(self, path: str, body: Mapping[str, Any], by: str) -> dict[str, Any]:
        key = f"network-{self.cell.name}-{path}-{len(self.cell.proposals)}".replace(" ", "-").replace(
            "/", "-"
        )
        return await self._answered(by, "POST", path, json=body, headers={"Idempotency-Key": key})

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._answered("viewer", "GET", path)

    async def _answered(self, by: str, method: str, path: str, **given: Any) -> dict[str, Any]:
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.proxied.stack.people[by].request(method, path, **given)
                if answer.status_code < 500:
                    answer.raise_for_status()
                    said: dict[str, Any] = answer.json()
                    return said
            self.cell.repeated += 1
            await asyncio.sleep(_RETRY)


async def _is_in(connection: asyncpg.Connection[Any], proposal_id: str, state: str) -> bool:
    return [row["state"] for row in await connection.fetch(_STANDING, [proposal_id], [])] == [state]


async def _is_over(connection: asyncpg.Connection[Any], cell: Cell) -> bool:
    return all(await _ends(connection, cell))


async def _ends(connection: asyncpg.Connection[Any], cell: Cell) -> list[bool]:
    """Return for each proposal and request whether it is over."""
    proposals = await connection.fetch(_STANDING, cell.proposals, cell.requests)
    requests = await connection.fetch(_ASKED, cell.requests)
    return [row["closed_at"] is not None for row in (*proposals, *requests)]


async def _conclude(connection: asyncpg.Connection[Any], cell: Cell, healed_at: datetime) -> None:
    proposals = await connection.fetch(_STANDING, cell.proposals, cell.requests)
    requests = await connection.fetch(_ASKED, cell.requests)
    for row in proposals:
        good = row["state"] == ProposalState.SUCCEEDED
        cell.outcomes[row["state"] if good else f"{row['state']} ({row['reason_code']})"] += 1
    cell.open = [
        f"{row['id']} did not end: {row.get('state') or row.get('status')}"
        for row in (*proposals, *requests)
        if row["closed_at"] is None
    ]
    ends = [row["closed_at"] for row in (*proposals, *requests) if row["closed_at"] is not None]
    cell.recovered_after = max([0.0, *((one - healed_at).total_seconds() for one in ends)])


def table(cells: list[Cell]) -> str:
    """Return all cells as Markdown: a line for each fault, a column for each dependency."""
    there = {(one.fault, one.dependency): one.said() for one in cells}
    lines = [f"| fault | {' | '.join(DEPENDENCIES)} |", "|---" * (len(DEPENDENCIES) + 1) + "|"]
    for fault in dict.fromkeys(one.fault for one in cells):
        found = [there.get((fault, dependency), "") for dependency in DEPENDENCIES]
        lines.append(f"| {fault} | {' | '.join(found)} |")
    return "\n".join(lines)
