"""Local stack: the Temporal dev server, as a child process of ours."""

from __future__ import annotations

from pathlib import Path

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

from contracts.messages import SEARCH_ATTRIBUTES


def dev_server_command(
    program: Path,
    *,
    port: int,
    namespace: str = "default",
    ui_port: int | None = None,
    database: Path | None = None,
) -> list[str]:
    """Command line of a dev server on 127.0.0.1.

    Without `database` everything is kept in memory and gone at the end; without `ui_port` there is no web UI.
    """
    command = [
        str(program), "server", "start-dev",
        "--ip", "127.0.0.1", "--port", str(port), "--namespace", namespace,
        "--log-level", "warn", "--log-format", "json",
    ]  # fmt: skip
    command += ["--headless"] if ui_port is None else ["--ui-ip", "127.0.0.1", "--ui-port", str(ui_port)]
    if database is not None:
        command += ["--db-filename", str(database)]
    for name in SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{name}=Keyword"]
    return command


async def is_ready(address: str, namespace: str = "default") -> bool:
    """Whether workflows can start: the namespace is there, with our search attributes."""
    client = await Client.connect(address, namespace=namespace)
    request = ListSearchAttributesRequest(namespace=namespace)
    found = await client.operator_service.list_search_attributes(request)
    return set(SEARCH_ATTRIBUTES) <= set(found.custom_attributes)
