"""Calls as a client means them: of things that exist and stand where they may be done, with a body that says so.

Chance seldom draws a digest, a person's name or a proposal that is dirty. What each operation here is called with was
made for it alone, so that nothing which is drawn has used it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select

from adapters.store.database import Database
from adapters.store.schema import intents, proposals
from contracts.base import utc_now
from contracts.effect import Intent, Receipt, ReceiptOutcome, Step
from contracts.evaluation import Outcome, Verdict
from contracts.proposal import Proposal, ProposalState
from tests.api.serving import RESIZE, Api, decision_on, evaluation
from tests.stored_evaluations import keep

_S = ProposalState
_HALT = {"scope": {"environment": "development"}}
_WHY = {"reason": "a proof"}
_GRANT = {"scope": {"environment": "production"}, "gates": ["change_window"], "minutes": 30, **_WHY}
_BREAKER = "kind:gke.node_pool.resize"


@dataclass(frozen=True, slots=True)
class Meant:
    """What one operation is called with, by every caller in turn."""

    path: dict[str, str] = field(default_factory=dict)
    """Path parameter → value, where it is not what all calls name."""
    body: Mapping[str, Any] | None = None
    query: Mapping[str, int] = field(default_factory=dict)


async def meant_calls(api: Api) -> dict[str, Meant]:
    """Make what is called, beside the served API and on its database; return operation → call."""
    lent = {"to": "vera", "until": (utc_now() + timedelta(days=7)).isoformat(), **_WHY}
    asked = await _posted(api, "/v1/requests", {"text": "scale inference"}, by="rita")
    loan = await _posted(api, "/v1/delegations", lent, by="ben")
    await _posted(api, f"/v1/breakers/{_BREAKER}/open", _WHY, by="olga")
    voted, edited = await api.waiting(), await api.waiting()
    edit = {"digest": edited["digest"], "fields": {"node_count": 5}, **_WHY}
    resolved = {"outcome": "rolled_back", **_WHY}
    await api.parts.sequencer.checkpoint()
    return {
        "POST /v1/proposals": Meant(body={"action": RESIZE, **_WHY}),
        "GET /v1/proposals/{proposal_id}/policy": _on(await _judged(api)),
        "POST /v1/proposals/{proposal_id}/decisions": _on(voted["id"], decision_on(voted)),
        "POST /v1/proposals/{proposal_id}/revisions": _on(edited["id"], edit),
        "POST /v1/proposals/{proposal_id}/override": _on(
            await _moved(api, _S.READY), {"gate": "change_window", **_WHY}
        ),
        "POST /v1/proposals/{proposal_id}/resolve": _on(
            await _moved(api, _S.READY, _S.EXECUTING, _S.DIRTY), resolved
        ),
        "POST /v1/proposals/{proposal_id}/undo": _on(await _done(api)),
        "GET /v1/conversations/{conversation_id}": Meant({"conversation_id": asked["conversation_id"]}),
        "GET /v1/requests/{request_id}": Meant({"request_id": asked["request_id"]}),
        "GET /v1/audit/events/{event_number}/proof": Meant({"event_number": "0"}),
        "GET /v1/audit/consistency": Meant(query={"old": 1}),
        "GET /v1/audit/verifications/{verification_id}": Meant(),
        "POST /v1/halts": Meant(body=_HALT | _WHY),
        "POST /v1/halts/preview": Meant(body=_HALT),
        "POST /v1/break-glass": Meant(body=_GRANT),
        "POST /v1/break-glass/{grant_id}/review": Meant({"grant_id": await _over(api)}, {"words": "it was right"}),
        "POST /v1/breakers/{breaker_id}/reset": Meant({"breaker_id": _BREAKER}, _WHY),
        "POST /v1/delegations": Meant(body=lent),
        "DELETE /v1/delegations/{delegation_id}": Meant({"delegation_id": loan["id"]}),
        "POST /v1/events/alertmanager": Meant(body={"version": "4", "alerts": [_alert()]}),
    }  # fmt: skip


def _on(proposal_id: str, body: Mapping[str, Any] | None = None) -> Meant:
    return Meant({"proposal_id": proposal_id}, body)


def _alert() -> dict[str, Any]:
    where = {name: str(RESIZE[name]) for name in ("project", "location", "cluster", "node_pool")}
    labels = {"alertname": "QueueGrows", "sluice_node_count": "4", **where}
    return {
        "status": "firing", "labels": labels, "startsAt": utc_now().isoformat(), "fingerprint": "a1"
    }  # fmt: skip


async def _posted(api: Api, path: str, body: Mapping[str, Any] | None, *, by: str) -> dict[str, Any]:
    answer = await api.post(path, body, by=by)
    if answer.is_error:
        raise RuntimeError(f"{path} as {by}: {answer.text}")
    said: dict[str, Any] = answer.json()
    return said


async def _moved(api: Api, *states: ProposalState) -> str:
    proposal_id = str((await api.waiting())["id"])
    await api.move(proposal_id, *states)
    return proposal_id


async def _over(api: Api) -> str:
    """Return a grant of break-glass that two people opened, and whose review is open."""
    grant = str((await _posted(api, "/v1/break-glass", _GRANT, by="olga"))["id"])
    for step in ("confirm", "end"):
        await _posted(api, f"/v1/break-glass/{grant}/{step}", None, by="cleo")
    return grant


async def _judged(api: Api) -> str:
    """Return a proposal of which a second pass has asked the policies."""
    proposal_id = str((await api.waiting())["id"])
    said = Verdict(
        guardrail="policy", outcome=Outcome.ALLOW, rule="policies", reason_code="ok", message="Nothing against it."
    )  # fmt: skip
    found = evaluation(await _proposal(api.database, proposal_id))
    again = found.model_copy(update={"pass_number": 2, "verdicts": (*found.verdicts, said)})
    async with api.database.transaction() as connection:
        await keep(connection, again)
    return proposal_id


async def _done(api: Api) -> str:
    """Return a proposal that succeeded, and changed something."""
    proposal_id = await _moved(api, _S.READY, _S.EXECUTING, _S.VERIFYING, _S.SUCCEEDED)
    proposal, now = await _proposal(api.database, proposal_id), utc_now()
    about = {"key": f"{proposal_id}/1/forward", "proposal_id": proposal_id, "fence": 1}
    intent = Intent(
        **about, revision=1, step=Step.FORWARD, action=proposal.action, precondition=proposal.precondition,
        prior=proposal.observation, call_deadline=now,
    )  # fmt: skip
    receipt = Receipt(
        **about, step=Step.FORWARD, outcome=ReceiptOutcome.APPLIED, mode=proposal.mode, finished_at=now
    )
    stored = about | {
        "step": Step.FORWARD.value, "call_deadline": now, "settled_at": now,
        "document": intent.model_dump(mode="json"), "receipt": receipt.model_dump(mode="json"),
    }  # fmt: skip
    async with api.database.transaction() as connection:
        await connection.execute(insert(intents).values(stored))
    return proposal_id


async def _proposal(database: Database, proposal_id: str) -> Proposal:
    async with database.reading() as connection:
        wanted = select(proposals.c.document).where(proposals.c.id == proposal_id)
        return Proposal.model_validate((await connection.execute(wanted)).scalar_one())
