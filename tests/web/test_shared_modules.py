"""The modules that every page carries, in a real browser under the real policy: the bench cuts, feeds and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from api.web.static_files import asset
from tests.browser import CUT, visiting
from tests.web.bench import Bench, serving_bench


@pytest_asyncio.fixture(loop_scope="session")
async def bench(browser: Browser) -> AsyncIterator[Bench]:
    async with serving_bench() as served:
        yield served


async def opened(page: Page) -> None:
    await page.goto("/")
    await is_connected(page, "live")


async def is_connected(page: Page, state: str) -> None:
    await expect(page.locator("html")).to_have_attribute("data-connection", state)


async def test_an_update_changes_what_is_shown_and_leaves_what_is_typed(
    browser: Browser, bench: Bench
) -> None:
    async with visiting(browser, bench.url) as visit:
        await opened(visit.page)
        await visit.page.fill("#note", "half a sent")
        number = bench.tell()
        await expect(visit.page.locator("#row output")).to_have_text(str(number))
        await expect(visit.page.locator("#note")).to_have_value("half a sent")
        await expect(visit.page.locator("#note")).to_be_focused()


async def test_many_updates_at_once_are_fetched_once_or_twice(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        await opened(visit.page)
        for _ in range(60):
            number = bench.tell()
        await expect(visit.page.locator("#row output")).to_have_text(str(number))
        assert bench.rows_asked <= 2


async def test_an_update_that_failed_is_fetched_again(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault("status of 503")
        await opened(visit.page)
        bench.rows_fail = 1
        number = bench.tell()
        await expect(visit.page.locator("#row output")).to_have_text(str(number))
        assert bench.rows_asked == 2


async def test_an_update_of_something_else_fetches_nothing(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        await opened(visit.page)
        bench.tell("prp_2")
        number = bench.tell("prp_1")
        await expect(visit.page.locator("#row output")).to_have_text(str(number))
        assert bench.rows_asked == 1


async def test_two_tabs_share_one_stream_and_the_second_takes_over(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        await opened(visit.page)
        second = await visit.context.new_page()
        await opened(second)
        assert len(bench.streams) == 1
        number = bench.tell()
        await expect(second.locator("#row output")).to_have_text(str(number))
        await visit.page.close()
        number = bench.tell()
        await expect(second.locator("#row output")).to_have_text(str(number))
        assert bench.streams_asked == 2


async def test_a_cut_stream_comes_back_and_misses_nothing(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        await opened(visit.page)
        bench.cut()
        await is_connected(visit.page, "reconnecting")
        number = bench.tell()
        await is_connected(visit.page, "live")
        await expect(visit.page.locator("#row output")).to_have_text(str(number))
        assert (bench.streams_asked, bench.rows_asked) == (2, 1)


async def test_nobody_who_is_signed_out_keeps_asking(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault("status of 401")
        await opened(visit.page)
        bench.is_signed_in = False
        bench.cut()
        await is_connected(visit.page, "signed-out")
        asked = bench.streams_asked
        await asyncio.sleep(3)
        assert bench.streams_asked == asked <= 3
        await expect(visit.page.locator("#offline")).to_contain_text("You are signed out")
        bench.is_signed_in = True
        other = await visit.context.new_page()
        await opened(other)
        await is_connected(visit.page, "live")


async def test_a_session_that_ends_while_somebody_writes_takes_nothing_from_them(
    browser: Browser, bench: Bench
) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault("status of 401", *CUT)
        page = visit.page
        await opened(page)
        await page.fill("#note", "half a sent")
        bench.is_signed_in = False
        number = bench.tell()
        await is_connected(page, "signed-out")
        await expect(page.locator("#note")).to_have_value("half a sent")
        await expect(page.locator("#note")).to_be_focused()
        bench.is_signed_in = True
        await opened(await visit.context.new_page())
        await is_connected(page, "live")
        await expect(page.locator("#row output")).to_have_text(str(number))
        await expect(page.locator("#note")).to_have_value("half a sent")


async def test_a_form_that_is_sent_after_the_session_ended_keeps_its_words(
    browser: Browser, bench: Bench
) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault("status of 401", *CUT)
        await opened(visit.page)
        await visit.page.fill("input[data-expected]", "web")
        bench.is_signed_in = False
        await visit.page.get_by_role("button", name="Approve").click()
        await expect(visit.page.locator("#offline")).to_contain_text("You are signed out")
        await expect(visit.page.locator("input[data-expected]")).to_have_value("web")
        await expect(visit.page.get_by_role("button", name="Approve")).to_be_disabled()


async def test_a_deadline_comes_nearer_while_the_machine_sleeps_and_a_clock_that_is_put_back_stretches_none(
    browser: Browser, bench: Bench
) -> None:
    """What a machine's sleep does: `performance.now` stands still, the time of day goes on."""
    async with visiting(browser, bench.url) as visit:
        await opened(visit.page)
        slept, put_back = await visit.page.evaluate(
            """async (address) => {
              const { serverNow } = await import(address);
              const now = Date.now, began = serverNow();
              Date.now = () => now() + 3_600_000;
              const slept = serverNow() - began;
              Date.now = () => now() - 3_600_000;
              return [slept, serverNow() - began];
            }""",
            asset("clock.js"),
        )
    assert round(slept / 3_600_000) == 1
    assert round(put_back / 3_600_000) == 0


