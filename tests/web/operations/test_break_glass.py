"""Break-glass on the pages, in a real browser: two people open, everybody sees it, a third closes the review."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from api.safety.exception_schemas import OpenGrantBody
from api.web.forms import FieldRefused
from api.web.operations.grants import GATES, grant_of
from contracts.configuration import BypassableGate
from contracts.safety import HaltScope
from tests.browser import axe
from tests.web.operations.granting import let_through, opened
from tests.web.operations.stage import Stage

FORM = {
    "covers": "some",
    "environment": "production",
    "gate.change_window": "on",
    "gate.rate": "on",
    "minutes": "30",
}


def test_every_gate_that_can_be_bypassed_has_words() -> None:
    assert set(GATES) == set(BypassableGate)


def test_a_guardrail_of_ones_own_is_named_as_it_is_and_can_be_chosen() -> None:
    assert GATES["acme-rules/freeze"][0] == "acme-rules/freeze"
    form = {"covers": "some", "environment": "production", "gate.acme-rules/freeze": "on", "minutes": "30"}
    assert grant_of(form, "down").gates == ("acme-rules/freeze",)


def test_a_form_says_what_to_bypass() -> None:
    assert grant_of(FORM, "down") == OpenGrantBody(
        scope=HaltScope(environment="production"),
        gates=(BypassableGate.CHANGE_WINDOW, BypassableGate.RATE),
        reason="down",
        minutes=30,
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"covers": ""}, "covers"),
        ({"environment": " "}, "environment"),
        ({"gate.halt": "on"}, "gates"),
        ({"gate.Acme/freeze": "on"}, "gates"),
        ({"minutes": ""}, "minutes"),
        ({"minutes": "0"}, "minutes"),
        ({"minutes": "-5"}, "minutes"),
        ({"minutes": "1e2"}, "minutes"),
        ({"minutes": "9999"}, "minutes"),
    ],
)
def test_a_form_that_says_too_little_or_too_much_opens_nothing(changes: dict[str, str], field: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        grant_of(FORM | changes, "down")
    assert refused.value.field == field


def test_a_form_without_a_gate_opens_nothing() -> None:
    with pytest.raises(FieldRefused, match="at least one gate"):
        grant_of({name: value for name, value in FORM.items() if not name.startswith("gate.")}, "down")


async def test_two_people_break_the_glass_and_a_third_closes_the_review(stage: Stage) -> None:
    site = stage.site
    async with site.visit("olga") as visit:
        page = visit.page
        await page.goto("/operations/break-glass")
        await page.get_by_role("link", name="Break the glass…").click()
        assert await page.locator("main input:checked").count() == 0
        await expect(page.get_by_label("Quorum")).to_have_count(0)
        await page.get_by_label("Only some changes").check()
        await page.get_by_label("Environment").select_option("production")
        await page.get_by_label("Change windows").check()
        await page.get_by_label("Minutes").fill("30")
        await page.get_by_label("Why").fill("the site is down")
        await page.get_by_role("button", name="Ask for it").click()
        await expect(page.get_by_text("It bypasses nothing yet")).to_be_visible()
        await expect(page.get_by_role("button", name="Confirm")).to_be_disabled()
        await expect(page.get_by_text("You asked for it, so you cannot confirm it.")).to_be_visible()
        grant = page.url
        async with site.visit("ben") as other:
            await other.page.goto(grant)
            await other.page.get_by_role("button", name="Confirm").click()
            await expect(other.page.get_by_text("Active: gates are bypassed")).to_be_visible()
        # Nobody touches the first page: it follows.
        await expect(page.get_by_text("Active: gates are bypassed")).to_be_visible()
        banner = page.locator("#grants .banner")
        await expect(banner).to_contain_text("Break-glass on environment production")
        await page.get_by_role("button", name="End it now").click()
        await expect(page.get_by_text("You took part, so you cannot close the review.")).to_be_visible()
        await expect(banner).to_contain_text("A break-glass review is open")
    async with site.visit("cleo") as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await page.goto("/operations")
        await page.locator("#grants").get_by_role("link", name="Show").click()
        await page.get_by_role("button", name="Close the review").click()
        await expect(page.get_by_text("Say what the review came to.")).to_be_visible()
        await page.get_by_label("What the review came to").fill("Right call; the freeze was too wide.")
        await page.get_by_role("button", name="Close the review").click()
        await expect(page.get_by_text("Over, and reviewed")).to_be_visible()
        await expect(page.locator("#grants .banner")).to_have_count(0)


async def test_a_grant_lists_what_it_let_through_and_the_words_of_its_review_survive(stage: Stage) -> None:
    grant_id = await opened(stage.site, ("confirm", "ben"), ("end", "ben"))
    proposal_id = await stage.propose("inference", 3)
    await let_through(stage.site, grant_id, proposal_id)
    async with stage.site.visit("cleo") as visit:
        page = visit.page
        await page.goto(f"/operations/break-glass/{grant_id}")
        row = page.get_by_role("row", name="Resize acme-prod/serving/inference to 3 per zone")
        await expect(row).to_contain_text("Change windows")
        await page.get_by_label("What the review came to").fill("half a sen")
        await page.evaluate(
            "document.getElementById('grant').dispatchEvent(new CustomEvent('sluice:changed'))"
        )
        await page.wait_for_load_state("networkidle")
        assert await page.get_by_label("What the review came to").input_value() == "half a sen"
        await axe(page)
