"""Circuit breakers in a real browser."""

from __future__ import annotations

from playwright.async_api import expect
from sqlalchemy import func, select, update

from adapters.store import breakers
from adapters.store.schema import breakers as breakers_table
from adapters.store.schema import outbox
from contracts.holds import on_breaker
from tests.browser import axe
from tests.contracts.samples import BEN
from tests.web.operations.stage import KIND, TARGET, Stage


async def test_a_breaker_is_reset_with_a_reason_and_what_it_held_goes_on(stage: Stage) -> None:
    await stage.fail(KIND, TARGET)
    held = await stage.propose("inference", 3)
    await stage.put(held, "ready", on_breaker(TARGET))
    async with stage.site.visit("olga") as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await page.goto("/operations/breakers")
        row = page.get_by_role("row", name="acme-prod/europe-west4/serving/inference")
        await expect(row).to_contain_text("Open")
        await expect(row).to_contain_text("GCE_STOCKOUT")
        await row.get_by_role("link").first.click()
        await expect(page.get_by_text("Resize acme-prod/serving/inference to 3 per zone")).to_be_visible()
        await axe(page)
        await page.get_by_role("button", name="Reset").click()
        await expect(page.get_by_text("Say why it may close. It stays in the audit log.")).to_be_visible()
        await page.get_by_label("Why may it close?").fill("stock is back")
        await page.get_by_role("button", name="Reset").click()
        await expect(page.get_by_text("there is nothing to reset")).to_be_visible()
        moves = page.get_by_role("table", name="The last moves of this breaker, newest first")
        await expect(moves.get_by_role("row").nth(1)).to_contain_text("stock is back")
        await expect(moves.get_by_role("row").nth(1)).to_contain_text("olga")
    async with stage.site.api.database.reading() as connection:
        woken = select(func.count()).where(outbox.c.subject == held, outbox.c.kind == "wake")
        assert (await connection.execute(woken)).scalar_one() == 1


async def test_a_breaker_that_moved_meanwhile_is_shown_anew_and_not_touched(stage: Stage) -> None:
    await stage.fail(TARGET)
    async with stage.site.visit("olga") as visit:
        visit.expect_fault("status of 409")
        page = visit.page
        await page.goto(f"/operations/breakers/{TARGET}")
        await page.get_by_label("Why may it close?").fill("stock is back")
        async with stage.site.api.database.transaction() as connection:
            await breakers.reset(connection, TARGET, actor=BEN, reason="mine", tenant="default")
        await page.get_by_role("button", name="Reset").click()
        await expect(page.get_by_role("alert")).to_contain_text("It became closed by ben")
    assert (await stage.site.api.audit(TARGET)).count("breaker.moved") == 4


async def test_words_that_are_typed_survive_a_live_update(stage: Stage) -> None:
    await stage.fail(TARGET)
    async with stage.site.visit("olga") as visit:
        page = visit.page
        await page.goto(f"/operations/breakers/{TARGET}")
        await expect(page.locator("[data-connection=live]")).to_be_attached()
        reason = page.get_by_label("Why may it close?")
        await reason.fill("stock is b")
        await stage.fail(TARGET, times=1)
        await expect(page.get_by_text("4 of 3")).to_be_visible()
        assert await reason.input_value() == "stock is b"
        await expect(reason).to_be_focused()


async def test_a_half_open_breaker_names_its_probe(stage: Stage) -> None:
    await stage.fail(TARGET)
    probe = await stage.propose("inference", 3)
    async with stage.site.api.database.transaction() as connection:
        await connection.execute(
            update(breakers_table)
            .where(breakers_table.c.id == TARGET)
            .values(state="half_open", probe_owner=probe)
        )
    async with stage.site.visit("vera") as visit:
        await visit.page.goto(f"/operations/breakers/{TARGET}")
        link = visit.page.get_by_role("link", name="resize acme-prod/serving/inference to 3 per zone")
        await expect(link).to_have_attribute("href", f"/proposals/{probe}")
        await expect(visit.page.get_by_text("A reset takes the role operator.")).to_be_visible()


async def test_without_any_failure_the_page_says_why_it_is_empty(stage: Stage) -> None:
    async with stage.site.visit("vera") as visit:
        await visit.page.goto("/operations/breakers")
        await expect(visit.page.get_by_text("No breaker ever counted a failure")).to_be_visible()
        await expect(visit.page.get_by_text("sluice --as viewer breakers")).to_be_visible()
        await axe(visit.page)


async def test_a_breaker_is_opened_by_hand_with_a_reason_and_says_so(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await page.goto("/operations/breakers")
        await page.get_by_role("link", name="Open one by hand…").click()
        assert await page.locator("main input:checked").count() == 0
        await page.get_by_label("An agent").check()
        await page.get_by_label("Agent", exact=True).fill("capacity-agent")
        await page.get_by_label("Why").fill("it loops")
        await page.get_by_role("button", name="Open the breaker").click()
        await expect(page.get_by_text("guards nothing here: no such agent")).to_be_visible()
        assert await page.get_by_label("Why").input_value() == "it loops"
        await page.get_by_label("Agent", exact=True).fill("sluice/capacity-agent")
        await page.get_by_label("Stays open").select_option("4 hours")
        await page.get_by_role("button", name="Open the breaker").click()
        await expect(page.get_by_role("heading", name="Agent capacity-agent")).to_be_visible()
        await expect(page.get_by_text("a person opened it")).to_be_visible()
        await expect(page.get_by_text("it loops")).to_be_visible()
        await page.get_by_label("Why may it close?").fill("cured")
        await page.get_by_role("button", name="Reset").click()
        await page.get_by_role("link", name="Open it by hand…").click()
        await expect(page.get_by_label("Agent", exact=True)).to_have_value("sluice/capacity-agent")


async def test_an_open_breaker_tells_its_rule_its_openings_and_that_a_read_comes_first(stage: Stage) -> None:
    await stage.fail(TARGET)
    async with stage.site.visit("vera") as visit:
        page = visit.page
        await page.goto(f"/operations/breakers/{TARGET}")
        await expect(page.get_by_text("3 failures in a row")).to_be_visible()
        await expect(page.get_by_text("without a success between")).to_be_visible()
        await expect(page.get_by_text("a read must succeed")).to_be_visible()
        await page.goto("/operations/breakers/new")
        await expect(page.get_by_text("Opening a breaker takes the role operator.")).to_be_visible()
