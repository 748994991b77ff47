"""Google mode as far as it goes without Google: credentials from a file, a token from a local token endpoint."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.gke.connection import Connection
from adapters.gke.effector import GkeNodePoolEffector
from adapters.gke.reader import GkeNodePoolReader
from adapters.store.database import Database, NetworkInsideTransaction
from contracts.action import NodePoolTarget
from contracts.errors import ProviderError, ProviderPermissionDenied, ProviderUnavailable

TOKEN = "a-token-of-the-test"


@pytest.fixture
def identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make this process a service account whose tokens come from the given URL."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    def become(token_uri: str) -> None:
        account = {
            "type": "service_account",
            "project_id": "acme-prod",
            "client_email": "viewer@acme-prod.iam.gserviceaccount.com",
            "private_key": key.decode(),
            "token_uri": token_uri,
        }
        path = tmp_path / "account.json"
        path.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    return become


@pytest.fixture
async def token_endpoint() -> AsyncIterator[tuple[str, list[int]]]:
    """URL of a token endpoint, and the statuses it answers with, one after the other; then 200."""
    statuses: list[int] = []

    async def token(_: web.Request) -> web.Response:
        if statuses:
            return web.json_response({"error": "invalid_grant"}, status=statuses.pop(0))
        return web.json_response({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    app = web.Application()
    app.add_routes([web.post("/token", token)])
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/token", statuses
    await runner.cleanup()


async def test_compute_is_asked_with_a_token_of_the_process_identity(
    identity: Callable[[str], None], token_endpoint: tuple[str, list[int]]
) -> None:
    identity(token_endpoint[0])
    connection = Connection.to_google(agent="sluice-viewer")
    for _ in range(2):
        headers = {name.lower(): value for name, value in (await connection.compute_headers()).items()}
        assert headers == {"user-agent": "sluice-viewer", "authorization": f"Bearer {TOKEN}"}
    assert connection.compute_url("projects/p").startswith(
        "https://compute.googleapis.com/compute/v1/projects"
    )
    await connection.close()


async def test_the_client_for_google_is_built_without_a_call(
    identity: Callable[[str], None], token_endpoint: tuple[str, list[int]]
) -> None:
    identity(token_endpoint[0])
    connection = Connection.to_google(agent="sluice-effector")
    assert await connection.container() is await connection.container()
    await connection.close()


async def test_an_endpoint_is_never_sent_a_token(identity: Callable[[str], None]) -> None:
    identity("http://127.0.0.1:1/token")
    connection = Connection.to_endpoint("127.0.0.1:1", "http://127.0.0.1:1", agent="sluice-viewer")
    assert await connection.compute_headers() == {"User-Agent": "sluice-viewer"}
    await connection.close()


@pytest.mark.parametrize(("status", "error"), [(401, ProviderPermissionDenied), (None, ProviderUnavailable)])
async def test_a_token_that_cannot_be_got_is_one_of_our_errors(
    identity: Callable[[str], None],
    token_endpoint: tuple[str, list[int]],
    status: int | None,
    error: type[ProviderError],
) -> None:
    url, statuses = token_endpoint
    identity(url if status else "http://127.0.0.1:1/token")
    statuses += [status] * 10 if status else []
    connection = Connection.to_google(agent="sluice-viewer")
    with pytest.raises(ProviderError) as raised:
        await connection.compute_headers()
    assert type(raised.value) is error
    assert "PRIVATE KEY" not in str(raised.value)
    await connection.close()


async def test_the_provider_is_never_asked_inside_a_transaction(
    database_url: str, reader: GkeNodePoolReader, effector: GkeNodePoolEffector
) -> None:
    database = Database(database_url)
    target = NodePoolTarget(
        project="acme-prod", location="europe-west4", cluster="serving", node_pool="inference"
    )
    connection = Connection.to_endpoint("127.0.0.1:1", "http://127.0.0.1:1", agent="test")
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await reader.observe(target)
        with pytest.raises(NetworkInsideTransaction):
            await effector.set_size(target, 3, timeout=timedelta(seconds=1))
        with pytest.raises(NetworkInsideTransaction):
            await connection.compute_headers()
    await database.close()