async def test_without_a_connection_decisions_are_off_and_nothing_is_queued(
    browser: Browser, bench: Bench
) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault(*CUT)
        page = visit.page
        await opened(page)
        approve = page.get_by_role("button", name="Approve")
        await expect(approve).to_be_disabled()
        await page.fill("input[data-expected]", "web")
        await expect(approve).to_be_enabled()
        await visit.context.set_offline(True)
        await expect(approve).to_be_disabled()
        await expect(page.locator("[data-why=offline]")).to_be_visible()
        await expect(page.locator("#offline")).to_contain_text("nothing is queued")
        await visit.context.set_offline(False)
        await expect(approve).to_be_enabled()
        await expect(page.locator("#offline")).to_be_hidden()


async def test_a_conflict_lands_in_the_page(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault("status of 409")
        await opened(visit.page)
        await visit.page.fill("input[data-expected]", "web")
        await visit.page.get_by_role("button", name="Approve").click()
        await expect(visit.page.locator("#answer")).to_have_text("Ana approved 12 s ago")
        await expect(visit.page.locator("input[data-expected]")).to_have_value("web")


async def test_a_script_in_a_fragment_never_runs(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault("createScript")
        await opened(visit.page)
        await visit.page.get_by_role("button", name="Script").click()
        await expect(visit.page.locator("#toasts")).not_to_be_empty()
        assert await visit.page.evaluate("window.ran") is None


async def test_an_element_without_the_nonce_of_the_page_sends_nothing(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault("no hx-nonce attribute", "nonce mismatch")
        await opened(visit.page)
        await visit.page.evaluate(
            """() => {
              for (const nonce of [null, "guessed"]) {
                const one = document.createElement("button");
                one.setAttribute("hx-get", "/row");
                if (nonce) one.setAttribute("hx-nonce", nonce);
                document.getElementById("answer").append(one);
                htmx.process(one);
                one.click();
              }
            }"""
        )
        number = bench.tell()
        await expect(visit.page.locator("#row output")).to_have_text(str(number))
        assert bench.rows_asked == 1


async def test_the_error_page_of_a_proxy_is_not_put_into_the_page(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        visit.expect_fault("status of 502")
        await opened(visit.page)
        await visit.page.get_by_role("button", name="Proxy").click()
        await expect(visit.page.locator("#toasts")).to_contain_text("could not do this (502)")
        await expect(visit.page.locator("#answer")).to_be_empty()


async def test_shortcuts_can_be_switched_off_and_stay_off(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        page = visit.page
        await opened(page)
        await page.keyboard.press("?")
        await expect(page.locator("#shortcuts")).to_be_visible()
        await page.uncheck("[data-shortcuts-switch]")
        await page.reload()
        await is_connected(page, "live")
        await page.keyboard.press("?")
        await page.keyboard.press("/")
        await expect(page.locator("#shortcuts")).to_be_hidden()
        await expect(page.locator("#search")).not_to_be_focused()


async def test_a_theme_is_kept_for_the_server_to_render(browser: Browser, bench: Bench) -> None:
    async with visiting(browser, bench.url) as visit:
        await opened(visit.page)
        await visit.page.check("input[data-theme-choice][value=dark]")
        await expect(visit.page.locator("html")).to_have_attribute("data-theme", "dark")
        kept = {str(one.get("name")): one.get("value") for one in await visit.context.cookies()}
        assert kept["sluice_theme"] == "dark"
