"""`/v1/proposals/{id}/explanation` and `/v1/proposals/{id}/policy`."""

from __future__ import annotations

from fastapi import APIRouter

from api.authentication import Reader, ReaderByTokenOrSession
from api.explanation import service
from api.explanation.schemas import Explanation, PolicyExplanation
from api.parts import Parts

router = APIRouter(prefix="/v1/proposals", tags=["proposals"])


@router.get("/{proposal_id}/explanation")
async def explanation(proposal_id: str, parts: Parts, caller: ReaderByTokenOrSession) -> Explanation:
    """Explain in plain words why it was allowed, denied or sent to people, and what would have to change."""
    return await service.explain(parts, proposal_id, caller)


@router.get("/{proposal_id}/policy")
async def policy(proposal_id: str, parts: Parts, caller: Reader) -> PolicyExplanation:
    """Show which policies fired in the newest guard pass, and the document they judged."""
    return await service.explain_policy(parts, proposal_id, caller)
