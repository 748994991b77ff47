"""The path of one proposal, PROPOSAL to close, as the order of its stages and waits.

The database row says where the proposal stands, and each stage answers with that state (docs/adr/0005). Nothing here
decides, reads or writes; a crash at any point goes on with the stage that was under way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from contracts.decision import DecisionResult, SignedDecision
    from contracts.effect import EffectResult, Step
    from contracts.eligibility import ALREADY_VOTED, STALE_REVISION
    from contracts.messages import (
        DECIDE_SIGNAL,
        DECIDE_UPDATE,
        PROPOSAL_WORKFLOW,
        WAKE_SIGNAL,
        CloseInput,
        DecisionInput,
        EffectInput,
        PassInput,
        PassResult,
        ProposalInput,
        Standing,
    )
    from contracts.proposal import DECIDE_BY_PASSED, EXECUTE_BY_PASSED, ProposalState
    from workflows import stages
    from workflows.ballot import PROPOSAL_CLOSED, Ballot, parse, refusal_input, refuse

SLOW_TIMER = timedelta(seconds=60)
"""A held proposal asks again after this, should the wake signal be lost."""
SLOWEST = timedelta(minutes=10)
"""The longer it is held, the longer it waits before it asks again, up to this: what each guard pass writes is kept."""
BREATH = timedelta(seconds=2)
"""Least time between two attempts that both came to nothing."""
MAX_RECORDED_REFUSALS = 100
"""Refused signals of one run that are audited one by one; a flood beyond is dropped."""
VOTE_CHANGE = "newest-vote-of-a-person-counts"
"""Patch: asked only where it makes a difference, so that other histories hold no marker."""
REPEATED = "the-database-says-what-is-repeated"
"""Patch: asked only where a decision seems to repeat one, or to withdraw none."""
BEHIND = "rules-of-a-lost-pass-are-asked-for"
"""Patch: asked only where a pass was lost with its worker."""
AHEAD = "decisions-on-a-newer-revision-wait"
"""Patch: asked only where a decision comes before its workflow has heard of the edit it is about."""

_S = ProposalState
_FAILED = (ActivityError, ApplicationError)
"""How an activity that failed for good shows: a local one without the wrapper."""


# The sandbox would load these modules anew for every proposal and wrap every call into it, a sixth of a worker's time.
# What it watches for is watched by tests: each stored history is replayed inside it (tests/replay).
@workflow.defn(name=PROPOSAL_WORKFLOW, sandboxed=False)
class ProposalWorkflow:
    """check → wait for decisions → admit → execute → verify → (roll back → verify) → close."""

    @workflow.init
    def __init__(self, start: ProposalInput) -> None:
        """Hold state from the first message on: one may arrive before `run` begins."""
        self.start = start
        self._revision = start.revision
        self._summary = start.summary
        self._passes = start.passes
        self._state = _S.READY if start.passes else _S.EVALUATING
        self._ballot = Ballot(start)
        self._in_pass = True
        self._woken = False
        self._hold: tuple[str | None, datetime] | None = None
        self._applying = 0
        self._refusals = 0
        self._one_decision = asyncio.Lock()

    @workflow.run
    async def run(self, start: ProposalInput) -> Standing:
        """Follow the path to its end. Cancelling through Temporal changes nothing: cancels go through the database."""
        path = asyncio.create_task(self._follow_and_drain())
        while not path.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(path)
        standing = path.result()
        if not standing.state.is_final:
            carried = {"revision": self._revision, "passes": self._passes, "summary": self._summary}
            workflow.continue_as_new(start.model_copy(update=carried))
        return standing

    async def _follow_and_drain(self) -> Standing:
        standing = await self._follow()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return standing

    async def _follow(self) -> Standing:
        """Run stage after stage until the state is final, or until a long hold has made the history long."""
        stage = {
            _S.EVALUATING: self._check,
            _S.AWAITING_APPROVAL: self._wait_for_decisions,
            _S.READY: self._admit,
            _S.EXECUTING: self._execute,
            _S.VERIFYING: self._verify,
            _S.ROLLING_BACK: self._roll_back,
        }
        reason_code = ""
        while not self._state.is_final:
            self._describe(reason_code)
            if self._state is _S.READY and workflow.info().is_continue_as_new_suggested():
                break
            try:
                self._state, reason_code = await stage[self._state]()
            except _FAILED as failure:
                self._state, reason_code = await self._give_up(failure)
        self._describe(reason_code)
        return Standing(state=self._state, revision=self._revision, reason_code=reason_code)

    async def _check(self) -> tuple[ProposalState, str]:
        """First guard pass of this revision."""
        self._passes = 1
        result = await self._pass(stages.check_proposal)
        return result.state, result.reason_code

    async def _wait_for_decisions(self) -> tuple[ProposalState, str]:
        """Wait until enough people decided, somebody closed the proposal, or the time is over (expiry rejects)."""
        decide_by = self._ballot.decide_by
        remaining = decide_by - workflow.now() if decide_by else timedelta(0)
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: self._woken or self._state is not _S.AWAITING_APPROVAL,
                timeout=max(remaining, timedelta(milliseconds=1)),
                timeout_summary=f"decide by {decide_by:%Y-%m-%d %H:%M:%S %Z}",
            )
        # A decision accepted before the timer fired wins, also when it is applied after.
        await workflow.wait_condition(lambda: self._applying == 0)
        if self._state is not _S.AWAITING_APPROVAL:
            return self._state, "decided"
        if self._woken:
            self._woken = False
            return await self._look()
        # One may even be applied already, its result lost with a worker.
        return await self._close(_S.EXPIRED, DECIDE_BY_PASSED, only_from=_S.AWAITING_APPROVAL)

    async def _admit(self) -> tuple[ProposalState, str]:
        """Guard pass right before the effect. What holds the proposal is waited for, until `execute_by`."""
        self._woken = False
        self._passes += 1
        result = await self._pass(stages.admit_proposal)
        patience = self._patience(result.held_on)
        if result.admitted:
            return _S.EXECUTING, result.reason_code
        if result.state is not _S.READY:
            return result.state, result.reason_code
        self._describe(f"{result.reason_code} (held on {result.held_on})")
        await self._nap(patience, f"held on {result.held_on}", until=result.execute_by)
        if workflow.now() >= result.execute_by:
            return await self._close(_S.EXPIRED, EXECUTE_BY_PASSED)
        return _S.READY, result.reason_code

    async def _execute(self) -> tuple[ProposalState, str]:
        """The one forward effect, or none. The activity verifies it, too, and its state is that of the end."""
        outcome = await stages.execute_action(self._effect(Step.FORWARD), self._summary)
        if outcome.result is EffectResult.NEEDS_NEW_PASS:
            await self._nap(BREATH, f"new pass: {outcome.reason_code}")
        return outcome.state, outcome.reason_code

    async def _verify(self) -> tuple[ProposalState, str]:
        """What runs, against what was decided. Only a worker from before left this to an activity of its own."""
        outcome = await stages.verify_effect(self._effect(Step.FORWARD))
        return outcome.state, outcome.reason_code

    async def _roll_back(self) -> tuple[ProposalState, str]:
        """The one compensation, verified too."""
        undone = await stages.execute_action(self._effect(Step.COMPENSATION), "back to the prior state")
        if undone.state.is_final:
            return undone.state, undone.reason_code
        outcome = await stages.verify_effect(self._effect(Step.COMPENSATION))
        return outcome.state, outcome.reason_code

    @workflow.update(name=DECIDE_UPDATE)
    async def decide(self, *parts: object) -> DecisionResult:
        """Take a signed decision. The Update's id is the decision's, so a repeated delivery gets the first answer."""
        return await self._apply(parse(parts))

    @decide.validator
    def _validate_decide(self, *parts: object) -> None:
        self._validate(parse(parts))

    @workflow.signal(name=DECIDE_SIGNAL)
    async def decide_later(self, *parts: object) -> None:
        """Take a signed decision from a sender that waits for no answer. A wrong one is audited and ignored."""
        try:
            signed = parse(parts)
            if self._ballot.knows(signed):
                return
            self._validate(signed)
            if self._is_ahead(signed) and not workflow.patched(AHEAD):
                refuse(STALE_REVISION)
            self._go_on_as_before(signed)
        except ApplicationError as refusal:
            await self._record_refusal(parts, refusal.type or "")
            return
        with contextlib.suppress(ApplicationError):
            await self._apply(signed)

    @workflow.signal(name=WAKE_SIGNAL)
    def wake(self, *_: object) -> None:
        """Look again: what held the proposal may be gone, or somebody closed it."""
        self._woken = True

    def _validate(self, signed: SignedDecision) -> None:
        """Pure. While a guard pass runs its rules are not known yet, nor are those of an edit that nobody told of.

        The handler then waits for them: an Update is answered once, and a refusal would lose the vote.
        """
        if self._in_pass or self._is_ahead(signed):
            self._ballot.authenticate(signed)
        else:
            self._check_vote(signed, workflow.now())

    def _is_ahead(self, signed: SignedDecision) -> bool:
        """Tell whether a decision is about an edit of which this workflow has not heard yet."""
        is_waiting = self._state is _S.AWAITING_APPROVAL and not self._in_pass
        return is_waiting and signed.decision.revision > self._ballot.revision

    def _check_vote(self, signed: SignedDecision, now: datetime) -> None:
        if self._state is not _S.AWAITING_APPROVAL:
            refuse(PROPOSAL_CLOSED)
        self._ballot.check(signed, now)

    def _go_on_as_before(self, signed: SignedDecision) -> None:
        """Workflows that began when they judged repeats by their own memory still do; before that one vote was all."""
        if self._in_pass:
            return
        code = self._ballot.repeats(signed)
        if code is not None and not workflow.patched(REPEATED):
            refuse(code)
        if self._ballot.replaces(signed) and not workflow.patched(VOTE_CHANGE):
            refuse(ALREADY_VOTED)

    async def _apply(self, signed: SignedDecision) -> DecisionResult:
        """Apply one decision after the other. In time is what was accepted in time."""
        accepted_at = workflow.now()
        try:
            await self._catch_up(signed)
            return await self._count(signed, accepted_at)
        except _FAILED as failure:
            refuse(_code_of(failure))

    async def _catch_up(self, signed: SignedDecision) -> None:
        """Wait for the rules of an edit that the database knows of and this workflow does not."""
        if self._in_pass:
            await workflow.wait_condition(lambda: not self._in_pass)
        if not self._is_ahead(signed) or not workflow.patched(AHEAD):
            return
        standing = await stages.read_state(self.start.proposal_id)
        if standing.revision >= signed.decision.revision:
            self._woken = True
            await workflow.wait_condition(lambda: not self._in_pass and not self._is_ahead(signed))

    async def _count(self, signed: SignedDecision, accepted_at: datetime) -> DecisionResult:
        self._applying += 1
        try:
            async with self._one_decision:
                await workflow.wait_condition(lambda: not self._in_pass)
                self._check_vote(signed, accepted_at)
                self._go_on_as_before(signed)
                result = await stages.record_decision(DecisionInput(signed=signed))
                self._ballot.take(signed)
                self._state = ProposalState(result.state)
                return result
        finally:
            self._applying -= 1

    async def _record_refusal(self, parts: Sequence[object], reason_code: str) -> None:
        self._refusals += 1
        if self._refusals <= MAX_RECORDED_REFUSALS:
            with contextlib.suppress(*_FAILED):
                await stages.record_refusal(refusal_input(self.start, parts, reason_code))

    async def _pass(self, stage: Callable[[PassInput], Awaitable[PassResult]]) -> PassResult:
        """Run a guard pass; decisions that arrive meanwhile are judged by its rules."""
        self._in_pass = True
        try:
            result = await stage(
                PassInput(
                    proposal_id=self.start.proposal_id, revision=self._revision, pass_number=self._passes
                )
            )
            if result.rules is not None:
                self._ballot.open(result.rules)
            self._state = result.state
            return result
        finally:
            self._in_pass = False

    async def _look(self) -> tuple[ProposalState, str]:
        """Ask the database, between two decisions and never during one. An edit shows as a new revision."""
        async with self._one_decision:
            standing = await stages.read_state(self.start.proposal_id)
        is_behind = standing.revision != self._revision and standing.state is _S.AWAITING_APPROVAL
        self._follow_edit(standing)
        if is_behind and workflow.patched(BEHIND):
            # A worker ran the new revision's first pass and died before it could tell: asked again, it tells the rules.
            return _S.EVALUATING, standing.reason_code
        return standing.state, standing.reason_code

    async def _close(
        self,
        state: Literal[ProposalState.EXPIRED, ProposalState.DENIED],
        reason_code: str,
        *,
        only_from: ProposalState | None = None,
    ) -> tuple[ProposalState, str]:
        closing = CloseInput(
            proposal_id=self.start.proposal_id,
            revision=self._revision,
            state=state,
            reason_code=reason_code,
            only_from=only_from,
        )
        standing = await stages.close_proposal(closing)
        self._follow_edit(standing)
        return standing.state, standing.reason_code

    def _follow_edit(self, standing: Standing) -> None:
        """Go on with the revision that is in the database, and say in the Temporal UI what that one asks for."""
        self._revision = standing.revision
        self._summary = standing.summary or self._summary

    async def _give_up(self, failure: ActivityError | ApplicationError) -> tuple[ProposalState, str]:
        """Fail closed: a guard pass that cannot succeed is a denial, a wait that cannot go on is over.

        Once something was done only a person can help. Should not even this be written, housekeeping closes the row.
        """
        if self._state is _S.AWAITING_APPROVAL:
            return await self._close(_S.EXPIRED, _code_of(failure), only_from=_S.AWAITING_APPROVAL)
        if self._state not in (_S.EVALUATING, _S.READY):
            raise failure
        return await self._close(_S.DENIED, _code_of(failure))

    def _patience(self, held_on: str | None) -> timedelta:
        """Return a tenth of the time for which this has held the proposal, within bounds."""
        if self._hold is None or self._hold[0] != held_on:
            self._hold = held_on, workflow.now()
        return min(max((workflow.now() - self._hold[1]) / 10, SLOW_TIMER), SLOWEST)

    async def _nap(self, limit: timedelta, why: str, *, until: datetime | None = None) -> None:
        """Wait for a wake signal, or `limit`, or `until`, whatever comes first."""
        left = limit if until is None else min(limit, until - workflow.now())
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: self._woken, timeout=max(left, timedelta(milliseconds=1)), timeout_summary=why
            )

    def _effect(self, step: Step) -> EffectInput:
        return EffectInput(
            proposal_id=self.start.proposal_id, revision=self._revision, step=step, pass_number=self._passes
        )

    def _describe(self, reason_code: str) -> None:
        because = f": {reason_code}" if reason_code else ""
        workflow.set_current_details(
            f"**{self._state}**{because}\n\n{self._summary}, revision {self._revision}"
        )


def _code_of(failure: ActivityError | ApplicationError) -> str:
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    return (cause.type if isinstance(cause, ApplicationError) else None) or "internal_error"
