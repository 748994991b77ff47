"""Local stack: from settings to the list of parts, with addresses, environments and readiness probes.

Where a setting gives an address, that part is not ours and is not started. Order of start, and in reverse of stop:

    postgres, temporal, opa, gke → migrate → worker, api
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from contracts.errors import ConfigurationInvalid
from local import opa, postgres, temporal
from local.directories import make_private, socket_directory
from local.environment import ROOT, SluiceCommand, foreign_environment, module_command, own_environment
from local.events import Report, StackError, StackEvent, StackEventKind
from local.identities import LocalKeys
from local.part import Group, OneShot, Part
from local.ports import Ports, http_url
from local.probes import accepts_tcp, answers_http
from settings import GkeMode, Settings

HOST = "127.0.0.1"
PRACTICE_CONFIGURATION = Path(__file__).parent / "practice.yaml"
DATABASE = "sluice"

Work = Callable[[], Coroutine[Any, Any, None]]

_OPA_SOCKET = "opa.sock"


@dataclass(frozen=True, slots=True)
class Stack:
    """What is to run, and under which addresses it will be reached."""

    groups: tuple[Group, ...]
    url: str
    addresses: Mapping[str, str]
    """Part → address for people: `api`, `temporal`, `temporal-ui`, `gke`, `gke-admin`; no credentials."""
    beside: tuple[Work, ...] = ()
    """What runs in the supervisor's own process once all parts are ready, until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found or made before the stack can be planned."""

    settings: Settings
    state: Path
    programs: Mapping[str, Path]
    ports: Ports
    keys: LocalKeys
    tokens: Path
    report: Report
    sluice: SluiceCommand

    @property
    def configuration(self) -> Path:
        """The declarative file that everything here goes by."""
        return (self.settings.config or PRACTICE_CONFIGURATION).absolute()


@dataclass(slots=True)
class _Plan:
    """Grows while parts are planned: a part's address becomes a setting of our own processes."""

    facts: Facts
    changes: dict[str, str | None] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    beside: list[Work] = field(default_factory=list)


def needed_programs(settings: Settings) -> tuple[str, ...]:
    """Names of the programs that the embedded parts need under these settings."""
    needed = []
    if settings.temporal.address is None:
        needed.append("temporal")
    if settings.opa.url is None:
        needed.append("opa")
    return tuple(needed)


def plan_stack(facts: Facts) -> Stack:
    """Choose ports and describe every part. Raises `StackError` when a port or a mode cannot be had."""
    settings = facts.settings
    plan = _Plan(facts)
    port = facts.ports.claim(settings.http.host, settings.http.port, "SLUICE_HTTP__PORT")
    url = http_url(settings.http.host, port)
    plan.addresses["api"] = url
    foundations = tuple(
        part for part in (_postgres(plan), _temporal(plan), _opa(plan), _gke(plan)) if part is not None
    )
    plan.changes |= {
        "STATE_DIR": str(facts.state),
        "HTTP__PORT": str(port),
        "CONFIG": str(facts.configuration),
        "KEYS__DECISION_PRIVATE": str(settings.keys.decision_private or facts.keys.decision_private),
        "KEYS__DECISION_PUBLIC": str(settings.keys.decision_public or facts.keys.decision_public),
        "KEYS__AUDIT_PRIVATE": str(settings.keys.audit_private or facts.keys.audit_private),
    }
    once = own_environment(settings, **plan.changes)
    return Stack(
        groups=(
            foundations,
            (OneShot("migrate", facts.sluice("migrate", "--tokens", str(facts.tokens)), once),),
            (_worker(plan), _api(plan, url)),
        ),
        url=url,
        addresses=plan.addresses,
        beside=tuple(plan.beside),
    )


def _postgres(plan: _Plan) -> Part | None:
    if plan.facts.settings.database.url is not None:
        return None
    server = postgres.server_in(plan.facts.state / "postgres")
    plan.changes["DATABASE__URL"] = server.url(DATABASE)

    async def initialise() -> None:
        loop = asyncio.get_running_loop()

        def say(message: str) -> None:
            event = StackEvent(StackEventKind.NOTE, "postgres", message)
            loop.call_soon_threadsafe(plan.facts.report, event)

        await asyncio.to_thread(server.initialise, say)

    return Part(
        name="postgres",
        command=tuple(server.command()),
        environment=foreign_environment(),
        is_ready=partial(postgres.is_ready, server),
        prepare=initialise,
        settle=partial(postgres.ensure_database, server, DATABASE),
        account=server.account,
        stop_signal=postgres.STOP_SIGNAL,
        death_signal=postgres.STOP_SIGNAL,
    )


