"""`sluice delegate`, `delegations`, `end-delegation`, `approvers`: what they ask for, and how they tell the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.cli.canned import Canned, serving

DELEGATION: dict[str, Any] = {
    "id": "dlg_1",
    "delegator": "local/ana",
    "delegate": "local/ben",
    "scope": {"environment": "production", "team": None},
    "out_of_office": False,
    "is_active": True,
    "starts_at": "2026-11-21T12:00:00Z",
    "until": "2026-12-08T00:00:00Z",
    "reason": "on holiday",
    "created_by": "local/ana",
    "revoked_at": None,
    "revoked_by": None,
    "may_end": True,
}
FIGURES: dict[str, Any] = {
    "reviewer": "local/ben",
    "approvals": 4,
    "rejections": 1,
    "change_requests": 2,
    "approval_rate": 0.8,
    "median_seconds": 6.4,
    "p90_seconds": 3_661.0,
    "under_ten_seconds": 0.6,
    "later_undone": 3,
    "overridden": 5,
    "on_behalf": 0,
}


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    with serving(monkeypatch) as server:
        server.answers = {
            "POST /v1/delegations": (201, DELEGATION),
            "GET /v1/delegations": (200, {"items": [DELEGATION]}),
            "DELETE /v1/delegations/dlg_1": (200, DELEGATION | {"revoked_at": "2026-11-22T12:00:00Z"}),
            "GET /v1/approvers": (200, {"items": [FIGURES], "more": False, "everybody": True}),
        }
        yield server


def test_a_vote_is_lent_until_a_day_in_utc(canned: Canned) -> None:
    done = canned.run("delegate", "ben", "--until", "2026-12-08", "--reason", "on holiday")
    assert done.exit_code == 0, done.output
    assert "dlg_1: local/ben decides for local/ana until 2026-12-08T00:00:00Z" in done.output
    (asked,) = canned.asked
    assert asked.body == {
        "to": "ben", "until": "2026-12-08T00:00:00+00:00", "reason": "on holiday", "scope": {},
    }  # fmt: skip


def test_scope_start_and_delegator_are_sent_as_they_were_typed(canned: Canned) -> None:
    done = canned.run(
        "delegate", "https://id.example/u/ben", "--until", "2026-12-08T18:00", "--from", "2026-12-01T08:00:00+0200",
        "--reason", "away", "--environment", "production", "--team", "inference", "--for", "cleo",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    body = canned.asked[0].body
    assert body["scope"] == {"environment": "production", "team": "inference"}
    assert (body["delegator"], body["to"]) == ("cleo", "https://id.example/u/ben")
    assert body["until"] == "2026-12-08T18:00:00+00:00"
    assert datetime.fromisoformat(body["starts_at"]) == datetime.fromisoformat("2026-12-01T06:00:00+00:00")


@pytest.mark.parametrize("missing", ["--until", "--reason"])
def test_a_vote_is_lent_by_nobody_who_does_not_say_until_when_and_why(canned: Canned, missing: str) -> None:
    given = {"--until": "2026-12-08", "--reason": "away"}
    del given[missing]
    done = canned.run("delegate", "ben", *(word for pair in given.items() for word in pair))
    assert done.exit_code == 2
    assert canned.asked == []


def test_what_the_api_refuses_is_told(canned: Canned) -> None:
    problem = {
        "title": "Unprocessable",
        "reason_code": "person_unknown",
        "detail": "moon holds no token here.",
    }
    canned.answers["POST /v1/delegations"] = (422, problem)
    done = canned.run("delegate", "moon", "--until", "2026-12-08", "--reason", "away")
    assert done.exit_code != 0
    assert "moon holds no token here." in done.stderr


def test_delegations_are_listed_with_what_they_cover(canned: Canned) -> None:
    done = canned.run("delegations")
    assert done.exit_code == 0, done.output
    for told in ("dlg_1", "local/ana", "local/ben", "environment production", "on holiday"):
        assert told in done.stdout, done.stdout
    everything = DELEGATION | {"scope": {"environment": None, "team": None}}
    canned.answers["GET /v1/delegations"] = (200, {"items": [everything]})
    assert "everything" in canned.run("delegations").stdout
    canned.answers["GET /v1/delegations"] = (200, {"items": []})
    assert "nobody decides for another" in canned.run("delegations").output


def test_a_delegation_is_ended_by_its_id(canned: Canned) -> None:
    done = canned.run("end-delegation", "dlg_1")
    assert (done.exit_code, "dlg_1 is over" in done.output) == (0, True)
    assert [(one.method, one.path) for one in canned.asked] == [("DELETE", "/v1/delegations/dlg_1")]
    assert canned.run("end-delegation", "dlg_2").exit_code != 0


def test_figures_are_asked_for_over_so_many_days_and_told_in_words(canned: Canned) -> None:
    done = canned.run("approvers", "--days", "7")
    assert done.exit_code == 0, done.output
    (asked,) = canned.asked
    since, until = (datetime.fromisoformat(asked.query[name][0]) for name in ("since", "until"))
    assert until - since == timedelta(days=7)
    for told in ("local/ben", "80%", "0:00:06", "1:01:01", "60%"):
        assert told in done.stdout, done.stdout


def test_a_figure_without_a_decision_to_count_is_a_dash_and_nobody_is_said(canned: Canned) -> None:
    none = dict.fromkeys(("approval_rate", "median_seconds", "p90_seconds", "under_ten_seconds"))
    canned.answers["GET /v1/approvers"] = (200, {"items": [FIGURES | none]})
    assert " - " in canned.run("approvers").stdout
    canned.answers["GET /v1/approvers"] = (200, {"items": []})
    assert "nobody decided in 30 days" in canned.run("approvers").output


@pytest.mark.parametrize("days", ["0", "367"])
def test_a_span_is_of_a_day_to_a_year(canned: Canned, days: str) -> None:
    assert canned.run("approvers", "--days", days).exit_code == 2
    assert canned.asked == []


@pytest.mark.parametrize(
    "command",
    [["delegations"], ["approvers"], ["end-delegation", "dlg_1"],
     ["delegate", "ben", "--until", "2026-12-08", "--reason", "away"]],
    ids=["delegations", "approvers", "end-delegation", "delegate"],
)  # fmt: skip
def test_a_program_gets_the_answer_of_the_api_as_it_is(canned: Canned, command: list[str]) -> None:
    done = canned.run("-o", "json", *command)
    assert done.exit_code == 0, done.output
    asked = canned.asked[0]
    assert json.loads(done.stdout) == canned.answers[f"{asked.method} {asked.path}"][1]
