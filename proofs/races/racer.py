"""One process of a race: its share of the calls, through the API's own code, the activities and the store.

Where a decision goes to its workflow, the activity that applies it is called at once, here. A workflow takes one after
the other; without one, only the database keeps them apart.

    python -m proofs.races.racer postgresql+asyncpg://… LOG [PLANT]      orders come as lines, answers go as lines
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.approval.activities import ApprovalActivities
from activities.execution.activities import EffectActivities
from activities.execution.attempt import EffectTimings
from activities.guardrail.activities import GuardActivities
from activities.housekeeping.overdue import OverdueProposals
from activities.verification.activities import VerificationActivities
from adapters.audit.checkpoint import CheckpointSigner
from adapters.dispatch.workflows import WorkflowDeliveries
from adapters.store.database import Database
from adapters.store.outbox import OutboxKind
from adapters.store.outbox_queue import OutboxRow
from adapters.store.schema import decisions as decision_rows
from adapters.store.sequencer import Sequencer
from api.idempotency import Claim
from api.parts import ApiParts
from api.problems import Problem
from api.proposals import closing, decisions, revising
from api.proposals.schemas import DecideBody, ReviseBody
from contracts.base import Contract, utc_now
from contracts.configuration import Configuration
from contracts.decision import DecisionKind, DecisionResult, SignedDecision
from contracts.effect import Step
from contracts.errors import DecisionNotAccepted, StoreUnavailable, WorkflowUnavailable
from contracts.messages import CloseInput, DecisionInput, EffectInput, PassInput, ProposalInput, RequestInput
from contracts.ports import WorkflowGateway
from contracts.progress import RequestProgress
from contracts.proposal import ProposalState
from proofs.races import ground
from proofs.races.drawing import DECISIONS, Call, Hearing, Kind, Round
from proofs.races.plants import PLANTS
from proofs.races.pools import Pools
from proofs.report import say
from proofs.simulation.ground import KEY, MODE, PRICES, PUBLIC_KEYS, Policies

TIMINGS = EffectTimings(
    call_timeout=ground.BRIEFLY, call_margin=ground.BRIEFLY, poll_interval=ground.BRIEFLY / 10
)
_G = TypeVar("_G")
_T = TypeVar("_T")
NO_DIGEST = f"sha256:{0:064}"
UNAVAILABLE = "unavailable"
BROKE = "broke: "


class Answer(Contract):
    """What a call came to. Moments are of the machine's monotonic clock, which all processes share."""

    call: Call
    told: str
    """`200`, `202`, or a reason code; `unavailable`; `broke: …` for what no caller should ever see."""
    decision_id: str | None = None
    revision: int | None = None
    """That an edit was told to have made."""
    began: float = 0.0
    ended: float = 0.0


class Answers(Contract):
    """Of one process, for one round."""

    number: int
    answers: tuple[Answer, ...]


class Straight:
    """`WorkflowGateway` without a workflow: a decision is applied by whoever hands it over."""

    def __init__(self, approval: ApprovalActivities, hearing: Hearing) -> None:
        """Lose what `hearing` says."""
        self._approval = approval
        self._hearing = hearing

    async def decide(self, signed: SignedDecision) -> DecisionResult:
        """Apply it."""
        if self._hearing is Hearing.LOST:
            raise WorkflowUnavailable("the race loses it")
        try:
            result = await self._approval.record_decision(DecisionInput(signed=signed))
        except ApplicationError as refused:
            raise DecisionNotAccepted(refused.type or "") from refused
        if self._hearing is Hearing.UNANSWERED:
            raise WorkflowUnavailable("the race loses the answer")
        return result

    async def wake(self, proposal_id: str) -> None:
        """Nobody sleeps: who races drives the next stage."""

    async def start_request(self, start: RequestInput) -> None:
        """Nobody asks for this here."""

    async def start_proposal(self, start: ProposalInput) -> None:
        """Nobody asks for this here."""

    async def progress_of(self, request_id: str) -> RequestProgress | None:
        """Nobody asks for this here."""
        return None

    async def check(self) -> None:
        """It is there."""


