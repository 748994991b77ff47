"""Stored histories of RequestWorkflow still replay: twice, on one thread, which shows state that leaks between runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from agents.port import agent_plugin
from worker import workflow_runner
from workflows.request import RequestWorkflow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("request_*.json"))


async def _stored() -> AsyncIterator[WorkflowHistory]:
    for path in HISTORIES:
        yield WorkflowHistory.from_json(f"request/{path.stem}", path.read_text())


async def test_every_stored_request_replays_twice_on_one_thread() -> None:
    with ThreadPoolExecutor(1) as executor:
        replayer = Replayer(
            workflows=[RequestWorkflow],
            plugins=[agent_plugin()],
            data_converter=pydantic_data_converter,
            workflow_runner=workflow_runner(),
            workflow_task_executor=executor,
        )
        for _ in range(2):
            results = await replayer.replay_workflows(_stored(), raise_on_replay_failure=False)
            assert results.replay_failures == {}


@pytest.mark.parametrize(
    "path",
    ["request_proposes", "request_answers", "request_is_refused", "request_continues", "request_falls_back"],
)
def test_every_path_of_a_request_has_a_stored_history(path: str) -> None:
    assert path in {stored.stem for stored in HISTORIES}
