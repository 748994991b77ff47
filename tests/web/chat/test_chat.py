from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from adapters.store import proposals
from contracts.principal import SYSTEM
from contracts.proposal import ProposalState
from emulators.gke.faults import FaultKind
from tests import openai_server
from tests.browser import CUT, PHONE, axe, has_no_sideways_scroll
from tests.web.chat.conftest import Talk

POOL = {"project": "acme-prod", "location": "europe-west4", "cluster": "serving", "node_pool": "inference"}
RESIZE: dict[str, Any] = {"kind": "gke.node_pool.resize", **POOL, "node_count": 4}
READ = openai_server.tools(("read_node_pool", POOL))
SENTENCE = "It has two nodes in each of three zones, and every one of them runs."
SLOWLY = openai_server.typing(
    openai_server.calling(("finish", {"outcome": "answered", "text": SENTENCE, "actions": []})), pause=0.15
)


async def ask(page: Page, text: str) -> None:
    await page.get_by_label("Your request").fill(text)
    await page.get_by_role("button", name="Send").click()


async def outcome(page: Page, name: str, turn: int = -1) -> None:
    """Wait until a turn has come to an outcome of this name."""
    last = page.locator(".turn").nth(turn)
    await expect(last.locator(".planner-about .badge")).to_have_text(name)


async def accessible(page: Page) -> None:
    """Look at every state without what hovers over the page: axe cannot judge colours below it."""
    await page.evaluate(
        "document.querySelectorAll('.topbar, .shell-top, .composer-dock')"
        ".forEach((one) => { one.style.position = 'static' })"
    )
    await axe(page, explained=("due to a pseudo element",))  # the hatched edge of unverified text


async def test_a_request_is_watched_as_it_is_planned_and_ends_in_its_answer(talk: Talk) -> None:
    talk.model.script(READ, SLOWLY)
    await talk.fleet.admin.add_fault("GetNodePool", FaultKind.SLOW, delay=2.0)
    async with talk.site.visit("ana") as visit:
        page = visit.page
        await page.goto("/chat")
        await ask(page, "how is inference doing?")
        await page.wait_for_url(re.compile(r"/chat/cnv_"))
        chip = page.locator(".chip", has_text="Read node pool")
        await expect(chip).to_contain_text("acme-prod/europe-west4/serving/inference")
        await expect(chip).to_contain_text("running")
        await expect(page.get_by_role("button", name="Send")).to_be_disabled()
        draft = page.locator("[data-draft-text]")
        await expect(draft).to_contain_text("It has")
        assert SENTENCE.startswith(await draft.inner_text())
        await expect(chip).to_contain_text("done")
        await outcome(page, "Answered")
        said = page.locator(".unverified")
        await expect(said).to_contain_text(SENTENCE)
        await expect(said).to_contain_text("Agent says, unverified")
        await expect(page.get_by_role("button", name="Send")).to_be_enabled()
        assert await page.locator(".said-text").inner_text() == "how is inference doing?"


async def test_a_proposal_becomes_a_card_that_follows_its_state_and_opens_its_page(talk: Talk) -> None:
    talk.model.script(openai_server.propose(RESIZE))
    async with talk.site.visit("ana") as visit:
        page = visit.page
        await page.goto("/chat")
        await ask(page, "scale inference to 4")
        await outcome(page, "Proposed")
        card = page.locator(".chat-card")
        await expect(card).to_contain_text("Resize inference")
        await expect(card).to_contain_text("to 4 per zone")
        proposal_id = str(await card.get_attribute("href")).removeprefix("/proposals/")
        await talk.site.api.observe(proposal_id)
        await expect(card).to_contain_text("Awaiting approval")
        await expect(card).to_contain_text("2,744.80 USD")
        await expect(card.locator("[data-countdown]")).to_be_visible()
        async with talk.site.api.database.transaction() as connection:
            row = await proposals.lock(connection, proposal_id)
            await proposals.move(
                connection, row, ProposalState.REJECTED, actor=SYSTEM, reason_code="rejected"
            )
        await expect(card).to_contain_text("A reviewer rejected it. Nothing ran.")
        await card.click()
        await page.wait_for_url(f"**/proposals/{proposal_id}")


async def test_the_next_turn_goes_on_from_the_one_before(talk: Talk) -> None:
    async with talk.site.visit("ana") as visit:
        page = visit.page
        talk.model.script(openai_server.propose(RESIZE))
        await page.goto("/chat")
        await ask(page, "scale inference to 4")
        await outcome(page, "Proposed")
        address = page.url
        talk.model.script(openai_server.propose(RESIZE | {"node_count": 5}))
        field = page.get_by_label("Your request")
        await field.fill("and make it")
        await field.press("Shift+Enter")
        await field.press_sequentially("5")
        await field.press("Enter")
        await expect(field).to_have_value("")
        await expect(page.locator(".turn")).to_have_count(2)
        await outcome(page, "Proposed")
        assert page.url == address
        [earlier] = openai_server.earlier_shown_to(talk.model.calls[-1])
        assert earlier["person"] == "scale inference to 4"
        assert openai_server.request_shown_to(talk.model.calls[-1])["text"] == "and make it\n5"
        await expect(page.locator(".chat-card").last).to_contain_text("to 5 per zone")
        listed = page.get_by_role("navigation", name="Your conversations").get_by_role("link")
        await expect(listed).to_have_count(1)
        await expect(listed).to_contain_text("2 turns")


