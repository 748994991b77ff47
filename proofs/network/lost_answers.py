"""Time-outs after the effect, for real: the provider does what it is asked, and its answer never comes.

The real execution and verification activities on PostgreSQL and the emulator's process; between effector and emulator
stands toxiproxy, and swallows or delays the answer to the one call until nobody waits for it any more; some are lost
with their connection. Only Temporal is not there: an attempt that failed is begun again, as it would.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from google.api_core.exceptions import DeadlineExceeded
from temporalio.exceptions import ApplicationError

from activities.execution.attempt import EffectTimings
from adapters.gke.connection import Connection
from adapters.gke.effector import AGENT, GkeNodePoolEffector
from adapters.gke.reader import GkeNodePoolReader
from adapters.store.database import Database
from adapters.store.migrate import upgrade
from contracts.action import NodePoolTarget, ResizeNodePool
from contracts.base import utc_now
from contracts.configuration import Configuration, Environment, Target
from contracts.effect import EffectResult, Receipt, ReceiptOutcome
from contracts.errors import ProviderAmbiguous
from contracts.proposal import ProposalState
from emulators.gke.log import Calls
from proofs.judgement import changes, effects, endings
from proofs.judgement.records import Records, read
from proofs.network.faults import Fault
from proofs.network.toxiproxy import DOWN, Proxy, Toxic, Toxiproxy, toxiproxy
from proofs.postgres import postgres
from proofs.quiet import quiet
from proofs.report import Stopwatch
from tests.e2e.practice_ground import DEVELOPMENT, Ground, Place
from tests.gke_fixtures import FAST, EmulatorProcess
from tests.proposal_stack import EffectStack
from tests.scripted_guard import ScriptedGuard

LANES = 30
"""Cases at a time, each on a cluster, a proxy and a connection of its own."""
ATTEMPTS = 20
TIMINGS = EffectTimings(
    call_timeout=timedelta(seconds=1),
    call_margin=timedelta(seconds=2),
    operation_timeout=timedelta(seconds=60),
    poll_interval=timedelta(seconds=0.1),
    busy_wait=timedelta(seconds=5),
)
TIMING_OUT = (
    Fault("swallowed", (Toxic("timeout", DOWN, {"timeout": 0}),)),
    Fault("late", (Toxic("latency", DOWN, {"latency": 2_000, "jitter": 500}),), keeps=True),
)
"""The answer never comes, or when nobody waits for it any more."""
ENDING = (
    Fault("cut", (Toxic("limit_data", DOWN, {"bytes": 64}),)),
    Fault("reset", beside=partial(Proxy.reset, after=500)),
)
"""The connection ends before the answer has come, and the caller sees it."""
LOSSES = (*TIMING_OUT * 5, *ENDING)
"""How answers are lost, in turn."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start of the activity."""

    number: int
    passes: int
    ended: str
    """Its result, or the reason code it failed with."""


@dataclass(frozen=True, slots=True)
class Lost:
    """How a call ended of which nobody can say whether it took effect."""

    at: datetime
    timed_out: bool
    """The caller's time was over. Else its connection ended."""


@dataclass(frozen=True, slots=True)
class Case:
    """One proposal whose call was not answered."""

    proposal_id: str
    loss: str
    lost: Lost | None
    """None: its call was answered, or never made."""
    attempts: int
    """How many it took from there."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What came of all cases."""

    cases: Sequence[Case]
    timed_out: Mapping[str, int]
    """Way → calls that had taken effect when the caller's time was over."""
    ended: Mapping[str, int]
    """The same of calls whose connection ended."""
    states: Mapping[str, int]
    faults: Sequence[str]


@dataclass
class Watched:
    """The effector, which notes how its last call was lost."""

    effector: GkeNodePoolEffector
    lost: Lost | None = None

    async def set_size(self, target: NodePoolTarget, node_count: int, *, timeout: timedelta) -> str:
        """Make the call. Who calls counts the same seconds, and is the first to lose patience now and then."""
        self.lost = None
        try:
            return await self.effector.set_size(target, node_count, timeout=timeout)
        except asyncio.CancelledError:
            self.lost = Lost(utc_now(), timed_out=True)
            raise
        except ProviderAmbiguous as error:
            self.lost = Lost(utc_now(), timed_out=isinstance(error.__cause__, DeadlineExceeded))
            raise

    async def set_autoscaling(
        self, target: NodePoolTarget, min_node_count: int, max_node_count: int, *, timeout: timedelta
    ) -> str:
        """Refuse: nobody asks for it here."""
        raise NotImplementedError


