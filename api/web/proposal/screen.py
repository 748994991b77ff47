"""Everything the proposal page shows, read once: the view of the JSON API, and what only a page needs beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.store import fleet, revisions
from adapters.store.fleet import SeenPool
from api.audit.lines import Words, words_of
from api.parts import ApiParts
from api.proposals import service
from api.proposals.background import approvers_of
from api.proposals.overriding import Closed
from api.proposals.schemas import Away, ProposalView, Vote
from api.web.forms import Kept
from api.web.proposal import facts, forms, lookalikes, standing
from api.web.proposal.doing import Doing, closed_for, doing_of, lenders, vote_of
from api.web.proposal.facts import Bar, Drift, Judged, Row
from api.web.proposal.judgements import Judgement, judgements_of
from api.web.proposal.revisions import Edit, edits_of
from api.web.proposal.standing import Progress, Standing
from api.web.proposal.why import numbers_of
from contracts.action_cost import ActionCost
from contracts.audit import AuditEvent, AuditType
from contracts.base import new_id
from contracts.decision import MAX_REASON
from contracts.evaluation import Outcome, Verdict
from contracts.observation import NodePoolObservation
from contracts.principal import Principal


@dataclass(frozen=True)
class Happened:
    """One audit event: when, who, what in words, and somebody's own words apart."""

    event: AuditEvent
    words: Words


@dataclass(frozen=True)
class Screen:
    """What the templates of the proposal page get."""

    view: ProposalView
    standing: Standing
    progress: tuple[Progress, ...]
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]
    judged: Judged
    judgements: tuple[Judgement, ...]
    drift: Drift
    lookalikes: tuple[str, ...]
    history: tuple[Happened, ...]
    edits: tuple[Edit, ...]
    """Newest first."""
    doing: Doing
    vote: Vote | None
    """The reader's own decision that stands."""
    lenders: tuple[Away, ...]
    """Who lets the reader decide in their place."""
    closed: Closed | None
    """The change windows that hold it."""
    found_cost: ActionCost | None
    """What it came to, once that was verified."""
    kept: Kept
    key: str
    """Idempotency key of the forms of this rendering."""
    read_at: datetime

    @property
    def denials(self) -> tuple[Verdict, ...]:
        """The guardrails that denied it."""
        return tuple(one for one in self.view.verdicts if one.outcome is Outcome.DENY)

    @property
    def asking(self) -> tuple[Verdict, ...]:
        """The verdicts because of which a person has to decide."""
        return facts.asks_for_people(self.view.verdicts)

    @property
    def max_reason(self) -> int:
        """Characters of a reason or comment."""
        return MAX_REASON

    @property
    def again(self) -> str:
        """The command that proposes the same again."""
        action = self.view.action
        asked = action.model_dump(include={"node_count", "min_node_count", "max_node_count"})
        flags = {"node_count": "--nodes", "min_node_count": "--min", "max_node_count": "--max"}
        numbers = " ".join(f"{flags[name]} {value}" for name, value in asked.items())
        return f'sluice propose --pool {forms.typed_name_of(self.view)} {numbers} --reason "…"'

    @property
    def zones_alike(self) -> bool:
        """Whether every zone changes in the same way."""
        return facts.zones_alike(self.rows)

    @property
    def came_in(self) -> str:
        """How the request came in, in words."""
        return facts.came_in(self.view.channel)

    @property
    def planned_by(self) -> str:
        """What made the action, in words."""
        return facts.planned_by(self.view)

    @property
    def typed_name(self) -> str:
        """What an approval has to type; empty where it has not."""
        return forms.typed_name_of(self.view) if forms.needs_typed_name(self.view) else ""

    @property
    def sizes(self) -> tuple[tuple[str, str, int], ...]:
        """The numbers that an edit may change: field, name, and the value now."""
        return tuple((name, facts.NAMED[name], now) for name, now in numbers_of(self.view.action).items())

    @property
    def version(self) -> str:
        """What the decision panel shows, as a short text; `d` first where its reader may decide or edit."""
        view = self.view
        shown = (
            view.state,
            view.revision,
            view.digest,
            view.evaluation_digest,
            self.doing,
            self.vote.id if self.vote else None,
            self.closed,
        )
        mark = hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
        return f"{'d' if self.doing.decide or self.doing.edit else 'x'}{view.revision}-{mark}"

    @property
    def is_uninspectable(self) -> bool:
        """Whether a fact is missing that a decision would be bound to."""
        return standing.is_uninspectable(self.view)

    @property
    def raw_action(self) -> str:
        """The typed action as JSON, as it is bound by the digest."""
        return json.dumps(self.view.action.model_dump(mode="json"), indent=2)

    @property
    def raw(self) -> str:
        """The whole view as JSON, without the words of others: those stand elsewhere, labelled."""
        words = {
            "reason",
            "evidence",
            "request",
            "agent_steps",
            "comments",
            "approvals",
            "decided_by",
            "timeline",
        }
        return json.dumps(self.view.model_dump(mode="json", exclude=words), indent=2, ensure_ascii=True)


async def read(parts: ApiParts, proposal_id: str, me: Principal, *, kept: Kept | None = None) -> Screen:
    """Read one proposal for its page.

    Raises:
        Problem: 404.
    """
    stored = await service.stored_of(parts, proposal_id)
    view = service.shown_to(parts, stored, me)
    async with parts.database.reading() as connection:
        pools = await fleet.pools(connection, parts.tenant)
        edits = await revisions.of_proposal(connection, proposal_id) if view.revision > 1 else ()
    declared = (one.pattern for one in parts.configuration.targets if not one.is_wide)
    known = {*(pool.target.key for pool in pools), *declared}
    # Once it has run, the target is meant to differ from what was observed.
    seen = _newest(pools, view.target) if view.state.precedes_execution else None
    return Screen(
        view=view,
        standing=standing.standing_of(view),
        progress=standing.progress_of(view),
        rows=facts.rows_of(view),
        bars=facts.bars_of(view.cost),
        judged=facts.judged_of(view.verdicts),
        judgements=judgements_of(view.verdicts, approvers_of(stored.votes, view.revision)),
        drift=facts.drift_of(view.before, seen),
        lookalikes=tuple(lookalikes.lookalikes(view.target, known)),
        history=tuple(Happened(event, words_of(event)) for event in stored.events),
        edits=edits_of(edits),
        doing=doing_of(parts, stored, view, me),
        vote=vote_of(view, me),
        lenders=lenders(view, me),
        closed=closed_for(parts, stored),
        found_cost=found_cost_of(stored.events),
        kept=kept or Kept(),
        key=new_id("web"),
        read_at=datetime.now(UTC),
    )


def found_cost_of(events: Iterable[AuditEvent]) -> ActionCost | None:
    """Return what a proposal came to in the end, by the log."""
    found = [one.payload for one in events if one.type is AuditType.COST_RECORDED]
    return ActionCost.model_validate(found[-1]) if found else None


def _newest(pools: Iterable[SeenPool], key: str) -> NodePoolObservation | None:
    return next((pool.observation for pool in pools if pool.target.key == key), None)


REASON_OPTIONS = tuple((name.value, told) for name, told in standing.REASONS.items())
"""Named reasons of a rejection or a request for change: value and words."""
