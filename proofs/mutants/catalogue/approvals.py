"""Guard mutants of approval: the rules that ask, who may decide, and the state machine of a vote."""

from __future__ import annotations

from proofs.mutants.mutant import Change, Group, Promise

_RULES = ("tests/guardrails/approval_rule/test_rules.py",)
_ELIGIBILITY = ("tests/contracts/test_eligibility.py",)
_APPROVAL = ("tests/contracts/test_approval.py",)
_ORDERS = ("tests/contracts/test_approval_orders.py",)
_AT_ONCE = "tests/adapters/store/test_decisions.py"
_ACTIVITIES = "tests/activities/approval/test_activities.py"
_DECISIONS = "tests/api/proposals/test_decisions.py"

RULE = Group(
    "guardrails/approval_rule/decision.py",
    Promise.APPROVAL_RULE,
    ("tests/guardrails/approval_rule/test_decision.py",),
    {
        "rule-environment-asks-nobody": Change("if asked.quorum > 0:", "if asked.quorum > 1:"),
        "rule-undeclared-environment-asks-nobody": Change(
            "    if facts.environment is None:\n        yield",
            "    if facts.environment is None:\n        return\n        yield",
        ),
        "rule-sample-is-not-looked-at": Change("if delegation.sampled:", "if False:", _RULES),
        "rule-unstated-confidence-is-full": Change(
            "or (facts.draft.confidence or 0.0) >= least", "or (facts.draft.confidence or 1.0) >= least"
        ),
        "rule-low-confidence-asks-nobody": Change(
            "(facts.draft.confidence or 0.0) >= least", "(facts.draft.confidence or 0.0) >= 0"
        ),
        "rule-unknown-cost-asks-nobody": Change(
            "    if cost is None:\n        return _Need",
            "    if cost is None:\n        return None\n        return _Need",
        ),
        "rule-dear-change-asks-nobody": Change("if cost.monthly_delta <= most:", "if cost.monthly_delta:"),
        "rule-model-reads-untrusted-text": Change(
            "if facts.draft.planner.kind is PlannerKind.OPENAI:", "if False:"
        ),
        "rule-untrusted-text-asks-nobody": Change(
            "if not facts.approval_limits.untrusted_needs_person:", "if True:"
        ),
        "rule-lowest-quorum-counts": Change(
            "quorum=max(need.quorum for need in needs)", "quorum=min(need.quorum for need in needs)", _RULES
        ),
        "rule-groups-are-forgotten": Change(
            "groups=dict.fromkeys(group for need in needs for group in need.groups),", "", _RULES
        ),
        "rule-only-the-first-names-roles": Change(
            "roles=dict.fromkeys(role for need in needs for role in need.roles),", "roles=needs[0].roles,"
        ),
        "rule-declared-rules-ask-nobody": Change("if asks(rule.when, known):", "if False:", _RULES),
        "rule-longest-time-counts": Change(
            "decide_within=min((need.decide_within", "decide_within=max((need.decide_within", _RULES
        ),
    },
)
DELEGATED = Group(
    "guardrails/approval_rule/delegation.py",
    Promise.APPROVAL_RULE,
    _RULES,
    {
        "automatic-for-what-a-model-made-of-text": Change("if by_model or not", "if not"),
        "automatic-for-what-cannot-be-undone": Change("or not known.reversible or", "or"),
        "automatic-for-high-risk": Change(" or known.risk is RiskTier.HIGH", ""),
        "automatic-for-undeclared-environments": Change(" or facts.environment is None:", ":"),
        "automatic-for-unnamed-production": Change("return not facts.is_production or", "return True or"),
        "automatic-smallest-sample-counts": Change("chosen = max(matching", "chosen = min(matching"),
        "automatic-sample-is-nobody": Change("return draw < share * 2**48", "return False"),
        "automatic-sample-can-be-foreseen": Change("hmac.digest(salt.encode(),", 'hmac.digest(b"salt",'),
    },
)
CONDITIONS = Group(
    "guardrails/approval_rule/conditions.py",
    Promise.APPROVAL_RULE,
    _RULES,
    {
        "automatic-for-an-unknown-cost": Change(
            "(known.monthly_delta is None or known.monthly_delta > most)",
            "known.monthly_delta is not None and known.monthly_delta > most",
        ),
        "rule-of-a-cost-skips-an-unknown-one": Change(
            "if above is not None and known.monthly_delta is not None and known.monthly_delta <= above:",
            "if above is not None and (known.monthly_delta is None or known.monthly_delta <= above):",
        ),
        "automatic-whatever-the-confidence": Change("known.agents and known.confidence < least", "False"),
        "rule-any-condition-is-enough": Change("return all(fits)", "return any(fits)"),
    },
)

