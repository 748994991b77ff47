"""Inside the transaction of a guard pass: everything known, put together as the one noun that guardrails read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from activities.guardrail.gathering import Outside
from adapters.store import breakers, rate
from adapters.store.guard_pass import Contended, Locked, Place, Rates
from contracts.action import ACTION
from contracts.configuration import Budget, Configuration, Target
from contracts.holds import BREAKER
from contracts.messages import PassInput
from contracts.observation import NodePoolObservation
from contracts.proposal import Draft
from guardrails.budget.windows import Window, window_at
from guardrails.change import change_of
from guardrails.facts import (
    Arriving,
    BudgetFacts,
    Facts,
    PastChange,
    RateFacts,
    StormFacts,
    Turn,
    WindowsFacts,
)

Covering = tuple[Budget, Window]
"""A budget that covers the change, and the window of it that the pass falls in."""


def place_of(draft: Draft) -> Place:
    """Return what a pass over this draft locks and counts by."""
    target = draft.action.target
    return Place(
        domain=target.serialisation_domain,
        target_key=target.key,
        agent=draft.agent_name,
        bucket_keys=tuple(rate.bucket_keys(draft.tenant, target.key, draft.agent_name).values()),
        breaker_ids=breakers.breaker_ids(target.key, draft.action.kind, draft.agent),
    )


def budgets_at(
    configuration: Configuration, target: Target | None, place: Place, now: datetime
) -> tuple[Covering, ...]:
    """Return every budget that covers a change of the target, with its window at `now`, the database's time."""
    return tuple((one, window_at(one, now)) for one in configuration.covering(target, place.agent))


def facts_of(
    given: PassInput,
    configuration: Configuration,
    mode: str,
    outside: Outside,
    place: Place,
    locked: Locked,
    covering: Sequence[Covering],
    contended: Contended,
    windows: WindowsFacts,
    *,
    admitting: bool,
) -> Facts:
    """Return the facts of one pass."""
    draft = outside.draft
    return Facts(
        draft=draft,
        pass_number=given.pass_number,
        admitting=admitting,
        now=locked.now,
        mode=mode,
        target=outside.target,
        environment=configuration.environments.get(draft.environment),
        limits=configuration.limits,
        approval_limits=configuration.approval,
        configuration_revision=configuration.revision,
        required_guardrails=configuration.guardrails.required,
        observation=outside.observation,
        observation_error=outside.observation_error,
        policy=outside.policy,
        policy_error=outside.policy_error,
        price=outside.price,
        price_error=outside.price_error,
        budgets=_budgets(covering, locked, contended),
        rates=_rates(draft, place, contended.rates),
        is_counted=contended.rates.is_counted,
        last_effect_at=contended.rates.last_effect_at,
        past_changes=tuple(PastChange(direction=way, at=at) for way, at in contended.rates.past),
        arriving=_arriving(contended.rates),
        repeats=contended.storms.repeats,
        storm=StormFacts(
            agent_proposals=contended.storms.agent_proposals,
            agent_changes=contended.storms.agent_changes,
            environment_proposals=contended.storms.environment_proposals,
            environment_changes=contended.storms.environment_changes,
            requester_proposals=contended.storms.requester_proposals,
            requester_changes=contended.storms.requester_changes,
        ),
        breakers=contended.breakers,
        turn=_turn(locked) if admitting else None,
        halts=contended.halts,
        windows=windows,
        overrides=contended.overrides,
        grants=contended.grants,
        break_glass=configuration.break_glass,
        lease_owner=contended.lease_owner,
        ahead=contended.ahead,
        first_ahead=contended.first_ahead,
        owners=configuration.owners_of(draft.authors),
        approvers=contended.approvers,
    )


def _turn(locked: Locked) -> Turn | None:
    """Only what a breaker has held waits for a turn; it is noted on the row when the breaker closes."""
    held_on, until = locked.row.held_on, locked.row.held_until
    is_given = until is not None and (held_on or "").startswith(BREAKER)
    return Turn(held_on, until) if is_given else None


def _rates(draft: Draft, place: Place, found: Rates) -> tuple[RateFacts, ...]:
    keys = rate.bucket_keys(draft.tenant, place.target_key, place.agent)
    rows = [(scope, key, found.buckets[key]) for scope, key in keys.items() if key in found.buckets]
    return tuple(
        RateFacts(scope=scope, key=key, deficit=row.deficit, as_of=row.as_of, ahead=row.ahead)
        for scope, key, row in rows
    )


def _arriving(found: Rates) -> tuple[Arriving, ...]:
    growing = []
    for proposal_id, document in found.accepted:
        action = ACTION.validate_python(document["action"])
        seen = NodePoolObservation.model_validate(document["observation"])
        nodes = change_of(action, seen).delta
        if nodes > 0:
            growing.append(Arriving(proposal_id=proposal_id, nodes=nodes))
    return tuple(growing)


def _budgets(covering: Sequence[Covering], locked: Locked, contended: Contended) -> tuple[BudgetFacts, ...]:
    balances = {(balance.scope, balance.window): balance for balance in contended.balances}
    own = {position.key: position.reserved for position in locked.positions}
    found = []
    for budget, window in covering:
        balance = balances[budget.key, window.key]
        found.append(
            BudgetFacts(
                scope=budget.key,
                window=window.key,
                currency=budget.currency,
                ledger_currency=balance.currency,
                limit=budget.limit,
                reserved=balance.reserved - own.get((budget.key, window.key), 0),
                committed=balance.committed,
                hours_left=window.hours_left,
                soft_limit=budget.soft_limit,
            )
        )
    return tuple(found)
