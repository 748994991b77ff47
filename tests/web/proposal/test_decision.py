"""Deciding on the page: easy when everything is there, impossible when something is not, and nothing typed is lost."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
from playwright.async_api import Page, Route, expect
from sqlalchemy import delete, update

from adapters.store.schema import evaluations
from adapters.store.schema import proposals as proposal_rows
from contracts.decision import DecisionKind
from contracts.proposal import ProposalState
from tests.browser import DESKTOP, PHONE, axe
from tests.web.proposal.stages import HATCHED, NAME, Stages
from tests.web.site import Site

FACTS = [str(number) for number in range(1, 11)]


async def _opened(page: Page, proposal_id: str) -> None:
    await page.goto(f"/proposals/{proposal_id}")
    await page.locator("html[data-connection=live]").wait_for()


async def _form(http: httpx.AsyncClient, site: Site, proposal_id: str, **changes: str) -> dict[str, str]:
    view = await site.api.view(proposal_id, by="ben")
    return {
        "idempotency_key": "web_1",
        "revision": str(view["revision"]),
        "digest": view["digest"],
        "evaluation_digest": view["evaluation_digest"],
        "decision": "approve",
        "reason": "looks right",
        "reason_name": "",
        "typed_name": NAME,
    } | changes


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", ["awaiting", "alert"])
async def test_the_ten_facts_are_seen_without_scrolling(site: Site, size: tuple[int, int], name: str) -> None:
    proposal_id = await Stages(site.api).in_state(name)
    async with site.visit("ben", size=size) as visit:
        await visit.page.goto(f"/proposals/{proposal_id}")
        bottom = float(size[1])
        bar = visit.page.locator("nav[aria-label='To the decision']")
        if await bar.is_visible():
            box = await bar.bounding_box()
            assert box is not None
            bottom = box["y"]
        for number in FACTS:
            box = await visit.page.locator(f'[data-fact="{number}"]').bounding_box()
            assert box is not None, number
            assert box["y"] >= 0, number
            assert box["x"] >= 0, number
            assert box["x"] + box["width"] <= size[0], number
            assert box["y"] + box["height"] <= bottom, (number, box, bottom)


async def test_nothing_is_approved_while_a_fact_is_missing(site: Site) -> None:
    async def bring_no_facts(route: Route) -> None:
        await route.fulfill(status=204)

    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        # What the stream tells late would put back what is taken away here.
        await page.route(f"**/proposals/{proposal_id}/facts*", bring_no_facts)
        await _opened(page, proposal_id)
        await page.get_by_role("textbox", name="Type").fill(NAME)
        approve = page.get_by_role("button", name="Approve", exact=True)
        await expect(approve).to_be_enabled()
        for number in FACTS:
            await page.evaluate(_MARK, [number, f"without-{number}"])
            await expect(approve).to_be_disabled()
            await expect(page.get_by_text("Approve opens when all ten facts are here.")).to_be_visible()
            await page.evaluate(_MARK, [f"without-{number}", number])
            await expect(approve).to_be_enabled()


_MARK = """([from, to]) => {
    document.querySelector(`[data-fact="${from}"]`).dataset.fact = to;
    document.dispatchEvent(new CustomEvent("sluice:swapped", { detail: { target: document.body } }));
}"""


async def test_approve_needs_the_typed_name_and_is_neither_focused_nor_pressed_by_enter(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        approve = page.get_by_role("button", name="Approve", exact=True)
        assert await approve.is_disabled()
        assert await page.evaluate("document.activeElement === document.body")
        typed = page.get_by_role("textbox", name="Type")
        await typed.fill(NAME[:-1])
        assert await approve.is_disabled()
        await typed.fill(NAME)
        assert await approve.is_enabled()
        await typed.press("Enter")
        assert site.api.gateway.decided == []
        await approve.click()
        await page.get_by_text("You have decided", exact=True).wait_for()
        assert [one.decision.kind for one in site.api.gateway.decided] == [DecisionKind.APPROVE]


async def test_a_target_outside_production_that_can_be_taken_back_asks_for_no_name(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting(production=False)
    async with site.visit("ben") as visit:
        await _opened(visit.page, proposal_id)
        assert await visit.page.locator("[name=typed_name]").count() == 0
        await visit.page.get_by_role("button", name="Approve", exact=True).click()
        await visit.page.get_by_text("You have decided", exact=True).wait_for()


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"typed_name": "acme-prod/europe-west4/serving/inferense"}, 422, "exactly"),
        ({"typed_name": ""}, 422, "exactly"),
        ({"digest": ""}, 422, "does not say what you saw"),
        ({"evaluation_digest": ""}, 422, "does not say what you saw"),
        ({"revision": ""}, 422, "does not say what you saw"),
        ({"digest": "sha256:" + "0" * 64}, 409, "out of date"),
        ({"evaluation_digest": "sha256:" + "0" * 64}, 409, "out of date"),
        ({"decision": "reject", "reason": "  "}, 422, "Say why"),
        ({"decision": "maybe"}, 422, "Choose approve"),
        ({"decision": "reject", "reason_name": "because"}, 422, "did not offer"),
        ({"idempotency_key": ""}, 422, "without its key"),
    ],
)
async def test_the_server_refuses_a_decision_on_what_was_not_shown(
    site: Site, changes: Mapping[str, str], status: int, told: str
) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.api.browser("ben", base_url=site.url) as http:
        form = await _form(http, site, proposal_id, **changes)
        answer = await http.post(
            f"/proposals/{proposal_id}/decisions", data=form, headers={"HX-Request": "true"}
        )
        assert answer.status_code == status
        assert told in answer.text
        if form["reason"].strip():
            assert "looks right</textarea>" in answer.text
        assert site.api.gateway.decided == []


async def test_pressing_twice_is_one_decision(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_role("textbox", name="Type").fill(NAME)
        await page.get_by_role("button", name="Approve", exact=True).dblclick()
        await page.get_by_text("You have decided", exact=True).wait_for()
    async with site.api.browser("cleo", base_url=site.url) as http:
        other = await Stages(site.api).waiting()
        form = await _form(http, site, other)
        for _ in range(2):
            answer = await http.post(f"/proposals/{other}/decisions", data=form)
            assert answer.status_code == 303
    assert len(site.api.gateway.decided) == 2


async def test_a_rejection_carries_its_named_reason_and_words(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        visit.expect_fault("status of 422")
        await page.get_by_role("button", name="Reject", exact=True).click()
        await page.get_by_text("Say why, so that the requester").first.wait_for()
        await axe(page, explained=HATCHED)
        await page.get_by_label("Reason or comment").fill("Wait for the night.")
        await page.get_by_label("Why not").select_option("wrong_time")
        await page.get_by_role("button", name="Reject", exact=True).click()
        await page.get_by_text("You have decided", exact=True).wait_for()
    decision = site.api.gateway.decided[0].decision
    assert (decision.kind, decision.reason_name, decision.reason) == (
        DecisionKind.REJECT,
        "wrong_time",
        "Wait for the night.",
    )


async def test_a_conflict_says_who_was_faster_and_keeps_what_was_typed(site: Site) -> None:
    stages = Stages(site.api)
    proposal_id = await stages.waiting()
    async with site.visit("ben") as visit:
        visit.expect_fault("status of 409")
        page = visit.page
        await _opened(page, proposal_id)
        # The update is on its way, and the press comes first.
        await page.route(f"**/proposals/{proposal_id}/decision?*", lambda route: route.fulfill(status=204))
        await page.get_by_label("Reason or comment").fill("I would wait for the night.")
        await stages.decided(proposal_id, "cleo", DecisionKind.APPROVE)
        await site.api.move(proposal_id, ProposalState.READY)
        await page.get_by_role("button", name="Reject", exact=True).click()
        panel = page.locator("#decision")
        await panel.get_by_text("cleo approved").wait_for()
        text = await panel.inner_text()
        assert "s ago" in text
        assert "Your words are kept" in text
        assert await panel.get_by_label("Comment").input_value() == "I would wait for the night."
        assert "Ready" in await page.locator("#facts").inner_text()
        await axe(page, explained=HATCHED)
    assert [one.decision.reviewer.subject for one in site.api.gateway.decided] == ["cleo"]


async def test_words_are_kept_when_somebody_else_decides_while_one_types(site: Site) -> None:
    stages = Stages(site.api)
    proposal_id = await stages.waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_label("Reason or comment").fill("Half a sen")
        await stages.decided(proposal_id, "cleo", DecisionKind.APPROVE)
        await site.api.move(proposal_id, ProposalState.READY)
        await page.get_by_text("It was decided while you were writing.").wait_for()
        assert await page.get_by_label("Comment", exact=True).input_value() == "Half a sen"
        panel = page.locator("#decision")
        before = await panel.get_attribute("hx-get") or ""
        await site.api.move(proposal_id, ProposalState.EXECUTING, ProposalState.VERIFYING)
        await expect(panel).not_to_have_attribute("hx-get", before)
        await expect(page.get_by_text("It was decided while you were writing.")).to_be_visible()


async def test_words_are_kept_when_another_part_of_the_page_comes_at_the_same_moment(site: Site) -> None:
    stages = Stages(site.api)
    proposal_id = await stages.waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.evaluate(_AT_ONCE)
        await page.get_by_label("Reason or comment").fill("Half a sen")
        await stages.decided(proposal_id, "cleo", DecisionKind.APPROVE)
        await site.api.move(proposal_id, ProposalState.READY)
        await page.get_by_text("It was decided while you were writing.").wait_for()


async def test_words_are_kept_behind_a_comment_that_was_begun(site: Site) -> None:
    stages = Stages(site.api)
    proposal_id = await stages.waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_label("Comment", exact=True).fill("A question.")
        await page.get_by_label("Reason or comment").fill("Half a sen")
        await stages.decided(proposal_id, "cleo", DecisionKind.APPROVE)
        await site.api.move(proposal_id, ProposalState.READY)
        await page.get_by_text("It was decided while you were writing.").wait_for()
        assert await page.get_by_label("Comment", exact=True).input_value() == "A question.\nHalf a sen"


_AT_ONCE = """() => document.addEventListener("htmx:before:swap", (event) => {
    if (event.detail.ctx.sourceElement.id === "decision") {
        const sourceElement = document.getElementById("comments");
        document.dispatchEvent(new CustomEvent("htmx:before:swap", { detail: { ctx: { sourceElement } } }));
    }
})"""
"""What htmx tells of another part, between the panel's own event and its new content."""