@dataclass
class Lane:
    """What one case at a time needs."""

    stack: EffectStack
    place: Place
    proxy: Proxy
    connection: Connection
    watched: Watched
    cases: list[Case] = field(default_factory=list)

    async def run(self, number: int) -> None:
        """Let one call go unanswered, and the next attempts find out."""
        loss, size = LOSSES[number % len(LOSSES)], 2 + len(self.cases) % 2
        proposal_id = await self.stack.ready(ResizeNodePool.model_validate(self.place.resize(size)))
        await self._connect()
        await loss.strike([self.proxy])
        # On a busy machine an attempt may come too late to call: it asks for another pass, and nothing was lost yet.
        called = await self._attempt(proposal_id)
        while called.ended == EffectResult.NEEDS_NEW_PASS and called.number < ATTEMPTS:
            called = await self._attempt(proposal_id, called)
        lost = self.watched.lost if called.ended == ProviderAmbiguous.reason_code else None
        await loss.end([self.proxy])
        last = called
        while last.ended != EffectResult.ISSUED and last.number < ATTEMPTS:
            last = await self._attempt(proposal_id, last)
        if last.ended == EffectResult.ISSUED:
            await self._verify(proposal_id)
        self.cases.append(Case(proposal_id, loss.name, lost, last.number - called.number + 1))

    async def _verify(self, proposal_id: str) -> None:
        for _ in range(ATTEMPTS):
            with suppress(ApplicationError):
                await self.stack.verify(proposal_id)
                return

    async def _connect(self) -> None:
        """Let the connection stand before its answers are spoilt: what cannot connect sends nothing."""
        wanted = f"projects/{self.place.environment.project}/locations/{self.place.environment.location}"
        name = f"{wanted}/clusters/{self.place.name}/nodePools/web"
        client = await self.connection.container()
        for _ in range(ATTEMPTS):
            try:
                await client.get_node_pool(request={"name": name}, retry=None, timeout=5)
            except Exception:  # noqa: BLE001  whatever it is: the next one connects anew
                await asyncio.sleep(0.1)
            else:
                return

    async def _attempt(self, proposal_id: str, before: Attempt | None = None) -> Attempt:
        """Begin an attempt, with a new pass where the one before asked for it."""
        number, passes = (before.number + 1, before.passes) if before else (1, 2)
        if before and before.ended == EffectResult.NEEDS_NEW_PASS:
            passes += 1
            await self.stack.admit(proposal_id, passes)
        try:
            outcome = await self.stack.execute(proposal_id, pass_number=passes)
        except ApplicationError as error:
            return Attempt(number, passes, error.type or "unknown")
        return Attempt(number, passes, outcome.result)


async def run(directory: Path, cases: int, binary: Path, lanes: int = LANES) -> Losses:
    """Run so many cases and judge them by the emulator's log and the database."""
    with quiet(), postgres() as url:
        await upgrade(url)
        ground, place = Ground(lanes), directory / "lost-answers"
        place.mkdir()
        fleet, _ = ground.write(place)
        emulator = EmulatorProcess(place / "gke.jsonl", fleet=str(fleet), state_path=place / "gke.json")
        await emulator.start()
        await emulator.admin.settings(**FAST)
        try:
            async with toxiproxy(binary) as proxies:
                ran = await _run(cases, proxies, emulator, url, ground.places(DEVELOPMENT))
            first, stands = changes.first(ground.fleet()), changes.standing(await emulator.admin.state())
            return await _judge(ran, emulator.calls(), url, first, stands)
        finally:
            await emulator.stop()


