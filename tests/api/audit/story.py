"""The audit events of one proposal, told step by step: payloads exactly as the store writes them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from adapters.store.audit_log import event
from api.audit.course import Numbered
from api.audit.record import record_of
from api.audit.schemas import DecisionRecord
from contracts.audit import AuditType
from contracts.decision import Decision, DecisionKind, SignedDecision
from contracts.effect import Intent, Receipt, ReceiptOutcome, Step, Verification, idempotency_key
from contracts.evaluation import Evaluation, Outcome, Verdict
from contracts.observation import ZoneSize
from contracts.principal import SYSTEM, Principal, PrincipalKind, Role
from contracts.proposal import Draft, Proposal, ProposalState
from tests.api.serving import evaluation
from tests.cli.views import view
from tests.contracts.samples import BEN, NOON, ZONES, proposal, resize

S = ProposalState
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))
DOMAIN = "gke.cluster/acme-prod/europe-west4/serving"


class Story:
    """Each method adds what one transaction of the real thing adds, and returns the story."""

    def __init__(self, first_number: int = 40, **changes: Any) -> None:
        self.proposal: Proposal = proposal(**changes)
        self.events: list[Numbered] = []
        self._next = first_number
        self.state = S.EVALUATING
        self.fence = 0
        draft = self.proposal.model_dump(mode="json", include=set(Draft.model_fields))
        self._add(AuditType.PROPOSAL_CREATED, draft, self.proposal.authors[-1])

    def _add(self, kind: AuditType, payload: Any, actor: Principal = SYSTEM) -> Story:
        at = NOON + timedelta(minutes=len(self.events))
        made = event(kind, tenant="default", subject=self.proposal.id, actor=actor, payload=payload, at=at)
        self.events.append(Numbered(self._next, made))
        self._next += 1
        return self

    def move(
        self, to: S, code: str, *, by: Principal = SYSTEM, message: str = "", fixes: bool = False
    ) -> Story:
        payload: dict[str, object] = {
            "proposal_id": self.proposal.id,
            "revision": 1,
            "from": self.state.value,
            "to": to.value,
            "reason_code": code,
            "message": message,
            "facts": {},
        }
        if fixes:
            payload |= {"proposal": self.proposal.model_dump(mode="json"), "digest": self.proposal.digest}
        self.state = to
        return self._add(AuditType.PROPOSAL_MOVED, payload, by)

    def judged(self, found: Evaluation | None = None) -> Story:
        return self._add(AuditType.PROPOSAL_EVALUATED, found or evaluation(self.proposal))

    def posted(self, kind: str, amount: str = "812.50") -> Story:
        payload = {
            "tenant": "default",
            "proposal_id": self.proposal.id,
            "scope": "environment=production",
            "window": "month:2026-11",
            "currency": "USD",
            "kind": kind,
            "posting": 1,
            "amount": str(Decimal(amount)),
        }
        return self._add(AuditType.LEDGER_POSTED, payload)

    def waiting(self) -> Story:
        return self.judged().move(S.AWAITING_APPROVAL, "approval_required", fixes=True).posted("reserve")

    def denied_at_once(self) -> Story:
        verdict = Verdict(
            guardrail="blast_radius",
            outcome=Outcome.DENY,
            rule="bounds",
            reason_code="above_max_nodes",
            message="4 nodes per zone are above 3.",
            rule_revision="7",
        )
        changed = {"verdicts": (verdict,), "outcome": Outcome.DENY, "requirement": None}
        self.judged(evaluation(self.proposal).model_copy(update=changed))
        return self.move(S.DENIED, "above_max_nodes", fixes=True)

    def voted(self, kind: DecisionKind, reason: str = "", by: Principal = BEN) -> Story:
        decision = Decision(
            id="dec_1",
            tenant="default",
            proposal_id=self.proposal.id,
            revision=1,
            kind=kind,
            reviewer=by,
            proposal_digest=self.proposal.digest,
            evaluation_digest=evaluation(self.proposal).digest,
            reason=reason,
            at=NOON + timedelta(minutes=9),
            key_id="k" * 16,
        )
        signed = SignedDecision(decision=decision, signature="c2ln")
        self._add(AuditType.DECISION_RECORDED, signed, by)
        return self._add(AuditType.DECISION_APPLIED, signed, by)

    def edited(self, node_count: int, by: Principal, reason: str, reason_name: str | None = None) -> Story:
        changed = {
            "revision": self.proposal.revision + 1,
            "authors": (*self.proposal.authors, by),
            "action": resize(node_count),
            "reason": reason,
        }
        self.proposal = self.proposal.model_copy(update=changed)
        draft = self.proposal.model_dump(mode="json", include=set(Draft.model_fields))
        voted = [one.event.payload for one in self.events if one.event.type is AuditType.DECISION_APPLIED]
        for vote in voted:
            void = {"decision_id": vote["decision"]["id"], "reason_code": "edited"}
            self._add(AuditType.DECISION_VOIDED, void, by)
        self._add(AuditType.PROPOSAL_REVISED, {"draft": draft, "reason_name": reason_name}, by)
        return self.move(S.EVALUATING, "edited", by=by, message=reason)

    def approved(self) -> Story:
        return self.voted(DecisionKind.APPROVE).move(S.READY, "approved", by=BEN)

    def started(self, step: Step = Step.FORWARD) -> Story:
        if step is Step.FORWARD:
            self._add(AuditType.LEASE_TAKEN, {"domain": DOMAIN, "owner": self.proposal.id})
            self.move(S.EXECUTING, "executing")
        self.fence += 1
        count = 4 if step is Step.FORWARD else 2
        intent = Intent(
            key=idempotency_key(self.proposal.id, 1, step),
            proposal_id=self.proposal.id,
            revision=1,
            step=step,
            action=resize(count),
            precondition=self.proposal.precondition,
            prior=self.proposal.observation,
            fence=self.fence,
            call_deadline=NOON + timedelta(minutes=30),
        )
        return self._add(AuditType.INTENT_WRITTEN, intent)

    def called(self, outcome: ReceiptOutcome = ReceiptOutcome.APPLIED, step: Step = Step.FORWARD) -> Story:
        key = idempotency_key(self.proposal.id, 1, step)
        operation = f"operation-{step}" if outcome not in _WITHOUT_OPERATION else None
        if operation:
            issued = {
                "key": key,
                "proposal_id": self.proposal.id,
                "step": step.value,
                "fence": self.fence,
                "operation": operation,
                "adopted": False,
            }
            self._add(AuditType.EFFECT_ISSUED, issued)
        receipt = Receipt(
            key=key,
            proposal_id=self.proposal.id,
            step=step,
            fence=self.fence,
            outcome=outcome,
            operation=operation,
            error_code="PERMISSION_DENIED" if outcome is ReceiptOutcome.REFUSED else None,
            mode="practice",
            finished_at=NOON + timedelta(minutes=20),
        )
        return self._add(AuditType.RECEIPT_WRITTEN, receipt)

    def late(self, operation: str | None = "operation-late", step: Step = Step.FORWARD) -> Story:
        shown = {
            "key": idempotency_key(self.proposal.id, 1, step),
            "proposal_id": self.proposal.id,
            "step": step.value,
            "fence": self.fence,
            "operation": operation,
            "reason_code": "late_call" if operation else "lateness_unknown",
        }
        return self._add(AuditType.EFFECT_LATE, shown)

    def looked(self, step: Step = Step.FORWARD, *, running: int, code: str = "verified") -> Story:
        wanted = 4 if step is Step.FORWARD else 2
        zones = tuple(
            ZoneSize(zone=zone, instance_group=zone, target_size=wanted, running=running, stable=True)
            for zone in ZONES
        )
        found = Verification(
            key=idempotency_key(self.proposal.id, 1, step),
            proposal_id=self.proposal.id,
            step=step,
            expected=dict.fromkeys(ZONES, wanted),
            observed_zones=zones,
            matches=running == wanted,
            reason_code=code,
            took_seconds=31.4,
            at=NOON + timedelta(minutes=25),
        )
        return self._add(AuditType.VERIFICATION_RECORDED, found)

    def refused(self, **payload: str) -> Story:
        shown = {"decision_id": "dec_9", "proposal_id": self.proposal.id, "reason_code": "bad_signature"}
        return self._add(AuditType.DECISION_REFUSED, shown | payload)

    def record(self) -> DecisionRecord:
        shown = view(self.state, reason=self.proposal.reason)
        return record_of(shown, self.events)


_WITHOUT_OPERATION = (ReceiptOutcome.NO_OP, ReceiptOutcome.REFUSED)


def text_of(record: DecisionRecord, key: str | None = None) -> str:
    """All sentences of a record, or of the chapters whose key begins with `key`."""
    sentences = [
        one.text
        for chapter in record.chapters
        if chapter.key.startswith(key or "")
        for one in chapter.sentences
    ]
    return "\n".join(sentences)
