"""The budget ledger: double entry, append-only. Reserve before the effect, commit what was verified, release the rest.

`budget_windows` holds the running sums and is what is locked, always in the order of scope and window. Entries are only
added; the sums follow from them (`verify`). docs/explanation/budgets.md has the model.
"""

from adapters.store.ledger.accounts import (
    Account,
    Amount,
    Balance,
    Cap,
    EntryKind,
    LedgerInconsistent,
    Position,
    Posting,
    Subject,
    Wanted,
    WindowKey,
)
from adapters.store.ledger.changes import (
    add_settlement,
    commit_all,
    lock_windows,
    release_all,
    windows_of,
)
from adapters.store.ledger.checking import verify
from adapters.store.ledger.models import (
    ModelClaim,
    Shortfall,
    release_model_spend,
    reserve_model_spend,
    settle_model_spend,
)
from adapters.store.ledger.planning import Share, plan_reservation, plan_settlement, plan_spending
from adapters.store.ledger.positions import positions_of
from adapters.store.ledger.posting import add_postings, crossed
from adapters.store.ledger.sweeping import PLANNED_WITHIN, sweep_reservations

__all__ = [
    "PLANNED_WITHIN",
    "Account",
    "Amount",
    "Balance",
    "Cap",
    "EntryKind",
    "LedgerInconsistent",
    "ModelClaim",
    "Position",
    "Posting",
    "Share",
    "Shortfall",
    "Subject",
    "Wanted",
    "WindowKey",
    "add_postings",
    "add_settlement",
    "commit_all",
    "crossed",
    "lock_windows",
    "plan_reservation",
    "plan_settlement",
    "plan_spending",
    "positions_of",
    "release_all",
    "release_model_spend",
    "reserve_model_spend",
    "settle_model_spend",
    "sweep_reservations",
    "verify",
    "windows_of",
]
