"""Break-glass grants for tests, made by people over the API."""

from __future__ import annotations

from adapters.store.schema import break_glass_uses
from contracts.base import utc_now
from contracts.break_glass import BreakGlassUse
from contracts.configuration import BypassableGate
from tests.web.site import Site

GRANT = {
    "scope": {"environment": "production"},
    "gates": ["change_window"],
    "reason": "the site is down",
    "minutes": 30,
}


async def opened(site: Site, *steps: tuple[str, str], **changes: object) -> str:
    """Open a grant as olga and take steps (`confirm`, `end`, `review`), each by somebody; return its id."""
    made = await site.api.post("/v1/break-glass", GRANT | changes, by="olga")
    assert made.status_code == 201, made.text
    grant_id = str(made.json()["id"])
    for step, by in steps:
        words = "It was right. The freeze was too wide: narrowed in change 1234."
        body = {"words": words} if step == "review" else None
        answer = await site.api.post(f"/v1/break-glass/{grant_id}/{step}", body, by=by)
        assert answer.status_code == 200, answer.text
    return grant_id


async def let_through(site: Site, grant_id: str, proposal_id: str) -> None:
    """Write that a pass let a proposal through because of the grant."""
    use = BreakGlassUse(
        grant_id=grant_id,
        proposal_id=proposal_id,
        revision=1,
        pass_number=2,
        gates=(BypassableGate.CHANGE_WINDOW,),
        at=utc_now(),
    )
    columns = use.model_dump(include={"grant_id", "proposal_id", "revision", "pass_number", "at"})
    async with site.api.database.transaction() as connection:
        await connection.execute(
            break_glass_uses.insert().values(document=use.model_dump(mode="json"), **columns)
        )
