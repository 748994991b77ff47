"""Worker processes: what each task queue serves, and with which identity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from adapters.telemetry.logging import install_logging
from adapters.telemetry.tracing import install_tracing
from bootstrap import memory
from bootstrap.opened import Opened, stop_on_signals, tracing
from bootstrap.outside import (
    effector_of_pools,
    kubeconfig_of,
    load_reader,
    policy_engine,
    shadow_engine,
    viewer_of_pools,
)
from contracts.errors import ConfigurationInvalid
from contracts.messages import QUEUE_AGENT, QUEUE_EFFECTS, QUEUE_MAIN
from settings import LlmSettings, Settings

if TYPE_CHECKING:
    from activities.housekeeping.activities import HousekeepingActivities
    from activities.housekeeping.rounds import IsRunning
    from activities.request.model_gate import ModelUse
    from adapters.store.database import Database
    from agents.planners.openai import OpenAIPlanner
    from contracts.configuration import ConfigurationSource
    from contracts.ports import NodePoolReader
    from worker import Registration


async def run_worker(settings: Settings, queues: Sequence[str]) -> None:
    """Serve task queues until SIGTERM or SIGINT, then let activities end by themselves.

    Raises:
        ConfigurationInvalid: a setting is missing; above all `SLUICE_GKE__MODE`.
        TablesNotCurrent: the tables of the database that the queues need are of another version.
    """
    from adapters.temporal.connection import connect
    from worker import build_workers, run_workers

    install_logging(settings.telemetry)
    if settings.ready_file is not None:
        # A worker that was killed left it behind.
        settings.ready_file.unlink(missing_ok=True)
    async with AsyncExitStack() as stack:
        stack.callback(install_tracing(settings.telemetry, "worker").shutdown)
        opened = Opened(settings, stack)
        opened.mode()
        registrations = {queue: registration(queue, opened) for queue in queues}
        await opened.require_current_tables()
        client = await connect(settings.temporal, interceptors=[tracing()])
        stop = stop_on_signals()
        workers = build_workers(
            client, registrations, sticky_timeout=settings.temporal.sticky_timeout, stop=stop
        )
        for loop in opened.loops():
            stack.push_async_callback(_ended, asyncio.ensure_future(loop()))
        memory.settle()
        await run_workers(workers, registrations, stop, ready_file=settings.ready_file)


async def _ended(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def registration(queue: str, opened: Opened) -> Registration:
    """Return what one task queue serves.

    Raises:
        ConfigurationInvalid: there is no such queue, or a setting that it needs is missing.
    """
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
    from activities.request.closing import RequestActivities
    from activities.request.model_gate import ModelGate
    from adapters.prices.configured import ConfiguredPrices
    from adapters.temporal.gateway import TemporalGateway
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
    reader = viewer_of_pools(opened)
    prices = ConfiguredPrices(configuration.current.prices, configuration.directory)
    configuration.adopt(prices.adopt)
    policy, shadow = policy_engine(opened), shadow_engine(opened)
    guards = GuardActivities(
        database, reader, policy, prices, configuration, mode, shadow=shadow, load=load_reader(opened)
    )
    approval = ApprovalActivities(database, opened.public_keys(), configuration)
    gate = ModelGate(configuration, _model_use(opened.settings.llm))
    requests = RequestActivities(database, configuration, mode, gate)
    fleet = FleetActivities(database, reader, configuration)
    gateway = TemporalGateway(opened.settings.temporal)
    housekeeping = _housekeeping(database, reader, configuration, gateway.is_running)
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


def _housekeeping(
    database: Database, reader: NodePoolReader, configuration: ConfigurationSource, is_running: IsRunning
) -> HousekeepingActivities:
    """What must happen although nobody asks."""
    from activities.housekeeping.activities import HousekeepingActivities
    from activities.housekeeping.exceptions import ExceptionSweeps
    from activities.housekeeping.lost import LostProposals
    from activities.housekeeping.overdue import OverdueProposals
    from activities.housekeeping.probing import BreakerProbes
    from activities.housekeeping.unplanned import UnplannedRequests
    from adapters.store.ledger import sweep_reservations
    from adapters.store.reminders import remind

    exceptions = ExceptionSweeps(database, configuration)
    return HousekeepingActivities(
        {
            "probe_breakers": BreakerProbes(database, reader, configuration).sweep,
            "expire_overdue": OverdueProposals(database, configuration).expire,
            "release_reservations": partial(sweep_reservations, database),
            "remind": partial(remind, database, configuration),
            "wake_opened": exceptions.wake_opened,
            "settle_break_glass": exceptions.settle_break_glass,
            "close_unplanned": UnplannedRequests(database, configuration, is_running).close,
            "hand_over_lost": LostProposals(database, configuration, is_running).hand_over,
        }
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
    from activities.execution.through import ThroughVerification
    from activities.verification.activities import VerificationActivities
    from adapters.kubernetes.nodes import KubernetesReadyNodeCounter
    from worker import Registration

    database, configuration, mode = opened.database(), opened.configuration(), opened.mode()
    reader, gke = viewer_of_pools(opened), opened.settings.gke
    timings = EffectTimings(
        call_timeout=gke.call_timeout,
        operation_timeout=gke.operation_timeout,
        poll_interval=gke.poll_interval,
    )
    effects = EffectActivities(
        database, reader, effector_of_pools(opened), configuration, opened.public_keys(), mode, timings
    )
    ready_nodes = opened.keep(KubernetesReadyNodeCounter(kubeconfig_of(opened)))
    verification = VerificationActivities(database, reader, ready_nodes, configuration, mode, timings)
    through = ThroughVerification(effects, verification)
    return Registration(activities=[through.execute_action, verification.verify_effect])
