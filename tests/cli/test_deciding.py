"""`sluice approve` and `sluice reject` against a server that tells what a test puts there."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.canned import Canned, serving
from tests.cli.conftest import Sluice
from tests.cli.views import view

DECISION = "dec_0123456789abcdef0123"
REFUSED = {
    "id": DECISION,
    "reviewer": {"kind": "human", "subject": "ben", "issuer": "local"},
    "decision": "reject",
    "revision": 1,
    "status": "refused",
    "reason": "too early",
    "reason_code": "not_awaiting_approval",
    "stands": False,
    "at": "2026-11-21T12:01:00Z",
}


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canned]:
    with serving(monkeypatch) as served:
        yield served


def shown(canned: Canned, **changes: Any) -> str:
    """Let the server show a proposal that waits for this person, and take their decision; return its id."""
    waiting = view().model_dump(mode="json") | changes
    path = f"/v1/proposals/{waiting['id']}"
    canned.answers[f"GET {path}"] = (200, waiting)
    decided = {"decision_id": DECISION, "status": "recorded", "state": waiting["state"]}
    canned.answers[f"POST {path}/decisions"] = (202, decided | {"approvals": 0, "quorum": 1})
    return str(waiting["id"])


def test_a_rejection_that_the_workflow_refused_is_told_at_once(canned: Canned) -> None:
    proposal_id = shown(canned, approvals=[REFUSED])
    done = canned.run("reject", proposal_id, "--reason", "too early", "--timeout", "0")
    assert (done.exit_code, "came too late" in done.output) == (5, True), done.output


@pytest.mark.parametrize(("state", "code"), [("rejected", 0), ("succeeded", 5), ("expired", 5)])
def test_a_rejection_is_a_success_only_where_it_was_rejected(canned: Canned, state: str, code: int) -> None:
    proposal_id = shown(canned, state=state, is_final=True)
    done = canned.run("reject", proposal_id, "--reason", "too early", "-o", "json", "--timeout", "0")
    assert done.exit_code == code, done.output


def approving(canned: Canned, sluice: Sluice, *options: str) -> subprocess.CompletedProcess[str]:
    """Approve at a terminal whose output goes elsewhere, and say no."""
    main, other = pty.openpty()
    os.write(main, b"n\n")
    try:
        return subprocess.run(
            sluice.command("approve", shown(canned), *options),
            env=sluice.environ(SLUICE_URL=os.environ["SLUICE_URL"], SLUICE_TOKEN=os.environ["SLUICE_TOKEN"]),
            stdin=other,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        os.close(main)
        os.close(other)


@pytest.mark.parametrize("options", [(), ("-o", "json")], ids=["table", "json"])
def test_whoever_is_asked_has_the_facts_before_them_wherever_the_output_goes(
    canned: Canned, sluice: Sluice, options: tuple[str, ...]
) -> None:
    done = approving(canned, sluice, *options)
    assert (done.returncode, "nothing was decided" in done.stderr) == (1, True), done.stderr
    facts, asked, _ = done.stderr.partition("Approve prp_")
    assert asked
    assert "Change" in facts
    assert "europe-west4/serving" in facts
    assert [one.method for one in canned.asked] == ["GET"]


def test_without_any_input_nobody_is_asked(canned: Canned, sluice: Sluice) -> None:
    command = sluice.command("approve", shown(canned))
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command],
        env=sluice.environ(SLUICE_URL=os.environ["SLUICE_URL"], SLUICE_TOKEN=os.environ["SLUICE_TOKEN"]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, "nobody is there to confirm" in done.stderr) == (2, True), done.stderr
