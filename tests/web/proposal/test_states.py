"""Every state of a proposal says what it is, on a phone too. tests/web/screens judges the same states on a desktop."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser import PHONE, axe, has_no_sideways_scroll
from tests.web.proposal.stages import HATCHED, STATES, Stages
from tests.web.site import Site

WORDS = {
    "evaluating": ("Being evaluated", "Decide by"),
    "awaiting": ("Your decision", "You may decide", "Expiry = reject", "0 of 1 approved"),
    "alert": ("untrusted text", "cannot be taken back", "Alert says, unverified"),
    "voted": ("You have decided", "1 of 2 approved", "one more person"),
    "held": ("Held by another change on this cluster", "prp_01 is at work on this cluster"),
    "executing": ("The provider took the call", "operation-171", "not written yet"),
    "verifying": ("What really runs is being looked at",),
    "rolling_back": ("Rolling back", "GCE_STOCKOUT", "The way back"),
    "succeeded": ("Done and verified", "as expected"),
    "no_op": ("Nothing to do", "Nothing was called"),
    "rolled_back": ("The state before is restored", "not as expected"),
    "denied": ("Denied. Nothing ran", "What would have to change", "Ask for less"),
    "rejected": ("Rejected by ben. Nothing ran", "not needed", "The queue drains by itself"),
    "expired": ("Expired. Nothing ran", "Nobody decided in time", "sluice propose --pool"),
    "cancelled": ("Cancelled. Nothing ran", "Solved by a fix."),
    "stale": ("Out of date. Nothing ran", "Propose it again"),
    "failed": ("Failed. No effect took place", "provider_quota_exceeded"),
    "dirty": ("A person must look", "Resolve and free the target", "Runbook"),
}


def test_every_state_of_the_page_has_its_words() -> None:
    assert set(WORDS) == set(STATES)


@pytest.mark.parametrize("name", STATES)
async def test_a_state_says_what_it_is(site: Site, name: str) -> None:
    proposal_id = await Stages(site.api).in_state(name)
    person = "olga" if name == "dirty" else "ben"
    async with site.visit(person, theme="dark", size=PHONE) as visit:
        answer = await visit.page.goto(f"/proposals/{proposal_id}")
        assert answer is not None
        assert answer.status == 200
        for words in WORDS[name]:
            await expect(visit.page.locator("main")).to_contain_text(words, use_inner_text=True)
        assert await has_no_sideways_scroll(visit.page)
        await axe(visit.page, explained=HATCHED)


async def test_a_person_who_may_not_decide_is_told_who_can(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ana") as visit:
        await visit.page.goto(f"/proposals/{proposal_id}")
        text = await visit.page.locator("#decision").inner_text()
        assert "You asked for this, so somebody else decides." in text
        assert "Who can decide" in text
        assert "approver" in text
        assert await visit.page.get_by_role("button", name="Approve").count() == 0
        await axe(visit.page, explained=HATCHED)


async def test_a_proposal_that_is_not_there_says_so(site: Site) -> None:
    async with site.visit("ben") as visit:
        visit.expect_fault("status of 404")
        await visit.page.goto("/proposals/prp_nowhere")
        assert "There is no such proposal." in await visit.page.locator("main").inner_text()
        await axe(visit.page, explained=HATCHED)


async def test_without_a_connection_decisions_are_off_and_the_page_says_how_old_it_is(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        visit.expect_fault("net::ERR_", "Failed to fetch")
        page = visit.page
        await page.goto(f"/proposals/{proposal_id}")
        await page.locator("html[data-connection=live]").wait_for()
        await visit.context.set_offline(True)
        await page.locator("#offline:not([hidden])").wait_for()
        for name in ("Approve", "Reject", "Ask for a change"):
            await expect(page.get_by_role("button", name=name, exact=True)).to_be_disabled()
        assert "Decisions are off, and nothing is queued" in await page.locator("#offline").inner_text()
        assert "No connection" in await page.locator("#decide").inner_text()


async def test_a_runbook_is_one_click_away_from_a_dirty_proposal(site: Site) -> None:
    proposal_id = await Stages(site.api).in_state("dirty")
    async with site.visit("olga") as visit:
        await visit.page.goto(f"/proposals/{proposal_id}")
        await visit.page.get_by_role("link", name="dirty proposal").click()
        await visit.page.get_by_role("heading", name="Dirty proposal").wait_for()
        assert "The cluster stays locked" in await visit.page.locator("main").inner_text()
        await axe(visit.page, explained=HATCHED)


async def test_a_lookalike_of_another_target_is_pointed_out(site: Site) -> None:
    stages = Stages(site.api)
    await stages.seen_later(await stages.waiting(node_pool="pool-l"), (2, 2, 2))
    proposal_id = await stages.waiting(node_pool="pool-1")
    async with site.visit("ben") as visit:
        await visit.page.goto(f"/proposals/{proposal_id}")
        told = await visit.page.locator("[data-lookalikes]").inner_text()
        assert "acme-prod/europe-west4/serving/pool-l" in told
        await axe(visit.page, explained=HATCHED)


async def test_a_change_that_was_made_is_not_called_a_drift(site: Site) -> None:
    stages = Stages(site.api)
    proposal_id = await stages.in_state("succeeded")
    await stages.seen_later(proposal_id, (4, 4, 4))
    async with site.visit("ben") as visit:
        await visit.page.goto(f"/proposals/{proposal_id}")
        assert "Changed since" not in await visit.page.locator('[data-fact="10"]').inner_text()


async def test_a_target_that_changed_since_it_was_observed_is_pointed_out(site: Site) -> None:
    stages = Stages(site.api)
    proposal_id = await stages.waiting()
    await stages.seen_later(proposal_id, (2, 3, 2))
    async with site.visit("ben") as visit:
        await visit.page.goto(f"/proposals/{proposal_id}")
        told = await visit.page.locator('[data-fact="10"]').inner_text()
        assert "Changed since" in told
        assert "europe-west4-b was 2, is 3" in told
