"""The first minute of somebody who has never seen it: `sluice up`, the link it prints, the inbox behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import async_playwright, expect

from local.bound import bound_command
from local.environment import ROOT, foreign_environment, module_command
from tests.browser import launch, visiting
from tests.browser_people import facts_seen, sign_in
from tests.e2e import processes
from tests.e2e.stack import Programs

LINK = re.compile(r"(http://127\.0\.0\.1:\d+)/login\?link=[\w-]+")
LIMIT = 150


async def test_the_printed_link_opens_the_inbox_of_a_stack_that_has_something_to_decide(
    programs: Programs, stack_directory: Callable[[str], Path], chromium_binary: Path
) -> None:
    settings = {
        "SLUICE_STATE_DIR": str(stack_directory("first-minute")),
        "SLUICE_HTTP__PORT": "0",
        "SLUICE_PROGRAMS__TEMPORAL": str(programs.temporal),
        "SLUICE_PROGRAMS__OPA": str(programs.opa),
    }
    process = await asyncio.create_subprocess_exec(
        *bound_command([*module_command("cli.main"), "up"]),
        env={**foreign_environment(), "PYTHONPATH": str(ROOT), **settings},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        link, url = await asyncio.wait_for(_link(process), LIMIT)
        async with async_playwright() as playwright:
            browser = await launch(playwright, chromium_binary)
            async with visiting(browser, url) as visit:
                await sign_in(visit.page, link)
                row = visit.page.get_by_role("link", name=re.compile("inference"))
                await row.first.click()
                await expect(visit.page.get_by_role("heading", name=re.compile("inference"))).to_be_visible()
                assert await facts_seen(visit.page) == list(range(1, 11))
                visit.expect_fault("status of 4")
                await visit.page.goto(link)
                await expect(visit.page.locator("main")).to_contain_text(re.compile("used", re.IGNORECASE))
            await browser.close()
    finally:
        await processes.end(process)


async def _link(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """Read what a person reads, until there is a link."""
    assert process.stderr is not None
    said = ""
    while line := await process.stderr.readline():
        said += line.decode()
        if found := LINK.search(said):
            return found[0], found[1]
    raise AssertionError(f"no link in:\n{said}")
