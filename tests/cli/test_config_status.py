"""`sluice config status`: the file that the API goes by; it fails while a newer one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.canned import Canned, serving

IN_FORCE: dict[str, Any] = {
    "tenant": "default",
    "revision": "sha256:" + "a" * 64,
    "loaded_at": "2026-11-21T12:00:00Z",
    "refused": None,
}
REFUSED = {
    "revision": "sha256:" + "b" * 64,
    "at": "2026-11-21T13:00:00Z",
    "faults": [
        {"file": "", "line": 7, "where": "limits.cooldown", "reason": "no duration"},
        {"file": "", "line": 1, "where": "", "reason": "cut off"},
    ],
}


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    with serving(monkeypatch) as server:
        server.answers = {"GET /v1/configuration": (200, IN_FORCE)}
        yield server


def test_what_is_in_force_is_told_with_its_revision(canned: Canned) -> None:
    done = canned.run("config", "status")
    assert done.exit_code == 0, done.output
    assert "in force since 2026-11-21T12:00:00Z: sha256:aaa" in done.output


def test_a_refused_file_is_told_line_by_line_and_fails_the_command(canned: Canned) -> None:
    canned.answers["GET /v1/configuration"] = (200, IN_FORCE | {"refused": REFUSED})
    done = canned.run("config", "status")
    assert done.exit_code == 1
    assert "in force since" in done.output
    assert "refused at 2026-11-21T13:00:00Z: sha256:bbb" in done.output
    assert "limits.cooldown" in done.stdout
    assert "cut off" in done.stdout
    assert "a newer file is refused" in done.stderr


def test_a_file_that_cannot_be_read_is_called_so(canned: Canned) -> None:
    canned.answers["GET /v1/configuration"] = (200, IN_FORCE | {"refused": REFUSED | {"revision": ""}})
    assert "refused at 2026-11-21T13:00:00Z: it cannot be read" in canned.run("config", "status").output


def test_a_program_gets_the_answer_of_the_api_as_it_is(canned: Canned) -> None:
    done = canned.run("-o", "json", "config", "status")
    assert (done.exit_code, json.loads(done.stdout)) == (0, IN_FORCE)


def test_whoever_may_not_see_it_is_told_which_role_it_takes(canned: Canned) -> None:
    problem = {
        "title": "Forbidden",
        "reason_code": "role_required",
        "detail": "This needs the role admin or operator.",
    }
    canned.answers["GET /v1/configuration"] = (403, problem)
    done = canned.run("config", "status")
    assert done.exit_code != 0
    assert "needs the role admin or operator" in done.stderr
