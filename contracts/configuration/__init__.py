"""What an operator declares in the file that `SLUICE_CONFIG` names. Unknown keys are refused.

What is not listed under `targets` is out of scope. `adapters/configuration.py` reads the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Self, TypedDict

from pydantic import AnyHttpUrl, Field, model_validator

from contracts.action import ACTION_KINDS, NodePoolTarget
from contracts.base import Contract, digest_of
from contracts.configuration.agents import AgentName, DeclaredAgent, is_known_agent
from contracts.configuration.approval import ApprovalLimits, ApprovalRule, AutomaticApproval, Required
from contracts.configuration.break_glass import MOST_GATES, BreakGlassLimits, BypassableGate, Gate
from contracts.configuration.budgets import Budget, BudgetKind, BudgetScope, BudgetWindow
from contracts.configuration.conditions import Conditions
from contracts.configuration.guardrails import ExtraGuardrails, requires_nothing
from contracts.configuration.limits import BreakerLimits, Limits
from contracts.configuration.notifications import Notification, NotificationEvent
from contracts.configuration.places import (
    Cluster,
    Environment,
    EnvironmentApproval,
    Target,
    counts_as_production,
)
from contracts.configuration.prices import CommittedUse, Prices
from contracts.configuration.rates import Oscillation, RateLimit, Rates, RateScope, Repeats, Storm
from contracts.configuration.source import ConfigurationSource
from contracts.configuration.values import Duration, Name, Pattern
from contracts.configuration.windows import CalendarEvent, ChangeWindow, WindowKind, WindowScope
from contracts.principal import Principal, PrincipalKind
from contracts.request import Channel

__all__ = [
    "MOST_GATES",
    "AgentName",
    "ApprovalLimits",
    "ApprovalRule",
    "AutomaticApproval",
    "BreakGlassLimits",
    "BreakerLimits",
    "Budget",
    "BudgetKind",
    "BudgetScope",
    "BudgetWindow",
    "BypassableGate",
    "CalendarEvent",
    "ChangeWindow",
    "Cluster",
    "CommittedUse",
    "Configuration",
    "ConfigurationSource",
    "DeclaredAgent",
    "Duration",
    "Environment",
    "EnvironmentApproval",
    "ExtraGuardrails",
    "Gate",
    "Limits",
    "Name",
    "Notification",
    "NotificationEvent",
    "Oscillation",
    "Pattern",
    "Prices",
    "RateLimit",
    "RateScope",
    "Rates",
    "Repeats",
    "Required",
    "Storm",
    "Target",
    "WindowKind",
    "WindowScope",
    "counts_as_production",
]

SAID_BY_CALLERS = frozenset({Channel.API, Channel.CLI})
"""Whoever holds a token may say either: a rule that tells them apart would trust a header."""
API_OR_CLI = "whoever calls says which of api and cli it is: name both or neither"


class Fresh(TypedDict):
    """Fields of a new draft (`contracts.proposal.Draft`) that follow from the configuration and the clock."""

    environment: str
    team: str
    created_at: datetime
    decide_by: datetime
    execute_by: datetime


class Configuration(Contract):
    """The whole file."""

    tenant: Name = "default"
    environments: dict[Name, Environment] = Field(min_length=1)
    targets: tuple[Target, ...] = ()
    budgets: tuple[Budget, ...] = ()
    limits: Limits = Limits()
    prices: Prices = Prices()
    approval: ApprovalLimits = ApprovalLimits()
    agents: dict[AgentName, DeclaredAgent] = {}
    notifications: tuple[Notification, ...] = ()
    windows: tuple[ChangeWindow, ...] = ()
    break_glass: BreakGlassLimits = BreakGlassLimits()
    guardrails: ExtraGuardrails = Field(default=ExtraGuardrails(), exclude_if=requires_nothing)

    @model_validator(mode="after")
    def _names_are_declared(self) -> Self:
        for index, target in enumerate(self.targets):
            if target.environment not in self.environments:
                raise ValueError(f"targets[{index}]: environment {target.environment!r} is not declared")
        for index, budget in enumerate(self.budgets):
            named = budget.scope.environment
            if named is not None and named not in self.environments:
                raise ValueError(f"budgets[{index}]: environment {named!r} is not declared")
            team = budget.scope.team
            if team is not None and team not in self._teams:
                raise ValueError(f"budgets[{index}]: no target belongs to the team {team!r}")
        return self

    @model_validator(mode="after")
    def _production_is_said(self) -> Self:
        """Only the name `production` speaks for itself: `prod` alone would not have the rules for production."""
        for name, declared in self.environments.items():
            sounds_so = name.startswith(("prod", "prd")) and name != "production"
            if sounds_so and declared.production is None:
                raise ValueError(f"environment {name!r}: say `production: true` or `production: false`")
        return self

    @model_validator(mode="after")
    def _every_target_counts(self) -> Self:
        """An entry that is never the first match would protect or register nothing, and nobody would notice."""
        plain: dict[str, int] = {}
        wide: list[int] = []
        for index, target in enumerate(self.targets):
            first = plain.get(target.pattern)
            if first is None:
                first = next((one for one in wide if self.targets[one].hides(target)), None)
            if first is not None:
                raise ValueError(f"targets[{index}]: targets[{first}] matches all of it: put it first")
            plain[target.pattern] = index
            if target.is_wide:
                wide.append(index)
        return self

    @model_validator(mode="after")
    def _rules_speak_of_what_is_declared(self) -> Self:
        """A rule about a misspelt name would match nothing, and nobody would be asked."""
        asking: list[tuple[str, Conditions]] = [(rule.name, rule.when) for rule in self.approval.rules]
        passing: list[tuple[str, Conditions]] = [(rule.name, rule.when) for rule in self.approval.automatic]
        for name, when in asking + passing:
            wrong = self._misspelt(when)
            if wrong is not None:
                raise ValueError(f"approval rule {name!r}: {wrong}")
        return self

    def _misspelt(self, when: Conditions) -> str | None:
        for environment in when.environments or ():
            if environment not in self.environments:
                return f"environment {environment!r} is not declared"
        for team in when.teams or ():
            if team not in {target.team for target in self.targets}:
                return f"no target belongs to the team {team!r}"
        for agent in when.agents or ():
            if not is_known_agent(agent, self.agents):
                return f"agent {agent!r} is not declared under agents"
        told_apart = len(SAID_BY_CALLERS.intersection(when.channels or ())) == 1
        return f"channels: {API_OR_CLI}" if told_apart else None

    @model_validator(mode="after")
    def _windows_have_names_and_places(self) -> Self:
        """A window's name is what proposals wait for and what people override."""
        seen: set[str] = set()
        for index, window in enumerate(self.windows):
            if window.name in seen:
                raise ValueError(f"windows[{index}]: there is a window {window.name!r} already")
            seen.add(window.name)
            named = window.scope.environment
            if named is not None and named not in self.environments:
                raise ValueError(f"windows[{index}]: environment {named!r} is not declared")
            wrong = self._covers_nothing(window.scope)
            if wrong is not None:
                raise ValueError(f"windows[{index}]: {wrong}")
        return self

    def _covers_nothing(self, scope: WindowScope) -> str | None:
        """A freeze of what does not exist would freeze nothing."""
        if scope.team is not None and scope.team not in self._teams:
            return f"no target belongs to the team {scope.team!r}"
        if scope.action_kind not in (None, *ACTION_KINDS):
            return f"{scope.action_kind!r} is no kind of action"
        if scope.target is not None and not any(one.may_meet(scope.target) for one in self.targets):
            return f"{scope.target!r} matches the key of no target"
        return None

    @property
    def _teams(self) -> frozenset[str]:
        return frozenset(target.team for target in self.targets)

    @model_validator(mode="after")
    def _one_budget_per_window(self) -> Self:
        seen: set[tuple[str, BudgetWindow]] = set()
        for index, budget in enumerate(self.budgets):
            window = (budget.key, budget.window)
            if window in seen:
                raise ValueError(f"budgets[{index}]: {budget.key} has a budget by {budget.window} already")
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

    @cached_property
    def revision(self) -> str:
        """Digest of everything that guardrails judge by. Who is notified is not part of it."""
        return digest_of(self.model_dump(mode="json", exclude={"notifications"}))

    @property
    def current(self) -> Self:
        """Itself: a configuration is the source of one that never changes."""
        return self

    def registered(self, target: NodePoolTarget) -> Target | None:
        """Return the entry that registers the target, or None: out of scope."""
        return next((entry for entry in self.targets if entry.matches(target)), None)

    def fresh(self, target: NodePoolTarget, now: datetime) -> Fresh:
        """Return what a new draft about a target says of it, and how long people and the effect have, from `now` on."""
        entry = self.registered(target)
        decide_by = now + self.approval.decide_within
        return Fresh(
            environment=entry.environment if entry else "",
            team=entry.team if entry else "",
            created_at=now,
            decide_by=decide_by,
            execute_by=decide_by + self.approval.execute_within,
        )

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Every cluster that is named, in the order of the file. One named by a wildcard cannot be listed."""
        named = (target.named_cluster for target in self.targets)
        return tuple(dict.fromkeys(one for one in named if one is not None))

    def covering(self, target: Target | None, agent: str | None) -> tuple[Budget, ...]:
        """Return every budget that a change of a target counts against; none where it is not registered.

        `agent`: `issuer/subject` of the first agent among its authors.
        """
        if target is None:
            return ()
        return tuple(
            one
            for one in self.budgets
            if one.covers_change(environment=target.environment, team=target.team, agent=agent)
        )

    def owners_of(self, authors: Iterable[Principal]) -> tuple[str, ...]:
        """Return who owns the agents among these authors: `issuer/subject` of people, and groups."""
        names = {name for one in authors if one.kind is PrincipalKind.AGENT for name in one.names}
        return tuple(sorted({one.owner for name, one in self.agents.items() if name in names}))

    def is_production(self, environment: str) -> bool:
        """Tell whether the rules for production apply. An undeclared environment counts as production."""
        return counts_as_production(environment, self.environments.get(environment))
