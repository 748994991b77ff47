"""Reason codes that an operation may answer with beside those that follow from its shape (`operations.py`)."""

from __future__ import annotations

from collections.abc import Mapping

Codes = tuple[tuple[int, tuple[str, ...]], ...]
"""Status → reason codes."""

OWN: Mapping[tuple[str, str], Codes] = {
    ("get", "/v1/proposals"): ((422, ("cursor_invalid",)),),
    ("post", "/v1/proposals/{proposal_id}/decisions"): (
        (
            403,
            (
                "not_eligible_requester",
                "not_eligible_author",
                "not_eligible_kind",
                "not_eligible_role",
                "not_eligible_delegator",
            ),
        ),
        (
            409,
            (
                "stale_revision",
                "stale_digest",
                "stale_evaluation",
                "decision_late",
                "already_voted",
                "already_decided",
                "not_awaiting_approval",
                "proposal_closed",
            ),
        ),
        (422, ("reason_required",)),
    ),
    ("post", "/v1/proposals/{proposal_id}/cancel"): (
        (403, ("not_your_proposal",)),
        (409, ("not_cancellable",)),
    ),
    ("post", "/v1/proposals/{proposal_id}/undo"): ((409, ("nothing_to_undo", "not_reversible")),),
    ("post", "/v1/proposals/{proposal_id}/resolve"): ((409, ("not_dirty",)),),
    ("post", "/v1/delegations"): (
        (403, ("not_eligible_kind", "delegation_taken")),
        (409, ("too_many_delegations",)),
        (422, ("person_unknown", "not_eligible_kind", "environment_unknown", "delegation_invalid")),
    ),
    ("get", "/v1/approvers"): ((422, ("span_invalid",)),),
    ("post", "/v1/halts"): ((422, ("halt_scope_unknown",)),),
    ("post", "/v1/events/alertmanager"): (
        (403, ("service_required",)),
        (422, ("webhook_version_unknown",)),
    ),
    ("get", "/v1/audit/events/{event_number}/proof"): (
        (404, ("checkpoint_not_found",)),
        (409, ("audit_log_cut_off",)),
    ),
    ("get", "/v1/audit/consistency"): ((404, ("checkpoint_not_found",)), (409, ("audit_log_cut_off",))),
    ("post", "/v1/audit/verifications"): ((409, ("verification_running",)), (422, ("checkpoint_invalid",))),
    ("get", "/v1/stream"): ((429, ("too_many_streams",)), (503, ("too_many_streams",))),
}
"""Method and path → its own codes. docs/reference/reason-codes.md says what each means."""
