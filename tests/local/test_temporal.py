from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from local.environment import foreign_environment
from local.part import Part
from local.supervisor import Supervisor
from local.temporal import dev_server_command, is_ready


def dev_server(binary: Path, port: int, database: Path) -> Supervisor:
    part = Part(
        name="temporal",
        command=tuple(dev_server_command(binary, port=port, namespace="sluice", database=database)),
        environment=foreign_environment(),
        is_ready=partial(is_ready, f"127.0.0.1:{port}", "sluice"),
    )
    return Supervisor([(part,)], logs=database.parent, report=lambda _: None)


async def test_a_restart_on_the_same_file_keeps_what_was_started(
    temporal_binary: Path, free_port: Callable[[], int], tmp_path: Path
) -> None:
    port = free_port()
    for start in (1, 2):
        supervisor = dev_server(temporal_binary, port, tmp_path / "temporal.sqlite")
        try:
            await supervisor.start()
            client = await Client.connect(f"127.0.0.1:{port}", namespace="sluice")
            if start == 1:
                await client.start_workflow("RequestWorkflow", id="kept", task_queue="nobody")
            else:
                described = await client.get_workflow_handle("kept").describe()
        finally:
            await supervisor.stop()
    assert described.workflow_type == "RequestWorkflow"


async def test_the_dev_server_of_the_session_knows_our_search_attributes(temporal_address: str) -> None:
    assert await is_ready(temporal_address)
    client = await Client.connect(temporal_address)
    namespace = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace="default")
    )
    assert namespace.namespace_info.name == "default"