async def test_approving_in_words_decides_nothing_and_says_where_decisions_are_made(talk: Talk) -> None:
    talk.model.script(openai_server.propose(RESIZE))
    async with talk.site.visit("ana") as visit:
        page = visit.page
        await page.goto("/chat")
        await ask(page, "scale inference to 4")
        await outcome(page, "Proposed")
        await expect(page.locator("#composer-note")).to_contain_text("Nothing written here decides")
        asked = len(talk.model.calls)
        await ask(page, "approve")
        await outcome(page, "Answered", 1)
        await expect(page.locator(".unverified").last).to_contain_text("Nothing that is written here decides")
        assert len(talk.model.calls) == asked
        assert await talk.site.api.count("decisions") == 0


@pytest.mark.parametrize(
    ("said", "name", "told"),
    [("asked", "Asks back", "Which one?"), ("refused", "Refused", "Reason: refused by planner")],
)
async def test_a_question_and_a_refusal_are_told_apart(talk: Talk, said: str, name: str, told: str) -> None:
    talk.model.script(openai_server.finish(said, "Which one?"))
    async with talk.site.visit("ana") as visit:
        await visit.page.goto("/chat")
        await ask(visit.page, "make it bigger")
        await outcome(visit.page, name)
        await expect(visit.page.locator(".turn")).to_contain_text(told)


async def test_hostile_words_of_a_model_stay_words_while_they_stream_and_after(talk: Talk) -> None:
    hostile = (
        "<img src=x onerror=alert(1)> \u202egnp.exe [x](javascript:alert(1)) <script>alert(2)</script> " * 3
    )
    called = openai_server.calling(("finish", {"outcome": "answered", "text": hostile, "actions": []}))
    bad = {"<b>project</b>": "\u202ex</li><script>1</script>"}
    talk.model.script(
        openai_server.tools(("read_node_pool", bad)), openai_server.typing(called, pause=0.08, size=16)
    )
    async with talk.site.visit("ana") as visit:
        page = visit.page
        await page.goto("/chat")
        await ask(page, "<script>alert(3)</script> \u202ehello")
        draft = page.locator("[data-draft-text]")
        await expect(draft).to_contain_text("<img src=x onerror=alert(1)> ⟨U+202E⟩gnp")
        await expect(page.locator(".chip").nth(1)).to_contain_text("⟨U+202E⟩x</li>")
        await outcome(page, "Answered")
        for part in (".unverified", ".said-text", ".chips"):
            assert await page.locator(part).locator("img, script, a, b").count() == 0
            assert "\u202e" not in await page.locator(part).inner_text()
        await accessible(page)


async def test_a_draft_outlives_a_send_that_fails_and_a_reload(talk: Talk) -> None:
    async with talk.site.visit("ana") as visit:
        page = visit.page
        visit.expect_fault("Failed to load resource", "Failed to fetch")
        await page.goto("/chat")
        await page.route("**/chat", lambda route: route.abort() if route.request.method == "POST" else None)
        await ask(page, "scale inference to 4")
        await expect(page.locator(".toast")).to_contain_text("No answer from the server")
        await expect(page.get_by_label("Your request")).to_have_value("scale inference to 4")
        await page.unroute("**/chat")
        await page.reload()
        await expect(page.get_by_label("Your request")).to_have_value("scale inference to 4")
        talk.model.script(openai_server.propose(RESIZE))
        await page.get_by_role("button", name="Send").click()
        await outcome(page, "Proposed")
        await page.goto("/chat")
        await expect(page.get_by_label("Your request")).to_have_value("")
        assert await talk.site.api.count("requests") == 1


