"""The ten facts that a decision rests on, from typed fields only. Pure: `ProposalView` and what is known since, in.

A fact that is not known is None, and the page shows it as missing: with one missing, nobody can approve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from api.proposals.schemas import Before, BudgetEffect, Cost, ProposalView
from contracts.action import Action, ResizeNodePool
from contracts.evaluation import Outcome, Verdict
from contracts.observation import AutoscalingBounds, NodePoolObservation
from contracts.proposal import PlannerKind
from contracts.request import Channel

_CHANNELS: Mapping[Channel, str] = {
    Channel.CHAT: "in chat",
    Channel.EVENT: "by an alert",
    Channel.API: "over the API",
    Channel.WEB: "on these pages",
    Channel.CLI: "on the command line",
    Channel.MCP: "over MCP",
    Channel.SCHEDULE: "on a schedule",
}
NAMED: Mapping[str, str] = {
    "node_count": "Nodes per zone",
    "min_node_count": "Least nodes per zone",
    "max_node_count": "Most nodes per zone",
    "machine_type": "Machine type",
}
"""Fields of the actions in words."""


@dataclass(frozen=True)
class Row:
    """One changed field: a zone's size, or a bound."""

    name: str
    before: int | None
    after: int | None
    is_total: bool = False

    @property
    def delta(self) -> int | None:
        """How much it changes; None where one side is not known."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def is_changed(self) -> bool:
        """Whether it changes at all. What is not known counts as changed."""
        return self.delta != 0


@dataclass(frozen=True)
class Bar:
    """One budget: what others spent and reserved, what this change takes, against the limit."""

    line: BudgetEffect
    whole: Decimal
    """Length of the bar: the limit, or more when it would be exceeded."""

    @property
    def is_over(self) -> bool:
        """Whether it would not fit."""
        return self.line.left_after < 0


@dataclass(frozen=True)
class Drift:
    """What a later look at the target found."""

    at: datetime | None
    differences: tuple[str, ...] = ()

    @property
    def is_unchanged(self) -> bool:
        """Whether a later look found it as it was."""
        return self.at is not None and not self.differences


@dataclass(frozen=True)
class Judged:
    """All verdicts, worst first, in numbers and in words."""

    loud: tuple[Verdict, ...]
    """Everything but a plain allow."""
    quiet: tuple[Verdict, ...]
    counts: Mapping[str, int]


def rows_of(view: ProposalView) -> tuple[Row, ...]:
    """Return the changed fields, the total last."""
    if isinstance(view.action, ResizeNodePool):
        return _sizes(view)
    return _bounds(view.action, view.before)


def _sizes(view: ProposalView) -> tuple[Row, ...]:
    before = view.before.zones if view.before else {}
    after = view.after.zones or {}
    zones = tuple(Row(zone, before.get(zone), after.get(zone)) for zone in sorted({*before, *after}))
    if not zones:
        return (Row("nodes per zone", None, view.after.node_count),)
    total = Row("total", view.before.total if view.before else None, view.after.total, is_total=True)
    return (*zones, total)


def _bounds(action: Action, before: Before | None) -> tuple[Row, ...]:
    bounds = before.autoscaling if before else None
    asked = action.model_dump(include={"min_node_count", "max_node_count"})
    return tuple(Row(NAMED[name], getattr(bounds, name, None), value) for name, value in asked.items())


def bars_of(cost: Cost | None) -> tuple[Bar, ...]:
    """Return every budget this counts against, the tightest first."""
    if cost is None:
        return ()
    return tuple(_bar(line) for line in sorted(cost.budgets, key=lambda one: one.left_after))


def _bar(line: BudgetEffect) -> Bar:
    taken = line.committed + line.reserved + max(line.amount, Decimal(0))
    return Bar(line, max(line.limit, taken, Decimal(1)))


def drift_of(before: Before | None, seen: NodePoolObservation | None) -> Drift:
    """Compare what was observed for this proposal with a later look at the same pool."""
    if before is None or seen is None or seen.taken_at <= before.observed_at:
        return Drift(None)
    return Drift(seen.taken_at, tuple(_differences(before, seen)))


def _differences(before: Before, seen: NodePoolObservation) -> Iterable[str]:
    now = seen.target_sizes
    if before.autoscaling != seen.autoscaling:
        yield f"autoscaling was {_said(before.autoscaling)}, is {_said(seen.autoscaling)}"
    if before.machine_type != seen.machine_type:
        yield f"machine type was {before.machine_type}, is {seen.machine_type}"
    if before.autoscaling is not None and seen.autoscaling is not None:
        return
    for zone in sorted({*before.zones, *now}):
        if before.zones.get(zone) != now.get(zone):
            yield f"{zone} was {before.zones.get(zone, 'absent')}, is {now.get(zone, 'absent')}"


def _said(bounds: AutoscalingBounds | None) -> str:
    if bounds is None:
        return "off"
    if bounds.is_pool_wide:
        return f"{bounds.total_min_node_count} to {bounds.total_max_node_count} in the pool"
    return f"{bounds.min_node_count} to {bounds.max_node_count} per zone"


def judged_of(verdicts: Iterable[Verdict]) -> Judged:
    """Sort verdicts into those that say something and those that just allow."""
    every = tuple(verdicts)
    return Judged(
        loud=tuple(one for one in every if one.outcome is not Outcome.ALLOW),
        quiet=tuple(one for one in every if one.outcome is Outcome.ALLOW),
        counts=Counter(one.outcome.value for one in every),
    )


def asks_for_people(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Return the verdicts because of which a person has to decide."""
    return tuple(one for one in verdicts if one.outcome is Outcome.REQUIRE_APPROVAL)


def came_in(channel: Channel) -> str:
    """Return how a request came in."""
    return _CHANNELS[channel]


def planned_by(view: ProposalView) -> str:
    """Return what made the action, in a few words."""
    planner = view.planner
    match planner.kind:
        case PlannerKind.DIRECT:
            return "named by the requester, no planner"
        case PlannerKind.UNDO:
            return "takes an earlier change back"
        case PlannerKind.RULES:
            return "rules planner, no model"
        case PlannerKind.OPENAI:
            prompt = f", prompt {planner.prompt_version}" if planner.prompt_version else ""
            return f"model {planner.model or 'unnamed'}{prompt}"


def zones_alike(rows: tuple[Row, ...]) -> bool:
    """Tell whether every zone changes in the same way, so that one line says it all."""
    return len({(one.before, one.after) for one in rows if not one.is_total}) == 1
