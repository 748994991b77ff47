"""A location with many operations, or a cluster with many pools, answers with more than gRPC takes by itself."""

from __future__ import annotations

from typing import Any

import grpc.aio
from google.cloud.container_v1 import ListOperationsResponse, Operation

from adapters.gke.reader import GkeNodePoolReader
from tests.adapters.gke.test_newer_values import LINK
from tests.adapters.gke.test_reader import INFERENCE

GRPC_TAKES = 4 * 1024 * 1024


async def test_a_long_list_of_operations_is_read_to_its_end() -> None:
    listed = Operation(
        name="operation-1", target_link=LINK, status=Operation.Status.RUNNING, detail="x" * 1_000
    )
    one: bytes = ListOperationsResponse.serialize(ListOperationsResponse(operations=[listed]))
    many = GRPC_TAKES // len(one) + 1

    async def list_operations(_: bytes, __: Any) -> bytes:
        return one * many

    handlers = {"ListOperations": grpc.unary_unary_rpc_method_handler(list_operations)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("google.container.v1.ClusterManager", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    reader = GkeNodePoolReader.to_endpoint(f"127.0.0.1:{port}", "http://127.0.0.1:1")
    try:
        assert len(await reader.list_operations(INFERENCE)) == many
    finally:
        await reader.close()
        await server.stop(None)
