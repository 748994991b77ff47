"""What runs on a GKE node pool, for GUARDRAILS: requests of its pods, and disruption budgets that allow no eviction.

Read under a viewer identity (`get`, `list` on nodes, pods and poddisruptionbudgets). Pods of DaemonSets come and go
with their node, and finished ones need nothing, so neither counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from adapters.kubernetes.clusters import Clusters
from adapters.store.database import forbid_in_transaction
from contracts.action import NodePoolTarget
from contracts.ports import BlockedBudget, PoolLoad

READ_TIMEOUT = timedelta(seconds=10)
PAGE = 500
_FINISHED = ("Succeeded", "Failed")


class KubernetesLoadReader:
    """`contracts.ports.LoadReader` over a kubeconfig file."""

    def __init__(self, kubeconfig: Path, *, timeout: timedelta = READ_TIMEOUT) -> None:
        self._clusters = Clusters(kubeconfig)
        self._timeout = timeout

    async def read_load(self, target: NodePoolTarget) -> PoolLoad | None:
        """Return the pool's load; None when the kubeconfig has no context of its cluster.

        Raises:
            ProviderError: a subclass.
        """
        forbid_in_transaction()
        return await asyncio.to_thread(self._read, target)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._clusters.close)

    def _read(self, target: NodePoolTarget) -> PoolLoad | None:
        from kubernetes.client import CoreV1Api, PolicyV1Api

        with self._clusters.client(target, f"read the load of {target.key}") as client:
            if client is None:
                return None
            core, seconds = CoreV1Api(client), self._timeout.total_seconds()
            selector = f"cloud.google.com/gke-nodepool={target.node_pool}"
            nodes = list(_paged(core.list_node, seconds, label_selector=selector))
            names = {node.metadata.name for node in nodes}
            pods = [
                pod
                for pod in _paged(core.list_pod_for_all_namespaces, seconds)
                if pod.spec.node_name in names and pod.status.phase not in _FINISHED
            ]
            listed = PolicyV1Api(client).list_pod_disruption_budget_for_all_namespaces
            return load_of(nodes, pods, list(_paged(listed, seconds)))


def load_of(nodes: list[Any], pods: list[Any], budgets: Iterable[Any]) -> PoolLoad:
    """Return the load from the API's own objects: nodes of the pool, pods that run there, all budgets.

    Raises:
        ValueError: a quantity is none.
    """
    ready = [node for node in nodes if _is_ready(node)]
    staying = [pod for pod in pods if not _comes_with_the_node(pod)]
    requests = [_requests(pod) for pod in staying]
    allocatable = [(node.status.allocatable or {}) for node in ready]
    return PoolLoad(
        ready_nodes=len(ready),
        requested_cpu=sum(cpu for cpu, _ in requests),
        requested_memory=sum(memory for _, memory in requests),
        cpu_per_node=min((_milli(room.get("cpu", "0")) for room in allocatable), default=0),
        memory_per_node=min((_whole(room.get("memory", "0")) for room in allocatable), default=0),
        blocked_budgets=tuple(_blocked(staying, budgets)),
    )


def _paged(listing: Any, seconds: float, **selection: str) -> Iterator[Any]:
    token = None
    while True:
        page = listing(limit=PAGE, _continue=token, _request_timeout=seconds, **selection)
        yield from page.items
        token = page.metadata._continue  # noqa: SLF001 - the client's own spelling of `continue`
        if not token:
            return


def _is_ready(node: Any) -> bool:
    return any(item.type == "Ready" and item.status == "True" for item in node.status.conditions or [])


def _comes_with_the_node(pod: Any) -> bool:
    # A mirror pod is the API's picture of a static pod, which the node itself starts.
    owners = pod.metadata.owner_references or []
    return any(owner.kind in ("DaemonSet", "Node") for owner in owners)


def _requests(pod: Any) -> tuple[int, int]:
    """CPU in thousandths of a core and memory in bytes that the scheduler reserves for a pod.

    The larger of what its containers need together and what its greatest init container needs alone, and the pod's
    overhead (https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers).
    An init container that restarts always runs beside the others.
    """
    inits = pod.spec.init_containers or []
    beside = [one for one in inits if getattr(one, "restart_policy", None) == "Always"]
    running = [_wanted(one) for one in [*pod.spec.containers, *beside]]
    starting = [_wanted(one) for one in inits if one not in beside]
    overhead = pod.spec.overhead or {}
    cpu = max(sum(cpu for cpu, _ in running), max((cpu for cpu, _ in starting), default=0))
    memory = max(sum(size for _, size in running), max((size for _, size in starting), default=0))
    return cpu + _milli(overhead.get("cpu", "0")), memory + _whole(overhead.get("memory", "0"))


def _wanted(container: Any) -> tuple[int, int]:
    requests: Mapping[str, str] = (container.resources.requests if container.resources else None) or {}
    return _milli(requests.get("cpu", "0")), _whole(requests.get("memory", "0"))


def _milli(quantity: str) -> int:
    return _whole(quantity, 1000)


def _whole(quantity: str, times: int = 1) -> int:
    from kubernetes.utils import quantity as untyped_quantity

    parse: Any = untyped_quantity.parse_quantity
    # Upwards: a load is never taken for less than it is.
    return int(-(-(parse(quantity) * times) // 1))


def _blocked(pods: list[Any], budgets: Iterable[Any]) -> Iterator[BlockedBudget]:
    for budget in budgets:
        if budget.status is not None and (budget.status.disruptions_allowed or 0) > 0:
            continue
        covered = sum(
            pod.metadata.namespace == budget.metadata.namespace
            and _selects(budget.spec.selector, pod.metadata.labels or {})
            for pod in pods
        )
        if covered:
            yield BlockedBudget(name=f"{budget.metadata.namespace}/{budget.metadata.name}", pods=covered)


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector of policy/v1 selects these labels: null selects nothing, empty everything."""
    if selector is None:
        return False
    wanted = (selector.match_labels or {}).items()
    if any(labels.get(key) != value for key, value in wanted):
        return False
    return all(_holds(rule, labels) for rule in selector.match_expressions or [])


def _holds(rule: Any, labels: Mapping[str, str]) -> bool:
    values = rule.values or []
    if rule.operator == "In":
        return labels.get(rule.key) in values
    if rule.operator == "NotIn":
        return labels.get(rule.key) not in values
    if rule.operator == "Exists":
        return rule.key in labels
    # An operator of tomorrow selects: a budget that may be in the way counts.
    return rule.operator != "DoesNotExist" or rule.key not in labels
