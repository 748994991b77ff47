"""Settings: everything that differs between a laptop and production, read once by `bootstrap/`.

One pydantic-settings tree. Environment variables carry the prefix ``SLUICE_`` and ``__`` for nesting
(``SLUICE_DATABASE__URL``). Where `SLUICE_SECRETS_DIR` names a directory, a file in it that is named like such a
variable (``sluice_database__url``) gives its value; the environment wins. What an operator *declares*
(environments, targets, budgets) is not here but in the file that ``SLUICE_CONFIG`` names, see
`contracts/configuration/`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from contracts.principal import GroupName, Role


def default_state_dir() -> Path:
    """`$XDG_STATE_HOME/sluice`, by default `~/.local/state/sluice` (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "sluice"


def _seconds(value: object) -> object:
    """Read text that is a number: an environment has nothing but text, and text alone is taken for ISO 8601."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Length = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0))]
"""A length of time: seconds or ISO 8601."""


_HTTP = r"^https?://\S+$"


class GkeMode(StrEnum):
    """Where node pool changes go."""

    PRACTICE = "practice"
    """Our own emulator, started by `sluice up`."""
    ENDPOINT = "endpoint"
    """A ClusterManager at `SLUICE_GKE__ENDPOINT`, plaintext gRPC."""
    GOOGLE = "google"
    """Google Cloud, by workload identity."""


class Group(BaseModel):
    """Base of the nested groups: unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


class HttpSettings(Group):
    """The API's listener, and how the command line reaches it."""

    host: str = "127.0.0.1"
    port: int = Field(default=8470, ge=0, le=65535)


class WebSettings(Group):
    """The web pages: under which address browsers find them, and how long somebody stays signed in."""

    public_url: str | None = None
    """https://host[:port], as browsers spell it. Not needed on loopback; without it nobody signs in elsewhere."""
    session_lifetime: Length = Field(default=timedelta(hours=12), le=timedelta(days=30))
    idle_timeout: Length = Field(default=timedelta(hours=2), ge=timedelta(minutes=2))
    """A session ends when nobody opened a page or did anything for so long."""
    temporal_ui_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    """Where browsers find Temporal's UI: a proposal's page links to its workflow there."""


class OidcSettings(Group):
    """An OpenID Connect provider. Without an issuer people sign in by one-time links only."""

    issuer: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    """Not needed for a public client: PKCE is used in any case."""
    scopes: str = "openid profile email"
    subject_claim: str = "sub"
    """`email` counts only with `email_verified`."""
    name_claim: str = "name"
    roles_claim: str = "groups"
    """A claim of the ID token; dots lead into objects: `realm_access.roles`."""
    roles: dict[str, tuple[Role, ...]] = {}
    """JSON: value of that claim → roles, for example `{"sre": ["operator", "viewer"]}`."""
    groups_claim: str = "groups"
    """A claim of the ID token, read as `roles_claim`."""
    groups: dict[str, tuple[GroupName, ...]] = {}
    """JSON: value of that claim → groups that approval rules name, for example `{"cost-team": ["finance"]}`."""
    label: str = Field(default="Sign in with single sign-on", min_length=1, max_length=60)
    """What the button says."""

    @field_validator("scopes")
    @classmethod
    def _asks_for_an_id_token(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("the scope openid is needed")
        return value


class DatabaseSettings(Group):
    """PostgreSQL 15 or newer. Without a URL `sluice up` starts an embedded one in the state directory."""

    url: SecretStr | None = None
    pool_size: int = Field(default=10, ge=1, le=100)


class TemporalSettings(Group):
    """A Temporal frontend. Without an address `sluice up` starts a dev server."""

    address: str | None = None
    namespace: str = "default"
    api_key: SecretStr | None = None
    tls: bool = False
    sticky_timeout: Length = timedelta(seconds=1.5)
    """How long a task waits for the worker that has the workflow cached, before any worker may take it."""


class OpaSettings(Group):
    """Open Policy Agent: `http://host:port` or `unix:///path`."""

    url: str | None = None
    shadow_url: str | None = None
    """A second one, with a candidate policy: asked beside the live one and recorded, it decides nothing."""
    timeout: Length = timedelta(seconds=2)
    required: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """JSON: names of the policies without which an answer is none. By default those of this repository."""


class LlmSettings(Group):
    """Any OpenAI-compatible endpoint. Without a key the deterministic rules planner answers."""

    base_url: str | None = Field(default=None, pattern=_HTTP)
    api_key: SecretStr | None = None
    model: str = Field(default="gpt-5-mini", min_length=1)
    allowed_models: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """JSON: the models that may run. Nothing starts with another one; empty: the one that `model` names, no other."""
    timeout: Length = timedelta(seconds=30)
    max_steps: int = Field(default=8, ge=1, le=32)
    max_output_tokens: int = Field(default=2_000, ge=100, le=32_000)
    max_input_tokens: int = Field(default=32_000, ge=1_000, le=2_000_000)
    """Taken as the most that one call reads: what a request may cost is reserved by it."""
    input_price: Decimal = Field(default=Decimal(0), ge=0)
    """USD per million input tokens; 0 = unknown, and recorded as 0."""
    output_price: Decimal = Field(default=Decimal(0), ge=0)
    """USD per million output tokens."""

    @field_validator("api_key")
    @classmethod
    def _empty_is_none(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value and value.get_secret_value() else None


class GkeSettings(Group):
    """The provider of node pools."""

    mode: GkeMode | None = None
    endpoint: str | None = None
    """host:port, plaintext gRPC."""
    compute_endpoint: str | None = Field(default=None, pattern=_HTTP)
    """http URL of the Compute API that serves the instance groups."""
    call_timeout: Length = Field(default=timedelta(seconds=45), le=timedelta(seconds=100))
    """Time-out of one mutating call. The call deadline of an intent is longer than this."""
    operation_timeout: Length = timedelta(minutes=30)
    poll_interval: Length = timedelta(seconds=5)


class KubernetesSettings(Group):
    """Optional: lets verification count Ready nodes, and policies read what runs on a pool."""

    kubeconfig: Path | None = None


class ProgramSettings(Group):
    """Explicit paths of programs; otherwise `tools/` finds or gets them."""

    temporal: Path | None = None
    opa: Path | None = None


class KeySettings(Group):
    """Ed25519 keys as PEM files. Locally they are created in the state directory."""

    decision_private: Path | None = None
    """Signs decisions. Only the API needs it."""
    decision_public: Path | None = None
    """A file of one or more public keys; the worker verifies stored decisions with them."""
    audit_private: Path | None = None
    """Signs audit checkpoints. Only the sequencer, which runs beside the API, needs it."""
    audit_public: Path | None = None
    """A file of one or more public keys that signed checkpoints before: the API verifies with them, too."""


class TelemetrySettings(Group):
    """OpenTelemetry and logs. Export is off unless an endpoint is given."""

    otlp_endpoint: str | None = None
    log_format: str = Field(default="console", pattern="^(console|json)$")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")


class Settings(BaseSettings):
    """The whole tree. Unknown `SLUICE_` names inside a group are refused; an empty variable is one that is not set."""

    model_config = SettingsConfigDict(
        env_prefix="SLUICE_", env_nested_delimiter="__", env_ignore_empty=True, extra="ignore"
    )

    state_dir: Path = Field(default_factory=default_state_dir)
    config: Path | None = None
    """`SLUICE_CONFIG`: the declarative YAML file."""
    ready_file: Path | None = None
    """There while the worker polls all its queues: for a supervisor or an exec probe. Each worker needs its own."""
    http: HttpSettings = HttpSettings()
    web: WebSettings = WebSettings()
    oidc: OidcSettings = OidcSettings()
    database: DatabaseSettings = DatabaseSettings()
    temporal: TemporalSettings = TemporalSettings()
    opa: OpaSettings = OpaSettings()
    llm: LlmSettings = LlmSettings()
    gke: GkeSettings = GkeSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    programs: ProgramSettings = ProgramSettings()
    keys: KeySettings = KeySettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the directory of secrets: containers get them as files, so that no environment shows them."""
        files = NestedSecretsSettingsSource(
            file_secret_settings,
            secrets_dir=os.environ.get("SLUICE_SECRETS_DIR"),
            secrets_dir_missing="error",
        )
        return init_settings, env_settings, files
