"""What the API is made of. `bootstrap/` builds it, `create_app` takes it, endpoints ask for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, cast
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, Request

from adapters.audit.checkpoint import CheckpointKey
from adapters.live_configuration import LiveConfiguration
from adapters.oidc.provider import OidcProvider
from adapters.store.database import Database
from adapters.store.sequencer import Sequencer
from api.access import WebAccess
from contracts.configuration import Configuration
from contracts.ports import PolicyCatalogue, PolicyEngine, WorkflowGateway
from contracts.signature import key_id_of

Loop = Callable[[], Awaitable[None]]
"""A background loop: runs until it is cancelled."""

Probe = Callable[[], Awaitable[None]]
"""Returns when a dependency answers, raises otherwise."""


@dataclass(frozen=True)
class ApiParts:
    """Everything an API process holds."""

    database: Database
    configuration: Configuration
    gateway: WorkflowGateway
    signing_key: Ed25519PrivateKey
    """Signs decisions (docs/adr/0005). It never leaves this process."""
    public_keys: Mapping[str, str]
    """Key id → base64 raw Ed25519 public key, for the inputs of workflows."""
    sequencer: Sequencer
    """Numbers audit events and signs checkpoints; one of the loops runs it too."""
    audit_key: CheckpointKey
    """The key that verifies checkpoints."""
    mode: str
    """`practice`, `endpoint` or `google`: stamped on every proposal."""
    probes: Mapping[str, Probe] = field(default_factory=dict)
    """What readiness asks beyond the database and Temporal, by name: `opa`."""
    policy: PolicyEngine | None = None
    """Asked where an explanation weighs another size; None: the answers of then are taken as recorded."""
    policies: PolicyCatalogue | None = None
    """Tells people which policies are in force; None: no address of OPA was given."""
    loops: tuple[Loop, ...] = ()
    """Dispatcher, sequencer, halt settling (docs/adr/0006)."""
    gateway_timeout: timedelta = timedelta(seconds=3)
    """How long a caller waits for Temporal before the answer is 202."""
    web: WebAccess = field(default_factory=WebAccess)
    """How browsers get in."""
    identity_provider: OidcProvider | None = None
    """Where people sign in; without one they use one-time links."""
    workflow_pages: str | None = None
    """Address under which the Temporal UI shows a workflow by its id; None where nobody said."""
    live: LiveConfiguration | None = None
    """Where `configuration` comes from while its file may change."""
    former_audit_keys: tuple[CheckpointKey, ...] = ()
    """Keys that signed checkpoints before `audit_key`: they verify, and nothing signs with them."""
    version: str = "0.1.0"

    @property
    def tenant(self) -> str:
        """The one tenant this configuration speaks for. Every read and write is scoped to it."""
        return self.configuration.tenant

    def settled(self) -> ApiParts:
        """Return the parts with the configuration of this moment: one request never sees two."""
        return self if self.live is None else replace(self, configuration=self.live.current)

    def workflow_url(self, workflow_id: str) -> str | None:
        """Return where the Temporal UI shows a workflow."""
        return f"{self.workflow_pages}/{quote(workflow_id, safe='')}" if self.workflow_pages else None

    @property
    def key_id(self) -> str:
        """Id of the key that signs decisions."""
        return key_id_of(self.signing_key.public_key())


def parts_of(request: Request) -> ApiParts:
    """Return the parts of the application that serves this request, settled for as long as it lasts."""
    return cast("ApiParts", request.app.state.parts).settled()


Parts = Annotated[ApiParts, Depends(parts_of)]
