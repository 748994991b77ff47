"""The page of people without a browser: who sees whom, what the form takes, what it refuses and keeps."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from contracts.proposal import ProposalState as S
from tests.api.serving import Api, serving
from tests.web.people.acting import admin, lending, vote

HTMX = {"HX-Request": "true"}


@pytest_asyncio.fixture(loop_scope="session")
async def api(migrated_database_url: str) -> AsyncIterator[Api]:
    async with serving(migrated_database_url) as served:
        yield served


async def listed(api: Api, by: str = "olga") -> list[tuple[str, str]]:
    found = (await api.get("/v1/delegations", by=by)).json()["items"]
    return [(one["delegator"], one["delegate"]) for one in found]


def row_of(page: str, name: str) -> str:
    """The words of the first row that begins with a name."""
    rows = re.findall(r"<tr.*?</tr>", page, re.DOTALL)
    told = (re.sub(r"<[^>]+>|\s+", " ", row) for row in rows)
    return next(f"{words} " for words in told if words.split()[:1] == [name])


async def test_a_person_lends_their_vote_and_takes_it_back(api: Api) -> None:
    async with api.browser("ben") as ben:
        shown = await ben.get("/people")
        assert "Nobody stands in for another" in shown.text
        made = await ben.post("/people/delegations", data=lending())
        assert (made.status_code, made.headers["location"]) == (303, "/people")
        assert await listed(api) == [("local/ben", "local/vera")]
        shown = await ben.get("/people")
        row = row_of(shown.text, "ben")
        assert "vera" in row
        assert "Everything: out of office" in row
        assert "on holiday" in row
        (path,) = re.findall(r'action="(/people/delegations/[^"]+/end)"', shown.text)
        ended = await ben.post(path)
        assert (ended.status_code, ended.headers["location"]) == (303, "/people")
    assert await listed(api) == []


async def test_htmx_gets_the_page_anew_and_hears_what_was_done(api: Api) -> None:
    async with api.browser("ben") as ben:
        made = await ben.post(
            "/people/delegations", data=lending(environment="production", team="inference"), headers=HTMX
        )
        assert made.status_code == 200
        assert "vera decides for ben." in made.headers["HX-Trigger"]
        assert "<html" not in made.text
        assert "inference" in row_of(made.text, "ben")
        (path,) = re.findall(r'action="(/people/delegations/[^"]+/end)"', made.text)
        ended = await ben.post(path, headers=HTMX)
        assert "vera no longer decides for ben." in ended.headers["HX-Trigger"]
        assert "Nobody stands in for another" in ended.text


async def test_pressing_twice_lends_once(api: Api) -> None:
    async with api.browser("ben") as ben:
        for _ in range(2):
            assert (await ben.post("/people/delegations", data=lending())).status_code == 303
    assert await listed(api) == [("local/ben", "local/vera")]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"to": " "}, "Name the person who decides meanwhile."),
        ({"until": ""}, "Say when it ends."),
        ({"until": "tomorrow"}, "Write a day and a time"),
        ({"starts_at": "25:00"}, "Write a day and a time"),
        ({"reason": "  "}, "Say why."),
        ({"reason": "x" * 501}, "At most 500 characters"),
        ({"until": "2020-01-01T00:00"}, "It would be over already."),
        ({"until": "2999-01-01T00:00"}, "within 92 days"),
        ({"to": "stranger"}, "holds no token or session here"),
        ({"to": "ben"}, "nobody delegates to themself"),
        ({"to": "bot"}, "is no person"),
        ({"environment": "moon"}, "There is no environment"),
        ({"environment": "No Name!"}, "should match pattern"),
        ({"idempotency_key": ""}, "without its key"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else None,
)
async def test_what_is_refused_is_told_and_kept(api: Api, changes: dict[str, str], told: str) -> None:
    async with api.browser("ben") as ben:
        refused = await ben.post("/people/delegations", data=lending(**changes))
    assert refused.status_code == 422
    assert told in refused.text
    kept = "on holiday" if "reason" not in changes else 'value="vera"'
    assert kept in refused.text
    assert await listed(api) == []


async def test_only_an_admin_enters_it_for_another_and_ends_what_is_not_theirs(api: Api) -> None:
    async with api.browser("ben") as ben:
        assert 'name="delegator"' not in (await ben.get("/people")).text
        refused = await ben.post("/people/delegations", data=lending(delegator="cleo"))
        assert refused.status_code == 403
        assert "needs the role admin" in refused.text
    async with admin(api) as adam:
        assert 'name="delegator"' in (await adam.get("/people")).text
        await adam.post("/people/delegations", data=lending(delegator="cleo"))
        assert await listed(api) == [("local/cleo", "local/vera")]
        shown = (await adam.get("/people")).text
        assert "entered by" in row_of(shown, "cleo")
        (path,) = re.findall(r'action="(/people/delegations/[^"]+/end)"', shown)
        async with api.browser("vera") as vera:
            seen = (await vera.get("/people")).text
            assert path not in seen
            assert "or an admin" in row_of(seen, "cleo")
            assert (await vera.post(path)).status_code == 403
        async with api.browser("ben") as ben:
            assert "Nobody stands in for another" in (await ben.get("/people")).text
            assert (await ben.post(path)).status_code == 404
        assert (await adam.post(path)).status_code == 303
    assert await listed(api) == []


async def test_operators_see_everybodys_figures_and_others_their_own(api: Api) -> None:
    for after in (2, 4, 90):
        await vote(api, "ben", after=after)
    undone = await vote(api, "ben", after=200)
    await vote(api, "ben", "reject", after=300)
    await vote(api, "cleo", "reject", after=0.2)
    await api.move(undone, S.READY, S.EXECUTING, S.ROLLING_BACK, S.ROLLED_BACK)
    async with api.browser("olga") as olga:
        shown = (await olga.get("/people?days=7")).text
    ben = row_of(shown, "ben")
    for told in ("4", "1", "80%", "1 min 30 s", "4 min 20 s", "40%"):
        assert f" {told} " in ben, (told, ben)
    assert "under 1 s" in row_of(shown, "cleo")
    async with api.browser("cleo") as cleo:
        shown = (await cleo.get("/people")).text
    assert "you" in row_of(shown, "cleo")
    assert 'title="local/ben"' not in shown
    assert "You see your own" in shown


async def test_without_a_decision_the_figures_say_so(api: Api) -> None:
    async with api.browser("olga") as olga:
        assert "No decision in this time" in (await olga.get("/people?days=7")).text
        assert (await olga.get("/people?days=8")).status_code == 422


async def test_the_live_parts_come_alone(api: Api) -> None:
    async with api.browser("ben") as ben:
        figures = (await ben.get("/people/figures?days=90", headers=HTMX)).text
        away = (await ben.get("/people/delegations", headers=HTMX)).text
    assert 'hx-get="/people/figures?days=90"' in figures
    assert 'id="people-delegations"' in away
    assert "<form" not in figures + away


async def test_words_of_others_stay_words(api: Api) -> None:
    hostile = "<i data-planted>\u202e</span>{{7*7}}"
    async with api.browser("ben") as ben:
        refused = await ben.post("/people/delegations", data=lending(to=hostile, reason=hostile))
        made = await ben.post("/people/delegations", data=lending(reason=hostile), headers=HTMX)
    assert refused.status_code == 422
    for page in (refused.text, made.text):
        assert "<i data-planted" not in page
        assert "49" not in page.split("data-planted")[1][:60]
    assert "\u202e" not in made.text
