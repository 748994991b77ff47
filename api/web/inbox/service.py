"""What the inbox shows for one address: a tab, filters and a place in the list. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import audit_reads, delegations, inbox
from adapters.store.database import database_now
from adapters.store.inbox import MAX_COUNT, Position, Tab
from adapters.store.proposal_filters import ProposalFilters
from adapters.store.proposal_reads import Position as ListPosition
from api import words
from api.parts import ApiParts
from api.proposals import bulk, cursor
from api.web.inbox.rows import InboxRow, row_of
from contracts.action import ACTION_KINDS
from contracts.delegation import Delegation, widened
from contracts.evaluation import Outcome, RiskTier
from contracts.principal import Principal, PrincipalKind, Role

PAGE = 50
"""Lines of one page."""
_FILTERS = {
    "environment": "Environment",
    "team": "Team",
    "risk": "Risk",
    "action_kind": "Action",
    "requester": "Asked for by",
    "outcome": "Guardrails",
    "text": "Search",
}
"""Filters as people call them, in the order of the form."""


@dataclass(frozen=True)
class Wanted:
    """What an address asks for."""

    tab: Tab
    filters: ProposalFilters
    cursor: str | None = None
    shown: tuple[str, ...] = ()
    """Ids of the lines the reader has on screen: a refresh keeps them and their order."""

    def query(self, **changes: str | None) -> str:
        """Return the query of this view's address. A change of tab or filter begins at the first page."""
        given: dict[str, str | None] = {"tab": self.tab.value}
        for one in fields(self.filters):
            value = getattr(self.filters, one.name)
            given["q" if one.name == "text" else one.name] = str(value) if value else None
        given |= {"cursor": None if changes else self.cursor} | changes
        return urlencode({name: value for name, value in given.items() if value})

    def href(self, **changes: str | None) -> str:
        """Return the address of this view, or of one that differs in `changes`."""
        return f"/?{self.query(**changes)}"

    @property
    def cleared(self) -> str:
        """The same tab without filters."""
        return f"/?{urlencode({'tab': self.tab.value})}"


@dataclass(frozen=True)
class Group:
    """Proposals that are one and the same low-risk change."""

    rows: tuple[InboxRow, ...]

    @property
    def first(self) -> InboxRow:
        """One of them: what they share stands on each."""
        return self.rows[0]

    @property
    def href(self) -> str:
        """Where they are decided together."""
        return "/together?" + urlencode([("id", row.id) for row in self.rows])


