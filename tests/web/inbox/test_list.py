from __future__ import annotations

from datetime import timedelta

from playwright.async_api import Page, expect

from contracts.base import utc_now
from contracts.evaluation import RiskTier
from contracts.proposal import ProposalState as S
from tests.browser import PHONE, axe, has_no_sideways_scroll
from tests.contracts.samples import resize
from tests.inbox_samples import dev_pool, move, vote, waiting
from tests.web.inbox.scenes import CLEO, a_morning
from tests.web.site import Site


async def ids(page: Page) -> list[str]:
    found = await page.locator("[data-row]").evaluate_all("rows => rows.map(row => row.id.slice(4))")
    return [str(one) for one in found]


async def test_every_tab_is_accessible_on_a_phone_and_fits(site: Site) -> None:
    await a_morning(site.api.database)
    async with site.visit("ben", theme="dark", size=PHONE) as visit:
        for address in ("/", "/?tab=all&risk=medium", "/?tab=decided", "/?tab=all&q=nothing"):
            await visit.page.goto(address)
            await visit.page.locator("#list").wait_for()
            await axe(visit.page)
            assert await has_no_sideways_scroll(visit.page), address


async def test_what_waits_for_me_is_home_and_what_expires_first_stands_first(site: Site) -> None:
    found = await a_morning(site.api.database)
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        shown = await ids(visit.page)
        assert shown[:3] == [found["urgent"].id, found["half"].id, found["shrink"].id]
        assert found["asked_by"].id not in shown
        for tab, count in (("Mine", "6"), ("All", "7"), ("Decided", "5")):
            await expect(visit.page.locator(f"#tab-{tab.lower()}")).to_have_text(f"{tab} {count}")
        line = await visit.page.locator(f"#row-{found['urgent'].id}").inner_text()
        for told in (
            "High risk",
            "production",
            "6 → 18 nodes",
            "+11,842.20 USD",
            "1 holds",
            "2 need approval",
        ):
            assert told in line
        assert "0 of 2" in line
        assert "alertmanager" in line
        assert "untrusted text" in line


async def test_a_line_is_one_click_from_its_proposal(site: Site) -> None:
    found = await a_morning(site.api.database)
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        await visit.page.locator(f"#row-{found['shrink'].id}").click(position={"x": 500, "y": 20})
        await visit.page.wait_for_url(f"**/proposals/{found['shrink'].id}")


async def test_all_says_why_a_line_is_not_mine(site: Site) -> None:
    found = await a_morning(site.api.database)
    owned = await waiting(site.api.database, judgement={"excluded": ("ben",)})
    await vote(site.api.database, found["shrink"])
    async with site.visit("ben") as visit:
        await visit.page.goto("/?tab=all")
        assert "you answer for its agent" in await visit.page.locator(f"#row-{owned.id}").inner_text()
        assert "you asked for it" in await visit.page.locator(f"#row-{found['asked_by'].id}").inner_text()
        assert "you have voted" in await visit.page.locator(f"#row-{found['shrink'].id}").inner_text()


async def test_decided_says_who_and_when_and_the_outcome_in_words(site: Site) -> None:
    await a_morning(site.api.database)
    async with site.visit("vera") as visit:
        await visit.page.goto("/?tab=decided")
        text = await visit.page.locator("#list").inner_text()
        for told in (
            "Time ran out. Nothing ran.",
            "Nobody in time",
            "Rejected by cleo",
            "A reviewer rejected it. Nothing ran.",
            "Approved by cleo",
            "Done and verified.",
            "A guardrail denied it. Nothing ran.",
            "stays locked until a person has looked",
        ):
            assert told in text


async def test_search_and_filters_stand_in_the_address_and_come_back_from_it(site: Site) -> None:
    await a_morning(site.api.database)
    async with site.visit("ben") as visit:
        page = visit.page
        await page.goto("/?tab=all")
        await page.get_by_text("Search and filter this list").click()
        await page.get_by_label("Risk", exact=True).select_option("low")
        await expect(page.locator("[data-row]")).to_have_count(3)
        await page.get_by_label("Words").press_sequentially("ARM ana")
        await expect(page.locator("[data-row]")).to_have_count(1)
        assert "risk=low" in page.url
        assert "q=ARM+ana" in page.url
        shared = page.url
        await page.goto("/")
        await page.goto(shared)
        assert await page.locator("[data-row]").count() == 1
        assert await page.get_by_label("Words").input_value() == "ARM ana"
        await page.locator("#chips").get_by_role("link", name="Risk low").click()
        assert "risk" not in page.url
        assert "q=ARM+ana" in page.url


