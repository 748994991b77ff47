"""Signing in and out in a real Chromium: cookies, redirects and the policy as a browser applies them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest_asyncio
from playwright.async_api import Browser, expect

from adapters.oidc.provider import OidcProvider
from tests.browser import PHONE, Visit, axe, has_no_sideways_scroll
from tests.oidc_fixtures import RunningProvider
from tests.web.site import Site, serving_site

_OF_THE_PROVIDER = ("/interaction/", "/session/end")
"""Paths whose pages are the provider's: what they log is not ours."""


@pytest_asyncio.fixture(loop_scope="session")
async def oidc_site(
    migrated_database_url: str, browser: Browser, oidc_provider: RunningProvider
) -> AsyncIterator[Site]:
    provider = OidcProvider(oidc_provider.settings())
    async with serving_site(migrated_database_url, browser, identity_provider=provider) as served:
        yield served
    await provider.close()


async def _stay_on_this_machine(visit: Visit) -> None:
    """The provider's own pages ask for a font of another host, and log that they do not get it."""
    visit.expect_fault(*_OF_THE_PROVIDER)
    await visit.context.route(
        lambda url: urlsplit(url).hostname not in ("127.0.0.1", "localhost"), lambda route: route.abort()
    )


async def _link(site: Site, person: str) -> str:
    headers = site.api.headers(person) | {"Host": site.url.removeprefix("http://")}
    answer = await site.api.http.post("/v1/login-links", headers=headers)
    return str(answer.json()["url"])


async def test_a_link_signs_in_at_the_press_of_its_button_and_the_menu_signs_out(site: Site) -> None:
    link = await _link(site, "ana")
    async with site.visit(None) as visit:
        await visit.page.goto(link)
        await visit.page.get_by_role("button", name="Sign in as ana (requester, approver)").click()
        await visit.page.wait_for_url(f"{site.url}/")
        (cookie,) = [one for one in await visit.context.cookies() if one["name"] == "sluice"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        assert await visit.page.evaluate("document.cookie.includes('sluice=')") is False
        await visit.page.goto("/design")
        await visit.page.get_by_role("button", name="Sign out").click()
        await expect(visit.page.get_by_text("You are signed out")).to_be_visible()
        await visit.page.goto("/design")
        assert "/login?return_to=%2Fdesign" in visit.page.url


async def test_a_form_of_another_site_signs_nobody_out(site: Site) -> None:
    async with site.visit("vera") as visit:
        visit.expect_fault("403")
        elsewhere = site.url.replace("127.0.0.1", "localhost")
        await visit.page.goto(f"{elsewhere}/login")
        # The page's own policy stops such a form; a foreign page has none, so it is taken away here.
        await visit.page.route(
            f"{elsewhere}/foreign",
            lambda route: route.fulfill(
                content_type="text/html",
                body=f'<form method="post" action="{site.url}/logout"><button>go</button></form>',
            ),
        )
        await visit.page.goto(f"{elsewhere}/foreign")
        await visit.page.get_by_role("button", name="go").click()
        await visit.page.wait_for_url(f"{site.url}/logout")
        await visit.page.goto(f"{site.url}/login")
        assert "/login" not in visit.page.url
        visit.expect_fault("404")


async def test_over_the_provider_in_and_out(oidc_site: Site, oidc_provider: RunningProvider) -> None:
    async with oidc_site.visit(None) as visit:
        await _stay_on_this_machine(visit)
        await visit.page.goto("/design")
        await visit.page.get_by_role("link", name="Sign in with the test provider").click()
        await visit.page.get_by_placeholder("Enter any login").fill("ana")
        await visit.page.get_by_placeholder("and password").fill("x")
        await visit.page.get_by_role("button", name="Sign-in").click()
        await visit.page.wait_for_url(f"{oidc_site.url}/design")
        await visit.page.get_by_role("button", name="Sign out").click()
        await visit.page.wait_for_url(f"{oidc_provider.issuer}/session/end**")
        await visit.page.get_by_role("button", name="Yes, sign me out").click()
        await visit.page.wait_for_url(f"{oidc_site.url}/login**")
        assert not [one for one in await visit.context.cookies(oidc_site.url) if one["name"] == "sluice"]


async def test_without_a_role_the_page_says_whom_to_ask(oidc_site: Site) -> None:
    async with oidc_site.visit(None) as visit:
        await _stay_on_this_machine(visit)
        visit.expect_fault("status of 403")
        await visit.page.goto("/login/oidc")
        await visit.page.get_by_placeholder("Enter any login").fill("visitor")
        await visit.page.get_by_placeholder("and password").fill("x")
        await visit.page.get_by_role("button", name="Sign-in").click()
        await expect(visit.page.get_by_role("heading", name="Signed in, but no role")).to_be_visible()
        await axe(visit.page)


async def test_every_page_of_signing_in_is_accessible_on_a_phone_and_fits(oidc_site: Site) -> None:
    link = await _link(oidc_site, "ana")
    async with oidc_site.visit(None, theme="dark", size=PHONE) as visit:
        visit.expect_fault("status of 410")
        for address in ("/login", "/login?signed_out=1", link, "/login?link=unknown"):
            await visit.page.goto(address)
            await axe(visit.page)
            assert await has_no_sideways_scroll(visit.page)
