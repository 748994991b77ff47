"""Writing entries: each with its window's new sums, its audit event and, where it crosses a line, its alert.

Everything goes into one `Batch`, so that it is one statement of the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from adapters.store import audit_log
from adapters.store.batch import Batch
from adapters.store.ledger.accounts import (
    ZERO,
    Balance,
    Cap,
    LedgerInconsistent,
    Posting,
    Subject,
    WindowKey,
)
from adapters.store.outbox import OutboxKind
from adapters.store.schema import ledger_entries
from adapters.store.writes import Write, inserting
from contracts.audit import AuditType
from contracts.configuration import NotificationEvent
from contracts.principal import SYSTEM

NO_CAPS: Mapping[WindowKey, Cap] = {}

_SUMS = """
    UPDATE budget_windows SET reserved = reserved + {reserved}, committed = committed + {committed},
        hourly = hourly + {hourly}, alerted = {alerted}
    WHERE tenant = {tenant} AND scope = {scope} AND "window" = {window}"""


def add_postings(
    batch: Batch,
    subject: Subject,
    postings: Sequence[Posting],
    balances: Iterable[Balance],
    caps: Mapping[WindowKey, Cap] = NO_CAPS,
) -> None:
    """Add entries, new sums, audit events and alerts to a batch. `balances` are the windows the caller has locked.

    A window that this transaction made gets its opening first, whether anything else is posted to it or not.
    """
    known = {one.key: one for one in balances}
    by_window: dict[WindowKey, list[Posting]] = defaultdict(list)
    for one in postings:
        by_window[one.key].append(one)
    for key, balance in sorted(known.items()):
        if balance.is_new and balance.hourly > 0:
            _add_entry(batch, Subject(subject.tenant), _opening(balance))
        after = _add_sums(batch, subject, key, balance, by_window.get(key, ()), caps.get(key))
        for posting in by_window.pop(key, ()):
            _add_entry(batch, subject, posting)
        _add_alerts(batch, subject, balance, after, caps.get(key))
    if by_window:
        raise LedgerInconsistent(f"no locked budget window {sorted(by_window)[0]}")


def crossed(balance: Balance, standing: Decimal, cap: Cap | None) -> tuple[int, ...]:
    """Return the percents of the cap that `standing` has reached and nobody was told of in this window. Pure."""
    if cap is None or standing <= 0:
        return ()
    return tuple(
        percent
        for percent in sorted(cap.alerts)
        if percent > balance.alerted and standing * 100 >= cap.limit * percent
    )


def _opening(balance: Balance) -> Posting:
    return Posting(
        balance.scope,
        balance.window,
        balance.currency,
        "opening",
        balance.committed,
        1,
        balance.hourly,
    )


def _add_sums(
    batch: Batch,
    subject: Subject,
    key: WindowKey,
    balance: Balance,
    postings: Sequence[Posting],
    cap: Cap | None,
) -> Decimal:
    """Add one update for all postings of a window, and return what then is reserved and committed."""
    reserved = sum((one.change_of("reserved") for one in postings), ZERO)
    committed = sum((one.change_of("committed") for one in postings), ZERO)
    hourly = sum((one.hourly for one in postings), ZERO)
    after = balance.standing + reserved + committed
    told = crossed(balance, after, cap)
    if postings or told:
        values = {
            "reserved": reserved,
            "committed": committed,
            "hourly": hourly,
            "alerted": max((balance.alerted, *told)),
            "tenant": subject.tenant,
            "scope": key[0],
            "window": key[1],
        }
        batch.add(
            Write(_SUMS, values),
            otherwise=LedgerInconsistent(f"no budget window {key[0]} {key[1]}"),
        )
    return after


def _add_entry(batch: Batch, subject: Subject, posting: Posting) -> None:
    debit, credit = posting.accounts
    entry = {
        "tenant": subject.tenant,
        "proposal_id": subject.proposal_id,
        "request_id": subject.request_id,
        "scope": posting.scope,
        "window": posting.window,
        "currency": posting.currency,
        "kind": posting.kind,
        "debit": debit,
        "credit": credit,
        "posting": posting.posting,
    }
    batch.add(inserting(ledger_entries, {**entry, "amount": posting.amount, "hourly": posting.hourly}))
    payload: dict[str, object] = {**entry, "amount": str(posting.amount), "hourly": str(posting.hourly)}
    batch.audit(
        audit_log.event(
            AuditType.LEDGER_POSTED, tenant=subject.tenant, subject=subject.id, actor=SYSTEM, payload=payload
        )
    )


def _add_alerts(batch: Batch, subject: Subject, balance: Balance, standing: Decimal, cap: Cap | None) -> None:
    for percent in crossed(balance, standing, cap):
        payload: dict[str, str | int] = {
            "scope": balance.scope,
            "window": balance.window,
            "currency": balance.currency,
            "percent": percent,
            "limit": str(cap.limit if cap else ZERO),
            "standing": str(standing),
        }
        batch.audit(
            audit_log.event(
                AuditType.BUDGET_ALERTED,
                tenant=subject.tenant,
                subject=subject.id,
                actor=SYSTEM,
                payload={"tenant": subject.tenant, **payload},
            )
        )
        event = NotificationEvent.BUDGET_ALERT.value
        batch.queue(OutboxKind.NOTIFY, subject.id, {"event": event, **payload})
