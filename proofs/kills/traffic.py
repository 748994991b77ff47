"""The load under which parts are killed: people who ask, vote, edit and cancel, and a provider that goes wrong.

Each member of the crew has clusters of its own and keeps one or two proposals open. Whoever gets no answer asks again
with the same key, as clients should; what was answered with 2xx is noted.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from emulators.gke.faults import FaultKind
from proofs.kills.watch import Watcher
from tests.e2e.practice_ground import (
    CRITICAL,
    DEVELOPMENT,
    PRODUCTION,
    STAGING,
    STAYS_CLOSED,
    Environment,
    Ground,
    Place,
)
from tests.e2e.stack import Stack

RESIZE, BOUNDS, READ = "SetNodePoolSize", "SetNodePoolAutoscaling", "GetNodePool"
OPERATION_SECONDS = 1.0
"""How long an operation runs: long enough to be killed in."""
LIMITS: Mapping[str, Any] = {
    "max_share": 10.0,
    "breaker": STAYS_CLOSED,
    "rates": {
        name: {"capacity": 10_000, "per_hour": 10_000} for name in ("target", "tenant", "fleet", "agent")
    },
    "storm": {"proposals": 10_000, "changes": 10_000},
    "oscillation": {"turns": 20, "window": "1m"},
    "repeats": {"proposals": 1_000},
}
"""Nothing but the path itself is to hold anything up."""
RETRY = 0.3
BROUGHT_BACK = 6
"""A size that is asked for only where it is taken back: its fault always meets a change, and is left for no other."""


@dataclass
class Taken:
    """What was answered with 2xx."""

    proposals: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    votes: list[str] = field(default_factory=list)
    """Decisions."""
    repeated: int = 0
    """Calls that had to be sent again."""


@dataclass
class Crew:
    """Everybody who keeps the path busy."""

    stack: Stack
    watcher: Watcher
    size: int
    chance: random.Random
    taken: Taken = field(default_factory=Taken)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self) -> None:
        """Keep asking until `stopping`, then let what was begun come to its end."""
        members = [Member(self, number) for number in range(self.size)]
        async with asyncio.TaskGroup() as tasks:
            for member in members:
                tasks.create_task(member.work())
            tasks.create_task(self._halt_now_and_then())

    async def post(self, path: str, body: Mapping[str, Any], by: str) -> httpx.Response:
        """Send until there is an answer that is not a server's failure."""
        key = f"kill-{self.chance.getrandbits(64):x}"
        headers = {"Idempotency-Key": key}
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.stack.people[by].post(path, json=body, headers=headers)
                if answer.status_code < 500:
                    return answer
            self.taken.repeated += 1
            await asyncio.sleep(RETRY)

    async def _halt_now_and_then(self) -> None:
        while not self.stopping.is_set():
            made = await self.post(
                "/v1/halts", {"scope": {"environment": STAGING.name}, "reason": "proof"}, "operator"
            )
            await asyncio.sleep(2)
            if made.status_code < 300:
                await self._lift(made.json()["id"])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 8)

    async def _lift(self, halt_id: str) -> None:
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.stack.people["operator"].delete(f"/v1/halts/{halt_id}")
                if answer.status_code < 500:
                    return
            await asyncio.sleep(RETRY)


