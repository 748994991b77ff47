"""Stopping and letting go on, in a real browser."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from adapters.store import halts
from contracts.holds import on_halt
from contracts.safety import HaltScope
from tests.browser import CUT, PHONE, axe, has_no_sideways_scroll
from tests.contracts.samples import BEN
from tests.web.operations.stage import INFERENCE, Stage

HOSTILE = "<script>alert(1)</script> [x](http://evil.example) \u202ednuorgkcab\u202c " + "w" * 1_800


async def choose(page: Page, reason: str = "stock-out", **scope: str) -> None:
    """Fill in the first step and go on."""
    await page.goto("/operations/halts/new")
    if scope:
        await page.get_by_label("Only some changes").check()
    else:
        await page.get_by_label("Everything").check()
    if "environment" in scope:
        await page.get_by_label("Environment").select_option(scope["environment"])
    if "target" in scope:
        await page.get_by_label("Target").fill(scope["target"])
    if "agent" in scope:
        await page.get_by_label("Agent", exact=True).fill(scope["agent"])
    await page.get_by_label("Why").fill(reason)
    await page.get_by_role("button", name="Show what it stops").click()


async def halt(stage: Stage, **scope: object) -> str:
    """Make a halt behind the page."""
    async with stage.site.api.database.transaction() as connection:
        made = await halts.create(
            connection,
            HaltScope.model_validate(scope or {"everything": True}),
            "drill",
            actor=BEN,
            tenant="default",
        )
    return made.id


async def test_a_halt_is_made_in_two_steps_drains_becomes_effective_and_is_ended(stage: Stage) -> None:
    waiting = await stage.propose("inference", 3)
    await stage.put(waiting, "awaiting_approval")
    calling = await stage.propose("web", 6)
    await stage.put(calling, "executing")
    await stage.call(calling, 600)
    async with stage.site.visit("olga") as visit:
        page = visit.page
        await choose(page, environment="production")
        stops = page.get_by_role("table", name="It stops")
        await expect(stops.get_by_text("Resize acme-prod/serving/inference to 3 per zone")).to_be_visible()
        finishes = page.get_by_role("table", name="Finishes all the same")
        await expect(finishes.get_by_role("row", name=re.compile("web to 6 per zone"))).to_contain_text(
            "Call in flight"
        )
        await expect(page.get_by_text("Covers 5 of 5 registered pools")).to_be_visible()
        assert await stage.site.api.count("halts") == 0
        await page.get_by_role("button", name="Halt now").click()
        await expect(page.get_by_text("Draining: no new effect starts")).to_be_visible()
        await expect(page.get_by_text("1 call may still reach the provider.")).to_be_visible()
        # Nobody touches anything: the deadline passes, and the page says so.
        await stage.passes(calling)
        await expect(page.get_by_text("Effective: no covered effect can start")).to_be_visible()
        await page.get_by_role("button", name="End this halt…").click()
        dialog = page.get_by_role("dialog", name="End this halt?")
        await expect(dialog.get_by_text("Nothing waits for it.")).to_be_visible()
        await dialog.get_by_role("button", name="End the halt").click()
        await expect(page.get_by_text("What it held went on.")).to_be_visible()
        await expect(page.get_by_role("button", name="End this halt…")).to_have_count(0)
        await page.goto("/operations/halts")
        ended = page.get_by_role("table", name="The halts that ended last")
        await expect(ended.get_by_text("by olga")).to_be_visible()


async def test_nothing_is_preselected_and_a_halt_takes_a_choice_and_a_reason(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await page.goto("/operations/halts/new")
        assert await page.locator("input[type=radio][name=covers]:checked").count() == 0
        await expect(page.get_by_label("Environment")).to_be_hidden()
        await page.get_by_label("Only some changes").check()
        await page.get_by_label("Why").fill("stock-out")
        await page.get_by_role("button", name="Show what it stops").click()
        await expect(
            page.get_by_text("Name at least one of environment, target, kind and agent.")
        ).to_be_visible()
        assert await page.get_by_label("Why").input_value() == "stock-out"
        await choose(page, "  ", environment="production")
        await expect(page.get_by_text("Say why. Everybody sees it")).to_be_visible()
        assert await page.get_by_label("Environment").input_value() == "production"
        await axe(page)


async def test_everything_has_to_be_typed_and_the_server_looks_again(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await choose(page)
        button = page.get_by_role("button", name="Halt now")
        await expect(button).to_be_disabled()
        await page.get_by_label("Type everything to confirm").fill("everythin")
        await expect(button).to_be_disabled()
        # In one go: the page holds the button again as soon as anything on it moves.
        await button.evaluate("(one) => { one.disabled = false; one.click(); }")
        await expect(page.get_by_text("Type everything, to show that you mean all of it.")).to_be_visible()
        assert await stage.site.api.count("halts") == 0
        await page.get_by_label("Type everything to confirm").fill("everything")
        await button.click()
        await expect(page.get_by_role("heading", name="Halt on everything")).to_be_visible()


async def test_back_keeps_what_was_chosen(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        page = visit.page
        await choose(page, "stock-out", target="gke.node_pool/acme-prod/*")
        await page.get_by_role("button", name="Back").click()
        assert await page.get_by_label("Target").input_value() == "gke.node_pool/acme-prod/*"
        assert await page.get_by_label("Why").input_value() == "stock-out"


async def test_a_target_that_nothing_has_is_pointed_out(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        await choose(visit.page, target="gke.node_pool/acme-prdo/*")
        await expect(visit.page.get_by_text("No registered pool is covered")).to_be_visible()


async def test_an_agent_is_halted_by_name_and_a_name_that_nobody_has_is_pointed_out(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        page = visit.page
        await choose(page, agent="capacity-agnt")
        await expect(page.get_by_text("No agent of this name is known")).to_be_visible()
        await page.get_by_role("button", name="Back").click()
        assert await page.get_by_label("Agent", exact=True).input_value() == "capacity-agnt"
        await stage.put(await stage.site.api.propose(by="bot"), "awaiting_approval")
        await choose(page, agent="bot")
        await expect(page.get_by_text("whatever bot had a hand in")).to_be_visible()
        stops = page.get_by_role("table", name="It stops")
        await expect(stops.get_by_role("row")).to_have_count(2)
        await page.get_by_role("button", name="Halt now").click()
        await expect(page.get_by_role("heading", name="Halt on agent bot")).to_be_visible()
        await expect(page.locator("#halts .banner")).to_contain_text("agent bot")


async def test_the_lists_of_the_second_step_stay_true_and_leave_what_is_typed(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        page = visit.page
        await choose(page)
        typed = page.get_by_label("Type everything to confirm")
        await typed.fill("every")
        await expect(page.locator("[data-connection=live]")).to_be_attached()
        await stage.propose("inference", 7)
        await expect(page.get_by_text("inference to 7 per zone")).to_be_visible()
        assert await typed.input_value() == "every"
        await expect(typed).to_be_focused()


async def test_who_is_no_operator_is_told_who_can(stage: Stage) -> None:
    halt_id = await halt(stage)
    async with stage.site.visit("vera") as visit:
        visit.expect_fault("status of 403")
        page = visit.page
        await page.goto("/operations/halts/new")
        await expect(page.get_by_text("A halt takes the role operator. You hold viewer.")).to_be_visible()
        await axe(page)
        await page.goto(f"/operations/halts/{halt_id}")
        await expect(page.get_by_text("Ending a halt takes the role operator.")).to_be_visible()
        await expect(page.get_by_role("button", name="End this halt…")).to_have_count(0)
        answer = await page.request.post(
            f"{stage.site.url}/operations/halts/{halt_id}/end", headers={"Origin": stage.site.url}
        )
        assert answer.status == 403


async def test_somebody_who_was_faster_is_named(stage: Stage) -> None:
    halt_id = await halt(stage)
    async with stage.site.visit("olga") as visit:
        visit.expect_fault("status of 409")
        page = visit.page
        await page.goto(f"/operations/halts/{halt_id}")
        await page.get_by_role("button", name="End this halt…").click()
        async with stage.site.api.database.transaction() as connection:
            await halts.end(connection, halt_id, actor=BEN)
        await page.get_by_role("button", name="End the halt").click()
        await expect(page.get_by_role("alert")).to_contain_text("ben ended this halt")


async def test_the_end_says_what_goes_on(stage: Stage) -> None:
    halt_id = await halt(stage)
    held = await stage.propose("inference", 5)
    await stage.put(held, "ready", on_halt(halt_id))
    async with stage.site.visit("olga") as visit:
        page = visit.page
        await page.goto(f"/operations/halts/{halt_id}")
        await expect(page.get_by_text("goes on when it ends")).to_be_visible()
        await page.get_by_role("button", name="End this halt…").click()
        dialog = page.get_by_role("dialog", name="End this halt?")
        await expect(dialog).to_contain_text("1 proposal goes on")
        await expect(dialog).to_contain_text("Resize acme-prod/serving/inference to 5 per zone")
        await axe(page)
        await dialog.get_by_role("button", name="End the halt").click()
        await expect(page.get_by_text("The halt ended. 1 proposal goes on.")).to_be_visible()


async def test_without_a_connection_nothing_can_be_decided(stage: Stage) -> None:
    halt_id = await halt(stage)
    async with stage.site.visit("olga") as visit:
        visit.expect_fault(*CUT)
        page = visit.page
        await page.goto(f"/operations/halts/{halt_id}")
        await expect(page.locator("[data-connection=live]")).to_be_attached()
        await visit.context.set_offline(True)
        await expect(page.get_by_role("button", name="End this halt…")).to_be_disabled()
        await expect(page.get_by_text("decisions are off").first).to_be_visible()


async def test_a_hostile_reason_and_target_are_inert_and_fit(stage: Stage) -> None:
    async with stage.site.api.database.transaction() as connection:
        scope = HaltScope(target="gke.node_pool/" + "x" * 400)
        made = await halts.create(connection, scope, HOSTILE, actor=BEN, tenant="default")
    for path in ("/operations", "/operations/halts", f"/operations/halts/{made.id}"):
        async with stage.site.visit("olga", size=PHONE) as visit:
            await visit.page.goto(path)
            await expect(visit.page.locator("main").get_by_text("⟨U+202E⟩").first).to_be_attached()
            assert await visit.page.locator("main a[href^='http']").count() == 0
            assert await has_no_sideways_scroll(visit.page)


async def test_a_pool_can_be_named_by_the_address(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        await visit.page.goto(f"/operations/halts/new?target={INFERENCE}")
        assert await visit.page.get_by_label("Only some changes").is_checked()
        assert await visit.page.get_by_label("Target").input_value() == INFERENCE


async def test_a_halt_that_is_not_there_says_so(stage: Stage) -> None:
    async with stage.site.visit("olga") as visit:
        visit.expect_fault("status of 404")
        await visit.page.goto("/operations/halts/hlt_none")
        await expect(visit.page.get_by_role("alert")).to_contain_text("There is no such halt.")
