"""The HTTP side: Compute's instance group read, and the admin calls that make things go wrong.

Admin calls are refused unless the emulator listens on a loopback address. They take JSON only, so that a web page
cannot send them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emulators.gke import wire
from emulators.gke.failures import ApiError
from emulators.gke.faults import Fault
from emulators.gke.model import Autoscaling, Cluster, OperationError, Pool, Timing
from emulators.gke.service import Answer, Call, Service
from emulators.gke.simulation import finish, plan_autoscaler

_HTTP_STATUS = {
    "NOT_FOUND": 404,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
SERVICE = web.AppKey("service", Service)
ADMIN = web.AppKey("admin", bool)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AdminModel(BaseModel):
    """Base of admin requests: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class PoolChange(AdminModel):
    """A change of a node pool by somebody else. It takes effect at once and makes no operation."""

    node_count: int | None = Field(default=None, ge=0)
    zones: dict[str, int] = {}
    """Zone → size."""
    settle: bool = True
    """True = the nodes are there at once; False = they come up over time."""
    machine_type: str | None = None
    autoscaling: Autoscaling | None = None
    autoscaling_off: bool = False
    stock: dict[str, int | None] = {}
    """Zone → machines there are; null = enough again."""


class ForeignOperation(AdminModel):
    """An operation started by somebody else, or by GKE itself."""

    project: str
    location: str
    cluster: str
    node_pool: str | None = None
    type: str = "UPGRADE_NODES"
    duration: float | None = Field(default=None, ge=0)
    """Seconds until it ends; None = until it is finished by an admin call."""


class Finish(AdminModel):
    """How to end an operation."""

    error: OperationError | None = None


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on reaches this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def build_app(service: Service, *, admin: bool) -> web.Application:
    """Build the application."""
    app = web.Application(middlewares=[_errors])
    app[SERVICE] = service
    app[ADMIN] = admin
    groups = "/compute/v1/projects/{project}/zones/{zone}/instanceGroupManagers/{name}"
    app.add_routes(
        [
            web.get("/healthz", _health),
            web.get(groups, _get_group),
            web.post("/admin/faults", _add_fault),
            web.get("/admin/faults", _list_faults),
            web.delete("/admin/faults", _clear_faults),
            web.patch("/admin/pools/{project}/{location}/{cluster}/{node_pool}", _change_pool),
            web.post("/admin/operations", _start_operation),
            web.post("/admin/operations/{name}/finish", _finish_operation),
            web.get("/admin/settings", _get_settings),
            web.post("/admin/settings", _set_settings),
            web.get("/admin/state", _get_state),
            web.post("/admin/reset", _reset),
        ]
    )
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith("/admin/"):
        refusal = _admin_refusal(request)
        if refusal is not None:
            return refusal
    try:
        return await handler(request)
    except ApiError as error:
        return _error(_HTTP_STATUS.get(error.code, 500), error.code, error.message, error.reason)
    except ValidationError as error:
        return _error(400, "INVALID_ARGUMENT", str(error))


def _admin_refusal(request: web.Request) -> web.Response | None:
    if not request.app[ADMIN]:
        return _error(403, "PERMISSION_DENIED", "Admin calls need the emulator to listen on loopback.")
    if request.method in ("POST", "PATCH") and request.content_type != "application/json":
        return _error(415, "INVALID_ARGUMENT", "Send application/json.")
    return None