ELIGIBILITY = Group(
    "contracts/eligibility.py",
    Promise.VOTE,
    _ELIGIBILITY,
    {
        "vote-of-an-agent-counts": Change("if reviewer.kind is not PrincipalKind.HUMAN:", "if False:"),
        "vote-of-the-requester-counts": Change(
            "if authors and reviewer.same_as(authors[0]):\n"
            "        return NOT_ELIGIBLE_REQUESTER\n"
            "    if any(reviewer.same_as(author) for author in authors):",
            "if any(reviewer.same_as(author) for author in authors[1:]):",
        ),
        "vote-of-an-author-counts": Change(
            "if any(reviewer.same_as(author) for author in authors):", "if False:"
        ),
        "vote-of-an-owner-counts": Change("if is_excluded(reviewer, requirement):", "if False:"),
        "vote-in-any-role-counts": Change(
            "if not set(reviewer.roles) & set(requirement.roles):", "if False:"
        ),
        "vote-lent-by-an-author-counts": Change(
            "if lender.same_as(decision.reviewer) or reviewer_refusal(lender, authors, requirement) is not None:",
            "if lender.same_as(decision.reviewer):",
            ("tests/contracts/test_delegation.py",),
        ),
        "vote-lent-to-oneself-counts": Change(
            "if lender.same_as(decision.reviewer) or ", "if ", ("tests/contracts/test_delegation.py",)
        ),
        "vote-on-another-proposal-counts": Change(
            "if (decision.tenant, decision.proposal_id) != (tenant, proposal_id):", "if False:"
        ),
        "vote-of-another-tenant-counts": Change(
            "if (decision.tenant, decision.proposal_id) != (tenant, proposal_id):",
            "if decision.proposal_id != proposal_id:",
        ),
        "vote-on-another-revision-counts": Change("if decision.revision != rules.revision:", "if False:"),
        "vote-on-another-digest-counts": Change(
            "if decision.proposal_digest != rules.proposal_digest:", "if False:"
        ),
        "vote-that-arrives-late-counts": Change(
            "if now > rules.decide_by or decision.at > rules.decide_by:", "if decision.at > rules.decide_by:"
        ),
        "vote-made-late-counts": Change(
            "if now > rules.decide_by or decision.at > rules.decide_by:", "if now > rules.decide_by:"
        ),
        "vote-unsigned-counts": Change("if not is_signed_by(signed, rules.public_keys):", "if False:"),
        "vote-repeated-counts": Change("    if kind is standing:", "    if False:"),
        "vote-nobody-cast-is-withdrawn": Change(
            "return NOTHING_TO_WITHDRAW if kind is", "return None if kind is"
        ),
        "vote-twice-by-one-person": Change(
            "return {voter(one): one for one in approvers", "return {id(one): one for one in approvers"
        ),
        "vote-of-other-issuers-is-the-same": Change(
            "return (reviewer.issuer, reviewer.subject)", 'return ("", reviewer.subject)'
        ),
        "vote-of-an-owner-is-enough": Change(
            "for one in approvers if not is_excluded(one, requirement)}", "for one in approvers}"
        ),
        "vote-quorum-is-no-matter": Change("if not requirement.is_met_by(len(people)):", "if False:"),
        "vote-groups-are-no-matter": Change("return not groups and (", "return ("),
        "vote-roles-are-no-matter": Change("(requirement.quorum == 0 or not roles)", "True"),
    },
)
SIGNATURE = Group(
    "contracts/signature.py",
    Promise.VOTE,
    ("tests/contracts/test_signature.py",),
    {
        "signature-of-an-unknown-key-is-valid": Change(
            "    if encoded is None:\n        return False", "    if encoded is None:\n        return True"
        ),
        "signature-that-is-wrong-is-valid": Change(
            "except (InvalidSignature, ValueError, binascii.Error):\n        return False",
            "except (InvalidSignature, ValueError, binascii.Error):\n        return True",
        ),
    },
)
DELEGATION = Group(
    "contracts/delegation.py",
    Promise.VOTE,
    ("tests/contracts/test_delegation.py",),
    {
        "delegation-of-an-author-lends": Change(
            "or reviewer_refusal(lender, authors, requirement) is not None", ""
        ),
        "delegation-to-another-lends": Change(
            "not delegation.delegate.same_as(reviewer)\n            or ", ""
        ),
        "delegation-never-ends": Change(
            "return self.starts_at <= now < self.until", "return self.starts_at <= now"
        ),
        "delegation-covers-every-team": Change(" and self.team in (None, team)", ""),
        "delegation-lends-every-role": Change(
            "if one in requirement.roles and one not in roles]", "if one not in roles]"
        ),
        "delegation-among-machines": Change(
            "if {self.delegator.kind, self.delegate.kind} != {PrincipalKind.HUMAN}:", "if False:"
        ),
    },
)

