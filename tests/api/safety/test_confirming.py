"""The second person confirms by what the configuration allows at that moment, not by what it allowed before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.configuration import BreakGlassLimits, BypassableGate
from tests.api.serving import CONFIGURATION, Api, serving

GRANT = {
    "scope": {"environment": "production"},
    "gates": ["rate", "budget"],
    "reason": "the site is down",
    "minutes": 45,
}


def limited(**limits: Any) -> Any:
    return CONFIGURATION.model_copy(update={"break_glass": BreakGlassLimits(**limits)})


@pytest.mark.parametrize(
    ("lowered", "code"),
    [
        (limited(longest=timedelta(minutes=44)), "break_glass_too_long"),
        (limited(gates=(BypassableGate.RATE,)), "gate_not_bypassable"),
        (limited(gates=()), "gate_not_bypassable"),
    ],
    ids=["a shorter grant", "fewer gates", "no break-glass at all"],
)
async def test_a_grant_that_is_no_longer_allowed_is_not_confirmed(
    api: Api, migrated_database_url: str, lowered: Any, code: str
) -> None:
    grant_id = (await api.post("/v1/break-glass", GRANT, by="olga")).json()["id"]
    path = f"/v1/break-glass/{grant_id}"
    async with serving(migrated_database_url, configuration=lowered) as later:
        refused = await later.post(f"{path}/confirm", by="ben")
    assert (refused.status_code, refused.json()["reason_code"]) == (422, code)
    assert (await api.get(path)).json()["status"] == "awaiting_second"
    assert (await api.post(f"{path}/confirm", by="ben")).json()["status"] == "active"
