"""What the pages of operations show, made of the API's own answers. Pure: no rule of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from adapters.store.halt_reads import Fate
from api import words
from api.fleet.schemas import Fleet, FleetPool
from api.safety.exception_schemas import Grants, GrantView
from api.safety.schemas import BreakerDetail, Breakers, Budgets, BudgetView, Halts
from api.web.operations import budget_words
from api.web.operations.grants import sorted_grants
from contracts.configuration import BudgetKind
from contracts.safety import BreakerState

FATES = {
    Fate.DENIED: ("Denied", "its first check answers that a halt covers it"),
    Fate.HELD: ("Held", "waits until the halt ends, or expires"),
    Fate.CALLING: ("Call in flight", "may reach the provider until its deadline"),
    Fate.RUNNING: ("Runs on", "the provider works on it, nothing recalls it"),
    Fate.VERIFYING: ("Verified", "the effect took place and is being looked at"),
}
"""Fate of a covered proposal → word, and what it means."""

_ORDER = {BreakerState.OPEN: 0, BreakerState.HALF_OPEN: 1, BreakerState.CLOSED: 2}
_WARN_SHARE = Decimal("0.8")


@dataclass(frozen=True)
class BreakerName:
    """What a breaker stands for."""

    kind: str
    """What it guards: `target`, `kind`, `provider`, `agent` or `model`."""
    text: str


def breaker_name(breaker_id: str) -> BreakerName:
    """Return a breaker's id for people: a kind in words, a target as its pool; the others name themselves."""
    kind, _, rest = breaker_id.partition(":")
    told = {
        "kind": words.action_kind(rest),
        "target": pool_name(rest),
        "provider": f"Provider {rest.upper()}",
        "agent": f"Agent {words.who(rest)}",
        "model": f"Model {rest}",
    }
    return BreakerName(kind, told.get(kind, breaker_id))


def pool_name(key: str) -> str:
    """Return a target's key without its kind: `acme-prod/europe-west4/serving/inference`."""
    kind, _, rest = key.partition("/")
    return rest if kind == "gke.node_pool" and rest else key


def change_words(summary: str, pool: FleetPool) -> str:
    """Return a proposal's summary without the pool that stands beside it: `resize to 4 per zone`."""
    target = pool.target
    named = f" {target.project}/{target.cluster}/{target.node_pool}"
    return summary.replace(named, "").replace(" of to ", " to ")


def by_urgency(breakers: Iterable[BreakerDetail]) -> list[BreakerDetail]:
    """Open ones first, then half-open, then closed; the last to move first."""
    return sorted(breakers, key=lambda one: (_ORDER[one.state], _age_key(one), one.id))


def _age_key(one: BreakerDetail) -> float:
    return -one.moves[0].at.timestamp() if one.moves else 0.0


def ago_words(moment: datetime) -> str:
    """Return how long ago a moment was: `12 s ago`."""
    elapsed = (datetime.now(UTC) - moment).total_seconds()
    return f"{words.duration(elapsed)} ago" if elapsed >= 1 else "just now"


@dataclass(frozen=True)
class BudgetPicture:
    """One budget, cut into the parts of a bar."""

    budget: BudgetView
    parts: tuple[tuple[str, Decimal, str], ...]
    """Name, amount, tone, in the order of the bar."""
    whole: Decimal
    """What the bar's length stands for: the limit, or more where more is used or expected."""
    tone: str
    """`ok`, `warn` or `danger`."""
    verdict: str
    """In a few words, how it stands."""
    title: str
    window: str
    marks: tuple[tuple[Decimal, str], ...] = ()
    """Amounts where the bar has a mark, and what kind: `soft`, `alert`, `told`."""
    rules: str = ""
    """The marks in words; empty where there are none."""
    bias: str = ""
    """How far estimates were off; empty where nothing was verified."""
    opening: Decimal = Decimal(0)
    """What the window began with: the run-rate of before."""

    @property
    def is_models(self) -> bool:
        """Whether it caps calls of models, which have no run-rate and are spent when they are made."""
        return self.budget.kind is BudgetKind.MODEL


def budget_picture(budget: BudgetView) -> BudgetPicture:
    """Return how one budget is drawn."""
    standing = budget.committed + budget.reserved
    tone, verdict = _budget_verdict(budget, standing)
    growth = max(budget.forecast - standing, Decimal(0))
    parts = (
        ("Spent", budget.spent, "a"),
        ("Committed, not yet spent", max(budget.committed - budget.spent, Decimal(0)), "d"),
        ("Reserved", budget.reserved, "b"),
        ("Forecast growth", growth, "c"),
    )
    named = [part for part in (budget.environment, budget.team, budget.agent) if part]
    whole = "Models" if budget.kind is BudgetKind.MODEL else "Whole tenant"
    return BudgetPicture(
        budget=budget,
        parts=parts,
        whole=max(budget.limit, budget.forecast, standing),
        tone=tone,
        verdict=verdict,
        title=" · ".join(named if budget.kind is BudgetKind.INFRASTRUCTURE else [whole, *named]) or whole,
        window=window_words(budget),
        marks=budget_words.marks(budget),
        rules=budget_words.rules(budget),
        bias=budget_words.bias(budget.bias),
        opening=budget.series[0].committed if budget.series else Decimal(0),
    )


