"""GUARDRAIL scope: a registered target within its bounds, in a state in which this action makes sense."""

from __future__ import annotations

from collections.abc import Callable

from contracts.action import ResizeNodePool
from contracts.evaluation import Verdict
from contracts.principal import PrincipalKind
from contracts.proposal import MODE_MISMATCH
from guardrails.answers import Answers
from guardrails.change import change_of
from guardrails.facts import Facts

_ANSWER = Answers("scope")

_RUNNING = "RUNNING"
_PASSING = frozenset({"PROVISIONING", "RECONCILING"})
"""An operation runs. The execution reads once more and waits for its end; what was seen earlier can only delay it."""
_WITH_ERRORS = "RUNNING_WITH_ERROR"


def decide(facts: Facts) -> Verdict:
    """Return the worst of what the rules say; earlier rules win among equals."""
    found = [verdict for rule in _RULES if (verdict := rule(facts)) is not None]
    if found:
        return max(found, key=lambda verdict: verdict.outcome.severity)
    return _ANSWER.allow("in_scope", "The target is registered and the action is within its bounds.")


def _registration(facts: Facts) -> Verdict | None:
    draft, key = facts.draft, facts.draft.action.target.key
    if facts.target is None:
        return _ANSWER.deny(
            "target_registered",
            "target_not_registered",
            f"{key} is not a registered target.",
            {"target": key},
            remedy="Have the target registered in the configuration, under an environment and a team.",
        )
    registered = {"environment": facts.target.environment, "team": facts.target.team}
    proposed = {"environment": draft.environment, "team": draft.team}
    if registered != proposed or facts.environment is None:
        return _ANSWER.deny(
            "registration_unchanged",
            "registration_changed",
            "The target's environment or team changed since the proposal was made; propose again.",
            {"registered": dict(registered), "proposed": dict(proposed)},
            remedy="Propose it again: it is then judged by the new registration.",
        )
    return None


def _mode(facts: Facts) -> Verdict | None:
    if facts.draft.mode == facts.mode:
        return None
    return _ANSWER.deny(
        "mode",
        MODE_MISMATCH,
        f"The proposal was made for mode {facts.draft.mode}; this worker touches {facts.mode}.",
        {"proposal": facts.draft.mode, "worker": facts.mode},
        remedy=f"Propose it again in the mode that runs now, {facts.mode}.",
    )


def _bounds(facts: Facts) -> Verdict | None:
    if facts.target is None:
        return None
    action, limit = facts.draft.action, facts.target.max_nodes_per_zone
    wanted = action.node_count if isinstance(action, ResizeNodePool) else action.max_node_count
    if wanted <= limit:
        return None
    return _ANSWER.deny(
        "max_nodes_per_zone",
        "above_max_nodes",
        f"{wanted} nodes per zone is above the limit of {limit} for this target.",
        {"wanted": wanted, "limit": limit},
        remedy=f"Ask for {limit} nodes per zone or fewer, or have the target's limit raised in the configuration.",
    )


def _observed(facts: Facts) -> Verdict | None:
    if facts.target is None:
        return None
    if facts.observation is None:
        code = facts.observation_error or "observation_unavailable"
        return _ANSWER.deny(
            "observed",
            code,
            "The provider did not report the present state of the target.",
            remedy="Propose it again once the provider answers.",
        )
    if not facts.observation.zones:
        return _ANSWER.deny(
            "observed", "observation_incomplete", "The provider reported no zone of the node pool."
        )
    return None


def _autoscaler(facts: Facts) -> Verdict | None:
    if facts.observation is None:
        return None
    bounds = facts.observation.autoscaling
    if isinstance(facts.draft.action, ResizeNodePool):
        if bounds is None:
            return None
        return _ANSWER.deny(
            "autoscaler",
            "pool_is_autoscaled",
            "An autoscaler sets the size of this pool; propose other bounds for it instead.",
            {"min_node_count": bounds.min_node_count, "max_node_count": bounds.max_node_count},
            remedy="Propose other bounds for its autoscaler instead of a size.",
        )
    if bounds is None:
        return _ANSWER.deny(
            "autoscaler",
            "pool_is_not_autoscaled",
            "This pool has a fixed size and no autoscaler to bound.",
            remedy="Propose a size instead of bounds.",
        )
    if bounds.is_pool_wide:
        return _ANSWER.deny(
            "autoscaler",
            "pool_wide_bounds",
            "The autoscaler's bounds count the whole pool; bounds per zone cannot replace them safely.",
            {"total_max_node_count": bounds.total_max_node_count},
        )
    return None


def _pool_status(facts: Facts) -> Verdict | None:
    if facts.observation is None or facts.observation.status in {_RUNNING, *_PASSING}:
        return None
    status = facts.observation.status
    seen = {"status": status}
    if status == _WITH_ERRORS:
        return _ANSWER.require_approval(
            "pool_status",
            "pool_has_errors",
            "The provider reports errors on this node pool; a person must look first.",
            facts=dict(seen),
        )
    return _ANSWER.deny("pool_status", "pool_is_not_running", f"The node pool is {status}.", dict(seen))


def _lease(facts: Facts) -> Verdict | None:
    if not facts.admitting or facts.lease_owner == facts.draft.id:
        return None
    domain = facts.draft.action.target.serialisation_domain
    if facts.lease_owner is not None:
        return _ANSWER.hold(
            "one_at_a_time",
            "target_busy",
            f"{facts.lease_owner} is at work on this cluster.",
            held_on=domain,
            facts={"owner": facts.lease_owner},
        )
    if facts.ahead:
        return _ANSWER.hold(
            "one_at_a_time",
            "target_busy",
            f"{facts.first_ahead or 'Another one'} comes first to this cluster; before this one: {facts.ahead}.",
            held_on=domain,
            facts={"ahead": facts.ahead, "first": facts.first_ahead},
        )
    return None


def _authors(facts: Facts) -> Verdict | None:
    if any(author.kind is not PrincipalKind.AGENT for author in facts.draft.authors):
        return None
    return _ANSWER.require_approval(
        "not_agents_alone",
        "agent_alone",
        "Only agents stand behind this proposal; a person must agree.",
        facts={"authors": [author.subject for author in facts.draft.authors]},
    )


def _known_change(facts: Facts) -> Verdict | None:
    if facts.observation is None or not facts.observation.zones:
        return None
    if change_of(facts.draft.action, facts.observation).is_no_op:
        return _ANSWER.allow("in_scope", "The target already is as desired; nothing will be called.")
    return None


_RULES: tuple[Callable[[Facts], Verdict | None], ...] = (
    _registration,
    _mode,
    _bounds,
    _observed,
    _autoscaler,
    _pool_status,
    _lease,
    _authors,
    _known_change,
)
