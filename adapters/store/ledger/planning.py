"""Which entries bring a subject's money to where it should be. Pure: positions and balances in, postings out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from adapters.store.ledger.accounts import (
    ZERO,
    Amount,
    Balance,
    EntryKind,
    Position,
    Posting,
    Wanted,
    WindowKey,
)
from contracts.money import CENT, kept


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a window in which a verified change runs."""

    scope: str
    window: str
    currency: str
    hours: Decimal
    """From the effect, or from the window's start, to the window's end."""
    whole: Decimal
    """Hours of the whole window."""
    carries_rate: bool = True
    """False for a window that ended between the effect and its verification: the next one carries the run-rate."""

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)

    @property
    def wanted(self) -> Wanted:
        """The window, to be locked."""
        return Wanted(self.scope, self.window, self.currency, self.whole)


def plan_reservation(
    positions: Iterable[Position], wanted: Iterable[Amount], *, shrink: bool
) -> list[Posting]:
    """Return the postings that bring a subject's reservation to `wanted`. None when it is there already.

    A window that is no longer wanted is released. Within a wanted window too much is given back only with `shrink`:
    time alone makes a change cheaper, and giving back cents at every pass would be noise.
    """
    held = {position.key: position for position in positions}
    aims = {amount.key: amount for amount in wanted}
    postings = []
    for key in sorted(held.keys() | aims.keys()):
        position = held.get(key) or Position(*key, aims[key].currency, ZERO)
        aim = kept(aims[key].amount) if key in aims else ZERO
        if aim > position.reserved:
            postings.append(entry(position, "reserve", aim - position.reserved))
        elif aim < position.reserved and (shrink or key not in aims):
            postings.append(entry(position, "release", position.reserved - aim))
    return postings


def plan_settlement(
    positions: Iterable[Position],
    shares: Sequence[Share],
    balances: Mapping[WindowKey, Balance],
    hourly: Decimal,
) -> list[Posting]:
    """Return the postings after a verified change that costs `hourly` more (or less) per hour.

    Growth commits its cost until each window's end: first what was reserved, the rest as an `adjust`. What was reserved
    beyond that is released. A shrink gives back what the run-rate would have cost until the end, never more than was
    committed. A reservation in a window that ended longer ago is committed whole: nobody knows what it was used for.
    """
    hourly = kept(hourly)
    held = {position.key: position for position in positions}
    known = {share.key: share for share in shares}
    postings: list[Posting] = []
    for key in sorted(held.keys() | known.keys()):
        share = known.get(key)
        position = held.get(key) or Position(*key, balances[key].currency, ZERO)
        if share is None:
            postings += plan_spending(position, position.reserved)
        elif hourly >= 0:
            cost = (hourly * share.hours).quantize(CENT, rounding=ROUND_CEILING)
            postings += plan_spending(position, cost, hourly=hourly if share.carries_rate else ZERO)
        else:
            postings += plan_spending(position, ZERO)
            if share.carries_rate:
                postings += _plan_saving(position, share, balances[key], -hourly)
    return postings


def plan_spending(position: Position, cost: Decimal, *, hourly: Decimal = ZERO) -> list[Posting]:
    """Return the postings that commit `cost` and release what else was reserved. The run-rate goes along once."""
    postings, cost = [], kept(cost)
    committed = min(position.reserved, cost)
    if committed > 0:
        postings.append(entry(position, "commit", committed, hourly=hourly))
        hourly = ZERO
    if cost > committed or hourly > 0:
        postings.append(entry(position, "adjust", cost - committed, hourly=hourly))
    if position.reserved > committed:
        postings.append(entry(position, "release", position.reserved - committed))
    return postings


def _plan_saving(position: Position, share: Share, balance: Balance, saved: Decimal) -> list[Posting]:
    rate = min(saved, balance.hourly)
    amount = min((rate * share.hours).quantize(CENT, rounding=ROUND_FLOOR), balance.committed)
    if rate <= 0:
        return []
    return [entry(position, "adjust", amount, hourly=-rate, gives_back=True)]


def entry(
    position: Position,
    kind: EntryKind,
    amount: Decimal,
    *,
    hourly: Decimal = ZERO,
    gives_back: bool = False,
) -> Posting:
    """Return the position's next entry of this kind."""
    return Posting(
        position.scope,
        position.window,
        position.currency,
        kind,
        amount,
        position.next(kind),
        hourly,
        gives_back,
    )
