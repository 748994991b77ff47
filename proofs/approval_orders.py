"""Orders of five things that happen to a proposal that waits, on real parts: `make proof-approvals` runs 300.

Each order runs on a real Temporal server with the real workflow, the real approval activities and PostgreSQL; only the
guard passes are scripted. Afterwards time runs out. Judged by the database: each proposal is in the one state that a
model of its own foretells, and its audit events rebuild it. All 16,807 orders run in memory:
`tests/contracts/test_approval_orders.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

from adapters.audit.replay import replay
from adapters.store import cancellation
from adapters.store.database import Database
from benchmarks.floor.temporal import dev_server
from benchmarks.postgres import fresh_database
from contracts.audit import AuditEvent
from contracts.base import utc_now
from contracts.decision import DecisionKind, SignedDecision
from contracts.messages import WAKE_SIGNAL, Standing
from contracts.proposal import ProposalState
from emulators.gke.client import EmulatorAdmin
from emulators.gke.server import Emulator, Options
from proofs.report import Report, Stopwatch, arguments, exactly, told
from proofs.workplace import workplace
from tests.contracts.ballots import CAROL, DECIDED, OLGA, QUORUM, Happening, ends_as
from tests.contracts.samples import ANA, BEN
from tests.editing import edit
from tests.gke_fixtures import RunningEmulator
from tests.proposal_stack import ProposalStack, eventually, proposal_stack

AT_ONCE = 12
FIRST_WINDOW = timedelta(seconds=8)
"""Time to decide. An order that this machine was too slow for runs again with twice as much."""
ATTEMPTS = 4
LENGTH = 5
SEED = 20_261_121
_S = ProposalState

Order = tuple[Happening, ...]


class TooSlowError(Exception):
    """Time ran out before the order came to it: it says nothing about the order."""


@dataclass
class Judged:
    """What became of the orders."""

    ends: Counter[ProposalState] = field(default_factory=Counter)
    right: int = 0
    """Of these, as the model says."""
    faults: list[str] = field(default_factory=list)
    again: int = 0
    """Orders that were too slow and ran again."""


@dataclass
class _Course:
    """One proposal on its way through one order."""

    stack: ProposalStack
    handle: WorkflowHandle[Any, Standing]
    proposal_id: str
    order: Order
    last: SignedDecision | None = None
    is_late: bool = False

    async def happens(self, what: Happening) -> None:
        row = await self.stack.row(self.proposal_id)
        if not self.is_late and what is not Happening.EXPIRE and utc_now() > row.decide_by:
            raise TooSlowError
        match what:
            case Happening.EXPIRE:
                await self._run_out()
            case Happening.CANCEL:
                async with self.stack.database.transaction() as connection:
                    await cancellation.cancel(connection, self.proposal_id, ANA, "cancelled_by_person")
                await self._wake()
            case Happening.EDIT:
                if not isinstance(await edit(self.stack.database, self.proposal_id, OLGA, node_count=5), str):
                    await self._wake()
                    await self.judged()
            case Happening.DUPLICATE if self.last is not None:
                await self._send(self.last)
            case _:
                await self._decide(what)

    async def _decide(self, what: Happening) -> None:
        reviewer = CAROL if what is Happening.SECOND_APPROVER else BEN
        kind = DecisionKind.REJECT if what is Happening.REJECT else DecisionKind.APPROVE
        self.last = await self.stack.signed(self.proposal_id, reviewer, kind)
        await self.stack.record(self.last)
        await self._send(self.last)

    async def _send(self, signed: SignedDecision) -> None:
        # Refused, or the workflow is over: what is true stands in the database.
        with contextlib.suppress(WorkflowUpdateFailedError, RPCError):
            await self.stack.send(signed)

    async def _wake(self) -> None:
        with contextlib.suppress(RPCError):
            await self.handle.signal(WAKE_SIGNAL)

    async def judged(self) -> None:
        """Wait until the gates looked at the new revision."""

        async def judged() -> bool:
            return bool((await self.stack.row(self.proposal_id)).state != _S.EVALUATING)

        await eventually(judged, limit=60)
        row = await self.stack.row(self.proposal_id)
        if row.state == _S.EXPIRED and not self.is_late:
            raise TooSlowError

    async def _run_out(self) -> None:
        """Let the time pass; whatever still waits expires by its own timer."""
        self.is_late = True
        row = await self.stack.row(self.proposal_id)
        if row.state == _S.AWAITING_APPROVAL:
            await asyncio.sleep(max(0.0, (row.decide_by - utc_now()).total_seconds()))
            await self.stack.until(self.proposal_id, *DECIDED, limit=60)


async def prove(stack: ProposalStack, orders: Sequence[Order]) -> Judged:
    """Run the orders, several at a time, and judge each."""
    stack.guard.quorums, stack.guard.holds = [QUORUM], sys.maxsize
    judged, gate = Judged(), asyncio.Semaphore(AT_ONCE)

    async def one(order: Order) -> None:
        async with gate:
            window = FIRST_WINDOW
            for _ in range(ATTEMPTS):
                try:
                    await _run(stack, order, window, judged)
                except TooSlowError:
                    judged.again += 1
                    window *= 2
                else:
                    return
            judged.faults.append(f"{_named(order)}: too slow {ATTEMPTS} times")

    watch = Stopwatch(len(orders), "orders")
    for done, running in enumerate(asyncio.as_completed([one(order) for order in orders]), 1):
        await running
        watch.at(done)
    return judged


async def _run(stack: ProposalStack, order: Order, window: timedelta, judged: Judged) -> None:
    now = utc_now()
    handle = await stack.propose(decide_by=now + window, execute_by=now + timedelta(hours=2))
    course = _Course(stack, handle, handle.id.removeprefix("proposal/"), order)
    try:
        await course.judged()
        for what in (*order, Happening.EXPIRE):
            await course.happens(what)
        await _judge(course, judged)
    finally:
        # What is approved would be held until it may execute, which is not asked here.
        with contextlib.suppress(RPCError):
            await handle.terminate()


async def _judge(course: _Course, judged: Judged) -> None:
    row = await course.stack.row(course.proposal_id)
    state, wanted = ProposalState(row.state), ends_as(course.order)
    if state is not wanted:
        judged.faults.append(f"{_named(course.order)}: {state} instead of {wanted}")
    else:
        judged.right += 1
    events = [AuditEvent.model_validate(one) for one in await course.stack.audit(course.proposal_id)]
    rebuilt = replay(events).proposals[course.proposal_id]
    if (rebuilt.state, rebuilt.revision) != (state, row.revision):
        judged.faults.append(f"{_named(course.order)}: the audit events rebuild {rebuilt.state}")
    judged.ends[state] += 1


def _named(order: Order) -> str:
    return " ".join(order)


def sample(count: int, seed: int = SEED) -> list[Order]:
    """Return different orders, the same for the same seed."""
    every = list(itertools.product(Happening, repeat=LENGTH))
    return random.Random(seed).sample(every, count)  # noqa: S311  a sample, not a secret


async def run(directory: Path, count: int, seed: int) -> Judged:
    """Start the parts and run a sample of the orders."""
    log = directory / "gke.jsonl"
    emulator = await Emulator.start(Options(log=log))
    fleet = RunningEmulator(log, emulator.address, emulator.compute_url)
    fleet.admin = EmulatorAdmin(fleet.compute_url)
    async with dev_server(directory) as temporal, fresh_database() as url:
        database = Database(url)
        async with proposal_stack(temporal.address, database, fleet) as stack, stack.working():
            judged = await prove(stack, sample(count, seed))
        await database.close()
    await fleet.admin.close()
    await emulator.stop()
    return judged


def main() -> int:
    """Read the arguments and prove."""
    parser = arguments(__doc__)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    began = time.monotonic()
    with workplace("orders") as place:
        judged = asyncio.run(run(place.directory, given.sample, given.seed))
        report = Report(
            promise="Whatever happens to a waiting proposal, in any order, it ends in the one state it must (I2, I4).",
            figures=(
                exactly("orders that ended as the model says", judged.right, given.sample),
                *(told(str(state), number) for state, number in sorted(judged.ends.items())),
                told("orders run again with more time", judged.again),
            ),
            faults=judged.faults,
            again=f"python -m proofs.approval_orders --sample {given.sample} --seed {given.seed}",
            seconds=time.monotonic() - began,
        )
        return place.conclude(report, given.report)


if __name__ == "__main__":
    sys.exit(main())
