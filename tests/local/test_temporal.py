from __future__ import annotations

from temporalio.client import Client


async def test_a_client_reaches_the_session_dev_server(temporal_address: str) -> None:
    client = await Client.connect(temporal_address)
    assert await client.service_client.check_health()
