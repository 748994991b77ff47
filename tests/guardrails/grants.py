"""A grant that counts, and facts under it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.break_glass import BreakGlass, BreakGlassStatus
from contracts.configuration import BreakGlassLimits, BypassableGate
from contracts.principal import Principal, PrincipalKind, Role
from contracts.safety import HaltScope
from guardrails.facts import Facts
from tests.contracts.samples import BEN, NOON
from tests.guardrails.samples import facts

OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))
ALL = BreakGlassLimits(gates=tuple(BypassableGate))


def grant(**changes: Any) -> BreakGlass:
    fields: dict[str, Any] = {
        "id": "brk_1",
        "scope": HaltScope(environment="production"),
        "gates": tuple(BypassableGate),
        "reason": "down",
        "minutes": 30,
        "status": BreakGlassStatus.ACTIVE,
        "opened_by": OLGA,
        "opened_at": NOON,
        "confirm_by": NOON + timedelta(minutes=15),
        "confirmed_by": BEN,
        "confirmed_at": NOON,
        "expires_at": NOON + timedelta(minutes=30),
    }
    return BreakGlass.model_validate(fields | changes)


def under(*grants: BreakGlass, limits: BreakGlassLimits | None = ALL, **changes: Any) -> Facts:
    return facts(grants=grants or (grant(),), break_glass=limits, **changes)
