"""The one place that wires: settings → adapters → activities and API. Everything else is given what it needs.

Each process holds only what its work needs. The agent's queue gets the model's key; the effects' queue the identity
that may change things; the API the keys that sign. What is opened is closed in reverse order.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import quote

from adapters.keys import load_private_key, load_public_keys
from adapters.live_configuration import LiveConfiguration
from adapters.store.database import Database
from adapters.telemetry.logging import install_logging
from adapters.telemetry.tracing import install_tracing
from contracts.errors import ConfigurationInvalid
from contracts.messages import QUEUE_AGENT, QUEUE_EFFECTS, QUEUE_MAIN
from contracts.signature import key_id_of
from settings import GkeMode, LlmSettings, Settings

if TYPE_CHECKING:
    from temporalio.contrib.opentelemetry import TracingInterceptor

    from activities.request.model_gate import ModelUse
    from adapters.gke.effector import GkeNodePoolEffector
    from adapters.gke.reader import GkeNodePoolReader
    from adapters.kubernetes.load import KubernetesLoadReader
    from adapters.oidc.provider import OidcProvider
    from adapters.opa.engine import OpaPolicyEngine
    from agents.planners.openai import OpenAIPlanner
    from api.access import WebAccess
    from api.parts import ApiParts
    from worker import Registration

T = TypeVar("T")


class _Closeable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=_Closeable)


@dataclass(frozen=True)
class Opened:
    """What a process has open; `stack` closes it."""

    settings: Settings
    stack: AsyncExitStack
    process: str = "worker"
    """`api` or `worker`: who audits what it loads."""
    live: list[LiveConfiguration] = field(default_factory=list)
    """The one configuration of this process, once somebody asked for it."""

    def keep(self, part: C) -> C:
        """Close `part` when the process ends, and return it."""
        self.stack.push_async_callback(part.close)
        return part

    def database(self) -> Database:
        """Open the pool."""
        return self.keep(Database(database_url(self.settings), self.settings.database.pool_size))

    def public_keys(self) -> dict[str, str]:
        """Return the keys under which decisions are believed."""
        named = required(
            self.settings.keys.decision_public, "SLUICE_KEYS__DECISION_PUBLIC", "public keys in PEM form"
        )
        return load_public_keys(named)

    def configuration(self) -> LiveConfiguration:
        """Return what the operator declares; everybody in this process is given the same."""
        if not self.live:
            path = required(self.settings.config, "SLUICE_CONFIG", "the declarative YAML file")
            self.live.append(LiveConfiguration(path, self.process))
        return self.live[0]

    def judge(self) -> None:
        """Judge with the guardrails that other distributions bring, as the configuration requires.

        Raises:
            ConfigurationInvalid: one is broken, or a required one is not installed.
        """
        from guardrails.discovery import discover, insist, insisting
        from guardrails.registry import install

        configuration, extensions = self.configuration(), discover()
        insist(configuration.current, extensions)
        install(extensions)
        configuration.adopt(insisting(extensions))

    def loops(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """Return what keeps the configuration up to date; SIGHUP has it look at once. For a running event loop."""
        from adapters.dispatch.loops import restarting

        found = []
        for live in self.live:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, live.wake)
            found.append(
                restarting(
                    "configuration", partial(live.run, self.keep(Database(database_url(self.settings), 1)))
                )
            )
        return tuple(found)

    def mode(self) -> GkeMode:
        """Return where effects go. There is no default: nobody should change Google's pools by omission."""
        return required(self.settings.gke.mode, "SLUICE_GKE__MODE", "practice, endpoint or google")


def required(value: T | None, name: str, what: str) -> T:
    """Return a setting that has no safe default.

    Raises:
        ConfigurationInvalid: it is not set.
    """
    if value is None:
        raise ConfigurationInvalid(f"{name} is not set: it names {what}")
    return value


def database_url(settings: Settings) -> str:
    """Return the database's URL, password included.

    Raises:
        ConfigurationInvalid: it is not set.
    """
    url = required(settings.database.url, "SLUICE_DATABASE__URL", "a PostgreSQL database")
    return url.get_secret_value()


async def migrate(settings: Settings) -> None:
    """Bring the database's tables to the newest revision; give Temporal our search attributes and schedules."""
    from adapters.store.migrate import upgrade
    from adapters.temporal import schedules
    from adapters.temporal.connection import connect
    from adapters.temporal.search_attributes import register

    await upgrade(database_url(settings))
    if settings.temporal.address is not None:
        client = await connect(settings.temporal)
        await register(client)
        await schedules.ensure(client)


