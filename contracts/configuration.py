"""What an operator declares in the file that `SLUICE_CONFIG` names. Unknown keys are refused.

What is not listed under `targets` is out of scope. `adapters/configuration.py` reads the file.
"""

from __future__ import annotations

import fnmatch
import re
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AnyHttpUrl, BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from contracts.action import MAX_NODES_PER_ZONE, NodePoolTarget
from contracts.base import Contract
from contracts.principal import Role

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Pattern = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[a-z0-9*?-]+$")]

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def _duration(value: object) -> object:
    """Read `1d12h`, `90m`, `0s`. Everything else is left to Pydantic: ISO 8601, seconds, a timedelta."""
    if isinstance(value, bool):
        raise ValueError("must be a length of time, for example 5m")  # noqa: TRY004  pydantic takes ValueError only
    found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if found is None:
        return value
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": ["string", "number"], "examples": ["30s", "4h", "1d12h", "PT5M"]}),
]
"""A length of time: `30s`, `5m`, `4h`, `1d12h`, or ISO 8601 as `PT5M`."""


class EnvironmentApproval(Contract):
    """Who must approve in an environment. `quorum: 0` is automatic when every guardrail allows."""

    quorum: int = Field(default=1, ge=0, le=10)
    roles: tuple[Role, ...] = (Role.APPROVER,)


class Environment(Contract):
    """One environment, for example production."""

    approval: EnvironmentApproval = EnvironmentApproval()
    production: bool | None = None
    """Whether the rules for production apply. By default the environment named `production` is."""


def counts_as_production(name: str, declared: Environment | None) -> bool:
    """Tell whether the rules for production apply. An undeclared environment counts as production."""
    if declared is None or declared.production is None:
        return declared is None or name == "production"
    return declared.production


class Target(Contract):
    """Registered node pools. `*` and `?` are wildcards in `node_pool` and `cluster`. The first match counts."""

    kind: Literal["gke.node_pool"]
    project: str
    location: str
    cluster: Pattern
    node_pool: Pattern = "*"
    environment: Name
    team: Name
    max_nodes_per_zone: int = Field(ge=0, le=MAX_NODES_PER_ZONE)

    def matches(self, target: NodePoolTarget) -> bool:
        """Tell whether this entry registers the target."""
        return (
            self.kind == target.kind
            and self.project == target.project
            and self.location == target.location
            and fnmatch.fnmatchcase(target.cluster, self.cluster)
            and fnmatch.fnmatchcase(target.node_pool, self.node_pool)
        )


class BudgetWindow(StrEnum):
    """How long a budget runs before it starts anew."""

    DAY = "day"
    MONTH = "month"


class BudgetScope(Contract):
    """What a budget covers. Every given field must match; none given covers the whole tenant."""

    environment: Name | None = None
    team: Name | None = None

    @property
    def key(self) -> str:
        """Canonical text, for example `environment=production`; `tenant` when nothing is given."""
        parts = [f"{name}={value}" for name, value in sorted(self.model_dump(exclude_none=True).items())]
        return ",".join(parts) or "tenant"

    def covers(self, *, environment: str, team: str) -> bool:
        """Tell whether a change in this environment by this team counts against it."""
        return self.environment in (None, environment) and self.team in (None, team)


class Budget(Contract):
    """A hard cap on infrastructure money."""

    scope: BudgetScope
    window: BudgetWindow
    limit: Decimal = Field(ge=0, max_digits=18, decimal_places=2)
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not a time zone of the IANA database") from error
        return value


class BreakerLimits(Contract):
    """When a circuit breaker opens, and for how long."""

    failures: int = Field(default=3, ge=1, le=100)
    """Failed effects in a row."""
    cooldown: Duration = timedelta(minutes=5)


class Limits(Contract):
    """Limits that hold for every target."""

    cooldown: Duration = timedelta(0)
    """Least time between two effects on one target."""
    max_share: float = Field(default=1.0, ge=0, le=100)
    """Largest change of a pool without a person, as a share of its present size: 1.0 allows doubling."""
    effects_per_hour: int = Field(default=30, ge=0, le=10_000)
    """Per target, and per agent."""
    breaker: BreakerLimits = BreakerLimits()


class ApprovalLimits(Contract):
    """When a person must look although the environment asks for nobody, and how long they have."""

    min_confidence: float = Field(default=0.5, ge=0, le=1)
    """Below this an agent's proposal needs a person."""
    max_monthly_delta: Decimal | None = Field(default=None, ge=0)
    """Above this rise in cost per month a person must approve."""
    untrusted_needs_person: bool = False
    """Whether every proposal that stems from untrusted text needs a person. One that a model made of such text always
    does; the rules planner reads a few labels and nothing else."""
    decide_within: Duration = timedelta(hours=4)
    execute_within: Duration = timedelta(hours=1)
    """Added to `decide_within`: the last moment an effect may start."""

    @field_validator("decide_within", "execute_within")
    @classmethod
    def _is_positive(cls, value: timedelta) -> timedelta:
        if value <= timedelta(0) or value > timedelta(days=30):
            raise ValueError("must be above zero and at most 30 days")
        return value


class NotificationEvent(StrEnum):
    """What a webhook can be told."""

    WAITING = "waiting"
    DIRTY = "dirty"
    BREAKER_OPEN = "breaker_open"


class Notification(Contract):
    """An outgoing webhook, signed after Standard Webhooks with the secret in `secret_file`."""

    url: AnyHttpUrl
    secret_file: str
    events: tuple[NotificationEvent, ...] = tuple(NotificationEvent)


class Configuration(Contract):
    """The whole file."""

    tenant: Name = "default"
    environments: dict[Name, Environment] = Field(min_length=1)
    targets: tuple[Target, ...] = ()
    budgets: tuple[Budget, ...] = ()
    limits: Limits = Limits()
    approval: ApprovalLimits = ApprovalLimits()
    notifications: tuple[Notification, ...] = ()

    @model_validator(mode="after")
    def _names_are_declared(self) -> Self:
        for index, target in enumerate(self.targets):
            if target.environment not in self.environments:
                raise ValueError(f"targets[{index}]: environment {target.environment!r} is not declared")
        for index, budget in enumerate(self.budgets):
            named = budget.scope.environment
            if named is not None and named not in self.environments:
                raise ValueError(f"budgets[{index}]: environment {named!r} is not declared")
        return self

    @model_validator(mode="after")
    def _one_budget_per_window(self) -> Self:
        seen: set[tuple[str, BudgetWindow]] = set()
        for index, budget in enumerate(self.budgets):
            window = (budget.scope.key, budget.window)
            if window in seen:
                raise ValueError(
                    f"budgets[{index}]: {budget.scope.key} has a budget by {budget.window} already"
                )
            seen.add(window)
        return self

    @model_validator(mode="after")
    def _one_notification_per_url(self) -> Self:
        """Rows name a URL by its hash, so of two entries only one would be told. The URL may be a secret."""
        seen: set[AnyHttpUrl] = set()
        for index, notification in enumerate(self.notifications):
            if notification.url in seen:
                raise ValueError(
                    f"notifications[{index}]: this URL has an entry already: list its events there"
                )
            seen.add(notification.url)
        return self

    def registered(self, target: NodePoolTarget) -> Target | None:
        """Return the entry that registers the target, or None: out of scope."""
        return next((entry for entry in self.targets if entry.matches(target)), None)

    def is_production(self, environment: str) -> bool:
        """Tell whether the rules for production apply. An undeclared environment counts as production."""
        return counts_as_production(environment, self.environments.get(environment))