MACHINE = Group(
    "contracts/approval.py",
    Promise.BALLOT,
    _APPROVAL,
    {
        "ballot-closed-takes-votes": Change(
            "if ballot.state is not _S.AWAITING_APPROVAL or ballot.rules is None:\n        return PROPOSAL_CLOSED",
            "if ballot.rules is None:\n        return PROPOSAL_CLOSED",
        ),
        "ballot-rejection-does-not-reject": Change(
            "if decision.kind is DecisionKind.REJECT:", "if False:", _ORDERS
        ),
        "ballot-request-for-change-keeps-votes": Change(
            "kept = {} if decision.kind is DecisionKind.REQUEST_CHANGE else dict(votes)",
            "kept = dict(votes)",
            _APPROVAL,
        ),
        "ballot-every-vote-is-an-approval": Change(
            "for one in self.votes.values() if one.kind is DecisionKind.APPROVE)",
            "for one in self.votes.values())",
        ),
        "ballot-edit-keeps-votes": Change(
            "        rules=None,\n        votes=MappingProxyType({}),\n", "        rules=None,\n"
        ),
        "ballot-editor-may-approve": Change(
            "authors=ballot.authors if is_known else (*ballot.authors, event.editor),",
            "authors=ballot.authors,",
        ),
        "ballot-anybody-edits": Change("(is_requester or _MAY_EDIT & set(editor.roles))", "editor"),
        "ballot-machines-edit": Change("if editor.kind is not PrincipalKind.HUMAN or not (", "if not ("),
        "ballot-unseen-is-edited": Change(
            "if event.proposal_digest != ballot.rules.proposal_digest:", "if False:"
        ),
        "ballot-edit-comes-late": Change("if now > ballot.decide_by:", "if False:"),
        "ballot-edits-have-no-end": Change(
            "return TOO_MANY_REVISIONS if ballot.revision >= MAX_REVISIONS else None", "return None"
        ),
        "ballot-pass-of-another-revision-counts": Change(
            "if event.revision != ballot.revision or ballot.state is not _S.EVALUATING:",
            "if ballot.state is not _S.EVALUATING:",
        ),
        "ballot-pass-gives-more-time": Change(
            "decide_by = min(ballot.decide_by, event.rules.decide_by)", "decide_by = event.rules.decide_by"
        ),
        "ballot-what-runs-is-cancelled": Change(
            "return state.precedes_execution", "return not state.is_final", _APPROVAL
        ),
        "ballot-what-is-ready-expires": Change(
            "return state is _S.AWAITING_APPROVAL", "return state.precedes_execution", _ORDERS
        ),
    },
)
IN_THE_WORKFLOW = Group(
    "workflows/ballot.py",
    Promise.VOTE,
    ("tests/workflows/test_ballot.py",),
    {
        "workflow-believes-the-rules-own-keys": Change(
            'self._rules = rules.model_copy(update={"public_keys": self._start.public_keys})',
            "self._rules = rules",
        ),
        "workflow-lets-the-unsigned-wait": Change(
            "if not is_signed_by(signed, self._start.public_keys):", "if False:"
        ),
        "workflow-lets-others-proposals-votes-wait": Change(
            "if (decision.tenant, decision.proposal_id) != (self._start.tenant, self._start.proposal_id):",
            "if False:",
        ),
        "workflow-refuses-nothing": Change("        if code is not None:\n", "        if False:\n"),
        "workflow-keeps-votes-of-another-revision": Change(
            "if self._rules is not None and self._rules.revision != rules.revision:", "if False:"
        ),
        "workflow-takes-votes-before-a-pass": Change(
            "            refuse(PROPOSAL_CLOSED)\n", "            return\n"
        ),
        "workflow-takes-several-messages-as-one": Change("    if len(parts) != 1:", "    if not parts:"),
    },
)
APPLYING = Group(
    "activities/approval/activities.py",
    Promise.VOTE,
    (_ACTIVITIES,),
    {
        "decision-that-was-not-stored-counts": Change(
            "if stored is None or SignedDecision.model_validate(stored.document) != signed:",
            "if stored is None:",
        ),
        "decision-stored-unsigned-counts": Change(
            "if not is_signed_by(signed, self._public_keys):", "if False:"
        ),
        "decision-on-another-revision-counts": Change(
            "if moved_on or too_late or row.revision != given.revision:", "if moved_on or too_late:"
        ),
        "decision-closes-what-moved-on": Change(
            "if moved_on or too_late or row.revision != given.revision:",
            "if too_late or row.revision != given.revision:",
        ),
        "decision-for-change-keeps-votes": Change(
            "            await decisions.void_votes(connection, signed)\n", "            pass\n"
        ),
    },
)
STORED = Group(
    "adapters/store/decisions.py",
    Promise.VOTE,
    (_ACTIVITIES,),
    {
        "decision-superseded-still-counts": Change(
            "replaced = await _supersede(connection, decision, DecisionStatus.APPLIED)",
            "replaced: list[AuditEvent] = []",
        ),
        "decision-that-was-not-stored-is-recorded": Change(
            "    if await execute(connection, write) is None:\n",
            "    if await execute(connection, write) is write:\n",
            (_AT_ONCE,),
        ),
    },
)
COUNTED = Group(
    "activities/approval/counting.py",
    Promise.VOTE,
    (
        "tests/activities/execution/test_admission_votes.py::test_a_vote_whose_signature_is_not_ours_does_not",
        "tests/activities/execution/test_admission_votes.py::test_a_vote_that_is_no_approval_does_not",
    ),
    {
        "stored-votes-are-believed": Change(
            "        if refusal is None:\n", "        if refusal is not at:\n"
        ),
        "stored-rejection-is-an-approval": Change(
            "for one in votes.values() if one.kind is DecisionKind.APPROVE)", "for one in votes.values())"
        ),
    },
)
OVER_HTTP = Group(
    "api/proposals/decisions.py",
    Promise.VOTE,
    (_DECISIONS,),
    {
        "api-records-whoever-asks": Change(
            "    if refused is not None:\n        raise Problem(refused.status",
            "    if False:\n        raise Problem(refused.status",
        ),
        "api-signs-another-revision": Change("if body.revision != row.revision:", "if False:"),
        "api-signs-another-digest": Change("if body.digest != row.digest:", "if False:"),
        "api-signs-another-evaluation": Change(
            "body.evaluation_digest not in (None, evaluation.digest)", "False"
        ),
        "api-no-needs-no-reason": Change("if body.decision in _NEED_A_REASON:", "if False:"),
        "api-vote-once-given-comes-again": Change("        if earlier is not None:\n", "        if False:\n"),
    },
)
MOMENT = Group(
    "api/proposals/eligibility.py",
    Promise.VOTE,
    (_DECISIONS,),
    {
        "api-takes-votes-after-the-time": Change("    if now > decide_by:", "    if False:"),
        "api-takes-votes-after-the-decision": Change(
            "if state is not ProposalState.AWAITING_APPROVAL:", "if False:"
        ),
        "api-takes-votes-before-a-pass": Change(
            "if state is ProposalState.EVALUATING:", "if state is ProposalState.DIRTY:"
        ),
    },
)

GROUPS = (
    RULE,
    DELEGATED,
    CONDITIONS,
    ELIGIBILITY,
    SIGNATURE,
    DELEGATION,
    MACHINE,
    IN_THE_WORKFLOW,
    APPLYING,
    STORED,
    COUNTED,
    OVER_HTTP,
    MOMENT,
)
