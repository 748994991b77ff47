"""The activities a proposal passes through, by name: time-outs, retries and the line the Temporal UI shows.

Workflows know activities by name and message type only, so that no adapter is ever imported here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from contracts.base import Contract
    from contracts.decision import DecisionResult
    from contracts.effect import Step
    from contracts.messages import (
        QUEUE_EFFECTS,
        CloseInput,
        DecisionInput,
        EffectInput,
        EffectOutcome,
        PassInput,
        PassResult,
        RefusalInput,
        Standing,
        StandingInput,
        VerifyOutcome,
    )
    from workflows import retry_policies

_PASS_TIMEOUT = timedelta(seconds=30)
_RECORD_TIMEOUT = timedelta(seconds=20)
_EFFECT_TIMEOUT = timedelta(hours=4)
"""Only a frame: the activity's own limits, from the settings, are far shorter."""
HEARTBEAT_TIMEOUT = timedelta(seconds=5)
_LOCAL_RETRY_THRESHOLD = timedelta(seconds=5)
"""Waits longer than this become timers, so that decisions are not kept waiting behind them."""

ResultT = TypeVar("ResultT")


async def check_proposal(given: PassInput) -> PassResult:
    """Run the first guard pass of a revision."""
    return await _pass("check_proposal", given, "first guard pass")


async def admit_proposal(given: PassInput) -> PassResult:
    """Run the pass right before the effect."""
    return await _pass("admit_proposal", given, f"guard pass {given.pass_number}")


async def record_decision(given: DecisionInput) -> DecisionResult:
    """Apply a decision that the validator let through."""
    decision = given.signed.decision
    return await locally(
        "record_decision", given, DecisionResult, f"{decision.kind} by {decision.reviewer.subject}"
    )


async def record_refusal(given: RefusalInput) -> None:
    """Audit a decision that came as a Signal and did not pass."""
    await locally("record_refusal", given, type(None), f"refused: {given.reason_code}")


async def close_proposal(given: CloseInput) -> Standing:
    """Close a proposal that nothing was done about, unless somebody else has closed it."""
    return await locally("close_proposal", given, Standing, given.reason_code)


async def read_state(proposal_id: str) -> Standing:
    """Ask the database where the proposal stands."""
    return await locally("read_state", StandingInput(proposal_id=proposal_id), Standing, "read state")


async def execute_action(given: EffectInput, summary: str) -> EffectOutcome:
    """Take the effect, or its compensation, to the end of the provider's operation."""
    return await _effect("execute_action", given, EffectOutcome, summary)


async def verify_effect(given: EffectInput) -> VerifyOutcome:
    """Compare what runs with what was decided, and close or roll back."""
    what = "verify" if given.step is Step.FORWARD else "verify the way back"
    return await _effect("verify_effect", given, VerifyOutcome, what)


async def _pass(name: str, given: PassInput, summary: str) -> PassResult:
    return await locally(
        name, given, PassResult, summary, within=_PASS_TIMEOUT, tried_again=retry_policies.GUARD
    )


async def locally(
    name: str,
    given: Contract,
    kind: type[ResultT],
    summary: str,
    *,
    within: timedelta = _RECORD_TIMEOUT,
    tried_again: RetryPolicy = retry_policies.RECORD,
) -> ResultT:
    """Run a short activity in the workflow's own worker; without more, one that only writes to our database."""
    result: ResultT = await workflow.execute_local_activity(
        name,
        given,
        result_type=kind,
        start_to_close_timeout=within,
        retry_policy=tried_again,
        local_retry_threshold=_LOCAL_RETRY_THRESHOLD,
        summary=summary,
    )
    return result


async def _effect(name: str, given: EffectInput, kind: type[ResultT], summary: str) -> ResultT:
    result: ResultT = await workflow.execute_activity(
        name,
        given,
        result_type=kind,
        task_queue=QUEUE_EFFECTS,
        start_to_close_timeout=_EFFECT_TIMEOUT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=retry_policies.EFFECTS,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
    )
    return result
