from __future__ import annotations

from tests.browser import PHONE, axe, has_no_sideways_scroll
from tests.web.site import Site


async def test_every_component_is_accessible_on_a_phone_and_fits(site: Site) -> None:
    async with site.visit("ben", theme="dark", size=PHONE) as visit:
        await visit.page.goto("/design")
        await visit.page.get_by_role("heading", level=1).wait_for()
        await axe(visit.page)
        assert await has_no_sideways_scroll(visit.page)
