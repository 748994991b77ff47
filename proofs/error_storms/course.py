"""One storm over a whole practice stack: a steady demand, refusals from the provider and the model, and the time after.

The emulator plans the provider's refusals; the model's endpoint is served here. Both keep their own log.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiohttp import web

from emulators.gke.faults import FaultKind
from proofs.error_storms.judging import Phases
from proofs.report import say
from proofs.workplace import programs
from tests.e2e.practice_ground import DEVELOPMENT, STAGING, Environment, Ground, Place
from tests.e2e.stack import Stack, eventually, running_stack
from tests.openai_server import Body, ChatServer, calling, request_shown_to, respond, serving_chat

RETRY_AFTER = 3
"""Seconds that the model's endpoint asks for with each refusal."""
SETTLES_WITHIN = 900.0
EFFECT = "SetNodePoolSize"
"""The one call here that changes something."""
SUCCEEDED = "succeeded"
_METHODS = ("GetNodePool", "GetCluster", "ListOperations", "GetOperation", EFFECT,
            "instanceGroupManagers.get")  # fmt: skip
_USED = (DEVELOPMENT, STAGING)
_OPEN_REQUESTS = "SELECT count(*) FROM requests WHERE status IN ('received', 'planning')"
_OPEN_PROPOSALS = "SELECT count(*) FROM proposals WHERE closed_at IS NULL"


class Refusal(StrEnum):
    """How everything is refused."""

    THROTTLED = "429"
    UNAVAILABLE = "503"

    @property
    def fault(self) -> FaultKind:
        """What the emulator plans."""
        return FaultKind.TOO_MANY_OPERATIONS if self is Refusal.THROTTLED else FaultKind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Storm:
    """How much is asked for, and when everything is refused. Seconds."""

    refusal: Refusal
    proposals_per_second: float
    """Fresh ones, which nobody must approve: the provider is read for them."""
    approvals_per_second: float
    """Of proposals that were made before: what is approved under the storm is held back."""
    requests_per_second: float
    calm: float
    storm: float
    after: float
    """How long the demand goes on after the storm."""
    settles_first: float = 15.0
    """Demand before anything is counted."""
    only_effects: bool = False
    """Whether the model and every read are answered, and only what changes something is refused."""

    def __str__(self) -> str:
        return f"{self.refusal}, effects only" if self.only_effects else str(self.refusal)

    @property
    def lasts(self) -> float:
        """Seconds of demand."""
        return self.settles_first + self.calm + self.storm + self.after

    def targets(self, environment: Environment) -> int:
        """Clusters that it takes: one for each proposal."""
        is_fresh = environment == DEVELOPMENT
        return int(self.lasts * (self.proposals_per_second if is_fresh else self.approvals_per_second)) + 2


@dataclass
class Met:
    """What was seen of one storm."""

    storm: Storm
    phases: Phases
    provider: list[float]
    """Moments of the calls in the emulator's log."""
    effects: list[float]
    """Of these: the calls that change something."""
    refused: int
    """Calls that the provider refused as planned."""
    model: list[float]
    asked: dict[str, list[tuple[float, bool]]]
    """Request → moments of its calls of the model, and whether they were refused."""
    ends: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    held: Mapping[str, str] = field(default_factory=dict)
    """Proposal that a breaker held at the end of the storm → what became of it, and where no call was made for it."""

    @property
    def not_made(self) -> dict[str, str]:
        """Of what was held: all that did not succeed.

        Each may begin for hours yet, no breaker stays open for more than seconds, nobody else changes its target, and
        the provider answers again.
        """
        return {one: end for one, end in self.held.items() if end != SUCCEEDED}


class Model:
    """The model's endpoint: answers every question, or refuses it."""

    def __init__(self, server: ChatServer) -> None:
        """Answer from now on."""
        self.refusal: Refusal | None = None
        self.asked: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        server.script(self._behave)

    async def _behave(self, request: web.Request, body: Body) -> web.StreamResponse:
        refusal = self.refusal
        self.asked[_text_of(body)].append((time.time(), refusal is not None))
        if refusal is not None:
            headers = {"Retry-After": str(RETRY_AFTER)}
            return web.json_response({"error": {"message": "later"}}, status=int(refusal), headers=headers)
        return await respond(request, body, calling(("finish", {"outcome": "answered", "text": "As it is."})))


def _text_of(body: Body) -> str:
    return json.dumps(request_shown_to(body), sort_keys=True)


class StormGround(Ground):
    """Clusters in development and staging, of which one is spelled out: looks at the fleet are not what is counted."""

    def __init__(self, storms: Sequence[Storm], before: int = 0) -> None:
        """Declare limits that only the breakers ever meet. `before`: further changes, in development."""
        bucket = {"capacity": 10_000, "per_hour": 10_000}
        limits = {
            "max_share": 10.0,
            "effects_per_hour": 10_000,
            "rates": {"fleet": bucket, "tenant": bucket},
            "storm": {"proposals": 100_000, "changes": 100_000},
            "repeats": {"proposals": 1_000},
            "breaker": {"cooldown": "5s", "max_cooldown": "10s"},
        }
        clusters = {of: sum(one.targets(of) for one in storms) for of in _USED}
        super().__init__(max(clusters[DEVELOPMENT] + before, clusters[STAGING]), limits=limits)

    def places(self, environment: Environment) -> list[Place]:
        """No clusters elsewhere."""
        return super().places(environment) if environment in _USED else []

    def configuration(self, **approval: Any) -> dict[str, Any]:
        """Register the first cluster by name, for the read before a probe, and the others by wildcards."""
        made = super().configuration(**approval)
        first = made["targets"][0]
        others = {one["environment"]: one | {"cluster": "*", "team": "all"} for one in made["targets"]}
        budgets = [one for one in made["budgets"] if one["scope"]["team"] == first["team"]]
        return made | {"targets": [first | {"node_pool": "web"}, *others.values()], "budgets": budgets}