class Racer:
    """Makes calls."""

    def __init__(self, url: str, log: Path, configuration: Configuration) -> None:
        """Wire what an API and a worker hold, on connections of their own."""
        self.database = database = Database(url, pool_size=16)
        self._pools = pools = Pools(log)
        self._configuration = configuration
        self._guards = GuardActivities(database, pools, Policies(), PRICES, configuration, MODE)
        self._approval = ApprovalActivities(database, PUBLIC_KEYS, configuration)
        self._effects = EffectActivities(database, pools, pools, configuration, PUBLIC_KEYS, MODE, TIMINGS)
        self._verification = VerificationActivities(database, pools, pools, configuration, MODE, TIMINGS)
        signer = CheckpointSigner(KEY)
        self._parts = ApiParts(
            database=database,
            configuration=configuration,
            gateway=self._gateway(Hearing.WELL),
            signing_key=KEY,
            public_keys=PUBLIC_KEYS,
            sequencer=Sequencer(database, signer),
            audit_key=signer.key,
            mode=MODE,
        )

    def _gateway(self, hearing: Hearing) -> WorkflowGateway:
        return Straight(self._approval, hearing)

    async def race(self, given: Round) -> Answers:
        """Make all calls of a round, each at its moment."""
        answers = await asyncio.gather(*[self._at_its_moment(given, call) for call in given.calls])
        return Answers(number=given.number, answers=tuple(answers))

    async def _at_its_moment(self, given: Round, call: Call) -> Answer:
        await asyncio.sleep(call.after)
        began = time.monotonic()
        try:
            answer = await self._make(given, call)
        except Problem as refused:
            answer = Answer(call=call, told=refused.code)
        except ApplicationError as refused:
            answer = Answer(call=call, told=refused.type or "")
        except StoreUnavailable:
            answer = Answer(call=call, told=UNAVAILABLE)
        except Exception as error:  # noqa: BLE001  whatever it is, it is what the proof looks for
            answer = Answer(call=call, told=f"{BROKE}{error!r}")
        return answer.model_copy(update={"began": began, "ended": time.monotonic()})

    async def _make(self, given: Round, call: Call) -> Answer:
        if call.kind in DECISIONS:
            return await self._decide(given, call)
        match call.kind:
            case Kind.EDIT:
                return await self._edit(given, call)
            case Kind.CANCEL:
                who = ground.PEOPLE[call.who]
                done = await closing.cancel(self._parts, given.proposal_id, "not now", who, _claim(call.who))
                return Answer(call=call, told=str(done.status))
            case Kind.EXPIRE:
                return Answer(call=call, told=await self._expire(given))
            case Kind.SWEEP:
                swept = OverdueProposals(self.database, self._configuration, grace=ground.NO_TIME)
                return Answer(call=call, told=str(await swept.expire()))
            case Kind.DELIVER:
                return Answer(call=call, told=await self._deliver(given))
            case Kind.CHECK:
                wanted = PassInput(proposal_id=given.proposal_id, revision=given.revision, pass_number=1)
                return Answer(
                    call=call, told=(await _activity(self._guards.check_proposal, wanted)).reason_code
                )
        return Answer(call=call, told=await self._execute(given))

    async def _decide(self, given: Round, call: Call) -> Answer:
        body = DecideBody(
            decision=DecisionKind(call.kind.value),
            revision=given.revision,
            digest=given.digest or NO_DIGEST,
            reason="the race decides",
        )
        parts = dataclasses.replace(self._parts, gateway=self._gateway(call.hearing))
        who = ground.PEOPLE[call.who]
        answer = await decisions.decide(parts, given.proposal_id, body, who, _claim(call.who))
        return Answer(call=call, told=str(answer.status), decision_id=str(answer.body["decision_id"]))

    async def _edit(self, given: Round, call: Call) -> Answer:
        body = ReviseBody(
            digest=given.digest or NO_DIGEST, fields={"node_count": call.node_count}, reason="the race edits"
        )
        who = ground.PEOPLE[call.who]
        answer = await revising.revise(self._parts, given.proposal_id, body, who, _claim(call.who))
        return Answer(call=call, told=str(answer.status), revision=int(answer.body["revision"]))

    async def _expire(self, given: Round) -> str:
        closing_input = CloseInput(
            proposal_id=given.proposal_id,
            revision=given.revision,
            state=ProposalState.EXPIRED,
            reason_code="decide_by_passed",
            only_from=ProposalState.AWAITING_APPROVAL,
        )
        return str((await self._approval.close_proposal(closing_input)).state)

    async def _deliver(self, given: Round) -> str:
        deliveries = WorkflowDeliveries(self.database, self._gateway(Hearing.WELL), PUBLIC_KEYS)
        wanted = select(decision_rows.c.id).where(decision_rows.c.proposal_id == given.proposal_id)
        async with self.database.reading() as connection:
            ids = (await connection.execute(wanted)).scalars().all()
        for one in ids:
            try:
                await deliveries.decide(OutboxRow(0, OutboxKind.DECIDE, one, {}, {}, 1, utc_now()))
            except WorkflowUnavailable:
                return UNAVAILABLE
        return str(len(ids))

    async def _execute(self, given: Round) -> str:
        number = given.round + 2
        admitting = PassInput(proposal_id=given.proposal_id, revision=given.revision, pass_number=number)
        passed = await _activity(self._guards.admit_proposal, admitting)
        if passed.state is ProposalState.READY and not passed.admitted:
            return passed.reason_code
        effect = EffectInput(
            proposal_id=given.proposal_id, revision=given.revision, step=Step.FORWARD, pass_number=number
        )
        done = await _activity(self._effects.execute_action, effect)
        if done.state is not ProposalState.VERIFYING:
            return done.reason_code
        return str((await _activity(self._verification.verify_effect, effect)).state)

    async def close(self) -> None:
        """Close every connection."""
        await self.database.close()
        self._pools.close()


async def _activity(run: Callable[[_G], Coroutine[Any, Any, _T]], given: _G) -> _T:
    return await ActivityEnvironment().run(run, given)


def _claim(who: str) -> Claim:
    return Claim(who, None, "")


async def serve(url: str, log: Path) -> None:
    """Race as the lines of standard input say, until there are no more."""
    racer = Racer(url, log, ground.configuration())
    lines = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    racing: set[asyncio.Task[None]] = set()

    async def one(line: bytes) -> None:
        say((await racer.race(Round.model_validate_json(line))).model_dump_json())

    try:
        while line := await lines.readline():
            task = asyncio.create_task(one(line))
            racing.add(task)
            task.add_done_callback(racing.discard)
        await asyncio.gather(*racing)
    finally:
        await racer.close()


if __name__ == "__main__":
    # Refusals by the thousand are no news.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with PLANTS[sys.argv[3] if len(sys.argv) > 3 else ""]():
        asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