async def _run(
    cases: int, proxies: Toxiproxy, emulator: EmulatorProcess, url: str, places: Sequence[Place]
) -> list[Case]:
    numbers, watch = iter(range(cases)), Stopwatch(cases, "lost answers")
    async with _lanes(proxies, emulator, url, places) as lanes:

        async def work(lane: Lane) -> None:
            for number in numbers:
                await lane.run(number)
                watch.at(sum(len(one.cases) for one in lanes))

        await asyncio.gather(*map(work, lanes))
        return [case for lane in lanes for case in lane.cases]


@asynccontextmanager
async def _lanes(
    proxies: Toxiproxy, emulator: EmulatorProcess, url: str, places: Sequence[Place]
) -> AsyncIterator[list[Lane]]:
    async with AsyncExitStack() as opened:
        database = Database(url, pool_size=len(places))
        opened.push_async_callback(database.close)
        reader = GkeNodePoolReader.to_endpoint(emulator.address, emulator.compute_url)
        opened.push_async_callback(reader.close)
        lanes = []
        for place in places:
            proxy = await proxies.before(place.name, emulator.address)
            connection = Connection.to_endpoint(proxy.address, emulator.compute_url, agent=AGENT)
            opened.push_async_callback(connection.close)
            watched = Watched(GkeNodePoolEffector(connection))
            stack = EffectStack(
                database=database,
                fleet=emulator,
                reader=reader,
                effector=watched,
                guard=ScriptedGuard(database, reader),
                timings=TIMINGS,
                configuration=_configuration(places),
            )
            lanes.append(Lane(stack, place, proxy, connection, watched))
        yield lanes


def _configuration(places: Sequence[Place]) -> Configuration:
    targets = tuple(
        Target(
            kind="gke.node_pool",
            project=one.environment.project,
            location=one.environment.location,
            cluster=one.name,
            environment="production",
            team="inference",
            max_nodes_per_zone=100,
        )
        for one in places
    )
    return Configuration(environments={"production": Environment()}, targets=targets)


async def _judge(
    cases: Sequence[Case],
    calls: Calls,
    url: str,
    first: Mapping[str, changes.Settings],
    stands: Mapping[str, Sequence[changes.Settings]],
) -> Losses:
    database = Database(url, pool_size=1)
    try:
        records = await read(database)
    finally:
        await database.close()
    followed = changes.follow(records, calls, first)
    made = {row.proposal_id: row.operation for row in records.intents if row.operation}
    served = {call.operation: call.ts for call in effects.effects(calls)}
    adopted = {
        row.proposal_id
        for row in records.intents
        if row.receipt and Receipt.model_validate(row.receipt).adopted
    }

    def lost(*, timed_out: bool) -> Counter[str]:
        return Counter(
            one.loss
            for one in cases
            if one.lost is not None
            and one.lost.timed_out is timed_out
            and one.proposal_id in adopted
            and (took_effect := served.get(made[one.proposal_id])) is not None
            and took_effect <= one.lost.at
        )

    return Losses(
        cases=cases,
        timed_out=lost(timed_out=True),
        ended=lost(timed_out=False),
        states=Counter(row.state for row in records.proposals),
        faults=[
            *effects.faults(records, calls),
            *followed.faults,
            *followed.misplaced(stands),
            *endings.faults(records),
            *(f"{name} was recorded and never served" for name in set(made.values()) - served.keys()),
            *_unsuccessful(cases, records),
        ],
    )


def _unsuccessful(cases: Sequence[Case], records: Records) -> list[str]:
    """What was carried out and not told as such: the network was whole again."""
    rows = {row.id: row for row in records.proposals}
    outcomes = {
        row.proposal_id: row.receipt and Receipt.model_validate(row.receipt) for row in records.intents
    }
    found = []
    for one in cases:
        receipt = outcomes[one.proposal_id]
        if rows[one.proposal_id].state != ProposalState.SUCCEEDED:
            found.append(f"{one.proposal_id} ({one.loss}) is {rows[one.proposal_id].state}")
        elif not receipt or receipt.outcome is not ReceiptOutcome.APPLIED:
            found.append(f"{one.proposal_id} ({one.loss}): its receipt does not say that it was applied")
    return found