async def test_a_message_that_is_refused_says_why_beside_the_form_and_keeps_its_text(talk: Talk) -> None:
    go_on = asyncio.Event()

    async def slow(request: Any, body: dict[str, Any]) -> Any:
        await go_on.wait()
        return await openai_server.finish("answered", "Done.")(request, body)

    talk.model.script(slow)
    async with talk.site.visit("ana") as visit:
        page = visit.page
        visit.expect_fault("status of 409")
        await page.goto("/chat")
        await ask(page, "one")
        await page.locator("[data-watch]").wait_for()
        await expect(page.locator("[data-why=turn]")).to_be_visible()
        # Another tab did not see that the turn is open.
        await page.evaluate("document.querySelector('[data-watch]').removeAttribute('data-watch')")
        await page.evaluate("document.dispatchEvent(new CustomEvent('sluice:swapped', {detail: {}}))")
        await ask(page, "two")
        await expect(page.get_by_role("alert")).to_contain_text("has no outcome yet")
        await expect(page.get_by_label("Your request")).to_have_value("two")
        go_on.set()
        await outcome(page, "Answered")
        await page.get_by_role("button", name="Send").click()
        await outcome(page, "Answered", 1)
        await expect(page.locator("#not-sent")).to_be_empty()


async def test_enter_sends_only_while_its_switch_is_on(talk: Talk) -> None:
    talk.model.script(openai_server.finish("answered", "Done."))
    async with talk.site.visit("ana") as visit:
        page = visit.page
        await page.goto("/chat")
        await page.get_by_label("Enter sends").uncheck()
        field = page.get_by_label("Your request")
        await field.fill("one")
        await field.press("Enter")
        await expect(field).to_have_value("one\n")
        await page.reload()
        await expect(page.get_by_label("Enter sends")).not_to_be_checked()
        await field.press("Control+Enter")
        await outcome(page, "Answered")


async def test_without_a_connection_nothing_is_sent_and_the_text_stays(talk: Talk) -> None:
    async with talk.site.visit("ana") as visit:
        page = visit.page
        visit.expect_fault(*CUT)
        await page.goto("/chat")
        await expect(page.locator("html[data-connection=live]")).to_be_attached()
        await visit.context.set_offline(True)
        await page.get_by_label("Your request").fill("list pools")
        await expect(page.get_by_role("button", name="Send")).to_be_disabled()
        await expect(page.locator("[data-why=offline]")).to_be_visible()
        await page.get_by_label("Your request").press("Enter")
        await visit.context.set_offline(False)
        await expect(page.get_by_role("button", name="Send")).to_be_enabled()
        await expect(page.get_by_label("Your request")).to_have_value("list pools")
        assert await talk.site.api.count("requests") == 0


async def test_who_may_not_ask_is_told_and_sees_no_form(talk: Talk) -> None:
    async with talk.site.visit("ben") as visit:
        await visit.page.goto("/chat")
        await expect(visit.page.locator(".notice")).to_contain_text("needs the role requester")
        assert await visit.page.get_by_label("Your request").count() == 0
        await accessible(visit.page)


async def test_nobody_opens_the_conversation_of_somebody_else(talk: Talk) -> None:
    talk.model.script(openai_server.finish("answered", "Done."))
    async with talk.site.visit("ana") as visit:
        await visit.page.goto("/chat")
        await ask(visit.page, "one")
        await outcome(visit.page, "Answered")
        address = visit.page.url
    async with talk.site.visit("olga") as visit:
        visit.expect_fault("status of 404")
        await visit.page.goto(address)
        await expect(visit.page.get_by_role("alert")).to_contain_text("There is no such conversation")


async def test_the_form_of_another_site_asks_nothing(talk: Talk) -> None:
    cookie = await talk.site.cookie("ana")
    answer = await talk.site.api.http.post(
        f"{talk.site.url}/chat",
        content="text=hi&idempotency_key=k",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": f"{cookie['name']}={cookie['value']}",
            "Origin": "http://evil.example",
            "Sec-Fetch-Site": "cross-site",
        },
    )
    assert answer.status_code == 403
    assert await talk.site.api.count("requests") == 0


async def test_an_example_is_put_into_the_form_and_not_sent(talk: Talk) -> None:
    async with talk.site.visit("ana") as visit:
        page = visit.page
        await page.goto("/chat")
        await page.get_by_role("button", name="how big is inference in acme-prod?").click()
        await expect(page.get_by_label("Your request")).to_have_value("how big is inference in acme-prod?")
        await expect(page.get_by_label("Your request")).to_be_focused()
        assert await talk.site.api.count("requests") == 0


async def test_every_state_of_the_page_is_accessible_on_a_phone_and_fits(talk: Talk) -> None:
    talk.model.script(READ, openai_server.propose(RESIZE), openai_server.finish("refused", "No."), SLOWLY)
    async with talk.site.visit("ana", theme="dark", size=PHONE) as visit:
        page = visit.page
        await page.goto("/chat")
        await accessible(page)
        await ask(page, "scale inference to 4")
        await outcome(page, "Proposed")
        await accessible(page)
        await ask(page, "and now delete it")
        await outcome(page, "Refused", 1)
        await ask(page, "how is it doing?")
        await expect(page.locator("[data-draft-text]")).to_contain_text("It has")
        assert await has_no_sideways_scroll(page)
        await accessible(page)
        await outcome(page, "Answered", 2)
        assert await has_no_sideways_scroll(page)
