"""The night of whoever is on call, in a browser: see, stop, let go on, reset, resolve, prove."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime

from playwright.async_api import Page, expect

from emulators.gke.faults import FaultKind
from tests.browser_people import Office
from tests.e2e.practice_ground import PRODUCTION, Place
from tests.gke_fixtures import FAST

RESIZE = "SetNodePoolSize"


async def choose_scope(page: Page, environment: str, reason: str) -> None:
    """The first step of a halt."""
    await page.get_by_label("Only some changes").check()
    await page.get_by_label("Environment").select_option(environment)
    await page.get_by_label("Why", exact=True).fill(reason)
    await page.get_by_role("button", name="Show what it stops").click()


async def test_a_halt_shows_what_it_stops_drains_becomes_effective_and_lets_go_on(office: Office) -> None:
    stack, first, second = office.stack, office.stack.place(PRODUCTION), office.stack.place(PRODUCTION)
    await stack.admin.add_fault(RESIZE, FaultKind.SLOW, cluster=first.name, delay=1.5)
    await stack.admin.settings(operation=6.0)
    waits = await office.waiting(second)
    async with office.desk("operator", "/operations/halts/new") as visit:
        page = visit.page
        await choose_scope(page, "production", "latency alarms in europe-west4")
        await expect(page.locator("#reach")).to_contain_text(second.name)
        runs = await office.waiting(first)
        await stack.approve(runs)
        await stack.until(runs, "executing")
        await page.get_by_role("button", name="Halt now").click()
        await page.wait_for_url("**/operations/halts/hlt_*")
        live = page.locator("#halt-live")
        await expect(live).to_contain_text("Draining")
        await expect(live).to_contain_text("Effective")
        await expect(page.locator("#halts")).to_contain_text("latency alarms")
        await stack.admin.settings(operation=FAST["operation"])
        await stack.approve(waits)
        await stack.until(runs, "succeeded")
        assert (await stack.show(waits))["reason_code"] == "halted"
        assert stack.calls(second).of(RESIZE) == []
        effective_at = (await stack.people["viewer"].get("/v1/halts")).json()["items"][0]["effective_at"]

        await page.get_by_role("button", name="End this halt").click()
        await page.get_by_role("dialog").get_by_role("button", name="End the halt").click()
        await expect(live).to_contain_text("Ended")
    await stack.until(waits, "succeeded")
    since = datetime.fromisoformat(effective_at)
    before, after = (stack.calls(place).accepted(RESIZE)[0] for place in (first, second))
    assert before.ts < since < after.ts


async def test_whoever_is_no_operator_is_told_who_can_halt(office: Office) -> None:
    async with office.desk("approver", "/operations/halts/new") as visit:
        await expect(visit.page.locator("main")).to_contain_text("operator")
        await expect(visit.page.get_by_role("button", name="Show what it stops")).to_have_count(0)


async def spoil(office: Office, place: Place) -> str:
    """A change that is rolled back, since one zone has no machines left."""
    await office.stack.admin.change_pool(place.pool(), stock={place.zones[1]: 1})
    proposal_id = await office.stack.propose(place.resize(3))
    await office.stack.until(proposal_id, "rolled_back")
    return proposal_id


async def test_an_open_breaker_is_reset_with_a_reason_and_lets_go_what_it_held(office: Office) -> None:
    stack, place = office.stack, office.stack.place()
    for _ in range(3):
        await spoil(office, place)
    await stack.admin.change_pool(place.pool(), stock={place.zones[1]: 100})
    held = await stack.propose(place.resize(2))
    await stack.until(held, "ready")
    async with office.desk("operator", "/operations/breakers") as visit:
        page = visit.page
        for kind in ("target", "kind"):
            await page.goto("/operations/breakers")
            link = page.locator(f'main a[href^="/operations/breakers/{kind}%3A"]').first
            await link.click()
            await expect(page.locator("#breaker-live")).to_contain_text(re.compile("open", re.IGNORECASE))
            await page.get_by_label("Why may it close?").fill("the zone has machines again")
            await page.get_by_role("button", name="Reset", exact=True).click()
            await expect(page.locator("#breaker")).to_contain_text("nothing to reset")
            await expect(page.locator("#breaker-live")).to_contain_text("the zone has machines again")
    await stack.until(held, "succeeded")
    assert stack.sizes_set(place)[-1] == 2


async def test_a_dirty_target_is_resolved_by_an_operator_who_says_what_was_found(office: Office) -> None:
    stack, place = office.stack, office.stack.place()
    await stack.admin.change_pool(place.pool(), stock={place.zones[1]: 1})
    await stack.admin.add_fault(RESIZE, FaultKind.PERMISSION, cluster=place.name, skip=1)
    dirty = await stack.propose(place.resize(3))
    async with office.desk("operator", f"/proposals/{dirty}") as visit:
        page = visit.page
        proposal = page.locator("#proposal")
        await expect(proposal).to_contain_text(re.compile("dirty", re.IGNORECASE))
        await stack.admin.change_pool(place.pool(), node_count=1)
        await page.get_by_label("As before").check()
        await page.get_by_label("What you saw and did").fill("set back to one node by hand")
        await page.get_by_role("button", name="Resolve and free the target").click()
        await expect(proposal).to_contain_text(re.compile("rolled back", re.IGNORECASE))
        await expect(proposal).to_contain_text("set back to one node by hand")
    assert (await stack.show(dirty))["state"] == "rolled_back"


async def test_the_audit_chain_is_verified_on_screen(office: Office) -> None:
    async with office.desk("viewer", "/audit") as visit:
        page = visit.page
        await page.get_by_role("button", name="Verify the chain").click()
        result = page.locator("#verification")
        await expect(result).to_contain_text("The log is what was signed")
        await expect(result).to_contain_text("What it does not")


async def test_the_feed_tells_what_happens_while_one_looks(office: Office) -> None:
    place = office.stack.place()
    async with office.desk("viewer", "/activity") as visit:
        proposal_id = await office.stack.propose(place.resize(2))
        await office.stack.until(proposal_id, "succeeded")
        line = visit.page.locator(f'main a[href*="{proposal_id}"]').first
        await expect(line).to_be_visible()


async def test_the_stream_goes_on_in_the_browser_when_the_api_was_killed(office: Office) -> None:
    place = office.stack.place(PRODUCTION)
    async with office.desk("approver") as visit:
        visit.expect_fault("ERR_", "Failed to load")
        page = visit.page
        await office.stack.restart("api")
        await expect(page.locator("html")).to_have_attribute("data-connection", "live")
        await asyncio.sleep(1)
        proposal_id = await office.waiting(place)
        await expect(page.locator("#waiting")).to_contain_text("waiting for you")
        assert (await office.stack.show(proposal_id))["state"] == "awaiting_approval"