@dataclass
class Member:
    """One of the crew."""

    crew: Crew
    number: int
    turn: int = 0

    async def work(self) -> None:
        """Do one thing after the other, all kinds in turn, each member beginning with another kind."""
        self.turn = self.number
        while not self.crew.stopping.is_set():
            await self.kinds[self.turn % len(self.kinds)]()
            self.turn += 1

    @property
    def kinds(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """What a member does, in this order."""
        return (
            self.plain, self.approved, self.by_two, self.rolled_back, self.bounds, self.edited, self.asked,
            self.busy, self.unanswered, self.bounds_rolled_back, self.halted, self.ended_early,
        )  # fmt: skip

    async def plain(self) -> None:
        """A change that nobody must approve; the provider answers late."""
        place = self._place(DEVELOPMENT)
        await self._slow(place)
        await self._plan(RESIZE, FaultKind.SLOW, place, delay=1.0)
        await self._over(await self._propose(place.resize(self.size)))

    async def approved(self) -> None:
        """One person approves."""
        place = self._place(PRODUCTION)
        await self._slow(place)
        await self._voted(await self._propose(place.resize(self.size)), "approver")

    async def by_two(self) -> None:
        """Two people approve, one after the other."""
        await self._voted(
            await self._propose(self._place(CRITICAL).resize(self.size)), "approver", "approver2"
        )

    async def rolled_back(self) -> None:
        """The provider's operation fails, and the way back is slow."""
        place = self._place(DEVELOPMENT)
        await self._plan(RESIZE, FaultKind.OPERATION_ERROR, place)
        await self._plan(RESIZE, FaultKind.SLOW, place, delay=1.0)
        await self._plan(READ, FaultKind.SLOW, place, skip=3, times=3, delay=0.6)
        await self._over(await self._propose(place.resize(BROUGHT_BACK)))

    async def bounds(self) -> None:
        """Another kind of action."""
        place = self._place(DEVELOPMENT)
        await self._slow(place)
        await self._plan(BOUNDS, FaultKind.SLOW, place, delay=1.0)
        await self._over(await self._propose(place.autoscaling(1, self.size + 1)))

    async def bounds_rolled_back(self) -> None:
        """An operation of that kind fails."""
        place = self._place(DEVELOPMENT)
        await self._plan(BOUNDS, FaultKind.OPERATION_ERROR, place)
        await self._over(await self._propose(place.autoscaling(1, BROUGHT_BACK)))

    async def edited(self) -> None:
        """Somebody changes the number while it waits; then it is approved."""
        place = self._place(PRODUCTION)
        proposal_id = await self._propose(place.resize(self.size))
        if await self._reached(proposal_id, "awaiting_approval"):
            shown = await self._show(proposal_id)
            await self._slow(place)
            body = {"digest": shown["digest"], "fields": {"node_count": self.size + 1}, "reason": "one more"}
            await self.crew.post(f"/v1/proposals/{proposal_id}/revisions", body, "operator")
            await asyncio.sleep(1)
        await self._voted(proposal_id, "approver")

    async def asked(self) -> None:
        """Somebody asks in words."""
        place = self._place(DEVELOPMENT)
        body = {"text": f"scale web in {place.name} to {self.other_size}"}
        answer = await self.crew.post("/v1/requests", body, "requester")
        if answer.status_code != 202:
            raise RuntimeError(f"a request was refused: {answer.text}")
        request_id = answer.json()["request_id"]
        self.crew.taken.requests.append(request_id)
        await self._over(request_id)
        shown = await self._get(f"/v1/requests/{request_id}")
        for proposal_id in shown["proposal_ids"]:
            await self._over(proposal_id)

    async def busy(self) -> None:
        """Two changes of one cluster: the later one is held."""
        place = self._place(DEVELOPMENT)
        both = [
            await self._propose(place.resize(self.size)),
            await self._propose(place.autoscaling(1, self.size)),
        ]
        await asyncio.gather(*(self._over(one) for one in both))

    async def unanswered(self) -> None:
        """The change is made and its answer is lost."""
        place, kinds = (
            self._place(DEVELOPMENT),
            (FaultKind.TIMEOUT_AFTER_EFFECT, FaultKind.UNAVAILABLE_AFTER_EFFECT),
        )
        await self._plan(RESIZE, self.crew.chance.choice(kinds), place)
        await self._over(await self._propose(place.resize(self.size)))

    async def halted(self) -> None:
        """Where halts come and go."""
        await self._voted(await self._propose(self._place(STAGING).resize(self.size)), "approver")

    async def ended_early(self) -> None:
        """Rejected, or cancelled."""
        proposal_id = await self._propose(self._place(CRITICAL).resize(self.other_size))
        if self.turn // len(self.kinds) % 2:
            await self.crew.post(f"/v1/proposals/{proposal_id}/cancel", {}, "requester")
            await self._over(proposal_id)
        else:
            await self._voted(proposal_id, "approver", decision="reject")

    @property
    def size(self) -> int:
        """Nodes asked for in this turn: other ones whenever a kind has its turn again, so that it changes something."""
        return 2 + (self.turn + self.turn // len(self.kinds)) % 3

    @property
    def other_size(self) -> int:
        """Of those three the one for which neither the change before on this pool asks nor the next one."""
        return 2 + self.size % 3

    def _place(self, environment: Environment) -> Place:
        return self.crew.stack.ground.places(environment)[self.number]

    async def _plan(self, method: str, kind: FaultKind, place: Place, **fields: Any) -> None:
        await self.crew.stack.admin.add_fault(method, kind, cluster=place.name, **fields)

    async def _slow(self, place: Place) -> None:
        """Let this cluster's next readings take a while."""
        await self._plan(READ, FaultKind.SLOW, place, times=3, delay=0.7)

    async def _propose(self, action: Mapping[str, Any]) -> str:
        answer = await self.crew.post(
            "/v1/proposals", {"action": action, "reason": "the queue grows"}, "requester"
        )
        if answer.status_code != 202:
            raise RuntimeError(f"a proposal was refused: {answer.text}")
        proposal_id = str(answer.json()["proposal_id"])
        self.crew.taken.proposals.append(proposal_id)
        return proposal_id

    async def _voted(self, proposal_id: str, *people: str, decision: str = "approve") -> None:
        """Let people vote as long as it waits for them, again when a vote was refused; return when it is over."""
        path = f"/v1/proposals/{proposal_id}/decisions"
        while await self._reached(proposal_id, "awaiting_approval"):
            shown = await self._show(proposal_id)
            ballot = {"decision": decision, "revision": shown["revision"], "digest": shown["digest"]}
            for person in people:
                if not _stands(shown, person):
                    answer = await self.crew.post(path, ballot | {"reason": "looked at it"}, person)
                    if answer.status_code < 300:
                        self.crew.taken.votes.append(answer.json()["decision_id"])
                await asyncio.sleep(RETRY)
            await asyncio.sleep(1)
        await self._over(proposal_id)

    async def _show(self, proposal_id: str) -> dict[str, Any]:
        while True:
            shown = await self._get(f"/v1/proposals/{proposal_id}")
            if shown.get("digest") or shown["is_final"]:
                return shown
            await asyncio.sleep(RETRY)

    async def _get(self, path: str) -> dict[str, Any]:
        while True:
            with contextlib.suppress(httpx.TransportError):
                answer = await self.crew.stack.people["viewer"].get(path)
                if answer.status_code == 200:
                    shown: dict[str, Any] = answer.json()
                    return shown
            await asyncio.sleep(RETRY)

    async def _reached(self, proposal_id: str, state: str) -> bool:
        """Wait until it is in this state, or past it for good. Whether it is."""
        asked_at, view = datetime.now(UTC), self.crew.watcher.view
        while view.at <= asked_at or view.states.get(proposal_id, state) != state:
            await asyncio.sleep(0.1)
            view = self.crew.watcher.view
        return proposal_id in view.states

    async def _over(self, subject: str) -> None:
        """Wait until it is not open any more."""
        asked_at, view = datetime.now(UTC), self.crew.watcher.view
        while view.at <= asked_at or subject in view.points:
            await asyncio.sleep(0.1)
            view = self.crew.watcher.view


def _stands(shown: Mapping[str, Any], person: str) -> bool:
    """Whether somebody's vote on the revision that is shown counts, or may still."""
    return any(
        vote["reviewer"]["subject"] == person
        and vote["revision"] == shown["revision"]
        and vote["status"] in ("recorded", "applied")
        for vote in shown["approvals"]
    )


class KillGround(Ground):
    """A cluster in each environment for each member of the crew."""

    def __init__(self, members: int) -> None:
        """`members` of the crew."""
        super().__init__(members, limits=dict(LIMITS))
