"""The ledger's nouns. Every entry moves money between two accounts of one budget window.

A window has three accounts: `available`, `reserved`, `committed`. What is available is the cap minus the other two; the
cap itself is configuration and never stored here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from contracts.errors import SluiceError

Account = Literal["available", "reserved", "committed"]
EntryKind = Literal["reserve", "commit", "release", "adjust", "opening"]
WindowKey = tuple[str, str]
"""Scope and window, for example `("environment=production", "month:2026-11")`."""
ZERO = Decimal(0)

ACCOUNTS: Mapping[EntryKind, tuple[Account, Account]] = {
    "reserve": ("available", "reserved"),
    "commit": ("reserved", "committed"),
    "release": ("reserved", "available"),
    "adjust": ("available", "committed"),
    "opening": ("available", "committed"),
}
"""Kind → (account that is debited, account that is credited). An `adjust` that gives back goes the other way."""
GIVING_BACK: tuple[Account, Account] = ("committed", "available")


class LedgerInconsistent(SluiceError):
    """A posting met a budget window that is not there."""

    reason_code = "ledger_inconsistent"


class Wanted(NamedTuple):
    """A budget window that is to be locked, and made where it is missing."""

    scope: str
    window: str
    currency: str
    hours: Decimal = ZERO
    """Hours of the whole window: a new one starts with the run-rate of the one before, for so long."""

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)


@dataclass(frozen=True, slots=True)
class Amount:
    """Money in one budget window."""

    scope: str
    window: str
    currency: str
    amount: Decimal
    hours: Decimal = ZERO
    """As in `Wanted`."""

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)

    @property
    def wanted(self) -> Wanted:
        """Its window."""
        return Wanted(self.scope, self.window, self.currency, self.hours)


@dataclass(frozen=True, slots=True)
class Balance:
    """The sums of one budget window over all subjects."""

    scope: str
    window: str
    currency: str
    reserved: Decimal
    committed: Decimal
    hourly: Decimal = ZERO
    """Committed run-rate, money per hour."""
    alerted: int = 0
    """Highest percent of the cap that was told."""
    is_new: bool = False
    """Made by this very transaction: its opening is still to be posted."""

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)

    @property
    def standing(self) -> Decimal:
        """Reserved and committed."""
        return self.reserved + self.committed


@dataclass(frozen=True, slots=True)
class Cap:
    """What a posting is measured by."""

    limit: Decimal
    alerts: tuple[int, ...] = ()
    """Percent of the limit at which people are told."""


@dataclass(frozen=True, slots=True)
class Position:
    """What one subject still has reserved in one budget window, and how often it posted there."""

    scope: str
    window: str
    currency: str
    reserved: Decimal
    postings: dict[str, int] = field(default_factory=dict)
    """Entry kind → number of entries."""

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)

    def next(self, kind: EntryKind) -> int:
        """Return the number of its next entry of this kind."""
        return self.postings.get(kind, 0) + 1


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry to come."""

    scope: str
    window: str
    currency: str
    kind: EntryKind
    amount: Decimal
    posting: int
    hourly: Decimal = ZERO
    """Change of the run-rate."""
    gives_back: bool = False
    """Of an `adjust`: from committed to available."""

    @property
    def key(self) -> WindowKey:
        """Scope and window."""
        return (self.scope, self.window)

    @property
    def accounts(self) -> tuple[Account, Account]:
        """The account that is debited and the one that is credited."""
        return GIVING_BACK if self.gives_back else ACCOUNTS[self.kind]

    def change_of(self, account: Account) -> Decimal:
        """Return what the entry adds to an account; negative when it takes."""
        debit, credit = self.accounts
        return self.amount * ((credit == account) - (debit == account))


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose money an entry moves: a proposal's, a request's (calls of a model), or nobody's (an opening)."""

    tenant: str
    proposal_id: str | None = None
    request_id: str | None = None

    @property
    def id(self) -> str:
        """Name in the audit log."""
        return self.proposal_id or self.request_id or self.tenant
