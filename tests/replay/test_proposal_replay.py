"""Stored histories of ProposalWorkflow still replay: twice, on one thread, to show state that leaks between runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from contracts.messages import PROPOSAL_WORKFLOW, ProposalInput, Standing
from tests.replay.planted import AsksTheMachine
from tests.replay.record_proposals import PATHS
from worker import workflow_runner
from workflows.proposal import ProposalWorkflow
from workflows.refusals import RefusalRecorder

HISTORIES = sorted((Path(__file__).parent / "histories").glob("proposal_*.json"))


async def stored() -> AsyncIterator[WorkflowHistory]:
    for path in HISTORIES:
        yield WorkflowHistory.from_json(path.stem, path.read_text())


async def refuse_nothing(refusal: object) -> None:
    raise AssertionError(f"replay recorded {refusal}")


async def replay(*workflows: type, times: int = 1, watched: bool = False) -> dict[str, Any]:
    """Replay as a worker runs it, or `watched` inside the sandbox, which refuses what no replay would repeat."""
    with ThreadPoolExecutor(1) as one_thread:
        replayer = Replayer(
            workflows=workflows,
            data_converter=pydantic_data_converter,
            workflow_runner=workflow_runner(),
            unsandboxed_workflow_runner=workflow_runner() if watched else UnsandboxedWorkflowRunner(),
            workflow_task_executor=one_thread,
            interceptors=[RefusalRecorder(refuse_nothing)],
        )
        failures: dict[str, Any] = {}
        for _ in range(times):
            results = await replayer.replay_workflows(stored(), raise_on_replay_failure=False)
            failures |= results.replay_failures
    return failures


def test_every_recorded_path_has_its_history() -> None:
    assert {path.stem.removeprefix("proposal_") for path in HISTORIES} >= set(PATHS)


async def test_the_stored_histories_replay_twice_on_one_thread() -> None:
    assert await replay(ProposalWorkflow, times=2) == {}


async def test_the_stored_histories_replay_inside_the_sandbox() -> None:
    assert await replay(ProposalWorkflow, watched=True) == {}


async def test_a_planted_look_at_the_machine_is_found_inside_the_sandbox() -> None:
    failures = await replay(AsksTheMachine, watched=True)
    assert len(failures) == len(HISTORIES)
    assert all("time.time" in str(failure) for failure in failures.values())


@workflow.defn(name=PROPOSAL_WORKFLOW, sandboxed=False)
class SleepsFirst(ProposalWorkflow):
    """The same with a wait that the recorded ones did not have."""

    @workflow.init
    def __init__(self, start: ProposalInput) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ProposalInput) -> Standing:
        await workflow.sleep(1)
        return await super().run(start)


async def test_a_planted_change_of_order_is_found_in_every_history() -> None:
    assert len(await replay(SleepsFirst)) == len(HISTORIES)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_histories_name_no_machine(path: Path) -> None:
    assert '"stackTrace"' not in path.read_text()
    assert "@" not in path.read_text()


@pytest.mark.parametrize(
    "name", ["proposal_voted_twice_when_the_first_counted", "proposal_vote_repeated_when_memory_judged"]
)
async def test_a_workflow_from_before_goes_on_refusing_the_votes_that_it_refused(name: str) -> None:
    """Recorded with the code of then: before votes could be changed, and before the database judged repeats."""
    path = next(path for path in HISTORIES if path.stem == name)
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    recorded = [one.marker_recorded_event_attributes for one in history.events]
    told = b"".join(
        data.data for one in recorded for value in one.details.values() for data in value.payloads
    )
    assert b"record_refusal" in told
    assert await replay(ProposalWorkflow) == {}
