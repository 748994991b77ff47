"""google.container.v1.ClusterManager over plaintext gRPC, from the client library's own message types.

EXECUTION calls SetNodePoolSize and SetNodePoolAutoscaling here. Methods that are not modelled answer
UNIMPLEMENTED, and are logged too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from google.cloud.container_v1 import types
from google.protobuf import empty_pb2, json_format

from emulators.gke import wire
from emulators.gke.failures import ApiError, invalid
from emulators.gke.faults import Fault
from emulators.gke.service import Answer, Call, Service

SERVICE = "google.container.v1.ClusterManager"
_LEGACY = (("project_id", "project"), ("zone", "location"), ("cluster_id", "cluster"))
_LEGACY_POOL = ("node_pool_id", "node_pool")


class ClusterManager:
    """Routes calls by method name. gRPC asks `service` for each call, known method or not."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._methods: dict[str, tuple[Any, Callable[[Any, dict[str, str], Fault | None], Answer[Any]]]] = {
            "ListClusters": (types.ListClustersRequest, self._list_clusters),
            "GetCluster": (types.GetClusterRequest, self._get_cluster),
            "ListNodePools": (types.ListNodePoolsRequest, self._list_node_pools),
            "GetNodePool": (types.GetNodePoolRequest, self._get_node_pool),
            "SetNodePoolSize": (types.SetNodePoolSizeRequest, self._set_size),
            "SetNodePoolAutoscaling": (types.SetNodePoolAutoscalingRequest, self._set_autoscaling),
            "ListOperations": (types.ListOperationsRequest, self._list_operations),
            "GetOperation": (types.GetOperationRequest, self._get_operation),
            "CancelOperation": (types.CancelOperationRequest, self._cancel_operation),
        }

    def service(self, details: Any) -> Any:
        """Return the handler of a call (grpc.GenericRpcHandler.service)."""
        package, _, method = details.method.lstrip("/").partition("/")
        if package != SERVICE:
            return None
        agent = next((v for k, v in details.invocation_metadata if k == "user-agent"), "")
        if method not in self._methods:
            return grpc.unary_unary_rpc_method_handler(self._unimplemented(method, agent))
        kind, decide = self._methods[method]

        async def handle(message: Any, context: Any) -> Any:
            call = _call(method, message, agent)
            try:
                return await self._service.serve(call, lambda fault: decide(message, call.where, fault))
            except ApiError as error:
                return await context.abort(error.grpc_code(), error.message, error.metadata())

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=kind.pb().FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )

    def _unimplemented(self, method: str, agent: str) -> Callable[[bytes, Any], Any]:
        async def refuse(_: bytes, context: Any) -> None:
            error = ApiError("UNIMPLEMENTED", f"The emulator does not model {method}.")
            self._service.record(Call("container", method, {}, user_agent=agent), None, error)
            await context.abort(error.grpc_code(), error.message, error.metadata())

        return refuse

    def _list_clusters(self, _: Any, where: dict[str, str], __: Fault | None) -> Answer[Any]:
        project, location = _need(where, "project", "location")
        clusters = self._service.cloud.clusters(project, location)
        messages = [wire.cluster_message(cluster) for cluster in clusters]
        return Answer(_pb(types.ListClustersResponse(clusters=messages)))

    def _get_cluster(self, _: Any, where: dict[str, str], __: Fault | None) -> Answer[Any]:
        cluster = self._service.cloud.cluster(*_need(where, "project", "location", "cluster"))
        return Answer(_pb(wire.cluster_message(cluster)))

    def _list_node_pools(self, _: Any, where: dict[str, str], __: Fault | None) -> Answer[Any]:
        cluster = self._service.cloud.cluster(*_need(where, "project", "location", "cluster"))
        pools = [wire.pool_message(cluster, pool) for pool in cluster.pools]
        return Answer(_pb(types.ListNodePoolsResponse(node_pools=pools)))

    def _get_node_pool(self, _: Any, where: dict[str, str], __: Fault | None) -> Answer[Any]:
        cluster, pool = self._service.cloud.pool(*_need(where, "project", "location", "cluster", "node_pool"))
        return Answer(_pb(wire.pool_message(cluster, pool)))

    def _set_size(self, message: Any, where: dict[str, str], fault: Fault | None) -> Answer[Any]:
        cluster, pool = self._service.cloud.pool(*_need(where, "project", "location", "cluster", "node_pool"))
        operation = self._service.cloud.set_size(cluster, pool, message.node_count, fault)
        return Answer(wire.operation_message(cluster, operation), operation)

    def _set_autoscaling(self, message: Any, where: dict[str, str], fault: Fault | None) -> Answer[Any]:
        cluster, pool = self._service.cloud.pool(*_need(where, "project", "location", "cluster", "node_pool"))
        if not message.HasField("autoscaling"):
            raise invalid("autoscaling is required.")
        bounds = wire.bounds_of(message.autoscaling)
        operation = self._service.cloud.set_autoscaling(cluster, pool, bounds, fault)
        return Answer(wire.operation_message(cluster, operation), operation)

    def _list_operations(self, _: Any, where: dict[str, str], __: Fault | None) -> Answer[Any]:
        cloud = self._service.cloud
        project, location = _need(where, "project", "location")
        found = [
            wire.operation_message(cluster, operation)
            for cluster in cloud.clusters(project, location)
            for operation in cluster.operations
        ]
        return Answer(types.ListOperationsResponse.pb()(operations=found))

    def _get_operation(self, _: Any, where: dict[str, str], __: Fault | None) -> Answer[Any]:
        cluster, operation = self._service.cloud.operation(*_need(where, "project", "location", "operation"))
        return Answer(wire.operation_message(cluster, operation))

    def _cancel_operation(self, _: Any, where: dict[str, str], __: Fault | None) -> Answer[Any]:
        cloud = self._service.cloud
        _, operation = cloud.operation(*_need(where, "project", "location", "operation"))
        cloud.cancel(operation)
        return Answer(empty_pb2.Empty(), operation)


def _call(method: str, message: Any, agent: str) -> Call:
    name = getattr(message, "name", "") or getattr(message, "parent", "")
    where = wire.parse_name(name) if name else _legacy_names(message)
    return Call("container", method, where or {}, _plain(message), agent)


def _plain(message: Any) -> dict[str, Any]:
    """The request as a dict. A number that is 0 is kept: a resize to 0 must be seen in the log."""
    fields = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {name: value for name, value in fields.items() if value not in ("", [], {})}


def _legacy_names(message: Any) -> dict[str, str]:
    """Read the deprecated fields, which the service still takes when `name` and `parent` are empty."""
    pairs = [*_LEGACY, _LEGACY_POOL, ("operation_id", "operation")]
    return {part: getattr(message, old) for old, part in pairs if getattr(message, old, "")}


def _need(where: dict[str, str], *parts: str) -> list[str]:
    missing = [part for part in parts if part not in where]
    if missing:
        raise invalid(f"The resource name lacks: {', '.join(missing)}.")
    return [where[part] for part in parts]


def _pb(message: Any) -> Any:
    return type(message).pb(message)


async def start_grpc(service: Service, host: str, port: int) -> tuple[Any, int]:
    """Start serving; return the server and the port it got (`port` 0 = any free one)."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((ClusterManager(service),))
    bound = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    return server, bound