@dataclass(frozen=True)
class Shown:
    """What the templates of the list get."""

    wanted: Wanted
    rows: tuple[InboxRow, ...]
    counts: dict[Tab, int]
    now: datetime
    after: int
    """Audit number that this was read at: the event stream goes on from there."""
    groups: tuple[Group, ...] = ()
    news: int = 0
    """Lines that belong on this page and are not among `rows` yet."""
    next_cursor: str | None = None
    may_ever_decide: bool = True
    options: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Name of a filter → (value, text), the empty one first."""

    @property
    def tabs(self) -> list[tuple[str, str, bool, str]]:
        """Every tab: its name, address, whether it is open, and how many it holds."""
        return [
            (
                tab.value.capitalize(),
                self.wanted.href(tab=tab.value),
                tab is self.wanted.tab,
                _count(self.counts[tab]),
            )
            for tab in Tab
        ]

    @property
    def chips(self) -> list[tuple[str, str, str]]:
        """Every filter that is on: its name, its value, and the address without it."""
        given = self.wanted.filters
        names = [one.name for one in fields(given) if getattr(given, one.name)]
        return [
            (
                _FILTERS[name],
                str(getattr(given, name)),
                self.wanted.href(**{"q" if name == "text" else name: None}),
            )
            for name in names
        ]

    @property
    def refresh(self) -> str:
        """Where the list fetches itself anew: the lines that are on screen stay where they are."""
        ids = [("shown", row.id) for row in self.rows]
        return (
            f"/inbox/list?{self.wanted.query()}&{urlencode(ids)}"
            if ids
            else f"/inbox/list?{self.wanted.query()}"
        )


def _count(count: int) -> str:
    return f"{MAX_COUNT:,}+" if count >= MAX_COUNT else f"{count:,}"


async def show(parts: ApiParts, reader: Principal, wanted: Wanted, *, with_options: bool = False) -> Shown:
    """Return the list. With `wanted.shown` those lines stay, as they are now, and new ones are only counted.

    Raises:
        Problem: 422, the cursor is not one of ours.
    """
    async with parts.database.reading() as connection:
        after = await audit_reads.highest(connection)
        now = await database_now(connection)
        lent = await delegations.lent_to(connection, parts.tenant, reader)
        asking, reader = reader, widened(reader, lent)
        counts = await inbox.counts(connection, parts.tenant, reader)
        fresh = await _page(parts, connection, reader, wanted)
        kept = await inbox.of_ids(connection, parts.tenant, wanted.shown) if wanted.shown else fresh[:PAGE]
        choices = await inbox.choices(connection, parts.tenant, wanted.tab) if with_options else {}
    on_screen = {row.id for row in kept}
    is_full = len(fresh) > PAGE
    rows = tuple(_line(parts, row, asking, now, lent) for row in kept)
    return Shown(
        wanted=wanted,
        rows=rows,
        counts=counts,
        now=now,
        after=after,
        groups=_groups(parts, kept, rows) if wanted.tab is Tab.MINE else (),
        news=sum(row.id not in on_screen for row in fresh[:PAGE]),
        next_cursor=_cursor_after(wanted.tab, fresh[PAGE - 1]) if is_full else None,
        may_ever_decide=may_ever_decide(reader),
        options=_options(choices, wanted.filters) if with_options else {},
    )


def may_ever_decide(reader: Principal) -> bool:
    """Tell whether any proposal could wait for this reader: people with a role that can be asked to approve."""
    return reader.kind is PrincipalKind.HUMAN and Role.APPROVER in reader.roles


async def _page(
    parts: ApiParts, connection: AsyncConnection, reader: Principal, wanted: Wanted
) -> Sequence[Row[Any]]:
    after = cursor.decode(wanted.cursor) if wanted.cursor else None
    return await inbox.page(
        connection,
        parts.tenant,
        reader,
        wanted.tab,
        filters=wanted.filters,
        after=Position(*after) if after else None,
        limit=PAGE + 1,
    )


def _cursor_after(tab: Tab, last: Row[Any]) -> str:
    moment = last.state_since if tab is Tab.DECIDED else last.decide_by
    return cursor.encode(ListPosition(moment, last.id))


def _line(
    parts: ApiParts, row: Row[Any], reader: Principal, now: datetime, lent: Sequence[Delegation]
) -> InboxRow:
    production = parts.configuration.is_production(row.environment)
    return row_of(row, reader, now=now, production=production, lent=lent)


def _groups(parts: ApiParts, stored: Sequence[Row[Any]], rows: Sequence[InboxRow]) -> tuple[Group, ...]:
    open_rows = {row.id: row for row in rows if row.may_decide}
    candidates = [row for row in stored if row.id in open_rows]
    return tuple(
        Group(tuple(open_rows[row.id] for row in same[: bulk.MAX_TOGETHER]))
        for same in bulk.groups(parts, candidates)
    )


def _options(choices: dict[str, list[str]], filters: ProposalFilters) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for name, everything in (("environment", "Any"), ("team", "Any"), ("requester", "Anybody")):
        chosen = getattr(filters, name)
        values = sorted({*choices[name], *([chosen] if chosen else [])})
        found[name] = [("", everything), *((value, value.removeprefix("local/")) for value in values)]
    found["risk"] = [("", "Any"), *((tier.value, tier.value.capitalize()) for tier in reversed(RiskTier))]
    found["action_kind"] = [("", "Any"), *((kind, words.action_kind(kind)) for kind in ACTION_KINDS)]
    found["outcome"] = [("", "Any"), *((one.value, _OUTCOMES[one]) for one in Outcome)]
    return found


_OUTCOMES = {
    Outcome.ALLOW: "Allowed",
    Outcome.REQUIRE_APPROVAL: "Asked for approval",
    Outcome.HOLD: "Held",
    Outcome.DENY: "Denied",
}
