"""Hostile words in every field that somebody else fills, and in every address, on every page: none becomes more."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, urlencode

from adapters.store import sessions
from contracts.decision import DecisionKind
from contracts.principal import Principal, PrincipalKind, Role
from tests.browser import visiting
from tests.web.operations.stage import KIND, TARGET, dress
from tests.web.proposal.stages import Stages, Words
from tests.web.site import Site

WORDS = (
    "\"'>\u202e\u2066<img data-planted src=x onerror=window.hit=1><form data-planted action=//evil.example></form>"
    "<i data-planted hx-get=/shell/halts hx-trigger=load hx-nonce=x></i>{{7*7}}</textarea></title></option>"
    "</script></template>\n<base data-planted href=//evil.example> javascript:alert(1)"
)
KEYS = f"gke.node_pool/{WORDS}*"
"""What a halt takes as the beginning of some target's key."""
LOOK = """() => {
  const own = document.querySelector("script[nonce]").nonce;
  const all = [...document.querySelectorAll("a, form, [hx-get], [hx-post], [src]")];
  const names = ["href", "action", "hx-get", "hx-post", "src"];
  const led = all.flatMap((one) => names.map((name) => one.getAttribute(name)).filter((to) => to !== null));
  const acting = [...document.querySelectorAll("[hx-get], [hx-post]")];
  const strange = acting.filter((one) => one.getAttribute("hx-nonce") !== own);
  return {
    hit: window.hit ?? null,
    planted: document.querySelectorAll("[data-planted]").length,
    led: led.filter((to) => !/^(\\/(?![\\/\\\\])|#)/.test(to)),
    strange: strange.length,
    turned: /[\\u202e\\u2066]/.test(document.body.innerText),
  };
}"""
NOTHING: dict[str, object] = {"hit": None, "planted": 0, "led": [], "strange": 0, "turned": False}


async def _stranger(site: Site) -> dict[str, str]:
    """The cookie of somebody whose provider gave them a hostile name."""
    roles = (Role.OPERATOR, Role.APPROVER, Role.REQUESTER)
    named = Principal(
        kind=PrincipalKind.HUMAN, subject=WORDS[:200], issuer=f"https://{WORDS}"[:200], roles=roles
    )
    web = site.api.parts.web
    async with site.api.database.transaction() as connection:
        secret = await sessions.open_session(
            connection,
            named,
            display_name=WORDS,
            method=sessions.SignInMethod.OIDC,
            lifetime=timedelta(hours=1),
            tenant=site.api.parts.tenant,
        )
    return {"name": web.cookie_name, "value": secret, "url": site.url}


async def _things(site: Site) -> list[str]:
    """Put hostile words wherever the API takes words; return the pages of what was made."""
    stage, stages, api = await dress(site), Stages(site.api), site.api
    await stage.fail(TARGET, KIND)
    said = Words(
        rationale=WORDS,
        evidence=(WORDS, WORDS),
        request=WORDS,
        labels={"alertname": WORDS, WORDS: WORDS},
        annotations={"runbook_url": "javascript:alert(1)", WORDS: WORDS},
        arguments={WORDS: [WORDS, {WORDS: WORDS}]},
    )
    alert = await stages.waiting(by_alert=True, by="olga", words=said)
    rejected = await stages.waiting(words=said)
    for proposal_id in (alert, rejected):
        await api.post(f"/v1/proposals/{proposal_id}/comments", {"text": WORDS}, by="cleo")
    await stages.decided(rejected, "ben", DecisionKind.REJECT, reason=WORDS)
    halt = await api.post("/v1/halts", {"scope": {"target": KEYS}, "reason": WORDS}, by="olga")
    await api.post(f"/v1/breakers/{TARGET}/reset", {"reason": WORDS}, by="olga")
    grant = await api.post(
        "/v1/break-glass",
        {"scope": {"target": KEYS}, "gates": ["rate"], "reason": WORDS, "minutes": 5},
        by="olga",
    )
    asked = await api.post("/v1/requests", {"text": WORDS}, by="ana")
    assert (halt.status_code, asked.status_code) == (200, 202)
    newest = (await api.parts.sequencer.checkpoint()).size - 1
    return [
        *(f"{room}/{one}" for room in ("/proposals", "/audit/proposals") for one in (alert, rejected)),
        *(f"/audit/events/{number}" for number in range(newest - 8, newest + 1)),
        f"/operations/halts/{halt.json()['id']}",
        f"/operations/break-glass/{grant.json()['id']}",
        f"/operations/breakers/{TARGET}",
    ]


ROOMS = (
    *("/", "/?tab=all", "/?tab=decided", "/chat", "/activity", "/audit", "/docs"),
    *(
        f"/operations{section}"
        for section in ("", "/halts", "/break-glass", "/windows", "/breakers", "/budgets", "/fleet")
    ),
)
_FILTERS = {
    "/": ("q", "environment", "team", "requester", "action_kind"),
    "/activity": ("place", "actor", "kind"),
    "/audit": ("subject", "actor", "since"),
    "/operations/fleet": ("q",),
    "/operations/halts/new": ("target", "environment", "action_kind", "agent"),
    "/operations/break-glass/new": ("target", "environment", "action_kind", "agent"),
    "/operations/breakers/new": ("breaker",),
    "/login": ("return_to", "link"),
    "/together": ("id",),
}
FILTERED = tuple(f"{path}?{urlencode(dict.fromkeys(names, WORDS[:190]))}" for path, names in _FILTERS.items())
NAMED = tuple(f"{room}/{quote(WORDS, safe='')}" for room in ("/proposals", "/chat", "/runbooks", "/nowhere"))


async def test_hostile_words_are_inert_on_every_page(site: Site) -> None:
    pages = [*await _things(site), *ROOMS, *FILTERED, *NAMED]
    async with visiting(site.browser, site.url, cookies=[await _stranger(site)]) as visit:
        visit.expect_fault("status of 4")
        for path in pages:
            answer = await visit.page.goto(path)
            assert answer is not None
            assert answer.status < 500, path
            await visit.page.evaluate(
                "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
            )
            assert await visit.page.evaluate(LOOK) == NOTHING, path


async def test_the_conversation_of_a_hostile_request_is_inert(site: Site) -> None:
    asked = await site.api.post("/v1/requests", {"text": WORDS}, by="ana")
    async with site.visit("ana") as visit:
        await visit.page.goto(f"/chat/{asked.json()['conversation_id']}")
        assert await visit.page.evaluate(LOOK) == NOTHING
