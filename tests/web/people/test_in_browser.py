"""Lending one's vote and taking it back, in a real browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.async_api import expect

from tests.web.site import Site


async def test_a_vote_is_lent_and_taken_back_without_leaving_the_page(site: Site) -> None:
    async with site.visit("ben") as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await page.goto("/people")
        await page.get_by_label("Who decides").fill("vera")
        await page.get_by_label("Why").fill("on holiday")
        await page.get_by_role("button", name="Lend the vote").click()
        await expect(page.get_by_text("Say when it ends.")).to_be_visible()
        assert await page.get_by_label("Why").input_value() == "on holiday"
        until = datetime.now(UTC) + timedelta(days=7)
        await page.get_by_label("Until (UTC)").fill(until.strftime("%Y-%m-%dT%H:%M"))
        await page.get_by_role("button", name="Lend the vote").click()
        away = page.get_by_role("table", name="Delegations in force or to come")
        await expect(away.get_by_role("row").nth(1)).to_contain_text("vera")
        await expect(away.get_by_role("row").nth(1)).to_contain_text("In force")
        await expect(page.get_by_text("vera decides for ben.")).to_be_visible()
        await page.get_by_role("button", name="End: vera decides for ben").click()
        await expect(page.get_by_text("Nobody stands in for another")).to_be_visible()
    assert (await site.api.get("/v1/delegations", by="olga")).json()["items"] == []