def _error(status: int, code: str, message: str, reason: str = "") -> web.Response:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
    body = {"error": {"code": status, "message": message, "status": code, "details": details}}
    return web.json_response(body, status=status)


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _get_group(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    project, zone, name = (request.match_info[key] for key in ("project", "zone", "name"))
    where = {"project": project, "location": zone, "group": name}
    agent = request.headers.get("User-Agent", "")
    call = Call("compute", "instanceGroupManagers.get", where, {"zone": zone, "name": name}, agent)

    def decide(_: Fault | None) -> Answer[dict[str, Any]]:
        return Answer(wire.group_json(*service.cloud.group(project, zone, name)))

    return web.json_response(await service.serve(call, decide))


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json() if request.can_read_body else {}
    except ValueError as error:
        raise ApiError("INVALID_ARGUMENT", "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise ApiError("INVALID_ARGUMENT", "The body must be an object.")
    return body


def _record(request: web.Request, what: str, where: dict[str, str], body: dict[str, Any]) -> None:
    agent = request.headers.get("User-Agent", "")
    request.app[SERVICE].record(Call("admin", what, where, body, agent), None, None)


async def _add_fault(request: web.Request) -> web.Response:
    body = await _body(request)
    fault = Fault.model_validate(body)
    request.app[SERVICE].cloud.state.faults.append(fault)
    _record(request, "admin.faults.add", {}, body)
    return web.json_response(fault.model_dump(mode="json"), status=201)


async def _list_faults(request: web.Request) -> web.Response:
    faults = request.app[SERVICE].cloud.state.faults
    return web.json_response({"faults": [fault.model_dump(mode="json") for fault in faults]})


async def _clear_faults(request: web.Request) -> web.Response:
    request.app[SERVICE].cloud.state.faults.clear()
    _record(request, "admin.faults.clear", {}, {})
    return web.json_response({})


async def _change_pool(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    body = await _body(request)
    change = PoolChange.model_validate(body)
    where = dict(request.match_info)
    cluster, pool = service.cloud.pool(
        where["project"], where["location"], where["cluster"], where["node_pool"]
    )
    _apply_change(service, cluster, pool, change)
    _record(request, "admin.pools.change", where, body)
    return web.json_response(pool.model_dump(mode="json"))


def _apply_change(service: Service, cluster: Cluster, pool: Pool, change: PoolChange) -> None:
    now, timing = service.cloud.now(), service.cloud.state.timing
    sizes = {group.zone: change.node_count for group in pool.groups if change.node_count is not None}
    sizes |= change.zones
    unknown = (sizes.keys() | change.stock.keys()) - {group.zone for group in pool.groups}
    if unknown:
        raise ApiError(
            "NOT_FOUND", f"{pool.name} of {cluster.name} has no zone {', '.join(sorted(unknown))}."
        )
    if change.machine_type is not None:
        pool.machine_type = change.machine_type
    if change.autoscaling is not None or change.autoscaling_off:
        pool.autoscaling = change.autoscaling
        pool.demand = {group.zone: group.target for group in pool.groups}
    for group in pool.groups:
        if group.zone in change.stock:
            group.stock, group.stock_until = change.stock[group.zone], None
            group.retry(now, timing)
        size = sizes.get(group.zone)
        if size is not None:
            group.resize(size, now, timing)
            if change.settle:
                group.creating, group.deleting, group.running = [], [], size
    pool.revision += 1
    plan_autoscaler(pool, now, timing)


async def _start_operation(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    body = await _body(request)
    wanted = ForeignOperation.model_validate(body)
    if wanted.type not in wire.OPERATION_TYPES:
        raise ApiError("INVALID_ARGUMENT", f"{wanted.type} is not a google.container.v1.Operation.Type.")
    cluster = service.cloud.cluster(wanted.project, wanted.location, wanted.cluster)
    operation = service.cloud.start(cluster, wanted.type, wanted.node_pool)
    operation.status = "RUNNING"
    operation.done_at = None if wanted.duration is None else service.cloud.now() + wanted.duration
    where = {k: v for k, v in wanted.model_dump().items() if isinstance(v, str) and k != "type"}
    _record(request, "admin.operations.start", where, body)
    return web.json_response(operation.model_dump(mode="json"), status=201)


async def _finish_operation(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    body = await _body(request)
    ending = Finish.model_validate(body)
    name = request.match_info["name"]
    for known in service.cloud.state.clusters:
        # As of now: an operation that nobody looked at since it was due to run has had its effect.
        cluster = service.cloud.cluster(known.project, known.location, known.name)
        for operation in cluster.operations:
            if operation.name == name and operation.status != "DONE":
                operation.error = ending.error
                finish(cluster, operation, service.cloud.now(), service.cloud.state.timing)
                _record(request, "admin.operations.finish", {}, {"name": name, **body})
                return web.json_response(operation.model_dump(mode="json"))
    raise ApiError("NOT_FOUND", f"No running operation {name}.")


async def _get_settings(request: web.Request) -> web.Response:
    return web.json_response(request.app[SERVICE].cloud.state.timing.model_dump())


async def _set_settings(request: web.Request) -> web.Response:
    state = request.app[SERVICE].cloud.state
    body = await _body(request)
    state.timing = Timing.model_validate(state.timing.model_dump() | body)
    _record(request, "admin.settings.set", {}, body)
    return web.json_response(state.timing.model_dump())


async def _get_state(request: web.Request) -> web.Response:
    cloud = request.app[SERVICE].cloud
    for project in {cluster.project for cluster in cloud.state.clusters}:
        cloud.clusters(project)
    return web.json_response(cloud.state.model_dump(mode="json", exclude={"unlogged"}))


async def _reset(request: web.Request) -> web.Response:
    request.app[SERVICE].reset()
    _record(request, "admin.reset", {}, {})
    return web.json_response({})
