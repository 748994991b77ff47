"""The command line against a whole stack: real API, worker, Temporal, OPA, PostgreSQL and practice fleet."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import DEV, PROD, Sluice

pytestmark = pytest.mark.timeout(600)


def _waiting(stack: Sluice, nodes: int, pool: str = PROD) -> str:
    done = stack.json(
        "propose", "--pool", pool, "--nodes", str(nodes), "--reason", "load grows", by="requester"
    )
    assert done["state"] == "awaiting_approval", done["message"]
    return str(done["id"])


def test_up_tells_in_one_line_of_json_what_runs(stack: Sluice) -> None:
    ready = json.loads(stack.environment["TEST_UP_LINE"])
    assert set(ready) == {"url", "state_dir", "pids"}
    assert set(ready["pids"]) == {"postgres", "temporal", "opa", "gke", "worker", "api"}
    assert ready["state_dir"] == str(stack.state)
    assert (stack.state / "tokens.json").stat().st_mode & 0o777 == 0o600


def test_a_change_in_development_runs_by_itself_and_can_be_undone(stack: Sluice) -> None:
    done = stack.json("propose", "--pool", DEV, "--nodes", "2", "--reason", "tests", by="requester")
    assert (done["state"], done["receipt"]["outcome"]) == ("succeeded", "applied")
    assert done["verification"]["matches"] is True
    undone = stack.json("undo", done["id"], by="requester")
    assert (undone["state"], undone["undoes"]) == ("succeeded", done["id"])
    assert undone["action"]["node_count"] == done["before"]["zones"].popitem()[1]
    nothing = stack.run("cancel", done["id"], by="requester")
    assert (nothing.returncode, "not_cancellable" in nothing.stderr) == (5, True)


def test_approve_shows_the_facts_and_follows_to_succeeded(stack: Sluice) -> None:
    proposal_id = _waiting(stack, 3)
    own = stack.run("approve", proposal_id, "--yes", by="requester")
    assert (own.returncode, "not_eligible_requester" in own.stderr) == (4, True)
    unasked = stack.run("approve", proposal_id, by="approver")
    assert (unasked.returncode, "--yes" in unasked.stderr) == (2, True)
    done = stack.run("approve", proposal_id, "--yes", by="approver")
    assert done.returncode == 0, done.stderr
    assert "YOU MAY DECIDE" in done.stdout
    assert "SUCCEEDED" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    late = stack.run("approve", proposal_id, "--yes", by="approver2")
    assert (late.returncode, "already_decided" in late.stderr) == (5, True)
    watched = stack.run("proposals", "watch", proposal_id, by="viewer")
    assert watched.returncode == 0


def test_approve_asks_on_a_terminal_and_no_means_nothing(stack: Sluice) -> None:
    proposal_id = _waiting(stack, 4)
    shown, code = _on_terminal(stack, ["--as", "approver", "approve", proposal_id], answer="n\n")
    assert "Approve prp_" in shown
    assert "nothing was decided" in shown
    assert code == 1
    assert stack.json("proposals", "show", proposal_id, by="viewer")["state"] == "awaiting_approval"
    rejected = stack.run("reject", proposal_id, "--reason", "too early", by="approver")
    assert rejected.returncode == 0, rejected.stderr
    view = stack.json("proposals", "show", proposal_id, by="viewer")
    assert (view["state"], view["approvals"][0]["reason"]) == ("rejected", "too early")


def _on_terminal(stack: Sluice, arguments: list[str], *, answer: str) -> tuple[str, int]:
    main, other = pty.openpty()
    process = subprocess.Popen(
        stack.command(*arguments),
        env=stack.environ(COLUMNS="100", LINES="45"),
        stdin=other,
        stdout=other,
        stderr=other,
    )
    os.close(other)
    shown, deadline, answered = "", time.monotonic() + 90, False
    while time.monotonic() < deadline:
        if not select.select([main], [], [], 0.5)[0]:
            continue
        try:
            shown += os.read(main, 4096).decode("utf-8", "replace")
        except OSError:
            break
        if "[y/N]" in shown and not answered:
            os.write(main, answer.encode())
            answered = True
    os.close(main)
    return shown, process.wait(20)


def test_the_screen_fits_and_colours_only_a_terminal(stack: Sluice) -> None:
    proposal_id = _waiting(stack, 5)
    plain = stack.run("proposals", "show", proposal_id, by="approver2")
    lines = plain.stdout.splitlines()
    assert len(lines) <= 40
    assert max(len(line) for line in lines) <= 100
    coloured, _ = _on_terminal(stack, ["--as", "viewer", "proposals", "show", proposal_id], answer="")
    assert "\x1b[" in coloured
    cancelled = stack.json("cancel", proposal_id, "--reason", "not needed", by="requester")
    assert cancelled == {"proposal_id": proposal_id, "state": "cancelled"}


def test_what_policy_denies_ends_with_its_own_exit_code(stack: Sluice) -> None:
    pool = "acme-dev/us-central1/dev/gpu-a100-80gb"
    done = stack.run("propose", "--pool", pool, "--nodes", "1", "--reason", "try", by="requester")
    assert done.returncode == 3, done.stderr
    assert "DENY policy" in done.stdout


def test_an_effect_that_goes_wrong_ends_with_the_code_of_verification(stack: Sluice) -> None:
    pool = "acme-dev/us-central1/dev/scarce"
    done = stack.json("propose", "--pool", pool, "--nodes", "2", "--reason", "x", by="requester", expect=7)
    assert done["state"] == "rolled_back"
    assert [effect["step"] for effect in done["effects"]] == ["forward", "compensation"]


def test_a_dry_run_and_a_file_change_nothing(stack: Sluice, tmp_path: Path) -> None:
    file = tmp_path / "proposal.yaml"
    project, location, cluster, node_pool = DEV.split("/")
    action = {"kind": "gke.node_pool.resize", "project": project, "location": location, "cluster": cluster}
    file.write_text(
        json.dumps({"action": action | {"node_pool": node_pool, "node_count": 3}, "reason": "look"})
    )
    done = stack.run("propose", "-f", str(file), "--dry-run", "-o", "json", by="requester")
    view: dict[str, Any] = json.loads(done.stdout)
    assert view["dry_run"] is True
    assert view["effects"] == []
    assert done.returncode == 0


def test_an_invalid_action_is_a_usage_error_with_the_field(stack: Sluice) -> None:
    done = stack.run("propose", "--pool", DEV, "--nodes", "-1", "--reason", "x", by="requester")
    assert done.returncode == 2
    assert "invalid_action" in done.stderr
    assert "node_count" in done.stderr


def test_waiting_ends_with_its_own_exit_code(stack: Sluice) -> None:
    proposal_id = _waiting(stack, 6)
    done = stack.run("proposals", "watch", proposal_id, "--timeout", "1", by="viewer")
    assert (done.returncode, "it goes on" in done.stderr) == (6, True)
    stack.run("cancel", proposal_id, by="operator")
    closed = stack.run("proposals", "watch", proposal_id, by="viewer")
    assert closed.returncode == 5


def test_a_halt_stops_and_resume_lets_go_on(stack: Sluice) -> None:
    halted = stack.json("halt", "--environment", "development", "--reason", "incident", by="operator")
    assert halted["status"] == "effective"
    assert halted["id"] in stack.run("halts", by="viewer").stdout
    denied = stack.run("propose", "--pool", DEV, "--nodes", "3", "--reason", "x", by="requester")
    assert (denied.returncode, "halt" in denied.stdout) == (3, True)
    assert stack.json("resume", halted["id"], by="operator")["status"] == "ended"
    assert "nothing is halted" in stack.run("halts", by="viewer").stderr
    refused = stack.run("halt", "--everything", "--reason", "x", by="viewer")
    assert (refused.returncode, "role_required" in refused.stderr) == (4, True)


def test_a_halt_of_an_agent_says_what_is_held_and_stops_nobody_else(stack: Sluice) -> None:
    halted = stack.run("halt", "--agent", "loop-agent", "--reason", "it loops", by="operator")
    assert (halted.returncode, "0 proposals are held" in halted.stderr) == (0, True), halted.stderr
    listed = stack.run("halts", by="viewer").stdout
    assert "agent loop-agent" in listed
    halt_id = next(word for word in listed.split() if word.startswith("hlt_"))
    resumed = stack.run("resume", halt_id, by="operator")
    assert (resumed.returncode, "0 proposals that it held go on" in resumed.stderr) == (0, True)


def test_break_glass_takes_two_people_and_a_third_reviews_it(stack: Sluice) -> None:
    opening = ("break-glass", "open", "--gate", "rate", "--minutes", "5", "--reason", "down")
    unsaid = stack.run(*opening, by="operator")
    assert (unsaid.returncode, "--everything" in unsaid.stderr) == (2, True)
    grant = stack.json(*opening, "--environment", "development", by="operator")
    assert grant["status"] == "awaiting_second"
    own = stack.run("break-glass", "confirm", grant["id"], by="operator")
    assert (own.returncode, "same_person" in own.stderr) == (4, True)
    assert stack.json("break-glass", "confirm", grant["id"], by="approver")["status"] == "active"
    listed = stack.run("break-glass", "list", "--status", "active", by="viewer").stdout
    assert grant["id"] in listed
    assert stack.json("break-glass", "end", grant["id"], by="approver")["status"] == "review_open"
    closed = stack.json("break-glass", "review", grant["id"], "--words", "a drill", by="approver2")
    assert (closed["status"], closed["review"]) == ("reviewed", "a drill")


def test_without_windows_there_is_nothing_to_list_or_override(stack: Sluice) -> None:
    assert "no change windows are declared" in stack.run("windows", by="viewer").stderr
    waiting = _waiting(stack, 5)
    done = stack.run("proposals", "override", waiting, "--reason", "x", by="operator")
    assert (done.returncode, "no_window_closes" in done.stderr) == (5, True), done.stderr
    stack.run("cancel", waiting, by="operator")


def test_a_preview_of_a_halt_tells_what_it_would_stop_and_stops_nothing(stack: Sluice) -> None:
    waiting = _waiting(stack, 5)
    shown = stack.run("halt", "--environment", "production", "--preview", by="operator")
    assert (shown.returncode, waiting in shown.stdout) == (0, True), shown.stderr
    assert "nothing was changed" in shown.stderr
    assert "nothing is halted" in stack.run("halts", by="viewer").stderr
    stack.run("cancel", waiting, by="operator")
    refused = stack.run("halt", "--everything", by="operator")
    assert (refused.returncode, "--reason" in refused.stderr) == (2, True)


def test_the_fleet_is_listed_a_minute_after_the_start_at_the_latest(stack: Sluice) -> None:
    deadline = time.monotonic() + 75
    while not stack.json("fleet", by="viewer")["items"] and time.monotonic() < deadline:
        time.sleep(0.5)
    listed = stack.run("fleet", by="viewer")
    assert "acme-prod/europe-west4/serving/inference" in listed.stdout, listed.stderr
    assert "g2-standard-8" in listed.stdout


def test_budgets_and_breakers_are_listed_and_a_breaker_is_reset(stack: Sluice) -> None:
    assert "environment=production" in stack.run("budgets", by="viewer").stdout
    listed = stack.json("breakers", "list", by="viewer")["items"]
    bare = stack.run("breakers", by="viewer")
    assert bare.returncode == 0, bare.stderr
    scarce = next(one["id"] for one in listed if one["id"].endswith("/scarce"))
    done = stack.json("breakers", "reset", scarce, "--reason", "stock is back", by="operator")
    assert done["state"] == "closed"


def test_a_breaker_is_opened_for_a_time_or_until_it_is_reset(stack: Sluice) -> None:
    opening = ("breakers", "open", "model:none-such", "--reason", "it rambles")
    assert stack.json(*opening, "--for", "30m", by="operator")["open_until"] is not None
    said = stack.run(*opening, by="operator")
    assert said.stderr.strip() == "model:none-such is open until it is reset"
    reset = stack.json("breakers", "reset", "model:none-such", "--reason", "over", by="operator")
    assert reset["state"] == "closed"


def test_asking_in_words_is_answered_with_a_proposal(stack: Sluice) -> None:
    text = "scale acme-prod/serving/inference to 4 nodes per zone"
    done = stack.run("ask", text, by="requester")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "planner says, unverified" in done.stdout
    assert "prp_" in done.stdout
    assert "proposals show prp_" in done.stderr


def test_the_audit_log_is_verified_online_and_offline_and_a_flipped_byte_is_found(
    stack: Sluice, tmp_path: Path
) -> None:
    online = stack.run("audit", "verify", by="viewer")
    assert (online.returncode, "SOUND" in online.stderr) == (0, True), online.stderr
    note = tmp_path / "checkpoint"
    note.write_text(stack.run("audit", "checkpoint", by="viewer").stdout)
    file = tmp_path / "audit.jsonl"
    assert stack.run("audit", "export", "--file", str(file), by="viewer").returncode == 0
    offline = stack.run(
        "audit", "verify", "--file", str(file), "--checkpoint", str(note), SLUICE_URL="http://127.0.0.1:9"
    )
    assert offline.returncode == 0, offline.stderr
    assert "with a checkpoint kept elsewhere" in offline.stderr
    content = bytearray(file.read_bytes())
    content[content.index(b"proposal.created")] ^= 1
    file.write_bytes(content)
    flipped = stack.run("audit", "verify", "--file", str(file))
    assert (flipped.returncode, "NOT SOUND" in flipped.stderr) == (7, True)
    assert "flipped" in flipped.stderr


def test_the_audit_log_is_listed_newest_first_and_a_record_tells_one_proposal(
    stack: Sluice, tmp_path: Path
) -> None:
    proposal_id = _waiting(stack, 6)
    of_it = ("audit", "events", "--subject", proposal_id)
    deadline = time.monotonic() + 60
    while len((found := stack.json(*of_it, by="viewer"))["items"]) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    numbers = [item["number"] for item in found["items"]]
    assert numbers == sorted(numbers, reverse=True)
    told = stack.run("audit", "record", proposal_id, by="viewer")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"{proposal_id}: ")
    assert "Who asked for what" in told.stdout
    assert f"[#{numbers[-1]}]" in told.stdout
    table = stack.run(*of_it, "--type", "proposal.created", by="viewer")
    assert "Proposed to resize" in table.stdout
    file = tmp_path / "audit.csv"
    assert stack.run("audit", "export", "--csv", "--file", str(file), by="viewer").returncode == 0
    assert file.read_text().startswith("number,at,type,")
    assert stack.run("audit", "events", "--actor", "nobody", by="viewer").returncode == 2
    assert stack.run("cancel", proposal_id, by="requester").returncode == 0
