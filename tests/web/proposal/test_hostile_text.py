"""A proposal whose every text field is hostile is readable, inert, and as wide as any other."""

from __future__ import annotations

import pytest

from contracts.decision import MAX_REASON, DecisionKind
from tests.browser import DESKTOP, PHONE, axe, has_no_sideways_scroll
from tests.web.proposal.stages import HATCHED, Stages, Words
from tests.web.site import Site

ATTACK = (
    "<script>window.hit=1</script><img src=x onerror='window.hit=1'> ![x](https://evil.example/x.png) "
    "[click](javascript:alert(1)) https://evil.example/login \u202eexe.fdp\u202c \u200b\u2066\u2069 "
    "аcme-prоd/europe-west4 {{ 7*7 }} </textarea></template><a href='https://evil.example'>approve</a> "
    "]]> --> ' \" ` \u0000".replace("\u0000", "")
    + "e\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301 "
)
LONG = ATTACK + "W" * (4_000 - len(ATTACK))


def _words() -> Words:
    return Words(
        rationale=LONG,
        evidence=(ATTACK, "W" * 2_000),
        request=(ATTACK + "x" * 8_000)[:8_000],
        labels={"alertname": ATTACK, "W" * 200: "x" * 3_000},
        annotations={"summary": ATTACK, "runbook_url": "javascript:alert(1)"},
        arguments={"query": ATTACK, "<b>name</b>": ["x" * 2_000, {"deep": ATTACK}]},
    )


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
async def test_hostile_words_stay_words(site: Site, size: tuple[int, int]) -> None:
    stages = Stages(site.api)
    proposal_id = await stages.waiting(by_alert=True, by="olga", words=_words())
    for text in (ATTACK, LONG[:MAX_REASON]):
        said = await site.api.post(f"/v1/proposals/{proposal_id}/comments", {"text": text}, by="cleo")
        assert said.status_code == 201
    await stages.decided(proposal_id, "ana", DecisionKind.REJECT, reason=LONG[:MAX_REASON])
    async with site.visit("ben", size=size) as visit:
        page = visit.page
        await page.goto(f"/proposals/{proposal_id}")
        await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert await page.evaluate("window.hit") is None
        assert await page.locator("main img, main script, main iframe, main object").count() == 0
        links = await page.eval_on_selector_all(
            "main a", "(all) => all.map((one) => one.getAttribute('href'))"
        )
        assert [link for link in links if not link.startswith(("/", "#"))] == []
        text = await page.locator("main").inner_text()
        assert "⟨U+202E⟩" in text
        assert "⟨U+200B⟩" in text
        assert "<script>window.hit=1</script>" in text
        assert "\u202e" not in text
        assert await has_no_sideways_scroll(page)
        assert "evil" not in await page.locator("#facts").inner_text()
        # Long words scroll in their own box, which axe takes for something that lies over them.
        await axe(page, explained=(*HATCHED, "partially obscured"))
