"""Budgets and the fleet in a real browser."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from adapters.store import requests
from contracts.request import AgentStep, RequestStatus
from tests.adapters.store.samples import stored_request
from tests.api.serving import CONFIGURATION
from tests.browser import PHONE, axe, has_no_sideways_scroll
from tests.web.operations.stage import Stage
from tests.web.site import Site, serving_site

SHORT = ("Element content is too short",)
"""A count of one digit: axe does not judge its contrast. It has the colour of other faint text, which is judged."""

SCROLLS = "partially obscured by another element"
"""Tabs on a phone and long tables of numbers scroll, and one of them is cut at the edge. Axe judges those in sight."""


async def test_a_budget_shows_every_figure_a_chart_and_its_numbers(stage: Stage) -> None:
    async with stage.site.visit("vera") as visit:
        page = visit.page
        await page.goto("/operations/budgets")
        card = page.get_by_role("region", name="production")
        for figure in ("40,000.00 USD", "12,015.27 USD", "812.50 USD", "27,172.23 USD"):
            await expect(card.get_by_text(figure, exact=True).first).to_be_visible()
        await expect(card.locator(".chart-canvas canvas")).to_be_visible()
        await card.get_by_text("Numbers").click()
        numbers = card.get_by_role("table")
        await expect(numbers.get_by_role("row").last).to_contain_text("12,827.77 USD")
        await axe(page, explained=(SCROLLS,))


async def test_a_budget_that_changes_is_drawn_anew_and_its_numbers_stay_open(stage: Stage) -> None:
    async with stage.site.visit("vera") as visit:
        page = visit.page
        await page.goto("/operations/budgets")
        card = page.get_by_role("region", name="production")
        await expect(card.locator(".chart-canvas canvas")).to_be_visible()
        await card.get_by_text("Numbers").click()
        await expect(page.locator("[data-connection=live]")).to_be_attached()
        await stage.spend("1000", 0, reserved=True)
        await expect(card.get_by_role("table").get_by_role("row").last).to_contain_text("13,827.77 USD")
        await expect(card.get_by_role("table")).to_be_visible()
        await expect(card.locator(".chart-canvas canvas")).to_be_visible()


async def test_a_budget_over_its_limit_says_so(stage: Stage) -> None:
    await stage.spend("30000", 2)
    async with stage.site.visit("vera") as visit:
        await visit.page.goto("/operations/budgets")
        await expect(visit.page.get_by_text("Over its limit: growth is denied")).to_be_visible()
        await visit.page.goto("/operations")
        await expect(visit.page.get_by_role("link", name="Tightest budget")).to_contain_text("107%")


async def test_what_models_cost_stands_beside_with_no_cap(stage: Stage) -> None:
    database = stage.site.api.database
    request = await stored_request(database)
    async with database.transaction() as connection:
        steps = (AgentStep(kind="model", name="stub-1", cost_usd="1.25"),)
        await requests.close(connection, request.id, RequestStatus.ANSWERED, "done", None, steps)
    async with stage.site.visit("vera") as visit:
        await visit.page.goto("/operations/budgets")
        card = visit.page.get_by_role("region", name="Language models, this month")
        await expect(card).to_contain_text("1.25 USD")
        await expect(card).to_contain_text("no cap")


async def test_without_budgets_the_page_says_what_to_do(migrated_database_url: str, browser: Browser) -> None:
    bare = CONFIGURATION.model_copy(update={"budgets": ()})
    async with (
        serving_site(migrated_database_url, browser, configuration=bare) as site,
        site.visit("vera") as visit,
    ):
        await visit.page.goto("/operations/budgets")
        await expect(visit.page.get_by_text("No budget is configured")).to_be_visible()
        await visit.page.goto("/operations")
        await expect(visit.page.get_by_text("nothing caps what changes cost")).to_be_visible()
        await axe(visit.page)


async def test_the_fleet_shows_size_bounds_status_and_what_is_about_to_change(stage: Stage) -> None:
    proposal_id = await stage.propose("inference", 4)
    async with stage.site.visit("vera") as visit:
        page = visit.page
        await page.goto("/operations/fleet")
        inference = page.get_by_role("row", name="inference production")
        await expect(inference).to_contain_text("1× nvidia-l4")
        await expect(inference).to_contain_text("6 of 6")
        await expect(inference).to_contain_text("2 of 12")
        change = inference.get_by_role("link", name="Resize to 4 per zone")
        await expect(change).to_have_attribute("href", f"/proposals/{proposal_id}")
        await expect(page.get_by_role("row", name="batch production")).to_contain_text("12 of 15")
        await expect(page.get_by_role("row", name="night-jobs")).to_contain_text("provider unavailable")
        await expect(page.get_by_role("row", name="retired")).to_contain_text("the provider does not have it")
        await axe(page)


async def test_filters_of_the_fleet_stand_in_the_address(stage: Stage) -> None:
    async with stage.site.visit("vera") as visit:
        page = visit.page
        await page.goto("/operations/fleet")
        await page.get_by_role("link", name="Near a bound").click()
        await expect(page).to_have_url(f"{stage.site.url}/operations/fleet?only=bounds")
        rows = page.get_by_role("table", name="Node pools").get_by_role("row")
        await expect(rows).to_have_count(3)
        await page.get_by_label("Pool, team or machine").fill("batch")
        await page.get_by_role("button", name="Filter").click()
        await expect(rows).to_have_count(2)
        assert "q=batch" in page.url
        assert "only=bounds" in page.url
        await page.goto("/operations/fleet?q=nothing-like-it")
        await expect(page.get_by_text("No pool fits these filters")).to_be_visible()


async def test_a_new_proposal_appears_in_the_fleet_by_itself(stage: Stage) -> None:
    async with stage.site.visit("vera") as visit:
        await visit.page.goto("/operations/fleet?q=inference")
        await expect(visit.page.locator("[data-connection=live]")).to_be_attached()
        await stage.propose("inference", 9)
        await expect(visit.page.get_by_role("link", name="Resize to 9 per zone")).to_be_visible()
        assert visit.page.url.endswith("/operations/fleet?q=inference")


async def test_before_the_first_look_the_pages_say_what_to_do(site: Site) -> None:
    async with site.visit("vera") as visit:
        await visit.page.goto("/operations/fleet")
        await expect(visit.page.get_by_text("The fleet was not looked at yet")).to_be_visible()
        await axe(visit.page)
        await visit.page.goto("/operations")
        await expect(visit.page.get_by_text("nothing is halted")).to_be_visible()
        await axe(visit.page)


async def test_every_page_is_accessible_on_a_phone_and_fits(stage: Stage) -> None:
    await stage.fail("kind:gke.node_pool.resize", "target:gke.node_pool/acme-prod/europe-west4/serving/web")
    await stage.site.api.post("/v1/halts", {"scope": {"everything": True}, "reason": "drill"}, by="olga")
    paths = [
        "",
        "/halts",
        "/breakers",
        "/budgets",
        "/fleet",
        "/halts/new",
        "/breakers/kind:gke.node_pool.resize",
    ]
    async with stage.site.visit("olga", theme="dark", size=PHONE) as visit:
        for path in paths:
            await visit.page.goto(f"/operations{path}")
            await axe(visit.page, explained=(*SHORT, SCROLLS))
            assert await has_no_sideways_scroll(visit.page), path
