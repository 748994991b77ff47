"""APPROVAL over HTTP: a person's comment on a proposal, for the others. It decides nothing, whatever it says."""

from __future__ import annotations

from adapters.store import comments, proposal_reads
from api.idempotency import Answer, Claim
from api.parts import ApiParts
from api.problems import Problem, not_found
from api.proposals.schemas import CommentBody, Commented
from contracts.principal import Principal, PrincipalKind


async def comment(
    parts: ApiParts, proposal_id: str, body: CommentBody, author: Principal, claim: Claim
) -> Answer:
    """Store a comment on the present revision, in whatever state the proposal is.

    Raises:
        Problem: 403 only people comment; 404.
    """
    if author.kind is not PrincipalKind.HUMAN:
        raise Problem(403, "people_only", "Only people comment.")
    async with parts.database.transaction() as connection:
        earlier = await claim.earlier(connection)
        if earlier is not None:
            return earlier
        row = await proposal_reads.find(connection, parts.tenant, proposal_id)
        if row is None:
            raise not_found("proposal")
        comment_id = await comments.add(
            connection,
            tenant=parts.tenant,
            proposal_id=proposal_id,
            revision=row.revision,
            author=author,
            text=body.text,
        )
        stored = Commented(proposal_id=proposal_id, comment_id=comment_id)
        return await claim.keep(connection, Answer.of(201, stored))
