"""The page of the rules without a browser: what it tells, whom, and what it says where nothing is known."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest_asyncio

from adapters.live_configuration import LiveConfiguration
from adapters.opa.engine import OpaPolicyEngine
from adapters.opa.sources import policy_names
from contracts.evaluation import Outcome
from contracts.ports import PoliciesInForce, PolicyDescription, PolicyViolation
from contracts.shadow import ShadowVerdict
from tests.api.serving import Api, serving
from tests.api.shadow.shadowing import shadowed
from tests.opa_fixtures import TIMEOUT

GOOD = "environments:\n  production: {}\n"
DENIES = ShadowVerdict(
    revision="sha256:" + "c" * 64,
    outcome=Outcome.DENY,
    violations=(PolicyViolation(rule="no_more", level="hard", message="No <b>more</b>."),),
)
AGREES = ShadowVerdict(revision="sha256:" + "c" * 64, outcome=Outcome.REQUIRE_APPROVAL)
OLDER = ShadowVerdict(revision="sha256:" + "d" * 64, outcome=Outcome.ALLOW)


class Described:
    """A catalogue of words that an author might write."""

    def __init__(self, *policies: PolicyDescription, revision: str | None = "sha256:1") -> None:
        self.found = PoliciesInForce(revision=revision, policies=policies)

    async def in_force(self) -> PoliciesInForce:
        return self.found


@pytest_asyncio.fixture(loop_scope="session")
async def api(migrated_database_url: str) -> AsyncIterator[Api]:
    async with serving(migrated_database_url) as served:
        yield served


async def shown(api: Api, by: str = "vera", path: str = "/policy") -> str:
    async with api.browser(by) as browser:
        answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


async def test_every_policy_that_opa_runs_is_told_with_its_level_and_what_it_stops(
    migrated_database_url: str, opa_url: str
) -> None:
    engine = OpaPolicyEngine(opa_url, timeout=TIMEOUT)
    async with serving(migrated_database_url, policies=engine) as api:
        page = await shown(api)
    await engine.close()
    told = words_of(page)
    assert [name for name in policy_names() if f" {name} " not in told] == []
    assert "Finance agrees to large rises in cost" in told
    assert "soft an approver of the group" in told
    assert "Ask for less, or let finance approve." in told
    assert f"{len(policy_names())} policies" in told


async def test_words_of_an_author_stay_words(migrated_database_url: str) -> None:
    hostile = "<i data-planted>\u202e{{7*7}}"
    own = PolicyDescription(
        name=hostile,
        title=hostile,
        description=hostile,
        level=f"hard {hostile}",
        reads=hostile,
        remedy=hostile,
    )
    async with serving(
        migrated_database_url, policies=Described(own, PolicyDescription(name="bare_one"))
    ) as api:
        page = await shown(api)
    assert "<i data-planted" not in page
    assert "\u202e" not in page
    assert "Bare one" in page
    assert "not said" in page


async def test_while_opa_does_not_answer_the_rest_is_shown(api: Api) -> None:
    page = words_of(await shown(api))
    assert "The policy engine does not answer" in page
    assert "policy_unavailable" in page
    assert "No candidate runs in shadow" in page


async def test_rules_that_were_not_packed_by_us_are_called_so(migrated_database_url: str) -> None:
    async with serving(migrated_database_url, policies=Described(revision=None)) as api:
        assert "OPA does not say what it runs" in await shown(api)


async def test_a_candidate_is_compared_with_counts_money_and_its_rules(api: Api) -> None:
    ids = await shadowed(api, OLDER, DENIES, AGREES, DENIES, None)
    page = await shown(api)
    told = words_of(page)
    assert "1 of 3 first checks would have ended the same" in told
    assert "Needs approval Deny 2 +5,489.60 USD" in told
    assert "policy.no_more" in told
    assert "<b>more" not in page
    assert f'href="/proposals/{ids[3]}"' in page
    assert f'href="/proposals/{ids[2]}"' not in page
    older = words_of(await shown(api, path=f"/policy?revision={OLDER.revision}"))
    assert "0 of 1 first checks" in older
    assert "Needs approval Allow 1" in older


async def test_checks_that_the_candidate_left_unanswered_are_counted(api: Api) -> None:
    await shadowed(api, ShadowVerdict(error="shadow_too_slow"), AGREES)
    told = words_of(await shown(api))
    assert "1 check has no answer of a candidate: shadow_too_slow" in told
    assert "It agreed every time." in told


async def test_the_configuration_is_for_operators(migrated_database_url: str, tmp_path: Path) -> None:
    live = _following(tmp_path)
    async with serving(migrated_database_url, live=live, configuration=live.current) as api:
        told = words_of(await shown(api, "olga"))
        assert live.loaded.revision[:19] in told
        assert "A newer file is refused" not in told
        told = words_of(await shown(api, "ben"))
        assert live.loaded.revision[:19] not in told
        assert "shown to operators and admins" in told


async def test_a_refused_file_is_told_line_by_line_while_the_last_good_one_stays(
    migrated_database_url: str, tmp_path: Path
) -> None:
    live = _following(tmp_path)
    good = live.loaded.revision
    (tmp_path / "sluice.yaml").write_text(GOOD + "limits: {cooldown: <b>soon</b>}\n")
    while await live.look():
        pass
    async with serving(migrated_database_url, live=live, configuration=live.current) as api:
        page = await shown(api, "olga")
    told = words_of(page)
    assert good[:19] in told
    assert "A newer file is refused" in told
    assert "limits.cooldown" in told
    assert " 3 " in told
    assert "<b>soon" not in page


async def test_a_process_without_a_file_says_so(api: Api) -> None:
    assert "given its configuration by hand" in await shown(api, "olga")


async def test_the_live_part_keeps_the_candidate_that_was_chosen(api: Api) -> None:
    await shadowed(api, OLDER, AGREES)
    async with api.browser("vera") as browser:
        part = await browser.get(
            f"/policy?hours=24&revision={OLDER.revision}", headers={"HX-Request": "true"}
        )
        assert (await browser.get("/policy?hours=3")).status_code == 422
    assert "<html" not in part.text
    assert f"/policy?hours=24&amp;revision=sha256%3A{'d' * 64}" in part.text


async def test_the_page_tells_how_to_try_other_rules_first(api: Api) -> None:
    assert "sluice --as operator policy backtest" in words_of(await shown(api)).replace("  ", " ")


def _following(directory: Path) -> LiveConfiguration:
    file = directory / "sluice.yaml"
    file.write_text(GOOD)
    soon = timedelta(milliseconds=1)
    return LiveConfiguration(file, "api", period=soon, settle=soon)
