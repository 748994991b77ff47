"""PROPOSAL: back to the prior state by a new proposal through all gates. The prior sizes come from the intent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Row

from adapters.store import proposal_reads
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, not_found
from api.proposals import service
from api.proposals.change_view import why_irreversible
from api.proposals.schemas import Created
from contracts.action import Action
from contracts.effect import Intent, Receipt, ReceiptOutcome, Step, restoring
from contracts.observation import NodePoolObservation
from contracts.principal import Principal
from contracts.proposal import ProposalState
from contracts.request import Channel


async def undo(
    parts: ApiParts, proposal_id: str, reason: str, caller: Principal, channel: Channel, claim: Claim
) -> Answer:
    """Store a proposal that would take back a succeeded one, then try Temporal; 202 either way.

    Raises:
        Problem: 404; 409 `nothing_to_undo` or `not_reversible`.
    """
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        row = await proposal_reads.find(connection, parts.tenant, proposal_id)
        if row is None:
            raise not_found("proposal")
        intent = _undoable(row, await proposal_reads.effects(connection, proposal_id))
        draft = await service.draft_of(
            parts,
            connection,
            prior_action(intent.action, intent.prior),
            reason.strip() or f"undo of {proposal_id}",
            caller,
            channel,
            undoes=proposal_id,
        )
        outbox_row = await service.store(connection, draft)
        answer = await claim.keep(connection, Answer.of(202, Created(proposal_id=draft.id)))
    await service.start(parts, draft, outbox_row)
    return answer


def _undoable(row: Row[Any], effects: Sequence[Row[Any]]) -> Intent:
    if ProposalState(row.state) is not ProposalState.SUCCEEDED:
        raise Problem(
            409, "nothing_to_undo", f"Only a succeeded proposal can be undone; this is {row.state}."
        )
    for effect in effects:
        if effect.step == Step.FORWARD and _was_applied(effect):
            return Intent.model_validate(effect.document)
    raise Problem(409, "nothing_to_undo", "It changed nothing: the target already was as desired.")


def _was_applied(effect: Row[Any]) -> bool:
    if effect.receipt is None:
        return False
    return Receipt.model_validate(effect.receipt).outcome is ReceiptOutcome.APPLIED


def prior_action(action: Action, prior: NodePoolObservation) -> Action:
    """Return the action that restores what was there before.

    Raises:
        Problem: 409, no one call can do that.
    """
    restored = restoring(action, prior)
    if restored is None:
        raise Problem(409, "not_reversible", f"No one call takes it back: {why_irreversible(action)}.")
    return restored