def _budget_verdict(budget: BudgetView, standing: Decimal) -> tuple[str, str]:
    if standing > budget.limit:
        return "danger", "Over its limit: growth is denied"
    if budget.soft_limit is not None and standing > budget.soft_limit:
        return "warn", "Above its soft limit: growth takes a person"
    if budget.exhausted_at is not None:
        return "warn", "Runs out before the window ends"
    if budget.limit > 0 and budget.forecast / budget.limit >= _WARN_SHARE:
        return "warn", "Ends close to its limit"
    return "ok", "Within its limit"


def window_words(budget: BudgetView) -> str:
    """Return the window for people, in the budget's own calendar: `November 2026`, `21 November 2026`."""
    kind, _, key = budget.window.partition(":")
    if kind == "month":
        return f"{datetime.strptime(key, '%Y-%m'):%B %Y}"  # noqa: DTZ007  a calendar month has no time zone
    day = datetime.strptime(key, "%Y-%m-%d")  # noqa: DTZ007  nor has a day
    return f"{day.day} {day:%B %Y}"


@dataclass(frozen=True)
class FleetFilter:
    """What a reader of the fleet wants to see."""

    environment: str = ""
    show: str = ""
    """`pending`, `bounds`, `unread`; empty for all."""
    query: str = ""

    def keeps(self, pool: FleetPool) -> bool:
        """Tell whether a pool is shown."""
        wanted = {
            "pending": bool(pool.pending),
            "bounds": pool.near_bound is not None,
            "unread": pool.reason_code is not None,
        }
        in_environment = self.environment in ("", pool.environment)
        is_found = self.query.strip().lower() in f"{pool.key} {pool.team} {_machine(pool)}".lower()
        return in_environment and is_found and wanted.get(self.show, True)


def _machine(pool: FleetPool) -> str:
    if pool.seen is None:
        return ""
    return " ".join([pool.seen.machine_type, *(one.type for one in pool.seen.accelerators)])


def fleet_order(pools: Iterable[FleetPool]) -> list[FleetPool]:
    """Production first, then by key."""
    return sorted(pools, key=lambda pool: (not pool.is_production, pool.environment, pool.key))


@dataclass(frozen=True)
class PoolBound:
    """How far a pool is from what bounds it."""

    size: int
    most: int
    unit: str
    by: str
    """`autoscaler` or `registered limit`."""
    least: int | None = None


def pool_bound(pool: FleetPool) -> PoolBound | None:
    """Return the tightest bound of a pool, or None where nothing bounds it or nobody has seen it."""
    seen = pool.seen
    if seen is None:
        return None
    largest = max((zone.target_size for zone in seen.zones), default=0)
    found = []
    if pool.max_nodes_per_zone:
        found.append(PoolBound(largest, pool.max_nodes_per_zone, "per zone", "registered limit"))
    scaler = seen.autoscaling
    if scaler and scaler.is_pool_wide:
        least = scaler.total_min_node_count
        found.append(PoolBound(seen.target_size, scaler.total_max_node_count, "in all", "autoscaler", least))
    elif scaler and scaler.max_node_count:
        found.append(
            PoolBound(largest, scaler.max_node_count, "per zone", "autoscaler", scaler.min_node_count)
        )
    # A scaler that has one decides the size, so its bounds are the ones to show.
    return max(found, key=lambda one: (one.by == "autoscaler", one.size / one.most), default=None)


@dataclass(frozen=True)
class Overview:
    """Everything that wants attention, at one glance."""

    halts: Halts
    breakers: Sequence[BreakerDetail]
    """Those that are not closed."""
    failures_to_open: int
    grants: Sequence[GrantView]
    """Break-glass that counts, waits or is to be reviewed."""
    budgets: Sequence[BudgetPicture]
    tightest: BudgetPicture | None
    fleet: Fleet
    attention: Sequence[FleetPool]
    """Pools with a pending change, near a bound, or that could not be read."""

    @property
    def held(self) -> int:
        """Proposals that breakers hold."""
        return sum(one.held_count for one in self.breakers)


def overview(halts: Halts, grants: Grants, breakers: Breakers, budgets: Budgets, fleet: Fleet) -> Overview:
    """Put all of it together."""
    listed = sorted_grants(grants.items)
    pictures = [budget_picture(one) for one in budgets.items]
    return Overview(
        halts=halts,
        breakers=[one for one in by_urgency(breakers.items) if one.state is not BreakerState.CLOSED],
        failures_to_open=breakers.failures_to_open,
        grants=[*listed.standing, *listed.due],
        budgets=pictures,
        tightest=max(pictures, key=_tightness, default=None),
        fleet=fleet,
        attention=[
            pool for pool in fleet_order(fleet.items) if pool.pending or pool.near_bound or pool.reason_code
        ],
    )


def _tightness(picture: BudgetPicture) -> Decimal:
    budget = picture.budget
    return (budget.committed + budget.reserved) / budget.limit if budget.limit else Decimal(2)
