from __future__ import annotations

import pytest

from tests.api.serving import Api

OUTSIDE = ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59")


@pytest.mark.parametrize("moment", OUTSIDE)
@pytest.mark.parametrize(
    "path", ["/v1/audit/events", "/v1/corrections", "/v1/approvers", "/v1/backtest/records"]
)
async def test_a_moment_that_utc_does_not_have_is_refused(api: Api, path: str, moment: str) -> None:
    answer = await api.get(path, by="olga", since=moment)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "query.since"


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
async def test_the_first_and_the_last_moment_are_ordinary_ones(api: Api, moment: str) -> None:
    assert (await api.get("/v1/audit/events", since=moment)).status_code == 200
