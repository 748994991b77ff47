"""What stops effects: halts (kill switches) and circuit breakers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from contracts.action import ACTION_KINDS
from contracts.base import Contract, unsaid
from contracts.principal import Principal, PrincipalKind

MAX_HALT_REASON = 2_000
"""Characters of the reason of a halt: it stands on everybody's screen."""
_KEYS = "gke.node_pool/"
"""How the key of every target begins (`NodePoolTarget.key`)."""
_KEY = re.compile(r"gke\.node_pool(?:/[a-z0-9-]+){4}")


class HaltStatus(StrEnum):
    """`draining` until no covered intent is inside its call deadline, then `effective`."""

    DRAINING = "draining"
    EFFECTIVE = "effective"
    ENDED = "ended"


class HaltScope(Contract):
    """What a halt covers. Every given field must match; covering everything has to be said."""

    tenant: str | None = Field(default=None, min_length=1)
    environment: str | None = Field(default=None, min_length=1)
    target: str | None = Field(
        default=None, min_length=1, description="Key of a target; a trailing `*` matches a prefix."
    )
    action_kind: str | None = Field(default=None, min_length=1)
    agent: str | None = Field(
        default=None,
        min_length=1,
        exclude_if=unsaid,
        description="Agent among a proposal's authors: `issuer/subject`, or its subject alone.",
    )
    everything: bool = False

    @model_validator(mode="after")
    def _everything_is_said_aloud(self) -> Self:
        named = [self.tenant, self.environment, self.target, self.action_kind, self.agent]
        if self.everything == any(value is not None for value in named):
            raise ValueError(
                "name at least one of tenant, environment, target, action_kind, agent, or set everything"
            )
        return self

    @property
    def can_cover(self) -> bool:
        """Whether there are targets and kinds of actions like those it names: else it would never stop anything."""
        kind_known = self.action_kind in (None, *ACTION_KINDS)
        return kind_known and (self.target is None or _can_match(self.target))

    def covers(
        self,
        *,
        tenant: str,
        environment: str,
        target_key: str,
        action_kind: str,
        authors: Iterable[Principal],
    ) -> bool:
        """Tell whether an effect with these attributes is stopped. `authors`: of every revision."""
        return (
            self.tenant in (None, tenant)
            and self.environment in (None, environment)
            and self.action_kind in (None, action_kind)
            and (self.target is None or _matches(self.target, target_key))
            and (self.agent is None or any(_is_agent(self.agent, author) for author in authors))
        )


def _matches(pattern: str, key: str) -> bool:
    return key.startswith(pattern[:-1]) if pattern.endswith("*") else key == pattern


def _can_match(pattern: str) -> bool:
    if not pattern.endswith("*"):
        return _KEY.fullmatch(pattern) is not None
    stem = pattern[:-1]
    return stem.startswith(_KEYS) or _KEYS.startswith(stem)


def _is_agent(name: str, author: Principal) -> bool:
    return author.kind is PrincipalKind.AGENT and name in author.names


class Halt(Contract):
    """One kill switch."""

    id: str
    scope: HaltScope
    reason: str = Field(min_length=1, max_length=MAX_HALT_REASON)
    status: HaltStatus
    created_by: Principal
    created_at: datetime
    effective_at: datetime | None = None
    ended_at: datetime | None = None


class BreakerState(StrEnum):
    """Closed lets through, open holds, half-open lets one probe through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(Contract):
    """One durable circuit breaker. `contracts/circuit_breaker.py` moves it.

    `id` is its scope: `target:<key>`, `kind:<action kind>`, `provider:<name>`, `agent:<issuer/subject>` or
    `model:<name>`.
    """

    id: str
    state: BreakerState
    consecutive_failures: int = 0
    openings: int = 0
    """How often it opened without a success between; each doubles the cooldown."""
    opened_at: datetime | None = None
    open_until: datetime | None = None
    """None while open: until a person closes it."""
    rule: str | None = None
    """What opened it (`contracts.circuit_breaker.Rule`)."""
    read_first_until: datetime | None = None
    """Until then a read must succeed before an effect may probe. None: no read is needed any more."""
    ready_at: datetime | None = None
    """Since when a probe may go; the first that waits was woken then."""
    probe_owner: str | None = None
    """Proposal, or request for a model, that carries the probe."""
    probe_expires_at: datetime | None = None
    last_reason_code: str | None = None
