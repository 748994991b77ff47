"""Conversations in every outcome, put into the store as a planner leaves them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from adapters.store import requests
from adapters.store.database import database_now
from adapters.store.schema import requests as request_rows
from contracts.base import new_id
from contracts.progress import ProgressStep, RequestProgress, StepState
from contracts.request import AgentStep, Channel, Request, RequestStatus, Trust
from tests.web.proposal.stages import Stages, person
from tests.web.site import Site

POOL = {
    "project": "acme-prod",
    "location": "europe-west4",
    "cluster": "serving",
    "node_pool": "inference",
}
ASKED_MODEL = AgentStep(kind="model", name="gpt-5-mini", input_tokens=1_800, output_tokens=240)
READ_POOL = AgentStep(kind="tool", name="read_node_pool", arguments=dict(POOL))
R = RequestStatus


async def talks(site: Site) -> dict[str, str]:
    """One conversation in each outcome; the newest is still open."""
    made = {
        "answered": await _turn(
            site,
            "How is inference doing?",
            R.ANSWERED,
            "inference has two nodes in each of three zones, and every one of them runs.",
            (ASKED_MODEL, READ_POOL, ASKED_MODEL),
        ),
        "asked": await _turn(
            site, "Make it bigger", R.ASKED, "Which pool do you mean: inference or web?", (ASKED_MODEL,)
        ),
        "refused": await _turn(
            site,
            "Delete the cluster serving",
            R.REFUSED,
            "Deleting a cluster is no action that I can propose.",
            (ASKED_MODEL,),
            "refused_by_planner",
        ),
        "failed": await _turn(
            site,
            "Scale inference to 4",
            R.FAILED,
            "The model did not answer in time.",
            (ASKED_MODEL.model_copy(update={"error": "model_unavailable"}),),
            "model_unavailable",
        ),
    }
    made["proposed"] = await _turn(
        site,
        "How is inference doing?",
        R.ANSWERED,
        "Six nodes run, and 41 pods wait.",
        (ASKED_MODEL, READ_POOL),
    )
    await _propose(site, made["proposed"])
    made["working"] = await _turn(site, "And how is web doing today?", None)
    site.api.gateway.progress = RequestProgress(
        steps=(
            ProgressStep(kind="model", name="gpt-5-mini", state=StepState.DONE),
            ProgressStep(
                kind="tool",
                name="read_node_pool",
                state=StepState.DONE,
                arguments={**POOL, "node_pool": "web"},
            ),
            ProgressStep(
                kind="tool", name="list_proposals", state=StepState.FAILED, error="deadline_exceeded"
            ),
            ProgressStep(kind="model", name="gpt-5-mini", state=StepState.RUNNING),
        ),
        text="web has 31 nodes in three zones. All of",
    )
    return made


async def _turn(
    site: Site,
    said: str,
    status: RequestStatus | None,
    answer: str = "",
    steps: tuple[AgentStep, ...] = (),
    reason_code: str | None = None,
) -> str:
    """Add a conversation of one turn; without a status it stays open."""
    conversation_id = new_id("cnv")
    async with site.api.database.transaction() as connection:
        now = await database_now(connection)
        request = Request(
            id=new_id("req"),
            tenant=site.api.parts.tenant,
            requester=person("ana"),
            channel=Channel.CHAT,
            text=said,
            trust=Trust.TRUSTED,
            conversation_id=conversation_id,
            received_at=now - timedelta(seconds=1),
        )
        await requests.create(connection, request)
        await requests.mark_planning(connection, request.id)
        if status is not None:
            await requests.close(connection, request.id, status, answer, reason_code, steps)
    return conversation_id


async def _propose(site: Site, conversation_id: str) -> None:
    """Add a turn that proposed something which now waits for people."""
    proposal_id = await Stages(site.api).waiting()
    view = await site.api.view(proposal_id)
    async with site.api.database.transaction() as connection:
        await connection.execute(
            update(request_rows)
            .where(request_rows.c.id == view["request_id"])
            .values(conversation_id=conversation_id)
        )
