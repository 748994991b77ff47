"""Stored histories of HousekeepingWorkflow still replay: twice, on one thread, which shows state that leaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from worker import workflow_runner
from workflows.housekeeping import HousekeepingWorkflow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("housekeeping_*.json"))


async def _stored() -> AsyncIterator[WorkflowHistory]:
    for path in HISTORIES:
        yield WorkflowHistory.from_json(path.stem, path.read_text())


async def test_every_stored_round_replays_twice_on_one_thread() -> None:
    with ThreadPoolExecutor(1) as executor:
        replayer = Replayer(
            workflows=[HousekeepingWorkflow],
            data_converter=pydantic_data_converter,
            workflow_runner=workflow_runner(),
            workflow_task_executor=executor,
        )
        for _ in range(2):
            results = await replayer.replay_workflows(_stored(), raise_on_replay_failure=False)
            assert results.replay_failures == {}


def test_there_is_a_stored_round() -> None:
    assert [path.stem for path in HISTORIES] == ["housekeeping_swept"]