def _temporal(plan: _Plan) -> Part | None:
    settings = plan.facts.settings.temporal
    if settings.address is not None:
        return None
    port, ui_port = plan.facts.ports.choose("temporal"), plan.facts.ports.choose("temporal-ui")
    address = f"{HOST}:{port}"
    plan.changes |= {"TEMPORAL__ADDRESS": address, "WEB__TEMPORAL_UI_URL": f"http://{HOST}:{ui_port}"}
    plan.addresses |= {"temporal": address, "temporal-ui": f"http://{HOST}:{ui_port}"}
    directory = plan.facts.state / "temporal"
    make_private(directory)
    return Part(
        name="temporal",
        command=tuple(
            temporal.dev_server_command(
                plan.facts.programs["temporal"],
                port=port,
                namespace=settings.namespace,
                ui_port=ui_port,
                database=directory / "temporal.sqlite",
            )
        ),
        environment=foreign_environment(),
        is_ready=partial(temporal.is_ready, address, settings.namespace),
    )


def _opa(plan: _Plan) -> Part | None:
    if plan.facts.settings.opa.url is not None:
        return None
    directory = plan.facts.state / "opa"
    make_private(directory)
    socket = socket_directory(directory, _OPA_SOCKET) / _OPA_SOCKET
    plan.changes["OPA__URL"] = f"unix://{socket}"
    program, bundle = plan.facts.programs["opa"], directory / "bundle.tar.gz"
    followed = (opa.POLICIES, plan.facts.configuration)
    plan.beside.append(partial(opa.follow_policies, program, bundle, plan.facts.report, *followed))

    async def pack() -> None:
        make_private(socket.parent)
        # A server that was killed leaves its socket behind, and the next one cannot bind it.
        socket.unlink(missing_ok=True)
        try:
            plan.facts.report(await asyncio.to_thread(opa.pack_policies, program, bundle, *followed))
        except ConfigurationInvalid as flaws:
            raise StackError(str(flaws)) from flaws

    return Part(
        name="opa",
        command=tuple(opa.server_command(program, policies=bundle, socket=socket)),
        environment=foreign_environment(),
        is_ready=partial(answers_http, "http://opa/health", unix_socket=socket),
        prepare=pack,
    )


def _gke(plan: _Plan) -> Part | None:
    """The practice fleet, or None. Sets the mode that our own processes run in."""
    settings = plan.facts.settings.gke
    mode = settings.mode or (GkeMode.ENDPOINT if settings.endpoint else GkeMode.PRACTICE)
    plan.changes["GKE__MODE"] = mode.value
    if mode is GkeMode.ENDPOINT and settings.endpoint is None:
        raise StackError("SLUICE_GKE__MODE is `endpoint`: name it with SLUICE_GKE__ENDPOINT (host:port)")
    if mode is not GkeMode.PRACTICE or settings.endpoint is not None:
        return None
    port, http_port = plan.facts.ports.choose("gke"), plan.facts.ports.choose("gke-http")
    plan.changes |= {
        "GKE__ENDPOINT": f"{HOST}:{port}",
        "GKE__COMPUTE_ENDPOINT": f"http://{HOST}:{http_port}",
    }
    plan.addresses |= {"gke": f"{HOST}:{port}", "gke-admin": f"http://{HOST}:{http_port}"}
    directory = plan.facts.state / "gke"
    make_private(directory)

    async def is_ready() -> bool:
        return await accepts_tcp(HOST, port) and await answers_http(f"http://{HOST}:{http_port}/healthz")

    return Part(
        name="gke",
        command=(
            *module_command("emulators.gke"),
            "--port",
            str(port),
            "--compute-port",
            str(http_port),
            "--fleet",
            "practice",
            "--log",
            str(directory / "calls.jsonl"),
            "--state",
            str(directory / "state.json"),
        ),
        environment={**foreign_environment(), "PYTHONPATH": str(ROOT)},
        is_ready=is_ready,
    )


def _worker(plan: _Plan) -> Part:
    ready = plan.facts.state / "worker.ready"
    # The worker verifies decisions and never makes one: it gets the public key only.
    changes = plan.changes | {
        "KEYS__DECISION_PRIVATE": None,
        "KEYS__AUDIT_PRIVATE": None,
        "OIDC__CLIENT_SECRET": None,
        "READY_FILE": str(ready),
    }

    async def forget() -> None:
        ready.unlink(missing_ok=True)

    async def is_ready() -> bool:
        return ready.exists()

    return Part(
        name="worker",
        command=plan.facts.sluice("worker"),
        environment=own_environment(plan.facts.settings, **changes),
        is_ready=is_ready,
        prepare=forget,
    )


def _api(plan: _Plan, url: str) -> Part:
    return Part(
        name="api",
        command=plan.facts.sluice("api"),
        # The provider's addresses and the model's key are the worker's.
        environment=own_environment(plan.facts.settings, **plan.changes, LLM__API_KEY=None),
        is_ready=partial(answers_http, f"{url}/readyz"),
    )
