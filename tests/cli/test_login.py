"""One-time links from the command line, and in the first minute of `sluice up`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from cli.up import _first_minute, _link_of
from local.run import Ready
from tests.cli.conftest import Sluice

LINK = re.compile(r"http://127\.0\.0\.1:\d+/login\?link=[\w-]{43}")


def _session(link: str) -> httpx.Response:
    own = {"Sec-Fetch-Site": "same-origin"}
    url, secret = link.split("?link=")
    with httpx.Client(headers=own, trust_env=False) as browser:
        return browser.post(url, data={"link": secret})


@pytest.mark.timeout(600)
def test_login_prints_a_link_that_signs_in_once(stack: Sluice) -> None:
    done = stack.run("login", by="operator")
    assert done.returncode == 0, done.stderr
    link = done.stdout.strip()
    assert LINK.fullmatch(link)
    assert link not in done.stderr
    assert [_session(link).status_code for _ in range(2)] == [303, 410]


@pytest.mark.timeout(600)
def test_login_for_a_program_tells_until_when(stack: Sluice) -> None:
    made = stack.json("login", by="viewer")
    assert set(made) == {"url", "expires_at"}
    assert _session(made["url"]).status_code == 303


@pytest.mark.timeout(600)
def test_a_service_gets_no_link(stack: Sluice) -> None:
    done = stack.run("login", by="alertmanager")
    assert done.returncode == 4
    assert "humans_only" in done.stderr


@pytest.mark.timeout(600)
async def test_the_first_minute_shows_a_link_and_how_to_be_somebody_else(
    stack: Sluice, capsys: pytest.CaptureFixture[str]
) -> None:
    up = json.loads(stack.environment["TEST_UP_LINE"])
    state = Path(up["state_dir"])
    ready = Ready(
        url=up["url"],
        addresses={"api": up["url"]},
        tokens=state / "tokens.json",
        state_dir=state,
        pids={},
        wants_seed=False,
    )
    link = await _link_of(ready, json.loads(ready.tokens.read_text())["approver"])
    assert link is not None
    _first_minute(ready, link)
    told = capsys.readouterr().err
    assert re.search(rf"as approver .*\n  {re.escape(link)}\n", told)
    assert "sluice --as operator login" in told
    assert _session(link).status_code == 303


@pytest.mark.timeout(600)
def test_up_begins_without_a_link_where_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = Ready(
        url="http://10.0.0.1:8470",
        addresses={},
        tokens=tmp_path / "tokens.json",
        state_dir=tmp_path,
        pids={},
        wants_seed=False,
    )
    _first_minute(ready, None)
    assert "login?link" not in capsys.readouterr().err
