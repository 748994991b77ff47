"""Temporal, as far as a proposal uses it: the real `ProposalWorkflow` runs here, its activities at least once.

What is kept: one workflow per id, Updates by id, signals, timers, retries, time-outs by heartbeat, continue-as-new.
What is left out: histories and replay. A workflow never loses its memory here; the result of an activity may be lost
together with the worker, and the activity runs again. Replay is shown by `tests/replay`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context, ContextVar
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, NoReturn, cast

from temporalio import workflow as real
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, RetryState
from temporalio.testing import ActivityEnvironment

from activities.errors import application_error
from contracts.base import Contract
from contracts.decision import DecisionResult, SignedDecision
from contracts.errors import DecisionNotAccepted, SluiceError, WorkflowUnavailable
from contracts.messages import ProposalInput, RequestInput, Standing
from contracts.progress import RequestProgress
from proofs.simulation.world import HEARTBEAT_TIMEOUT, Actor, Crash, World, current_actor
from workflows.ballot import PROPOSAL_CLOSED
from workflows.proposal import ProposalWorkflow

RESTART = 1.0
"""Seconds until another worker takes over what a lost one was doing."""
_MESSAGES = ("start", "decide", "wake")
RESULT_LOST = " result lost"
_running: ContextVar[Run] = ContextVar("simulation_run")

Activities = Mapping[str, Callable[..., Awaitable[Any]]]


class ContinueAsNew(BaseException):
    """The workflow goes on under a new run with this input."""

    def __init__(self, start: ProposalInput) -> None:
        super().__init__(start.proposal_id)
        self.start = start


class Run:
    """One proposal's workflow, from its start to its close."""

    def __init__(self, temporal: SimulatedTemporal, start: ProposalInput) -> None:
        """Begin to run."""
        self.temporal, self.world = temporal, temporal.world
        self.start = start
        self.workflow = ProposalWorkflow(start)
        self.conditions: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.updates: dict[str, asyncio.Task[DecisionResult]] = {}
        self.handlers: set[asyncio.Task[Any]] = set()
        self.stages = 0
        self.task = asyncio.create_task(self._follow(), context=Context())

    async def _follow(self) -> Standing:
        _running.set(self)
        while True:
            try:
                return await self.workflow.run(self.start)
            except ContinueAsNew as new:
                self.world.note(f"{self.start.proposal_id} continues as new")
                self.start, self.stages = new.start, 0
                self.workflow = ProposalWorkflow(new.start)

    def poke(self) -> bool:
        """Let those go on whose condition holds by now."""
        token = _running.set(self)
        ready = [(holds, waiting) for holds, waiting in self.conditions if waiting.done() or holds()]
        _running.reset(token)
        for one in ready:
            self.conditions.remove(one)
            if not one[1].done():
                one[1].set_result(None)
        return bool(ready)

    async def decide(self, payload: object) -> DecisionResult:
        """Call the Update's handler as Temporal does: with plain JSON."""
        handler = cast("Callable[[object], Awaitable[DecisionResult]]", self.workflow.decide)
        return await handler(payload)

    def handle(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        """Run a handler inside this workflow."""

        async def run() -> Any:
            _running.set(self)
            return await work

        task = asyncio.create_task(run(), context=Context())
        self.handlers.add(task)
        task.add_done_callback(self.handlers.discard)
        return task


class _Shim:
    """Stands in the place of `temporalio.workflow` in the modules of the workflow."""

    ActivityCancellationType = real.ActivityCancellationType
    unsafe = real.unsafe

    def now(self) -> datetime:
        return _running.get().world.now

    def info(self) -> SimpleNamespace:
        run = _running.get()
        return SimpleNamespace(is_continue_as_new_suggested=lambda: run.stages > run.temporal.longest_history)

    def patched(self, _: str) -> bool:
        return True

    def set_current_details(self, _: str) -> None:
        _running.get().stages += 1

    def all_handlers_finished(self) -> bool:
        return not _running.get().handlers

    def continue_as_new(self, start: ProposalInput) -> NoReturn:
        raise ContinueAsNew(start)

    async def wait_condition(
        self, holds: Callable[[], bool], *, timeout: timedelta | None = None, timeout_summary: str = ""
    ) -> None:
        if holds():
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _running.get().conditions.append((holds, waiting))
        await asyncio.wait_for(waiting, timeout.total_seconds() if timeout else None)

    async def execute_local_activity(
        self, name: str, given: Contract, *, retry_policy: RetryPolicy, **_: object
    ) -> Any:
        run = _running.get()
        return await run.temporal.run_local(name, given, retry_policy)

    async def execute_activity(
        self, name: str, given: Contract, *, retry_policy: RetryPolicy, **_: object
    ) -> Any:
        run = _running.get()
        return await run.temporal.run_remote(name, given, retry_policy)


SHIM = _Shim()


class SimulatedTemporal:
    """Implements `contracts.ports.WorkflowGateway` for API and dispatcher, and runs the activities."""

    def __init__(self, world: World, activities: Activities, longest_history: int) -> None:
        """`longest_history`: stages after which a held proposal is to continue as new."""
        self.world = world
        self.longest_history = longest_history
        self.runs: dict[str, Run] = {}
        self.zombies: set[asyncio.Task[Any]] = set()
        self._activities = activities
        self._attempts = 0
        world.watchers.append(self._poke)

    def _poke(self) -> bool:
        return any(run.poke() for run in self.runs.values())

    # The gateway.

    async def start_request(self, start: RequestInput) -> None:
        """No requests here."""
        raise WorkflowUnavailable("no requests in the simulation")

    async def start_proposal(self, start: ProposalInput) -> None:
        """Start a workflow; a second start changes nothing."""

        async def deliver() -> None:
            if start.proposal_id not in self.runs:
                self.runs[start.proposal_id] = Run(self, start)

        await self._message("start", deliver)

    async def decide(self, signed: SignedDecision) -> DecisionResult:
        """Deliver a decision as an Update under its id."""
        found: DecisionResult = await self._message("decide", lambda: self.update(signed))
        return found

    async def wake(self, proposal_id: str) -> None:
        """Signal a workflow."""

        async def deliver() -> None:
            run = self.runs.get(proposal_id)
            if run is not None:
                run.workflow.wake()

        await self._message("wake", deliver)

    async def progress_of(self, request_id: str) -> RequestProgress | None:
        """Nobody asks."""
        return None

    async def check(self) -> None:
        """It is there."""

    async def _message(self, kind: str, deliver: Callable[[], Awaitable[Any]]) -> Any:
        """Deliver once, twice, late or never; the sender may be lost before it or after it."""
        await self.world.boundary(f"{kind} before delivery")
        if self.world.age < self.world.fate.away or self.world.happens(self.world.fate.losses):
            self.world.note(f"{kind} is lost")
            raise WorkflowUnavailable("no answer")
        if self.world.happens(self.world.fate.losses):
            self.zombies.add(asyncio.create_task(self._late(kind, deliver), context=Context()))
        answer = await deliver()
        await self.world.boundary(f"{kind} after delivery")
        if self.world.happens(self.world.fate.losses):
            self.world.note(f"the answer to {kind} is lost")
            raise WorkflowUnavailable("no answer")
        return answer

    async def _late(self, kind: str, deliver: Callable[[], Awaitable[Any]]) -> None:
        await self.world.pause(90.0)
        self.world.note(f"{kind} comes again")
        with contextlib.suppress(DecisionNotAccepted):
            await deliver()

    async def update(self, signed: SignedDecision) -> DecisionResult:
        """Send an Update as anybody with access to Temporal can.

        Raises:
            DecisionNotAccepted: refused, or there is no such workflow any more.
        """
        run = self.runs.get(signed.decision.proposal_id)
        if run is None or run.task.done():
            raise DecisionNotAccepted(PROPOSAL_CLOSED)
        task = run.updates.get(signed.decision.id)
        if task is None:
            payload = signed.model_dump(mode="json")
            try:
                self._inside(run, lambda: run.workflow._validate_decide(payload))  # noqa: SLF001  as Temporal does
            except ApplicationError as refusal:
                raise DecisionNotAccepted(refusal.type or "") from refusal
            task = run.updates[signed.decision.id] = run.handle(run.decide(payload))
        try:
            return await asyncio.shield(task)
        except ApplicationError as refusal:
            raise DecisionNotAccepted(refusal.type or "") from refusal

    def signal(self, proposal_id: str, payload: object) -> None:
        """Send a decision as a Signal."""
        run = self.runs.get(proposal_id)
        if run is not None and not run.task.done():
            run.handle(run.workflow.decide_later(payload))

    def _inside(self, run: Run, work: Callable[[], None]) -> None:
        token = _running.set(run)
        try:
            work()
        finally:
            _running.reset(token)

    # The activities.

    async def run_local(self, name: str, given: Contract, policy: RetryPolicy) -> Any:
        """Run a local activity until it has a result that is not lost; the workflow task runs again with it."""
        attempt = 1
        while True:
            try:
                result = await self._attempt(name, given, attempt)
                self.world.cross(name + RESULT_LOST)
            except Crash:
                await asyncio.sleep(RESTART)
                attempt = 1
            except ApplicationError as failure:
                if failure.non_retryable:
                    raise
                await asyncio.sleep(_backoff(policy, attempt))
                attempt += 1
            else:
                return result

    async def run_remote(self, name: str, given: Contract, policy: RetryPolicy) -> Any:
        """Run an activity of the effects' worker. An attempt that froze is taken for lost, and may go on."""
        attempt = 1
        while True:
            actor = self._actor(name, given, may_freeze=True)
            task = asyncio.create_task(self._attempt(name, given, attempt, actor))
            frozen = asyncio.create_task(actor.froze.wait())
            await asyncio.wait((task, frozen), return_when=asyncio.FIRST_COMPLETED)
            frozen.cancel()
            attempt += 1
            if not task.done():
                self.world.note(f"{actor.name} is taken for lost")
                self._forget(task)
                continue
            try:
                result = task.result()
                self.world.cross(name + RESULT_LOST)
            except Crash:
                await asyncio.sleep(HEARTBEAT_TIMEOUT)
            except ApplicationError as failure:
                if failure.non_retryable:
                    raise _activity_error(name, failure) from failure
                await asyncio.sleep(_backoff(policy, attempt))
            else:
                return result

    def _forget(self, task: asyncio.Task[Any]) -> None:
        """Leave a zombie alone. Some are told by their next heartbeat that nobody waits for them any more."""
        self.zombies.add(task)
        if self.world.happens(0.5):
            lasts = self.world.chance.random() * 60
            asyncio.get_running_loop().call_later(lasts, task.cancel)

    def _actor(self, name: str, given: Contract, *, may_freeze: bool) -> Actor:
        self._attempts += 1
        step = getattr(given, "step", "")
        subject = getattr(given, "proposal_id", "")
        return Actor(" ".join(f"{name} {subject} {step} #{self._attempts}".split()), may_freeze)

    async def _attempt(self, name: str, given: Contract, attempt: int, actor: Actor | None = None) -> Any:
        actor = actor or self._actor(name, given, may_freeze=False)

        async def run() -> Any:
            current_actor.set(actor)
            await self.world.turn()
            environment = ActivityEnvironment()
            environment.info = dataclasses.replace(environment.info, attempt=attempt)
            return await environment.run(self._activities[name], given)

        try:
            return await asyncio.create_task(run())
        except SluiceError as error:
            raise application_error(error) from None
        except ApplicationError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it is a defect of ours and told as one
            self.world.defects.append(f"{actor.name}: {error!r}")
            raise ApplicationError(str(error), type="internal_error") from None


def crossings(activities: Iterable[str]) -> tuple[str, ...]:
    """Return the boundaries of messages and results."""
    sent = (f"{kind} {when} delivery" for kind in _MESSAGES for when in ("before", "after"))
    return (*sent, *(name + RESULT_LOST for name in activities))


def _backoff(policy: RetryPolicy, attempt: int) -> float:
    first, longest = policy.initial_interval.total_seconds(), policy.maximum_interval
    waits = first * policy.backoff_coefficient ** min(attempt - 1, 16)
    return float(min(waits, longest.total_seconds() if longest else waits))


def _activity_error(name: str, cause: ApplicationError) -> ActivityError:
    error = ActivityError(
        "the activity failed",
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=name,
        activity_id="",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    error.__cause__ = cause
    return error
