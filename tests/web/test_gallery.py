from __future__ import annotations

import pytest

from tests.browser import DESKTOP, PHONE, Theme, axe, has_no_sideways_scroll
from tests.web.site import Site


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_every_component_is_accessible_in_every_state(
    site: Site, theme: Theme, size: tuple[int, int]
) -> None:
    async with site.visit("ben", theme=theme, size=size) as visit:
        await visit.page.goto("/design")
        await visit.page.get_by_role("heading", level=1).wait_for()
        await axe(visit.page)
        assert await has_no_sideways_scroll(visit.page)
