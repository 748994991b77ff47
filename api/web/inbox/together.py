"""APPROVAL of identical low-risk changes on one page: what is shown, what the form says, what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from pydantic import ValidationError

from adapters.store import delegations, inbox
from adapters.store.database import database_now
from api.parts import ApiParts
from api.problems import Problem
from api.proposals import bulk
from api.proposals.bulk import Item, Line
from api.proposals.schemas import DecideBody
from api.web.inbox.rows import InboxRow, row_of
from api.web.proposal.standing import REASONS
from contracts.base import new_id
from contracts.decision import DecisionKind, ReasonName
from contracts.principal import Principal
from contracts.proposal import ProposalState

REASON_OPTIONS = (("", "Choose a reason"), *((name.value, told) for name, told in REASONS.items()))
"""Named reasons of a rejection: value and words."""
_PARTS = 4
_MAX_KEY = 60
_OFFERED = (DecisionKind.APPROVE, DecisionKind.REJECT)


@dataclass(frozen=True)
class Together:
    """What the page shows: the same change on many targets."""

    rows: tuple[InboxRow, ...]
    key: str

    @property
    def open_rows(self) -> tuple[InboxRow, ...]:
        """Those that the reader may decide on now."""
        return tuple(row for row in self.rows if row.may_decide)

    def without(self, proposal_id: str) -> str:
        """Return the address of this page with one left out."""
        return "/together?" + urlencode([("id", row.id) for row in self.rows if row.id != proposal_id])


@dataclass(frozen=True)
class Fields:
    """The submitted form."""

    items: tuple[Item, ...]
    kind: DecisionKind
    reason: str
    reason_name: ReasonName | None
    key: str
    reader: str
    """Whom the page was shown to."""

    @property
    def is_incomplete(self) -> bool:
        """Whether a rejection lacks its reason."""
        return self.kind is DecisionKind.REJECT and not self.reason.strip()


@dataclass(frozen=True)
class Result:
    """One line of what became of it."""

    row: InboxRow
    line: Line
    said: str

    @property
    def is_done(self) -> bool:
        """Whether the decision is signed and stored."""
        return self.line.is_done


async def read(parts: ApiParts, me: Principal, ids: Sequence[str]) -> Together:
    """Return what is asked for, judged anew.

    Raises:
        Problem: 422, they are not the same low-risk change.
    """
    await bulk.identical(parts, ids)
    rows, _ = await _rows(parts, me, ids)
    return Together(rows, new_id("web"))


async def _rows(parts: ApiParts, me: Principal, ids: Sequence[str]) -> tuple[tuple[InboxRow, ...], datetime]:
    async with parts.database.reading() as connection:
        stored = await inbox.of_ids(connection, parts.tenant, ids)
        now = await database_now(connection)
        lent = await delegations.lent_to(connection, parts.tenant, me)
    is_production = parts.configuration.is_production
    lines = tuple(
        row_of(row, me, now=now, production=is_production(row.environment), lent=lent) for row in stored
    )
    return lines, now


def item_of(row: InboxRow) -> str:
    """Return a proposal exactly as it is shown, for a field of the form."""
    return "|".join((row.id, str(row.revision), row.digest, row.evaluation_digest))


def fields_of(sent: Iterable[tuple[str, object]]) -> Fields:
    """Return the submitted form.

    Raises:
        Problem: 422, it is not one of ours.
    """
    given = [(name, str(value)) for name, value in sent]
    single = dict(given)
    try:
        kind = DecisionKind(single.get("decision", ""))
        name = single.get("reason_name") or None
        reason = single.get("reason", "").replace("\r\n", "\n") if kind is DecisionKind.REJECT else ""
        reason_name = ReasonName(name) if name and kind is DecisionKind.REJECT else None
        items = tuple(_item(value, kind, reason, reason_name) for one, value in given if one == "item[]")
    except (ValueError, ValidationError) as error:
        raise _invalid() from error
    key = single.get("idempotency_key", "")
    if kind not in _OFFERED or not key.isidentifier() or len(key) > _MAX_KEY or not key.isascii():
        raise _invalid()
    return Fields(items, kind, reason, reason_name, key, single.get("reader", ""))


def _item(value: str, kind: DecisionKind, reason: str, reason_name: ReasonName | None) -> Item:
    parts = value.split("|")
    if len(parts) != _PARTS:
        raise ValueError(value)
    body = {"decision": kind, "revision": int(parts[1]), "digest": parts[2], "evaluation_digest": parts[3]}
    return Item(parts[0], DecideBody.model_validate(body | {"reason": reason, "reason_name": reason_name}))


def _invalid() -> Problem:
    return Problem(422, "form_invalid", "The form holds something this page did not offer. Reload it.")


async def decide(parts: ApiParts, me: Principal, fields: Fields) -> list[Result]:
    """Decide on each and say what became of it.

    Raises:
        Problem: 422, they are not the same low-risk change: nothing was decided.
    """
    lines = await bulk.decide_together(parts, fields.items, me, fields.key)
    rows, now = await _rows(parts, me, [line.proposal_id for line in lines])
    by_id = {row.id: row for row in rows}
    return [
        Result(by_id[line.proposal_id], line, _said(line, by_id[line.proposal_id], now, me)) for line in lines
    ]


def _said(line: Line, row: InboxRow, now: datetime, me: Principal) -> str:
    if line.answer is not None:
        body = line.answer.body
        if body["status"] == "recorded":
            return "Signed and stored. The workflow takes it in a moment."
        if body["state"] == ProposalState.AWAITING_APPROVAL:
            return f"Your vote counts: {body['approvals']} of {body['quorum']} approved; it waits for others."
        return "Your decision counts."
    vote = row.last_vote
    if vote is not None and vote.reviewer != me.key and not row.is_waiting:
        age = max(0, round((now - vote.at).total_seconds()))
        return f"{vote.subject} {vote.said} it {age} s ago. Your decision was not needed and changed nothing."
    return line.detail
