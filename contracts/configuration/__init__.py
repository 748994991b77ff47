"""What an operator declares in the file that `SLUICE_CONFIG` names. Unknown keys are refused.

What is not listed under `targets` is out of scope. `adapters/configuration.py` reads the file.
"""

from __future__ import annotations

from typing import Self

from pydantic import AnyHttpUrl, Field, model_validator

from contracts.action import NodePoolTarget
from contracts.base import Contract
from contracts.configuration.approval import ApprovalLimits
from contracts.configuration.budgets import Budget, BudgetScope, BudgetWindow
from contracts.configuration.limits import BreakerLimits, Limits
from contracts.configuration.notifications import Notification, NotificationEvent
from contracts.configuration.places import Environment, EnvironmentApproval, Target, counts_as_production
from contracts.configuration.values import Duration, Name, Pattern

__all__ = [
    "ApprovalLimits",
    "BreakerLimits",
    "Budget",
    "BudgetScope",
    "BudgetWindow",
    "Configuration",
    "Duration",
    "Environment",
    "EnvironmentApproval",
    "Limits",
    "Name",
    "Notification",
    "NotificationEvent",
    "Pattern",
    "Target",
    "counts_as_production",
]


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