async def test_what_matches_nothing_offers_to_clear(site: Site) -> None:
    await a_morning(site.api.database)
    async with site.visit("ben") as visit:
        await visit.page.goto("/?q=zzz")
        await visit.page.get_by_text("No proposal matches").wait_for()
        await visit.page.get_by_role("link", name="Clear search and filters").click()
        await expect(visit.page.locator("[data-row]")).to_have_count(7)


async def test_an_empty_inbox_says_why_and_what_to_do(site: Site) -> None:
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        text = await visit.page.locator("#list").inner_text()
        assert "Nothing waits for you" in text
        assert "sluice --as requester ask" in text
        await axe(visit.page)


async def test_whoever_never_decides_is_told_so_and_sees_all(site: Site) -> None:
    await a_morning(site.api.database)
    async with site.visit("olga") as visit:
        await visit.page.goto("/?tab=mine")
        await visit.page.get_by_text("You hold no approving role").wait_for()
        await visit.page.goto("/")
        assert await visit.page.locator("#tab-all").get_attribute("aria-current") == "page"


async def test_pages_go_on_and_back_without_gap(site: Site) -> None:
    now = utc_now()
    made = [
        await waiting(site.api.database, decide_by=now + timedelta(minutes=30 + place)) for place in range(52)
    ]
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        first = await ids(visit.page)
        await visit.page.get_by_role("link", name="Next").click()
        await visit.page.wait_for_url("**cursor=**")
        second = await ids(visit.page)
        assert first + second == [one.id for one in made]
        await visit.page.get_by_role("link", name="First page").click()
        assert await ids(visit.page) == first


async def test_keys_walk_the_lines_and_enter_opens_one(site: Site) -> None:
    found = await a_morning(site.api.database)
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        for key in ("j", "j", "k", "j", "j"):
            await visit.page.keyboard.press(key)
        await visit.page.keyboard.press("Enter")
        await visit.page.wait_for_url(f"**/proposals/{found['shrink'].id}")


async def test_an_address_that_is_none_of_ours_is_refused_in_a_page(site: Site) -> None:
    async with site.visit("ben") as visit:
        visit.expect_fault("status of 422")
        for address in ("/?tab=theirs", "/?cursor=x", "/?risk=lowest"):
            await visit.page.goto(address)
            await visit.page.get_by_role("alert").wait_for()


async def test_hostile_names_stay_inert(site: Site) -> None:
    bad = CLEO.model_copy(update={"subject": "eve\u202e<img src=x onerror=alert(1)>"})
    made = await waiting(site.api.database, authors=(bad,), risk=RiskTier.HIGH)
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        line = visit.page.locator(f"#row-{made.id}")
        assert "⟨U+202E⟩<img src=x onerror=alert(1)>" in await line.inner_text()
        assert await line.locator("img").count() == 0


async def test_an_undeclared_environment_counts_as_production(site: Site) -> None:
    made = await waiting(site.api.database, environment="", team="")
    async with site.visit("ben") as visit:
        await visit.page.goto("/")
        assert "not registered" in await visit.page.locator(f"#row-{made.id}").inner_text()


async def test_a_dry_run_and_a_bounds_change_without_observation_do_not_break_the_list(site: Site) -> None:
    made = await waiting(site.api.database, action=dev_pool("x"), dry_run=True)
    await move(site.api.database, made, S.CANCELLED)
    proposal_id = await site.api.propose(action=resize(4).model_dump(mode="json"))
    await site.api.move(proposal_id, S.DENIED)
    async with site.visit("ben") as visit:
        await visit.page.goto("/?tab=decided")
        assert await visit.page.locator("[data-row]").count() == 2
