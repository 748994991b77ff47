"""One seed from beginning to rest: what is asked, who decides, what breaks, and what is left for the judges."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from activities.approval.activities import ApprovalActivities
from activities.execution.activities import EffectActivities
from activities.execution.through import ThroughVerification
from activities.guardrail.activities import GuardActivities
from activities.verification.activities import VerificationActivities
from adapters.audit.checkpoint import CheckpointSigner
from adapters.dispatch.delivery import TO_TEMPORAL
from adapters.dispatch.dispatcher import Dispatcher
from adapters.dispatch.workflows import WorkflowDeliveries
from adapters.store.database import Database
from adapters.store.sequencer import Sequencer
from api.parts import ApiParts
from contracts.action import ResizeNodePool
from contracts.configuration import Configuration
from contracts.decision import DecisionKind
from contracts.ports import WorkflowGateway
from contracts.safety import HaltScope
from emulators.gke.log import Calls
from proofs.simulation import ground
from proofs.simulation.loop import running_loop
from proofs.simulation.people import People, run_as
from proofs.simulation.provider import FOREIGN_SIZES, LOCATION, POOLS, PROJECT, SimulatedProvider
from proofs.simulation.store import SimulatedDatabase
from proofs.simulation.temporal import Activities, SimulatedTemporal
from proofs.simulation.world import Actor, Crash, Fate, World

RESTS_WITHIN = timedelta(hours=2)
"""Virtual time in which everything must have ended, once nothing breaks any more."""
BREAKS_FOR = timedelta(minutes=14)
SOON = 4.5
LOOKS_AFTER = 30.0
"""Seconds for what goes on in the background when everything has ended."""
_SIZES = (2, 4, 5, 8)
_SAID = (DecisionKind.APPROVE, DecisionKind.REJECT, DecisionKind.REQUEST_CHANGE, DecisionKind.WITHDRAW)


@dataclass(frozen=True)
class Course:
    """What a seed leaves behind, beside its rows."""

    seed: int
    tenant: str
    world: World
    calls: Calls
    callers: Mapping[str, str]
    """Operation → the attempt that made it."""
    asked: int
    """Requests for a proposal, answered or not."""
    told: Mapping[str, str]
    """Idempotency key → the proposal, or the decision on one, that a 2xx named."""
    running: Mapping[str, set[int]]
    """Pools that nobody else touched → sizes of their zones at the end."""
    money: str
    faults: tuple[str, ...]
    """What is wrong already, before any judge has looked."""


class Polling(Dispatcher):
    """The dispatcher, which looks less often while nobody wakes it: an hour passes in few steps."""

    _patience = SOON

    def wake(self, _: str = "") -> None:
        """Look soon. The rows of the API are not due at once either."""
        if self._patience > SOON:
            self._patience = SOON
            super().wake()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._patience)
            await asyncio.sleep(SOON)
            return
        self._patience = min(self._patience * 3, 200.0)


class Run:
    """Wires the parts of one seed."""

    def __init__(self, seed: int, database: SimulatedDatabase, fate: Fate) -> None:
        """Draw the ground; nothing runs yet."""
        self.world = world = World(seed, running_loop(), fate)
        chance = world.chance
        self.tenant = f"s{seed}"
        self.money = chance.choice(("roomy", "roomy", "tight"))
        failures, storm = chance.choice((100, 100, 1)), chance.choice((500, 500, 500, 2))
        storm = 2 if fate.storms else storm
        drawn = chance.choice((0, 1, 1, 2))
        quorum = drawn if fate.quorum is None else fate.quorum
        self.configuration = ground.configuration(self.tenant, self.money, quorum, failures, storm)
        self.database = database
        spoils = chance.choice((0.0, 0.0, 0.0, 0.4, 1.0))
        self.provider = SimulatedProvider(
            world,
            f"c{seed}",
            spoils=spoils,
            skew=timedelta(seconds=chance.choice((0.0, -1.0, 1.0))),
        )
        self.temporal = SimulatedTemporal(world, self._activities(), chance.choice((2, 50)))
        self.parts = parts(database, self.configuration, self.temporal)
        self.people = People(world, self.parts, self.temporal, self.provider.cluster.name)
        self.quorum = quorum

    def _activities(self) -> Activities:
        database, provider, source = self.database, self.provider, self.configuration
        guards = GuardActivities(database, provider, ground.Policies(), ground.PRICES, source, ground.MODE)
        approval = ApprovalActivities(database, ground.PUBLIC_KEYS, source)
        effects = EffectActivities(
            database, provider, provider, source, ground.PUBLIC_KEYS, ground.MODE, ground.TIMINGS
        )
        verification = VerificationActivities(
            database, provider, provider, source, ground.MODE, ground.TIMINGS
        )
        return {
            "check_proposal": guards.check_proposal,
            "admit_proposal": guards.admit_proposal,
            "record_decision": approval.record_decision,
            "record_refusal": approval.record_refusal,
            "close_proposal": approval.close_proposal,
            "read_state": approval.read_state,
            "execute_action": ThroughVerification(effects, verification).execute_action,
            "verify_effect": verification.verify_effect,
        }

    async def follow(self) -> Course:
        """Let everything happen, until all is at rest."""
        self.database.world = self.world
        dispatching = asyncio.create_task(self._dispatch())
        asked = [asyncio.create_task(self._ask(number)) for number in range(self._proposals())]
        beside = [asyncio.create_task(one) for one in self._disturb()]
        faults: list[str] = []
        try:
            calm = asyncio.get_running_loop().call_later(BREAKS_FOR.total_seconds(), self._calm_down)
            await asyncio.gather(*asked, *beside)
            await self._rest(faults)
            # Who looks after a late call is not waited for by anybody.
            await asyncio.sleep(LOOKS_AFTER)
            calm.cancel()
        finally:
            self.world.is_calm = True
            await self._stop(dispatching)
            self.database.world = None
        return Course(
            seed=self.world.seed,
            tenant=self.tenant,
            world=self.world,
            calls=self.provider.calls,
            callers=self.provider.callers,
            asked=len(asked),
            told=self.people.told,
            running=self._running(),
            money=self.money,
            faults=(*faults, *self.people.contradictions, *self.world.defects),
        )

    def _proposals(self) -> int:
        return 4 if self.world.fate.storms else self.world.chance.choice((1, 1, 1, 1, 1, 1, 2, 2, 3))

    def _calm_down(self) -> None:
        self.world.is_calm = True
        self.provider.finish_all()

    async def _ask(self, number: int) -> None:
        """One proposal, and the people who have something to say about it."""
        chance = self.world.chance
        await self.world.pause(10.0 * number)
        action = ResizeNodePool(
            project=PROJECT,
            location=LOCATION,
            cluster=self.provider.cluster.name,
            node_pool=chance.choice(POOLS) if number else POOLS[0],
            node_count=chance.choice(_SIZES),
        )
        # Storms of an agent are counted, and halted, over all tenants: each seed has one of its own.
        agent = ground.CARE.model_copy(update={"subject": f"{ground.CARE.subject}-{self.tenant}"})
        who = agent if self.world.fate.storms else chance.choice((ground.ANA, ground.ANA, agent))
        proposal_id = await self.people.propose(who, action)
        if proposal_id is not None:
            await asyncio.gather(*self._react(proposal_id, action))

    def _react(self, proposal_id: str, action: ResizeNodePool) -> list[Coroutine[Any, Any, None]]:
        chance, people = self.world.chance, self.people
        doing = []
        if self.quorum and chance.random() > 0.08:
            crowds = self.world.fate.crowds
            shares = (50, 50, 0, 0) if crowds else (85, 6, 6, 3)
            for who in chance.sample(ground.APPROVERS, k=self.quorum + chance.choice((0, 0, 1))):
                kind = chance.choices(_SAID, shares)[0]
                delay = chance.random() * 30
                doing.append(people.decide(who, proposal_id, kind, 15.0 if crowds else delay))
                if chance.random() < 0.15:
                    other = chance.choice((DecisionKind.APPROVE, DecisionKind.REJECT, DecisionKind.WITHDRAW))
                    doing.append(people.decide(who, proposal_id, other, chance.random() * 60))
        if self.quorum and chance.random() < self.world.fate.edits:
            other_size = chance.choice([one for one in _SIZES if one != action.node_count])
            editor = chance.choice((ground.ANA, ground.OLGA))
            doing.append(people.edit(editor, proposal_id, other_size, chance.random() * 40))
        if chance.random() < 0.12:
            canceller = chance.choice((ground.OLGA, ground.ANA))
            doing.append(people.cancel(canceller, proposal_id, chance.random() * 60))
        if chance.random() < 0.1:
            doing.append(people.forge(proposal_id, chance.random() * 30))
        return doing

    def _disturb(self) -> list[Coroutine[Any, Any, None]]:
        chance, doing = self.world.chance, []
        if chance.random() < 0.18:
            scope = chance.choice(
                (
                    HaltScope(everything=True),
                    HaltScope(tenant=self.tenant),
                    HaltScope(environment="production"),
                    HaltScope(target=f"gke.node_pool/{PROJECT}/*"),
                )
            )
            doing.append(self.people.halt(scope, 5 + chance.random() * 60, chance.choice((5.0, 30.0, 120.0))))
        if chance.random() < 0.12:
            doing.append(self._outsider(chance.random() * 60, chance.choice(FOREIGN_SIZES)))
        return doing

    async def _outsider(self, delay: float, size: int) -> None:
        await asyncio.sleep(delay)
        self.provider.change_from_outside(self.world.chance.choice(POOLS), size)

    async def _dispatch(self) -> None:
        """A dispatcher that is started anew whenever its process is lost."""
        while True:
            deliveries = WorkflowDeliveries(self.database, self.temporal, ground.PUBLIC_KEYS).by_kind()
            dispatcher = Polling(self.database, deliveries, TO_TEMPORAL, lease=timedelta(seconds=15))
            self.database.on_outbox = dispatcher.wake
            task = run_as(Actor("dispatcher"), dispatcher.run)
            try:
                await task
            except Crash:
                await asyncio.sleep(2.0)
            finally:
                task.cancel()

    async def _rest(self, faults: list[str]) -> None:
        """Wait until every proposal's workflow is over."""
        waited = 0.0
        while not await self._is_over():
            if waited > RESTS_WITHIN.total_seconds():
                faults.append("not everything came to rest")
                return
            if self.world.is_calm:
                await self.people.resume()
            await asyncio.sleep(20.0)
            waited += 20.0

    async def _is_over(self) -> bool:
        if any(not run.task.done() for run in self.temporal.runs.values()):
            return False
        return await self.database.is_delivered()

    async def _stop(self, dispatching: asyncio.Task[None]) -> None:
        """End what still runs: zombies, late messages, workflows that will never end."""
        for run in self.temporal.runs.values():
            if run.task.done() and run.task.exception() is not None:
                self.world.defects.append(
                    f"{run.start.proposal_id}: its workflow failed: {run.task.exception()!r}"
                )
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(dispatching, *left, *self.temporal.zombies, return_exceptions=True)

    def _running(self) -> dict[str, set[int]]:
        return {
            f"{PROJECT}/{LOCATION}/{self.provider.cluster.name}/{pool}": self.provider.running(pool)
            for pool in POOLS
            if pool not in self.provider.touched
        }


def parts(database: Database, configuration: Configuration, gateway: WorkflowGateway) -> ApiParts:
    """Return what the API holds."""
    signer = CheckpointSigner(ground.KEY)
    return ApiParts(
        database=database,
        configuration=configuration,
        gateway=gateway,
        signing_key=ground.KEY,
        public_keys=ground.PUBLIC_KEYS,
        sequencer=Sequencer(database, signer),
        audit_key=signer.key,
        mode=ground.MODE,
    )