async def test_an_update_disturbs_nobody_who_types(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_text("Raw action as JSON").click()
        field = page.get_by_label("Reason or comment")
        await field.fill("Half a sentence")
        said = await site.api.post(
            f"/v1/proposals/{proposal_id}/comments", {"text": "I look at it too."}, by="cleo"
        )
        assert said.status_code == 201
        await page.locator("#comments").get_by_text("I look at it too.").wait_for()
        assert await field.input_value() == "Half a sentence"
        assert await field.evaluate("(one) => one === document.activeElement")
        assert await page.locator("#raw-action").get_attribute("open") is not None


async def test_a_new_evaluation_asks_to_look_again(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_label("Reason or comment").fill("Fine with me")
        await page.get_by_role("textbox", name="Type").fill(NAME)
        second = await Stages(site.api).judge_anew(proposal_id)
        await page.get_by_text("It changed: revision 1, look again").wait_for()
        approve = page.get_by_role("button", name="Approve", exact=True)
        await expect(approve).to_be_disabled()
        await expect(page.get_by_role("button", name="Reject", exact=True)).to_be_disabled()
        assert await page.get_by_label("Reason or comment").input_value() == "Fine with me"
        await axe(page, explained=HATCHED)
        await page.get_by_label("I have looked at the new facts").check()
        await approve.click()
        await page.get_by_text("You have decided", exact=True).wait_for()
    assert site.api.gateway.decided[0].decision.evaluation_digest == second.digest


async def test_new_facts_that_are_not_on_the_page_yet_cannot_be_approved(site: Site) -> None:
    async def fail(route: Route) -> None:
        await route.fulfill(status=503)

    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        visit.expect_fault("status of 503")
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_role("textbox", name="Type").fill(NAME)
        approve = page.get_by_role("button", name="Approve", exact=True)
        await expect(approve).to_be_enabled()
        await page.route(f"**/proposals/{proposal_id}/facts*", fail)
        await Stages(site.api).judge_anew(proposal_id)
        await page.get_by_label("I have looked at the new facts").check()
        await expect(page.get_by_role("button", name="Reject", exact=True)).to_be_enabled()
        await expect(approve).to_be_disabled()
        await expect(page.get_by_text("Approve opens when all ten facts are here.")).to_be_visible()
        await page.unroute(f"**/proposals/{proposal_id}/facts*", fail)
        await expect(approve).to_be_enabled()


@pytest.mark.parametrize("lost", ["evaluation", "observation"])
async def test_what_cannot_be_inspected_cannot_be_approved(site: Site, lost: str) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.api.browser("ben", base_url=site.url) as http:
        form = await _form(http, site, proposal_id)
        async with site.api.database.transaction() as connection:
            if lost == "evaluation":
                await connection.execute(delete(evaluations).where(evaluations.c.proposal_id == proposal_id))
            else:
                await connection.execute(
                    update(proposal_rows).where(proposal_rows.c.id == proposal_id).values(document=None)
                )
        answer = await http.post(f"/proposals/{proposal_id}/decisions", data=form)
        assert answer.status_code == 409
        assert "Facts are missing" in answer.text
    async with site.visit("ben") as visit:
        await visit.page.goto(f"/proposals/{proposal_id}")
        assert await visit.page.get_by_role("button", name="Approve", exact=True).count() == 0
        assert "Cannot be inspected" in await visit.page.locator("main").inner_text()
        assert "is not known" in await visit.page.locator("#facts").inner_text()
        await axe(visit.page, explained=HATCHED)


async def test_whoever_signs_in_after_another_does_not_decide_by_their_page(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ben") as visit:
        visit.expect_fault("status of 409")
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_label("Reason or comment").fill("Fine with me")
        await page.get_by_role("textbox", name="Type").fill(NAME)
        await visit.context.add_cookies([await site.cookie("cleo")])  # type: ignore[list-item]
        await page.get_by_role("button", name="Approve", exact=True).click()
        await page.locator("#notices").get_by_text("Somebody else signed in in this browser").wait_for()
        assert await page.get_by_label("Reason or comment").input_value() == "Fine with me"
    assert site.api.gateway.decided == []


async def test_a_requester_takes_a_proposal_back(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("ana") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_text("Cancel this proposal").click()
        await page.get_by_label("Why", exact=True).fill("Solved by a fix.")
        await page.get_by_role("button", name="Cancel the proposal").click()
        await page.get_by_text("Cancelled. Nothing ran", exact=True).first.wait_for()


async def test_an_operator_resolves_a_dirty_proposal_and_says_how(site: Site) -> None:
    proposal_id = await Stages(site.api).in_state("dirty")
    async with site.visit("olga") as visit:
        visit.expect_fault("status of 422")
        page = visit.page
        await _opened(page, proposal_id)
        resolve = page.get_by_role("button", name="Resolve and free the target")
        await page.get_by_label("What you saw and did").fill("Resized by hand.")
        await resolve.click()
        await page.get_by_text("Say how you found the target.").first.wait_for()
        assert await page.get_by_label("What you saw and did").input_value() == "Resized by hand."
        await page.get_by_label("As before").check()
        await resolve.click()
        await page.get_by_text("Rolled back", exact=True).first.wait_for()
        assert "Resized by hand." in await page.locator("#facts").inner_text()


async def test_an_undo_opens_the_new_proposal(site: Site) -> None:
    proposal_id = await Stages(site.api).in_state("succeeded")
    async with site.visit("ana") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_role("button", name="Propose to undo").click()
        await page.get_by_text("takes an earlier change back").first.wait_for()
        assert proposal_id not in page.url
        assert "Being evaluated" in await page.locator("main").inner_text()


async def test_a_comment_decides_nothing(site: Site) -> None:
    proposal_id = await Stages(site.api).waiting()
    async with site.visit("vera") as visit:
        page = visit.page
        await _opened(page, proposal_id)
        await page.get_by_label("Comment", exact=True).fill("approve")
        await page.get_by_role("button", name="Comment", exact=True).click()
        await page.locator("#comments li").get_by_text("approve").wait_for()
        await expect(page.get_by_label("Comment", exact=True)).to_have_value("")
    assert site.api.gateway.decided == []
