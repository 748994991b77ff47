"""Guard mutants of exceptions: overrides, windows together, samples, edits, gates of one's own, storms of one."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_CLOSED = "tests/activities/guardrail/test_closed_gates.py"
_DECISIONS = "tests/api/proposals/test_decisions.py"
_REVISING = "tests/api/proposals/test_revising.py"
_RULES = "tests/guardrails/approval_rule/test_rules.py"
_WINDOWS = "tests/guardrails/change_window/test_decision.py"
_OPENINGS = "tests/api/safety/test_openings.py"
_EXTENSION = "tests/guardrails/test_extension.py"
_DISCOVERY = "tests/guardrails/test_discovery.py"
_STORM = "tests/guardrails/rate/test_storm.py"
_RATES = "tests/activities/guardrail/test_rates.py"

OVERRIDES = Group(
    "adapters/store/guard_pass/overrides.py",
    Promise.WINDOW,
    (_CLOSED,),
    {
        "override-without-a-reason-counts": Change(" AND d.document #>> '{decision,reason}' ~ '\\\\S'", ""),
        "override-of-blanks-is-a-reason": Change("~ '\\\\S'", "<> ''"),
        "override-by-whoever-was-not-told-counts": Change(
            "AND v.verdict ->> 'guardrail' = 'change_window' AND v.verdict ->> 'outcome' = 'require_approval'",
            "AND v.verdict ->> 'guardrail' = 'change_window'",
        ),
        "override-that-expired-counts": Change(" AND o.expires_at > clock_timestamp()", ""),
        "override-of-another-revision-counts": Change(
            "o.proposal_id = :proposal_id AND o.revision = :revision AND", "o.proposal_id = :proposal_id AND"
        ),
        "override-by-a-vote-that-was-voided-counts": Change(
            "AND d.status = 'applied' AND d.kind", "AND d.kind"
        ),
        "override-by-a-rejection-counts": Change(" AND d.kind = 'approve'", ""),
    },
)
TOLD = Group(
    "contracts/override.py",
    Promise.WINDOW,
    (f"{_DECISIONS}::test_approving_what_a_closed_window_stops_needs_a_reason",),
    {
        "approval-beside-a-closed-window-is-no-override": Change(
            'one.guardrail == "change_window" and one.outcome is Outcome.REQUIRE_APPROVAL', "False"
        ),
    },
)
ASKED = Group(
    "api/proposals/decisions.py",
    Promise.WINDOW,
    (f"{_DECISIONS}::test_approving_what_a_closed_window_stops_needs_a_reason",),
    {
        "api-override-needs-no-reason": Change(
            "if body.decision is DecisionKind.APPROVE and overrides_a_window(judged.verdicts):", "if False:"
        ),
        "api-blank-is-a-reason": Change("    if not body.reason.strip():", "    if not body.reason:"),
    },
)
FORM = Group(
    "api/web/proposal/forms.py",
    Promise.WINDOW,
    (f"{_DECISIONS}::test_the_page_asks_for_the_reason_of_an_override_at_its_field",),
    {
        "page-override-needs-no-reason": Change(
            'if overrides_a_window(view.verdicts) and not fields.get(REASON, "").strip():', "if False:"
        ),
    },
)
TOGETHER = Group(
    "guardrails/change_window/timetable.py",
    Promise.WINDOW,
    (_WINDOWS, _OPENINGS),
    {
        "windows-open-by-the-end-of-a-freeze-alone": Change(" and (not allows or any(allows))", ""),
        "windows-open-with-the-last-one-only": Change(
            "return min((begin for begin in allows if begin is not None), default=None)",
            "return max((begin for begin in allows if begin is not None), default=None)",
        ),
        "windows-close-nothing-together": Change(
            "        if not _is_open(entries, moment):\n            return moment\n", ""
        ),
        "windows-stay-shut-when-they-open": Change(
            "return self.since <= moment < self.looked_until", "return self.since <= moment"
        ),
        "windows-of-one-place-shut-another": Change(
            "self._shut.get(names)", "next(iter(self._shut.values()), None)"
        ),
        "windows-close-at-the-last-change": Change(
            "later = min((one for one in changes if one is not None), default=None)",
            "later = max((one for one in changes if one is not None), default=None)",
        ),
        "windows-of-any-team-cover": Change(
            "                team=place.team,\n", '                team="",\n'
        ),
        "windows-of-a-configuration-before-stay": Change(
            "if self._known is None or self._known[0] is not windows:",
            "if self._known is None:",
            (_CLOSED, _WINDOWS),
        ),
    },
)
SHOWN = Group(
    "api/safety/openings.py",
    Promise.WINDOW,
    (_OPENINGS,),
    {
        "windows-shown-open-although-one-closes": Change("is_open=not closed_by,", "is_open=True,"),
        "windows-of-one-target-are-not-named": Change("if not windows and not narrower:", "if not windows:"),
        "windows-of-a-team-are-shown-for-all": Change("if windows != general]", "if False]"),
        "windows-of-two-clocks-are-told-by-one": Change("if len(zones) == 1 else _UTC", "if zones else _UTC"),
    },
)
CONFIRMING = Group(
    "api/safety/break_glass.py",
    Promise.BREAK_GLASS,
    ("tests/api/safety/test_confirming.py",),
    {
        "glass-is-confirmed-beyond-the-limits-of-the-moment": Change(
            "        _is_allowed(parts, grant)\n        active", "        active"
        ),
    },
)
OWN = Group(
    "guardrails/extension.py",
    Promise.BREAK_GLASS,
    (_EXTENSION, "tests/guardrails/test_conformance.py", _DISCOVERY),
    {
        "own-guardrail-declares-everything": Change(
            "return found if isinstance(found, frozenset) else frozenset()",
            "return found if isinstance(found, frozenset) else frozenset({'too_hot', 'held', 'denied'})",
        ),
        "own-guardrail-declares-its-own-failure": Change(
            "if code in _NEVER or not _CODE.fullmatch(code):", "if not _CODE.fullmatch(code):"
        ),
        "own-guardrail-declares-what-is-no-code": Change(
            "if code in _NEVER or not _CODE.fullmatch(code):", "if code in _NEVER:"
        ),
        "own-guardrail-declares-nothing-unseen": Change(
            "    if not found:\n        yield", "    if False:\n        yield"
        ),
    },
)
INSISTING = Group(
    "guardrails/discovery.py",
    Promise.BREAK_GLASS,
    (_DISCOVERY,),
    {
        "own-guardrail-that-is-not-there-is-opened": Change("    if closed:\n", "    if False:\n"),
        "own-guardrail-that-declares-nothing-is-opened": Change(
            "openable = {one.name for one in extensions if one.bypassable}",
            "openable = {one.name for one in extensions}",
        ),
        "own-guardrail-that-is-required-may-be-missing": Change("    if missing:\n", "    if False:\n"),
        "own-guardrail-declaration-is-lost": Change(
            "        bypassable=declared_by(decide),\n", "        bypassable=frozenset(),\n"
        ),
        "own-guardrail-declaration-is-not-looked-at": Change(
            "    yield from declaration_faults(decide)\n", ""
        ),
    },
)
SAMPLE = Group(
    "guardrails/approval_rule/delegation.py",
    Promise.APPROVAL_RULE,
    (_RULES,),
    {
        "sample-is-drawn-anew-for-each-proposal": Change(
            '        "tenant": draft.tenant,\n', '        "tenant": draft.tenant,\n        "id": draft.id,\n'
        ),
        "sample-is-drawn-anew-for-each-requester": Change(
            '        "tenant": draft.tenant,\n',
            '        "tenant": draft.tenant,\n        "by": draft.authors[0].subject,\n',
        ),
        "sample-is-drawn-anew-each-moment": Change(
            "draft.created_at.astimezone(UTC).date().isoformat()", "draft.created_at.isoformat()"
        ),
        "sample-is-drawn-once-for-ever": Change(
            '        "day": draft.created_at.astimezone(UTC).date().isoformat(),\n', ""
        ),
        "sample-is-the-same-for-every-change": Change(
            '        "action": draft.action.model_dump(mode="json"),\n', ""
        ),
        "sample-is-the-same-for-every-tenant": Change('        "tenant": draft.tenant,\n', ""),
        "sample-is-left-by-an-edit": Change("return draft.revision > 1 and share > 0", "return False"),
        "sample-of-nobody-takes-edits": Change(
            "return draft.revision > 1 and share > 0", "return draft.revision > 1"
        ),
        "sample-day-is-the-callers": Change(
            "draft.created_at.astimezone(UTC).date()", "draft.created_at.date()"
        ),
    },
)
ONE_REQUESTER = Group(
    "guardrails/rate/storm.py",
    Promise.RATE,
    (_STORM,),
    {
        "storm-of-one-requester-passes": Change(
            "words = _excess(facts, facts.storm.requester_proposals, facts.storm.requester_changes)",
            "words = None",
        ),
        "storm-of-one-requester-is-the-agents": Change(
            "    if facts.agent is not None:\n        return None\n    words", "    words", (_STORM, _RATES)
        ),
        "storm-of-one-requester-has-no-changes": Change(
            "facts.storm.requester_proposals, facts.storm.requester_changes)",
            "facts.storm.requester_proposals, 0)",
        ),
        "storm-one-more-change-passes": Change(
            "if changes + this_one > storm.changes:", "if changes + this_one > storm.changes + 1:"
        ),
        "storm-one-change-less-is-one": Change(
            "if changes + this_one > storm.changes:", "if changes + this_one >= storm.changes:"
        ),
    },
)
DENYING = Group(
    "guardrails/rate/decision.py",
    Promise.RATE,
    (_STORM, _RATES),
    {
        "storm-of-one-requester-is-not-denied": Change("    if alone is not None:\n", "    if False:\n"),
    },
)
COUNTING = Group(
    "adapters/store/guard_pass/storms.py",
    Promise.RATE,
    (_RATES,),
    {
        "storm-of-one-halts-everybody-by-proposals": Change(
            "SELECT coalesce(sum(g.n) - max(g.n), 0)\n                FROM (SELECT count(*) AS n FROM proposed_there",
            "SELECT coalesce(sum(g.n), 0)\n                FROM (SELECT count(*) AS n FROM proposed_there",
        ),
        "storm-of-one-halts-everybody-by-changes": Change(
            "SELECT coalesce(sum(g.n) - max(g.n), 0)\n                FROM (SELECT count(*) AS n FROM changed_there",
            "SELECT coalesce(sum(g.n), 0)\n                FROM (SELECT count(*) AS n FROM changed_there",
        ),
        "storm-of-an-agent-that-is-halted-goes-on-counting": Change(
            "AND NOT p.dry_run AND NOT EXISTS (\n"
            "                SELECT FROM stopped WHERE stopped.agent = p.agent AND p.created_at <= stopped.until)",
            "AND NOT p.dry_run",
        ),
        "storm-that-a-person-ended-goes-on": Change(
            "AND h.scope = CAST(:storm_agent_scope AS jsonb))) AS agent",
            "AND h.scope = CAST(:storm_agent_scope AS jsonb) AND false)) AS agent",
        ),
        "storm-of-another-requester-counts": Change(
            "AND requester = :storm_requester LIMIT :storm_proposals", "LIMIT :storm_proposals"
        ),
        "storm-by-changes-of-another-requester-counts": Change(
            "WHERE c.agent IS NULL AND p.requester = :storm_requester LIMIT", "WHERE c.agent IS NULL LIMIT"
        ),
        "storm-counting-stops-at-the-limit": Change(
            '"storm_proposals": limits.storm.proposals + 1,', '"storm_proposals": limits.storm.proposals,'
        ),
    },
)
EDITS = Group(
    "adapters/store/revisions.py",
    Promise.BALLOT,
    ("tests/adapters/store/test_revisions.py",),
    {
        "edit-keeps-stored-approvals": Change(
            "    await decisions.void_all(connection, row, editor, EDITED)\n",
            "",
            (f"{_REVISING}::test_an_edit_voids_the_votes_and_what_was_signed_before_is_stale",),
        ),
        "edit-keeps-what-was-signed": Change(
            '        "digest": None,\n',
            "",
            (f"{_REVISING}::test_an_edit_voids_the_votes_and_what_was_signed_before_is_stale", _REVISING),
        ),
        "edit-gives-more-time": Change("not is_next or is_longer:", "not is_next:"),
        "edit-skips-a-revision": Change("not is_next or is_longer:", "is_longer:"),
        "edit-of-what-is-decided": Change("if not may_be or not is_next", "if not is_next"),
        "edit-of-what-moved-on": Change(
            'where={"id": row.id, "state": present.value, "revision": row.revision}', 'where={"id": row.id}'
        ),
    },
)
CORRECTIONS = Group(
    "api/corrections/endpoints.py",
    Promise.VOTE,
    (f"{_REVISING}::test_what_reviewers_wrote_is_for_those_who_review_and_operate",),
    {
        "corrections-are-for-every-reader": Change(
            "from api.authentication import ReviewsWords",
            "from api.authentication import Reader as ReviewsWords",
        )
    },
)
GATES_OF_ROLES = Group(
    "api/authentication.py",
    Promise.VOTE,
    (f"{_REVISING}::test_what_reviewers_wrote_is_for_those_who_review_and_operate",),
    {
        "corrections-are-for-requesters": Change(
            "ReviewsWords = Annotated[Principal, Depends(RoleGate(Role.APPROVER,",
            "ReviewsWords = Annotated[Principal, Depends(RoleGate(Role.REQUESTER, Role.APPROVER,",
        ),
        "corrections-are-not-for-approvers": Change(
            "ReviewsWords = Annotated[Principal, Depends(RoleGate(Role.APPROVER,",
            "ReviewsWords = Annotated[Principal, Depends(RoleGate(",
        ),
    },
)

GROUPS = (
    OVERRIDES,
    TOLD,
    ASKED,
    FORM,
    TOGETHER,
    SHOWN,
    CONFIRMING,
    OWN,
    INSISTING,
    SAMPLE,
    ONE_REQUESTER,
    DENYING,
    COUNTING,
    EDITS,
    CORRECTIONS,
    GATES_OF_ROLES,
)
