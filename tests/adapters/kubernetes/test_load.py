"""Reads a pool's load through the official client, from a listener that speaks the API's real JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from adapters.kubernetes.load import KubernetesLoadReader
from contracts.action import NodePoolTarget
from contracts.errors import ProviderError, ProviderPermissionDenied, ProviderRefused, ProviderUnavailable
from contracts.ports import BlockedBudget, LoadReader, PoolLoad

TARGET = NodePoolTarget(
    project="acme-prod", location="europe-west4", cluster="serving", node_pool="inference"
)
CONTEXT = "gke_acme-prod_europe-west4_serving"
GI = 2**30


def node(
    name: str, pool: str = "inference", cpu: str = "3920m", memory: str = "12Gi", ready: str = "True"
) -> Any:
    labels = {"cloud.google.com/gke-nodepool": pool}
    status = {
        "conditions": [{"type": "Ready", "status": ready}],
        "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"},
    }
    return {"metadata": {"name": name, "labels": labels}, "status": status}


def container(cpu: str | None = None, memory: str | None = None, **more: Any) -> dict[str, Any]:
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": "c", "resources": {"requests": requests} if requests else {}, **more}


def pod(
    name: str, on: str = "n0", *, owner: str = "ReplicaSet", phase: str = "Running", **spec: Any
) -> dict[str, Any]:
    owners = [{"apiVersion": "v1", "kind": owner, "name": "o", "uid": "u"}]
    return {
        "metadata": {"name": name, "namespace": "search", "labels": {"app": name}, "ownerReferences": owners},
        "spec": {"nodeName": on, "containers": [container("1", "2Gi")], **spec},
        "status": {"phase": phase},
    }


def budget(name: str, selector: Any, allowed: int, namespace: str = "search") -> dict[str, Any]:
    counts = {"currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1, "disruptionsAllowed": allowed}
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": selector},
        "status": counts,
    }


@dataclass
class Cluster:
    """Lists nodes, pods and budgets, one per page."""

    url: str = ""
    nodes: list[Any] = field(default_factory=lambda: [node("n0"), node("n1"), node("w0", "web", "1", "1Gi")])
    pods: list[Any] = field(default_factory=list)
    budgets: list[Any] = field(default_factory=list)
    status: int = 200

    async def list_nodes(self, request: web.Request) -> web.Response:
        key, _, value = request.query["labelSelector"].partition("=")
        found = [item for item in self.nodes if item["metadata"]["labels"].get(key) == value]
        return self._page(request, found)

    async def list_pods(self, request: web.Request) -> web.Response:
        return self._page(request, self.pods)

    async def list_budgets(self, request: web.Request) -> web.Response:
        return self._page(request, self.budgets)

    def _page(self, request: web.Request, found: list[Any]) -> web.Response:
        if self.status != 200:
            body = {"kind": "Status", "status": "Failure", "code": self.status, "message": "no"}
            return web.json_response(body, status=self.status)
        start = int(request.query.get("continue", "0"))
        more = {"continue": str(start + 1)} if start + 1 < len(found) else {}
        return web.json_response({"metadata": more, "items": found[start : start + 1]})


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    served = Cluster()
    app = web.Application()
    app.add_routes(
        [
            web.get("/api/v1/nodes", served.list_nodes),
            web.get("/api/v1/pods", served.list_pods),
            web.get("/apis/policy/v1/poddisruptionbudgets", served.list_budgets),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


def kubeconfig(path: Path, url: str) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": {"server": url}}],
        "users": [{"name": CONTEXT, "user": {"token": "a-token"}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
async def reader(cluster: Cluster, tmp_path: Path) -> AsyncIterator[KubernetesLoadReader]:
    found = KubernetesLoadReader(
        kubeconfig(tmp_path / "kubeconfig", cluster.url), timeout=timedelta(seconds=20)
    )
    yield found
    await found.close()


async def load(reader: LoadReader) -> PoolLoad:
    found = await reader.read_load(TARGET)
    assert found is not None
    return found


async def test_requests_of_the_pools_own_pods_add_up_over_all_pages(
    cluster: Cluster, reader: KubernetesLoadReader
) -> None:
    cluster.pods = [pod("a"), pod("b", "n1"), pod("elsewhere", "w0"), pod("c", "n1")]
    found = await load(reader)
    assert (found.ready_nodes, found.requested_cpu, found.requested_memory) == (2, 3_000, 6 * GI)
    assert (found.cpu_per_node, found.memory_per_node) == (3_920, 12 * GI)
    assert found.least_nodes == 1


async def test_what_comes_with_the_node_or_is_finished_needs_no_room(
    cluster: Cluster, reader: KubernetesLoadReader
) -> None:
    cluster.pods = [
        pod("logs", owner="DaemonSet"),
        pod("proxy", owner="Node"),
        pod("done", phase="Succeeded"),
        pod("failed", phase="Failed"),
        pod("starts", phase="Pending"),
    ]
    assert (await load(reader)).requested_cpu == 1_000


async def test_a_pod_needs_the_larger_of_running_and_starting_and_its_overhead(
    cluster: Cluster, reader: KubernetesLoadReader
) -> None:
    cluster.pods = [
        pod(
            "a",
            containers=[container("250m", "1Gi"), container("0.5"), container()],
            initContainers=[container("2", "64Mi"), container("100m", "512Mi", restartPolicy="Always")],
            overhead={"cpu": "10m", "memory": "1Mi"},
        )
    ]
    found = await load(reader)
    assert (found.requested_cpu, found.requested_memory) == (2_010, GI + 512 * 2**20 + 2**20)


async def test_the_smallest_ready_node_tells_how_many_are_needed(
    cluster: Cluster, reader: KubernetesLoadReader
) -> None:
    cluster.nodes = [node("n0", cpu="4"), node("n1", cpu="2"), node("n2", cpu="500m", ready="False")]
    cluster.pods = [pod("a"), pod("b", "n1"), pod("c", "n2")]
    found = await load(reader)
    assert (found.ready_nodes, found.cpu_per_node, found.least_nodes) == (2, 2_000, 2)


async def test_without_a_ready_node_what_a_load_needs_is_unknown(
    cluster: Cluster, reader: KubernetesLoadReader
) -> None:
    cluster.nodes = [node("n0", ready="Unknown")]
    assert (await load(reader)).least_nodes == 0
    cluster.pods = [pod("a")]
    assert (await load(reader)).least_nodes is None


async def test_budgets_that_allow_no_eviction_of_pods_here_are_named(
    cluster: Cluster, reader: KubernetesLoadReader
) -> None:
    cluster.pods = [pod("front"), pod("front", "n1"), pod("back", "w0")]
    expression = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["front"]}]}
    cluster.budgets = [
        budget("blocked", {"matchLabels": {"app": "front"}}, 0),
        budget("everything", {}, 0),
        budget("by-expression", expression, 0),
        budget("free", {"matchLabels": {"app": "front"}}, 1),
        budget("of-another-pool", {"matchLabels": {"app": "back"}}, 0),
        budget("of-another-namespace", {}, 0, namespace="ads"),
        budget("of-nobody", None, 0),
        budget("not-here", {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, 0),
        budget("not-in", {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["front"]}]}, 0),
        budget("exists", {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, 0),
    ]
    named = ("search/blocked", "search/everything", "search/by-expression", "search/exists")
    assert (await load(reader)).blocked_budgets == tuple(BlockedBudget(name=name, pods=2) for name in named)


async def test_another_cluster_is_not_read(cluster: Cluster, reader: KubernetesLoadReader) -> None:
    assert await reader.read_load(TARGET.model_copy(update={"cluster": "elsewhere"})) is None


@pytest.mark.parametrize(
    ("status", "kind"), [(403, ProviderPermissionDenied), (500, ProviderUnavailable), (400, ProviderRefused)]
)
async def test_a_refusal_is_one_of_ours(
    cluster: Cluster, reader: KubernetesLoadReader, status: int, kind: type[ProviderError]
) -> None:
    cluster.status = status
    with pytest.raises(kind):
        await reader.read_load(TARGET)


async def test_a_quantity_that_is_none_is_no_answer(cluster: Cluster, reader: KubernetesLoadReader) -> None:
    cluster.pods = [pod("a", containers=[container("much")])]
    with pytest.raises(ProviderUnavailable):
        await reader.read_load(TARGET)


async def test_a_kubeconfig_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("[]")
    with pytest.raises(ProviderRefused):
        await KubernetesLoadReader(tmp_path / "kubeconfig").read_load(TARGET)
