"""The headers of every page and fragment: one strict policy, and a nonce that no other answer had."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from tests.api.serving import Api, serving

POLICY = {
    "default-src 'none'",
    "script-src 'self' NONCE",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types htmx app",
}
PAGES = ("/", "/chat", "/activity", "/operations", "/audit", "/docs", "/operations/halts/new", "/nowhere")
FRAGMENTS = ("/inbox/list", "/shell/halts", "/proposals/prp_none", "/operations/breakers")


@pytest.fixture
async def api(migrated_database_url: str) -> AsyncIterator[Api]:
    async with serving(migrated_database_url) as served:
        yield served


async def test_every_answer_has_the_one_policy_and_a_nonce_of_its_own(api: Api) -> None:
    nonces = []
    asked = [(page, {"Accept": "text/html"}) for page in PAGES * 2]
    asked += [(fragment, {"HX-Request": "true"}) for fragment in FRAGMENTS]
    async with api.browser("olga") as browser:
        for path, headers in asked:
            answer = await browser.get(path, headers=headers)
            policy = answer.headers["content-security-policy"]
            [nonce] = re.findall(r"'nonce-([\w-]{22})'", policy)
            assert set(policy.replace(f"'nonce-{nonce}'", "NONCE").split("; ")) == POLICY, path
            assert set(re.findall(r'nonce="([^"]*)"', answer.text)) <= {nonce}, path
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert {"Cookie", "HX-Request"} <= set(answer.headers["vary"].split(", "))
            nonces.append(nonce)
    assert len(set(nonces)) == len(asked)


async def test_no_page_holds_a_script_or_a_style_of_its_own(api: Api) -> None:
    async with api.browser("olga") as browser:
        for path in PAGES:
            html = (await browser.get(path, headers={"Accept": "text/html"})).text
            assert not re.search(r"<script(?![^>]*\bsrc=\"/assets/)", html), path
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|\bjs:", html), path