async def weather_over(stack: Stack, model: Model, storm: Storm) -> Met:
    """Let the demand go on, refuse everything for a while, and wait until all is at rest."""
    waiting = await _waiting(stack, storm)
    began = time.time()
    demand = asyncio.create_task(_demand(stack, storm, waiting))
    await asyncio.sleep(storm.settles_first + storm.calm)
    begins = time.time()
    await _refuse(stack, model, storm)
    ends = time.time()
    held = await stack.rows("SELECT id, target_key FROM proposals WHERE held_on LIKE 'breaker:%'")
    say(f"{storm}: it is over; {await _standing(stack)}")
    await demand
    await eventually(lambda: is_at_rest(stack), limit=SETTLES_WITHIN, pause=1)
    proposals = await _ends(stack, "SELECT id, state, reason_code FROM proposals")
    served = [
        (call.ts.timestamp() - began, call)
        for call in stack.emulator.calls()
        if call.surface != "admin" and call.ts.timestamp() >= began
    ]
    made = {call.target for _, call in served if call.method == EFFECT and call.accepted}
    asked = {
        text: [(at - began, refused) for at, refused in made]
        for text, made in model.asked.items()
        if made[0][0] >= began
    }
    return Met(
        storm=storm,
        phases=Phases(storm.settles_first, begins - began, ends - began, storm.lasts),
        provider=sorted(at for at, _ in served),
        effects=sorted(at for at, call in served if call.method == EFFECT),
        refused=sum(bool(call.fault) for _, call in served),
        model=sorted(at for made in asked.values() for at, _ in made),
        asked=asked,
        ends=Counter(proposals.values()),
        answers=Counter((await _ends(stack, "SELECT id, status, reason_code FROM requests")).values()),
        held={
            one: proposals[one] if key.partition("/")[2] in made else f"{proposals[one]}, without a call"
            for one, key in held
        },
    )


async def _demand(stack: Stack, storm: Storm, waiting: Sequence[str]) -> None:
    """Propose, approve what waits, and ask, for as long as the storm's demand lasts."""
    unapproved, numbers = iter(waiting), itertools.count()

    async def propose() -> None:
        await stack.propose(stack.place(DEVELOPMENT).resize(2))

    async def approve() -> None:
        await stack.approve(next(unapproved))

    async def ask() -> None:
        question = {"text": f"is everything well, {storm} {next(numbers)}?"}
        (await stack.people["requester"].post("/v1/requests", json=question)).raise_for_status()

    await asyncio.gather(
        steadily(propose, storm.proposals_per_second, storm.lasts),
        steadily(approve, storm.approvals_per_second, storm.lasts),
        steadily(ask, storm.requests_per_second, storm.lasts),
    )


async def _refuse(stack: Stack, model: Model, storm: Storm) -> None:
    """Have the provider and the model refuse what they are asked, for as long as the storm lasts."""
    model.refusal = None if storm.only_effects else storm.refusal
    for method in (EFFECT,) if storm.only_effects else _METHODS:
        await stack.admin.add_fault(method, storm.refusal.fault, times=-1)
    say(f"{storm}: it storms")
    await asyncio.sleep(storm.storm)
    await stack.admin.clear_faults()
    model.refusal = None


async def _waiting(stack: Stack, storm: Storm) -> list[str]:
    """Make the proposals that will be approved, and wait until all of them wait."""
    count = int(storm.approvals_per_second * storm.lasts)
    ids = [await stack.propose(stack.place(STAGING).resize(2)) for _ in range(count)]
    for one in ids:
        await stack.until(one, "awaiting_approval", limit=SETTLES_WITHIN)
    return ids


async def steadily(ask: Callable[[], Awaitable[None]], rate: float, lasts: float) -> None:
    """Ask at an even pace, whatever an answer takes."""
    began, asking = time.monotonic(), []
    for number in range(int(rate * lasts)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        asking.append(asyncio.create_task(eventually(lambda: _done(ask), limit=SETTLES_WITHIN, pause=1)))
    await asyncio.gather(*asking)


async def _done(ask: Callable[[], Awaitable[None]]) -> bool:
    await ask()
    return True


async def _standing(stack: Stack) -> str:
    found = await stack.rows("SELECT state, held_on, count(*) FROM proposals GROUP BY 1, 2 ORDER BY 1, 2")
    return ", ".join(f"{count} {state}{f' on {held}' if held else ''}" for state, held, count in found)


async def is_at_rest(stack: Stack) -> bool:
    """Tell whether nothing is open any more."""
    [(requests,)] = await stack.rows(_OPEN_REQUESTS)
    [(proposals,)] = await stack.rows(_OPEN_PROPOSALS)
    return not requests and not proposals


async def _ends(stack: Stack, statement: str) -> dict[str, str]:
    quiet = {SUCCEEDED, "answered"}
    return {
        one: str(status) if status in quiet else f"{status}: {reason}"
        for one, status, reason in await stack.rows(statement)
    }


@asynccontextmanager
async def ground_for(
    directory: Path, storms: Sequence[Storm], before: int = 0
) -> AsyncIterator[tuple[Stack, Model]]:
    """Run a stack with room for these storms and for so many changes before them."""
    async with serving_chat() as server:
        model = Model(server)
        async with running_stack(
            directory,
            programs(),
            StormGround(storms, before),
            SLUICE_LLM__BASE_URL=server.base_url,
            SLUICE_LLM__API_KEY="sk-weather",
        ) as stack:
            yield stack, model
