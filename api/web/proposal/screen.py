"""Everything the proposal page shows, read once: the view of the JSON API, and what only a page needs beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.store import fleet
from adapters.store.fleet import SeenPool
from api.audit.lines import Words, words_of
from api.parts import ApiParts
from api.proposals import service
from api.proposals.schemas import ProposalView
from api.web.forms import Kept
from api.web.proposal import facts, forms, lookalikes, standing
from api.web.proposal.facts import Bar, Drift, Judged, Row
from api.web.proposal.judgements import Judgement, denials, judgements_of
from api.web.proposal.standing import Progress, Standing
from contracts.action import NodePoolTarget
from contracts.audit import AuditEvent
from contracts.base import new_id
from contracts.configuration import Target
from contracts.decision import MAX_REASON
from contracts.effect import ReceiptOutcome
from contracts.evaluation import Verdict
from contracts.observation import NodePoolObservation
from contracts.principal import Principal, PrincipalKind, Role
from contracts.proposal import ProposalState


@dataclass(frozen=True)
class Happened:
    """One audit event: when, who, what in words, and somebody's own words apart."""

    event: AuditEvent
    words: Words


@dataclass(frozen=True)
class Doing:
    """Which of the page's actions this person has."""

    decide: bool
    approve: bool
    """False where the facts cannot be inspected."""
    cancel: bool
    undo: bool
    resolve: bool
    comment: bool


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
    doing: Doing
    kept: Kept
    key: str
    """Idempotency key of the forms of this rendering."""
    read_at: datetime

    @property
    def denials(self) -> tuple[Judgement, ...]:
        """The guardrails that denied it."""
        return denials(self.judgements)

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
    def version(self) -> str:
        """What the decision panel shows, as a short text; `d` first where its reader may decide."""
        view = self.view
        shown = (
            view.state,
            view.revision,
            view.digest,
            view.evaluation_digest,
            self.doing,
        )
        mark = hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
        return f"{'d' if self.doing.decide else 'x'}{view.revision}-{mark}"

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
    known = {*(pool.target.key for pool in pools), *_declared(parts.configuration.targets)}
    judgements = judgements_of(view.verdicts)
    # Once it has run, the target is meant to differ from what was observed.
    seen = _newest(pools, view.target) if view.state.precedes_execution else None
    return Screen(
        view=view,
        standing=standing.standing_of(view),
        progress=standing.progress_of(view),
        rows=facts.rows_of(view),
        bars=facts.bars_of(view.cost),
        judged=facts.judged_of(view.verdicts),
        judgements=judgements,
        drift=facts.drift_of(view.before, seen),
        lookalikes=tuple(lookalikes.lookalikes(view.target, known)),
        history=tuple(Happened(event, words_of(event)) for event in stored.events),
        doing=doing_of(view, me),
        kept=kept or Kept(),
        key=new_id("web"),
        read_at=datetime.now(UTC),
    )


def _newest(pools: Iterable[SeenPool], key: str) -> NodePoolObservation | None:
    return next((pool.observation for pool in pools if pool.target.key == key), None)


def _declared(targets: Iterable[Target]) -> Iterable[str]:
    """Keys of the registered targets that are named whole, without wildcards."""
    for one in targets:
        if not {"*", "?"} & {*one.cluster, *one.node_pool}:
            named = one.model_dump(include={"project", "location", "cluster", "node_pool"})
            yield NodePoolTarget.model_construct(**named).key


def doing_of(view: ProposalView, me: Principal) -> Doing:
    """Return which actions to offer. The services judge again; this only keeps hopeless buttons off the page."""
    is_requester = (view.requester.issuer, view.requester.subject) == (me.issuer, me.subject)
    may_ask = not {Role.REQUESTER, Role.OPERATOR}.isdisjoint(me.roles)
    applied = view.receipt is not None and view.receipt.outcome is ReceiptOutcome.APPLIED
    return Doing(
        decide=view.eligibility.may_decide,
        approve=view.eligibility.may_decide and not standing.is_uninspectable(view),
        cancel=view.state.precedes_execution and (Role.OPERATOR in me.roles or (is_requester and may_ask)),
        undo=(
            view.state is ProposalState.SUCCEEDED
            and applied
            and may_ask
            and view.blast_radius is not None
            and view.blast_radius.reversible
        ),
        resolve=view.state is ProposalState.DIRTY and Role.OPERATOR in me.roles,
        comment=me.kind is PrincipalKind.HUMAN,
    )


REASON_OPTIONS = tuple((name.value, told) for name, told in standing.REASONS.items())
"""Named reasons of a rejection or a request for change: value and words."""
