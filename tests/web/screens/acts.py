"""What happens in a page before it is looked at, where that takes more than one press."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from adapters.store.database import Database
from api.audit.verification import Verifications
from contracts.decision import DecisionKind
from contracts.proposal import ProposalState
from tests.inbox_samples import waiting
from tests.web.proposal.stages import Stages
from tests.web.screens.screen import Look, live

COMMENT = "I would wait for the night: the queue drains by itself."


async def come_late(look: Look) -> None:
    """Decide on what somebody else has just decided."""
    page, stages, proposal_id = look.page, Stages(look.on.site.api), look.on.made["conflict"]
    await live(look)
    # The update is on its way, and the press comes first.
    await page.route(f"**/proposals/{proposal_id}/decision?*", lambda route: route.fulfill(status=204))
    await page.get_by_label("Reason or comment").fill(COMMENT)
    await stages.decided(proposal_id, "cleo", DecisionKind.APPROVE)
    await look.on.site.api.move(proposal_id, ProposalState.READY)
    await page.get_by_role("button", name="Reject", exact=True).click()
    await page.locator("#decision").get_by_text("cleo approved").wait_for()


async def judge_anew(look: Look) -> None:
    """Let the guardrails look again while somebody writes."""
    api, proposal_id = look.on.site.api, look.on.made["changed"]
    await live(look)
    await look.page.get_by_label("Reason or comment").fill("Fine with me")
    await Stages(api).judge_anew(proposal_id)
    await look.page.get_by_text("look again").first.wait_for()


async def news(look: Look) -> None:
    """Let another proposal come while somebody reads the list."""
    await live(look)
    await waiting(look.on.site.api.database)
    await expect(look.page.locator("#news")).to_contain_text("1 new")


async def together(look: Look) -> None:
    """Open the page of identical changes."""
    await look.page.get_by_role("link", name="Look at them together").click()
    await look.page.get_by_role("heading", level=1).filter(has_text="identical").wait_for()


async def all_halted(look: Look) -> None:
    """Choose to stop everything, and go on to the second step."""
    await look.page.get_by_label("Everything").check()
    await look.page.get_by_label("Why").fill("The provider reports wrong sizes")
    await look.page.get_by_role("button", name="Show what it stops").click()
    await look.page.get_by_role("button", name="Halt now").wait_for()


async def some_chosen(look: Look) -> None:
    """Choose what to stop, in the first step."""
    await look.page.get_by_label("Only some changes").check()
    await look.page.get_by_label("Environment").select_option("production")
    await look.page.get_by_label("Why").fill("The provider reports wrong sizes")


async def agent_halted(look: Look) -> None:
    """Choose to stop what one agent proposes, and go on to the second step."""
    await look.page.get_by_label("Only some changes").check()
    await look.page.get_by_label("Agent", exact=True).fill("sluice/capacity-agent")
    await look.page.get_by_label("Why").fill("It proposes the same again and again")
    await look.page.get_by_role("button", name="Show what it stops").click()
    await look.page.get_by_role("button", name="Halt now").wait_for()


async def some_bypassed(look: Look) -> None:
    """Choose what break-glass covers, and which gates."""
    await look.page.get_by_label("Only some changes").check()
    await look.page.get_by_label("Environment").select_option("production")
    await look.page.get_by_label("Change windows").check()
    await look.page.get_by_label("Minutes").fill("30")
    await look.page.get_by_label("Why").fill("The site is down, incident 42")


async def agent_chosen(look: Look) -> None:
    """Choose an agent's breaker."""
    await look.page.get_by_label("An agent").check()
    await look.page.get_by_label("Agent", exact=True).fill("sluice/capacity-agent")


async def verified(look: Look) -> None:
    """Verify the chain on screen."""
    await look.page.get_by_role("button", name="Verify").click()
    await look.page.get_by_role("button", name="Verify again").wait_for()


async def verifying(look: Look) -> None:
    """Verify a log that is longer than anybody's patience."""
    parts, state = look.on.site.api.parts, look.on.site.api.app.state
    endless = Verifications(asyncio.Event().wait, parts.audit_key, {})  # type: ignore[arg-type]
    run = endless._begin(None)
    run.entries, run.size = 8_192, 20_411
    state.audit_verifications = endless
    await look.page.get_by_role("button", name="Verify").click()
    await look.page.get_by_role("progressbar").wait_for()


async def lose_database(look: Look) -> None:
    """Take the database away, then ask for a page."""
    database = look.on.site.api.database
    await database.engine.dispose()
    database.engine = Database("postgresql://nobody@127.0.0.1:9/none").engine
    await look.page.goto("/")


async def payload(look: Look) -> None:
    """Open the payload of the newest event."""
    await look.page.locator("main tbody details summary").first.click()
    await look.page.locator("pre.code-block").first.wait_for()


async def feed_live(look: Look) -> None:
    """Wait until the feed is live."""
    await expect(look.page.locator("[data-feed-words]")).to_have_text("Live")


async def feed_paused(look: Look) -> None:
    """Pause the feed while something happens."""
    await feed_live(look)
    await look.page.get_by_role("button", name="Pause").click()
    await look.on.site.api.propose()
    await expect(look.page.locator("[data-feed-words]")).to_contain_text("1 new")


async def write_offline(look: Look) -> None:
    """Lose the connection while writing."""
    await look.page.get_by_label("Your request").fill("How is inference doing?")
    await live(look)
    await look.visit.context.set_offline(True)
    await look.page.locator("[data-why=offline]").first.wait_for()


async def filtered_reference(look: Look) -> None:
    """Filter the operations and open what one answers."""
    await look.page.get_by_label("Filter").fill("decisions")
    await look.page.locator("#post-v1-proposals-proposal-id-decisions details summary").first.click()


async def ask_to_end(look: Look) -> None:
    """Ask to end a halt, which says what goes on."""
    await look.page.get_by_role("button", name="End this halt…").click()
    await look.page.get_by_role("dialog").wait_for()


async def budget_numbers(look: Look) -> None:
    """Wait for the chart and open its numbers."""
    await look.page.locator(".chart-canvas canvas").first.wait_for()
    await look.page.get_by_text("Numbers").first.click()


async def navigation_open(look: Look) -> None:
    """Open the navigation of a phone."""
    await look.page.get_by_role("button", name="Navigation").click()
    await look.page.locator("#navigation:popover-open").wait_for()


async def shortcuts_open(look: Look) -> None:
    """Open the overview of the keys."""
    await look.page.keyboard.press("?")
    await look.page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()
