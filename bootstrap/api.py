"""The API's process: its services, the keys that sign, and the loops that run beside it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from adapters.keys import load_private_key, read_public_keys
from adapters.telemetry.logging import install_logging
from adapters.telemetry.tracing import install_tracing
from bootstrap import memory
from bootstrap.opened import Opened, required, tracing
from bootstrap.outside import policy_engine
from contracts.errors import ConfigurationInvalid
from contracts.signature import key_id_of
from settings import Settings

if TYPE_CHECKING:
    from adapters.oidc.provider import OidcProvider
    from api.access import WebAccess
    from api.parts import ApiParts


def run_api(settings: Settings) -> None:
    """Serve the API and its background loops until SIGTERM or SIGINT.

    Raises:
        ConfigurationInvalid: a setting is missing or a file it names is wrong.
        TablesNotCurrent: the database's tables are of another version.
    """
    asyncio.run(_run_api(settings))


async def _run_api(settings: Settings) -> None:
    from api.app import create_app
    from api.server import serve

    install_logging(settings.telemetry)
    async with AsyncExitStack() as stack:
        stack.callback(install_tracing(settings.telemetry, "api").shutdown)
        opened = Opened(settings, stack, "api")
        parts = api_parts(opened)
        await opened.require_current_tables()
        app = create_app(replace(parts, loops=(*parts.loops, *opened.loops())))
        memory.settle()
        await serve(app, settings.http.host, settings.http.port)


def api_parts(opened: Opened) -> ApiParts:
    """Return everything that the API is made of.

    Raises:
        ConfigurationInvalid: a setting is missing or a file it names is wrong.
    """
    from adapters.audit.checkpoint import CheckpointKey, CheckpointSigner
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
    policy = policy_engine(opened) if opened.settings.opa.url is not None else None
    gateway = TemporalGateway(opened.settings.temporal, interceptors=[tracing()])
    signer = CheckpointSigner(load_private_key(audit))
    former = read_public_keys(keys.audit_public) if keys.audit_public is not None else ()
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
        former_audit_keys=tuple(CheckpointKey(signer.key.name, key) for key in former),
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
            halts.tend,
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
