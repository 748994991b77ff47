"""APPROVAL: makes refused Updates visible to AUDIT (docs/adr/0008).

A validator's refusal leaves nothing in the history and is not replayed. This interceptor sees it inside the sandbox
and hands it out to a bounded queue of the process; a task beside the workers drains the queue into the audit log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from temporalio import workflow
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    HandleUpdateInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from contracts.errors import SluiceError
from contracts.messages import DECIDE_UPDATE, ProposalInput, RefusalInput
from workflows.ballot import MALFORMED, refusal_input

MAX_WAITING = 1_000
"""Refusals that wait to be written; more are counted and dropped, so that a flood cannot exhaust memory."""
RETRY_AFTER = 1.0
"""Seconds until a refusal that the database did not take is tried again."""
_HAND_OUT = "sluice_decision_refused"

logger = structlog.get_logger(__name__)


class RefusalRecorder(Interceptor):
    """Give it to every worker that runs `ProposalWorkflow`, and keep `run()` going beside them."""

    def __init__(self, record: Callable[[RefusalInput], Awaitable[None]]) -> None:
        """`record` writes one refusal to the audit log; it may raise `SluiceError` and is then tried again."""
        self._record = record
        self._waiting: asyncio.Queue[RefusalInput] = asyncio.Queue(MAX_WAITING)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.dropped = 0
        """Refusals that found the queue full, or no task draining it."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the name Temporal calls it by
    ) -> type[WorkflowInboundInterceptor]:
        """Return the wrapper that sees refusals, and let it reach this queue from inside the sandbox."""
        input.unsafe_extern_functions[_HAND_OUT] = self._hand_out
        return _SeesRefusals

    async def run(self) -> None:
        """Write refusals until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            await self._write(await self._waiting.get())
            self._waiting.task_done()

    async def drain(self) -> None:
        """Wait until everything handed out so far is written."""
        await self._waiting.join()

    async def _write(self, refusal: RefusalInput) -> None:
        while True:
            try:
                return await self._record(refusal)
            except SluiceError as error:
                if not error.retryable:
                    return _not_recorded(refusal)
                await asyncio.sleep(RETRY_AFTER)
            except Exception:  # noqa: BLE001  its names are its sender's: one that cannot be kept ends this for no other
                return _not_recorded(refusal)

    def _hand_out(self, refusal: RefusalInput) -> None:
        """Called on the thread of a workflow task: never waits."""
        if self._loop is None or self._loop.is_closed():
            self.dropped += 1
            return
        self._loop.call_soon_threadsafe(self._offer, refusal)

    def _offer(self, refusal: RefusalInput) -> None:
        try:
            self._waiting.put_nowait(refusal)
        except asyncio.QueueFull:
            self.dropped += 1


def _not_recorded(refusal: RefusalInput) -> None:
    logger.exception("decision.refusal_not_recorded", proposal_id=refusal.proposal_id)


class _SeesRefusals(WorkflowInboundInterceptor):
    def handle_update_validator(self, input: HandleUpdateInput) -> None:  # noqa: A002
        try:
            super().handle_update_validator(input)
        except Exception as refusal:
            if input.update == DECIDE_UPDATE:
                _tell(input.args, refusal)
            raise


def _tell(parts: Sequence[object], refusal: Exception) -> None:
    start = getattr(workflow.instance(), "start", None)
    if not isinstance(start, ProposalInput):
        return
    code = refusal.type if isinstance(refusal, ApplicationError) else None
    workflow.extern_functions()[_HAND_OUT](refusal_input(start, parts, code or MALFORMED))
