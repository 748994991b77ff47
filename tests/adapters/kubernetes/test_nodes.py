"""Counts Ready nodes through the official client, from a listener that speaks the API's real JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml
from aiohttp import web

from adapters.kubernetes.nodes import KubernetesReadyNodeCounter
from adapters.store.database import Database, NetworkInsideTransaction
from contracts.action import NodePoolTarget
from contracts.errors import (
    ProviderError,
    ProviderPermissionDenied,
    ProviderRefused,
    ProviderUnavailable,
)
from contracts.ports import ReadyNodeCounter

TARGET = NodePoolTarget(
    project="acme-prod", location="europe-west4", cluster="serving", node_pool="inference"
)
OTHER = TARGET.model_copy(update={"cluster": "elsewhere"})


def node(name: str, pool: str, ready: str) -> dict[str, Any]:
    labels = {"cloud.google.com/gke-nodepool": pool}
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]
    return {"metadata": {"name": name, "labels": labels}, "status": {"conditions": conditions}}


@dataclass
class ApiServer:
    """Answers GET /api/v1/nodes with label selector and pages of two."""

    url: str = ""
    nodes: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    asked: int = 0
    wanted: str = ""
    """The token that it takes; any, where empty."""

    async def list_nodes(self, request: web.Request) -> web.Response:
        self.asked += 1
        known = not self.wanted or request.headers.get("Authorization") == f"Bearer {self.wanted}"
        status = self.status if known else 401
        if status != 200:
            body = {"kind": "Status", "status": "Failure", "code": status, "message": "no"}
            return web.json_response(body, status=status)
        key, _, value = request.query["labelSelector"].partition("=")
        found = [item for item in self.nodes if item["metadata"]["labels"].get(key) == value]
        start = int(request.query.get("continue", "0"))
        more = {"continue": str(start + 2)} if start + 2 < len(found) else {}
        page = {"apiVersion": "v1", "kind": "NodeList", "metadata": more, "items": found[start : start + 2]}
        return web.json_response(page)


@pytest.fixture
async def api_server() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    app = web.Application()
    app.add_routes([web.get("/api/v1/nodes", server.list_nodes)])
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


def write_kubeconfig(
    path: Path, url: str, user: Mapping[str, object] = MappingProxyType({"token": "a-token"})
) -> Path:
    context = "gke_acme-prod_europe-west4_serving"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": {"server": url}}],
        "users": [{"name": context, "user": dict(user)}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
async def counter(api_server: ApiServer, tmp_path: Path) -> AsyncIterator[KubernetesReadyNodeCounter]:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api_server.url)
    found = KubernetesReadyNodeCounter(kubeconfig, timeout=timedelta(seconds=20))
    yield found
    await found.close()


async def test_only_ready_nodes_of_the_pool_are_counted_over_all_pages(
    api_server: ApiServer, counter: ReadyNodeCounter
) -> None:
    api_server.nodes = [node(f"n{i}", "inference", "True") for i in range(5)]
    api_server.nodes += [node("n5", "inference", "False"), node("n6", "inference", "Unknown")]
    api_server.nodes += [node("n7", "web", "True")]
    assert await counter.count_ready(TARGET) == 5
    assert api_server.asked == 4


async def test_a_pool_without_nodes_has_no_ready_nodes(counter: KubernetesReadyNodeCounter) -> None:
    assert await counter.count_ready(TARGET) == 0


async def test_another_cluster_or_no_kubeconfig_is_not_counted(
    api_server: ApiServer, counter: KubernetesReadyNodeCounter
) -> None:
    assert await counter.count_ready(OTHER) is None
    assert await KubernetesReadyNodeCounter(None).count_ready(TARGET) is None
    assert api_server.asked == 0


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ProviderPermissionDenied),
        (403, ProviderPermissionDenied),
        (400, ProviderRefused),
        (429, ProviderUnavailable),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
    ],
)
async def test_a_refusal_is_one_of_our_errors_and_is_not_tried_again(
    api_server: ApiServer, counter: KubernetesReadyNodeCounter, status: int, error: type[ProviderError]
) -> None:
    api_server.status = status
    with pytest.raises(ProviderError) as raised:
        await counter.count_ready(TARGET)
    assert type(raised.value) is error
    assert "a-token" not in str(raised.value)
    assert api_server.asked == 1


async def test_a_token_that_was_replaced_is_read_anew_once_the_old_one_is_refused(
    api_server: ApiServer, counter: KubernetesReadyNodeCounter, tmp_path: Path
) -> None:
    assert await counter.count_ready(TARGET) == 0
    api_server.wanted = "another-token"
    write_kubeconfig(tmp_path / "kubeconfig", api_server.url, {"token": "another-token"})
    with pytest.raises(ProviderPermissionDenied):
        await counter.count_ready(TARGET)
    assert await counter.count_ready(TARGET) == 0


async def test_a_login_program_that_failed_once_is_asked_again(api_server: ApiServer, tmp_path: Path) -> None:
    api_server.wanted = "a-token"
    told = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "a-token"},
    }
    answer = tmp_path / "answer"
    login = {
        "apiVersion": told["apiVersion"],
        "command": "cat",
        "args": [str(answer)],
        "interactiveMode": "Never",
    }
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", api_server.url, {"exec": login})
    counter = KubernetesReadyNodeCounter(kubeconfig, timeout=timedelta(seconds=20))
    with pytest.raises(ProviderPermissionDenied):
        await counter.count_ready(TARGET)
    answer.write_text(json.dumps(told))
    assert await counter.count_ready(TARGET) == 0
    await counter.close()


async def test_nobody_listening_is_unavailable(tmp_path: Path) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    counter = KubernetesReadyNodeCounter(kubeconfig, timeout=timedelta(seconds=1))
    with pytest.raises(ProviderUnavailable):
        await counter.count_ready(TARGET)
    await counter.close()


async def test_a_kubeconfig_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    for text in ("", "contexts: 5", "apiVersion: v1\nkind: Config\n", "{"):
        path = tmp_path / "kubeconfig"
        path.write_text(text)
        with pytest.raises(ProviderRefused):
            await KubernetesReadyNodeCounter(path).count_ready(TARGET)
    with pytest.raises(ProviderRefused):
        await KubernetesReadyNodeCounter(tmp_path / "absent").count_ready(TARGET)


async def test_the_cluster_is_never_asked_inside_a_transaction(
    database_url: str, counter: KubernetesReadyNodeCounter
) -> None:
    database = Database(database_url)
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await counter.count_ready(TARGET)
    await database.close()