async def run_worker(settings: Settings, queues: Sequence[str]) -> None:
    """Serve task queues until SIGTERM or SIGINT, then let activities end by themselves.

    Raises:
        ConfigurationInvalid: a setting is missing; above all `SLUICE_GKE__MODE`.
    """
    from adapters.temporal.connection import connect
    from worker import build_workers, run_workers

    install_logging(settings.telemetry)
    async with AsyncExitStack() as stack:
        stack.callback(install_tracing(settings.telemetry, "worker").shutdown)
        opened = Opened(settings, stack)
        opened.mode()
        registrations = {queue: _registration(queue, opened) for queue in queues}
        client = await connect(settings.temporal, interceptors=[_tracing()])
        workers = build_workers(client, registrations, sticky_timeout=settings.temporal.sticky_timeout)
        for loop in opened.loops():
            stack.push_async_callback(_ended, asyncio.ensure_future(loop()))
        if settings.ready_file is not None:
            settings.ready_file.touch()
        await run_workers(workers, registrations, stop_on_signals())


async def _ended(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _registration(queue: str, opened: Opened) -> Registration:
    makers: Mapping[str, Callable[[Opened], Registration]] = {
        QUEUE_MAIN: _serve_main,
        QUEUE_AGENT: _serve_agent,
        QUEUE_EFFECTS: _serve_effects,
    }
    if queue not in makers:
        raise ConfigurationInvalid(f"there is no task queue {queue!r}; there are {', '.join(makers)}")
    return makers[queue](opened)


def _serve_main(opened: Opened) -> Registration:
    """Workflows, guards, approval, read-only tools: a viewer's identity, no key that signs."""
    from activities.approval.activities import ApprovalActivities
    from activities.fleet.activities import FleetActivities
    from activities.guardrail.activities import GuardActivities
    from activities.housekeeping.activities import HousekeepingActivities
    from activities.housekeeping.exceptions import ExceptionSweeps
    from activities.housekeeping.probing import BreakerProbes
    from activities.request.closing import RequestActivities
    from activities.request.model_gate import ModelGate
    from adapters.prices.configured import ConfiguredPrices
    from adapters.store.ledger import sweep_reservations
    from adapters.store.reminders import remind
    from agents.capacity.tools.tool import Evidence
    from agents.port import agent_plugin
    from worker import Registration
    from workflows.fleet import FleetWorkflow
    from workflows.housekeeping import HousekeepingWorkflow
    from workflows.proposal import ProposalWorkflow
    from workflows.refusals import RefusalRecorder
    from workflows.request import RequestWorkflow

    opened.judge()
    database, configuration, mode = opened.database(), opened.configuration(), opened.mode()
    reader, prices = _reader(opened), ConfiguredPrices(configuration.current.prices, configuration.directory)
    configuration.adopt(prices.adopt)
    policy, shadow = _policy_engine(opened), _shadow_engine(opened)
    guards = GuardActivities(
        database, reader, policy, prices, configuration, mode, shadow=shadow, load=_load_reader(opened)
    )
    approval = ApprovalActivities(database, opened.public_keys(), configuration)
    gate = ModelGate(configuration, _model_use(opened.settings.llm))
    requests = RequestActivities(database, configuration, mode, gate)
    fleet = FleetActivities(database, reader, configuration)
    probes = BreakerProbes(database, reader, configuration)
    exceptions = ExceptionSweeps(database, configuration)
    housekeeping = HousekeepingActivities(
        {
            "probe_breakers": probes.sweep,
            "release_reservations": partial(sweep_reservations, database),
            "remind": partial(remind, database, configuration),
            "wake_opened": exceptions.wake_opened,
            "settle_break_glass": exceptions.settle_break_glass,
        }
    )
    return Registration(
        workflows=[RequestWorkflow, ProposalWorkflow, FleetWorkflow, HousekeepingWorkflow],
        activities=[
            guards.check_proposal,
            guards.admit_proposal,
            approval.record_decision,
            approval.record_refusal,
            approval.close_proposal,
            approval.read_state,
            requests.mark_request_planning,
            requests.close_request,
            fleet.observe_fleet,
            housekeeping.sweep,
        ],
        plugins=[
            agent_plugin(
                evidence=Evidence(reader, database, configuration, prices),
                model_timeout=opened.settings.llm.timeout,
            )
        ],
        refusals=RefusalRecorder(approval.record_refusal),
    )


def _serve_agent(opened: Opened) -> Registration:
    """Model calls: the model's key and nothing else."""
    from agents.port import agent_plugin
    from worker import AGENT_HEARTBEAT_THROTTLE, Registration

    plugin = agent_plugin(planner=_planner(opened), model_timeout=opened.settings.llm.timeout)
    return Registration(activities=[], plugins=[plugin], heartbeat_throttle=AGENT_HEARTBEAT_THROTTLE)


def _planner(opened: Opened) -> OpenAIPlanner:
    from adapters.llm.openai_chat import OpenAIChat
    from agents.planners.openai import ModelOptions, OpenAIPlanner

    llm = opened.settings.llm
    options = ModelOptions(
        name=allowed_model(llm),
        max_steps=llm.max_steps,
        input_price=llm.input_price,
        output_price=llm.output_price,
    )
    if llm.api_key is None:
        return OpenAIPlanner(None, options)
    model = OpenAIChat(
        api_key=llm.api_key,
        model=llm.model,
        base_url=llm.base_url,
        timeout=llm.timeout,
        max_output_tokens=llm.max_output_tokens,
    )
    return OpenAIPlanner(opened.keep(model), options)


def _model_use(llm: LlmSettings) -> ModelUse:
    from activities.request.model_gate import ModelUse

    return ModelUse(
        name=allowed_model(llm),
        max_steps=llm.max_steps,
        max_input_tokens=llm.max_input_tokens,
        max_output_tokens=llm.max_output_tokens,
        input_price=llm.input_price,
        output_price=llm.output_price,
    )


def allowed_model(llm: LlmSettings) -> str:
    """Return the configured model.

    Raises:
        ConfigurationInvalid: there is a list of allowed models, and it is not on it.
    """
    if llm.allowed_models and llm.model not in llm.allowed_models:
        named = ", ".join(llm.allowed_models)
        raise ConfigurationInvalid(
            f"SLUICE_LLM__MODEL is {llm.model!r}, and SLUICE_LLM__ALLOWED_MODELS allows only: {named}"
        )
    return llm.model


def _serve_effects(opened: Opened) -> Registration:
    """Execution and verification: the one identity that may change things."""
    from activities.execution.activities import EffectActivities
    from activities.execution.attempt import EffectTimings
    from activities.verification.activities import VerificationActivities
    from adapters.kubernetes.nodes import KubernetesReadyNodeCounter
    from worker import Registration

    database, configuration, mode = opened.database(), opened.configuration(), opened.mode()
    reader, gke = _reader(opened), opened.settings.gke
    timings = EffectTimings(
        call_timeout=gke.call_timeout,
        operation_timeout=gke.operation_timeout,
        poll_interval=gke.poll_interval,
    )
    effects = EffectActivities(
        database, reader, _effector(opened), configuration, opened.public_keys(), mode, timings
    )
    ready_nodes = opened.keep(KubernetesReadyNodeCounter(opened.settings.kubernetes.kubeconfig))
    verification = VerificationActivities(database, reader, ready_nodes, configuration, mode, timings)
    return Registration(activities=[effects.execute_action, verification.verify_effect])


def _reader(opened: Opened) -> GkeNodePoolReader:
    from adapters.gke.reader import GkeNodePoolReader

    if opened.mode() is GkeMode.GOOGLE:
        return opened.keep(GkeNodePoolReader.to_google())
    return opened.keep(GkeNodePoolReader.to_endpoint(*_endpoints(opened.settings)))


def _effector(opened: Opened) -> GkeNodePoolEffector:
    from adapters.gke.effector import GkeNodePoolEffector

    if opened.mode() is GkeMode.GOOGLE:
        return opened.keep(GkeNodePoolEffector.to_google())
    return opened.keep(GkeNodePoolEffector.to_endpoint(*_endpoints(opened.settings)))


def _endpoints(settings: Settings) -> tuple[str, str]:
    return (
        required(settings.gke.endpoint, "SLUICE_GKE__ENDPOINT", "host:port of a ClusterManager"),
        required(
            settings.gke.compute_endpoint, "SLUICE_GKE__COMPUTE_ENDPOINT", "an http URL of the Compute API"
        ),
    )


def _policy_engine(opened: Opened) -> OpaPolicyEngine:
    from adapters.opa.engine import OpaPolicyEngine

    opa = opened.settings.opa
    url = required(opa.url, "SLUICE_OPA__URL", "Open Policy Agent: http://host:port or unix:///path")
    return opened.keep(OpaPolicyEngine(url, timeout=opa.timeout, required=opa.required))


def _load_reader(opened: Opened) -> KubernetesLoadReader | None:
    from adapters.kubernetes.load import KubernetesLoadReader

    kubeconfig = opened.settings.kubernetes.kubeconfig
    return opened.keep(KubernetesLoadReader(kubeconfig)) if kubeconfig is not None else None


def _shadow_engine(opened: Opened) -> OpaPolicyEngine | None:
    from activities.guardrail.asking import SHADOW_PATIENCE
    from adapters.opa.engine import OpaPolicyEngine

    url = opened.settings.opa.shadow_url
    if url is None:
        return None
    required = opened.settings.opa.required
    return opened.keep(OpaPolicyEngine(url, timeout=SHADOW_PATIENCE, required=required))


def run_api(settings: Settings) -> None:
    """Serve the API and its background loops until SIGTERM or SIGINT.

    Raises:
        ConfigurationInvalid: a setting is missing or a file it names is wrong.
    """
    asyncio.run(_run_api(settings))


async def _run_api(settings: Settings) -> None:
    from api.app import create_app
    from api.server import serve

    install_logging(settings.telemetry)
    async with AsyncExitStack() as stack:
        stack.callback(install_tracing(settings.telemetry, "api").shutdown)
        opened = Opened(settings, stack, "api")
        parts = _api_parts(opened)
        app = create_app(replace(parts, loops=(*parts.loops, *opened.loops())))
        await serve(app, settings.http.host, settings.http.port)


def _api_parts(opened: Opened) -> ApiParts:
    from adapters.audit.checkpoint import CheckpointSigner
    from adapters.dispatch.delivery import TO_TEMPORAL, TO_WEBHOOKS
    from adapters.dispatch.dispatcher import Dispatcher
    from adapters.dispatch.loops import background_loops
    from adapters.dispatch.webhooks import WebhookDeliveries
    from adapters.dispatch.workflows import WorkflowDeliveries
    from adapters.store import breakers, halts
    from adapters.store.sequencer import Sequencer
    from adapters.temporal.gateway import TemporalGateway
    from api.parts import ApiParts

    # Browsers first: what is wrong there is told before anything is opened.
    web, identity_provider = _web(opened)
    opened.judge()
    keys, database, configuration = opened.settings.keys, opened.database(), opened.configuration()
    signing = required(keys.decision_private, "SLUICE_KEYS__DECISION_PRIVATE", "the key that signs decisions")
    audit = required(keys.audit_private, "SLUICE_KEYS__AUDIT_PRIVATE", "the key that signs audit checkpoints")
    signing_key, public_keys = load_private_key(signing), opened.public_keys()
    if key_id_of(signing_key.public_key()) not in public_keys:
        raise ConfigurationInvalid(f"{signing}: its public key is not among SLUICE_KEYS__DECISION_PUBLIC")
    policy = _policy_engine(opened) if opened.settings.opa.url is not None else None
    gateway = TemporalGateway(opened.settings.temporal, interceptors=[_tracing()])
    signer = CheckpointSigner(load_private_key(audit))
    sequencer = Sequencer(database, signer)
    webhooks = WebhookDeliveries(database, configuration.current.notifications)
    configuration.adopt(webhooks.adopt)
    dispatchers = (
        Dispatcher(database, WorkflowDeliveries(database, gateway, public_keys).by_kind(), TO_TEMPORAL),
        Dispatcher(database, webhooks.by_kind(), TO_WEBHOOKS),
    )
    return ApiParts(
        database=database,
        configuration=configuration.current,
        live=configuration,
        gateway=gateway,
        signing_key=signing_key,
        public_keys=public_keys,
        sequencer=sequencer,
        audit_key=signer.key,
        mode=opened.mode(),
        probes={"opa": policy.check} if policy is not None else {},
        policy=policy,
        policies=policy,
        web=web,
        identity_provider=identity_provider,
        workflow_pages=_workflow_pages(opened.settings),
        loops=background_loops(
            database,
            sequencer,
            dispatchers,
            halts.settle,
            partial(breakers.cool_down, tenant=configuration.current.tenant),
        ),
    )


def _workflow_pages(settings: Settings) -> str | None:
    if settings.web.temporal_ui_url is None:
        return None
    namespace = quote(settings.temporal.namespace, safe="")
    return f"{settings.web.temporal_ui_url.rstrip('/')}/namespaces/{namespace}/workflows"


def _web(opened: Opened) -> tuple[WebAccess, OidcProvider | None]:
    from adapters.oidc.provider import OidcProvider
    from api.access import web_access

    settings = opened.settings
    access = web_access(
        settings.web.public_url,
        settings.http.host,
        session_lifetime=settings.web.session_lifetime,
        idle_timeout=settings.web.idle_timeout,
    )
    if settings.oidc.issuer is None:
        return access, None
    if not access.is_on:
        raise ConfigurationInvalid(
            "SLUICE_OIDC__ISSUER is set: name the address that people use with SLUICE_WEB__PUBLIC_URL"
        )
    return access, opened.keep(OidcProvider(settings.oidc))


def _tracing() -> TracingInterceptor:
    """Carries the trace through Temporal's headers: one trace from request to effect."""
    from temporalio.contrib.opentelemetry import TracingInterceptor

    return TracingInterceptor()


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, partial(stop.set))
    return stop
