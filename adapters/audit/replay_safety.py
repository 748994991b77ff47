"""AUDIT: rebuilds halts, overrides and break-glass grants from the payloads of their events alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.audit import AuditEvent, AuditType
from contracts.break_glass import GRANT_TRANSITIONS, BreakGlass, BreakGlassStatus, BreakGlassUse
from contracts.override import GateOverride
from contracts.safety import Halt, HaltStatus


@dataclass(slots=True)
class ReplayedSafety:
    """What stops changes, and what lets them through all the same."""

    halts: dict[str, Halt] = field(default_factory=dict)
    overrides: dict[str, GateOverride] = field(default_factory=dict)
    grants: dict[str, BreakGlass] = field(default_factory=dict)
    grant_uses: set[BreakGlassUse] = field(default_factory=set)


SafetyStep = Callable[[ReplayedSafety, AuditEvent], None]
"""Folds one event in. Raises ValueError or KeyError when it does not follow from those before it."""


def _halt_created(state: ReplayedSafety, event: AuditEvent) -> None:
    halt = Halt.model_validate(event.payload)
    _is_new(halt.id, state.halts)
    state.halts[halt.id] = halt


def _halt_moved(state: ReplayedSafety, event: AuditEvent) -> None:
    halt = Halt.model_validate(event.payload)
    order = list(HaltStatus)
    _must(order.index(state.halts[halt.id].status) < order.index(halt.status))
    state.halts[halt.id] = halt


def _gate_overridden(state: ReplayedSafety, event: AuditEvent) -> None:
    override = GateOverride.model_validate(event.payload)
    _is_new(override.id, state.overrides)
    state.overrides[override.id] = override


def _grant_opened(state: ReplayedSafety, event: AuditEvent) -> None:
    grant = BreakGlass.model_validate(event.payload)
    _is_new(grant.id, state.grants)
    _must(grant.status is BreakGlassStatus.AWAITING_SECOND)
    state.grants[grant.id] = grant


def _grant_moved(state: ReplayedSafety, event: AuditEvent) -> None:
    grant = BreakGlass.model_validate(event.payload)
    _must(grant.status in GRANT_TRANSITIONS[state.grants[grant.id].status])
    state.grants[grant.id] = grant


def _grant_used(state: ReplayedSafety, event: AuditEvent) -> None:
    use = BreakGlassUse.model_validate(event.payload)
    _must(use.grant_id in state.grants)
    state.grant_uses.add(use)


SAFETY_STEPS: Mapping[AuditType, SafetyStep] = {
    AuditType.HALT_CREATED: _halt_created,
    AuditType.HALT_EFFECTIVE: _halt_moved,
    AuditType.HALT_ENDED: _halt_moved,
    AuditType.GATE_OVERRIDDEN: _gate_overridden,
    AuditType.BREAK_GLASS_OPENED: _grant_opened,
    AuditType.BREAK_GLASS_CONFIRMED: _grant_moved,
    AuditType.BREAK_GLASS_USED: _grant_used,
    AuditType.BREAK_GLASS_ENDED: _grant_moved,
    AuditType.BREAK_GLASS_LAPSED: _grant_moved,
    AuditType.BREAK_GLASS_REVIEWED: _grant_moved,
}


def _is_new(key: str, known: Mapping[str, Any]) -> None:
    _must(key not in known)


def _must(holds: bool) -> None:
    if not holds:
        raise ValueError("does not follow")
