"""What needs no API: help, exit codes, who one is, settings and files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.canned import serving
from tests.cli.conftest import ROOT, Sluice
from tests.database_clock import set_clock

HEAVY = (
    "httpx",
    "pydantic",
    "rich",
    "sqlalchemy",
    "fastapi",
    "temporalio",
    "yaml",
    "cryptography",
    "structlog",
)
COMMANDS = {
    "up", "ask", "propose", "proposals", "approve", "reject", "withdraw", "edit", "evals", "cancel",
    "undo", "resolve", "halt", "halts", "resume", "windows", "break-glass", "breakers", "budgets",
    "fleet", "audit", "api", "worker", "migrate", "tokens", "config", "doctor",
}  # fmt: skip


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_help_names_every_command(sluice: Sluice) -> None:
    done = sluice.run("--help")
    assert done.returncode == 0
    shown = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert shown >= COMMANDS


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("proposals", "show"),
        ("reject", "prp_1"),
        ("propose",),
        ("propose", "--pool", "a/b", "--nodes", "1"),
        ("propose", "--pool", "a/b/c/d"),
        ("propose", "--file", "/nonexistent"),
        ("proposals", "show", "../../v1/halts"),
        ("resolve", "prp_1", "--outcome", "failed"),
        ("tokens", "issue", "bot", "--kind", "agent", "--role", "approver"),
        ("config", "check"),
        ("worker", "--queues", "sluice-main,nope"),
    ],
)
def test_what_is_not_valid_is_a_usage_error(sluice: Sluice, arguments: tuple[str, ...]) -> None:
    done = sluice.run(*arguments, SLUICE_TOKEN="x")
    assert done.returncode == 2, done.stderr
    assert done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "action: {kind: x}\nreason: 2026-11-21\n",
        "action: {kind: x}\nreason: 2026-99-99\n",
        "action: {kind: x, node_count: .nan}\n",
        "action: &again {kind: x, same: *again}\n",
        "[" * 5_000,
    ],
    ids=["date", "no-date", "nan", "circle", "depth"],
)
def test_a_file_that_no_json_can_say_is_a_usage_error(sluice: Sluice, tmp_path: Path, text: str) -> None:
    file = tmp_path / "proposal.yaml"
    file.write_text(text)
    done = sluice.run("propose", "-f", str(file), SLUICE_TOKEN="x")
    assert (done.returncode, str(file) in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_that_lacks_a_letter_is_shown_its_code_point(
    sluice: Sluice, monkeypatch: pytest.MonkeyPatch
) -> None:
    halt = {"id": "hlt_1", "status": "effective", "scope": {}, "created_by": "local/ana", "reason": "größer"}
    with serving(monkeypatch) as canned:
        canned.answers["GET /v1/halts"] = (200, {"items": [halt]})
        url = os.environ["SLUICE_URL"]
        done = sluice.run("halts", SLUICE_URL=url, SLUICE_TOKEN="x", PYTHONIOENCODING="ascii")
    assert (done.returncode, r"gr\xf6\xdfer" in done.stdout) == (0, True), done.stderr


def test_a_reader_that_leaves_early_is_no_failure(sluice: Sluice) -> None:
    read, write = os.pipe()
    os.close(read)
    command = sluice.command("prices", "show")
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(
            command, env=sluice.environ(), stdout=nobody, stderr=subprocess.PIPE, timeout=120
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_api_that_does_not_answer_is_an_error_with_a_next_step(sluice: Sluice) -> None:
    done = sluice.run("proposals", "list", SLUICE_TOKEN="x")
    assert done.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in done.stderr
    assert "sluice up" in done.stderr
    assert done.stdout == ""


def test_a_url_that_is_none_and_a_token_that_is_none_are_told(sluice: Sluice) -> None:
    url = sluice.run("proposals", "list", "--url", "http://[::", SLUICE_TOKEN="x")
    assert (url.returncode, "is not a URL" in url.stderr) == (2, True)
    scheme = sluice.run("proposals", "list", "--url", "ftp://here", SLUICE_TOKEN="x")
    assert (scheme.returncode, "Traceback" in scheme.stderr) == (1, False)
    token = sluice.run("proposals", "list", SLUICE_TOKEN="tökén")
    assert (token.returncode, "Traceback" in token.stderr) == (4, False)


def test_without_a_token_it_is_said_who_one_could_be(sluice: Sluice) -> None:
    (sluice.state / "tokens.json").write_text(json.dumps({"requester": "r" * 40, "approver": "a" * 40}))
    unclear = sluice.run("proposals", "list")
    assert (unclear.returncode, "--as requester | --as approver" in unclear.stderr) == (4, True)
    unknown = sluice.run("proposals", "list", by="root")
    assert (unknown.returncode, "requester, approver" in unknown.stderr) == (4, True)


def test_the_declarative_file_is_checked_with_line_and_reason(sluice: Sluice, tmp_path: Path) -> None:
    good = sluice.run("config", "check", str(ROOT / "local" / "practice.yaml"), "-o", "json")
    assert (good.returncode, json.loads(good.stdout)["targets"]) == (0, 4)
    wrong = tmp_path / "sluice.yaml"
    wrong.write_text("environments:\n  production: {approval: {quorum: -1}}\ncolour: red\n")
    done = sluice.run("config", "check", str(wrong))
    assert done.returncode == 2
    assert f"{wrong}:2" in done.stderr
    assert f"{wrong}:3" in done.stderr


def test_the_schema_of_the_declarative_file_is_json(sluice: Sluice) -> None:
    assert "properties" in json.loads(sluice.run("config", "schema").stdout)


def test_a_worker_refuses_to_run_without_a_mode(sluice: Sluice) -> None:
    done = sluice.run("worker", SLUICE_TEMPORAL__ADDRESS="127.0.0.1:9")
    assert done.returncode == 2
    assert "SLUICE_GKE__MODE" in done.stderr


@pytest.mark.parametrize(
    "command", [("worker", "--queues", "agent"), ("migrate", "--tokens", "nowhere.json")]
)
def test_a_part_that_cannot_start_ends_before_threads_of_others_can_abort_it(
    sluice: Sluice, migrated_database_url: str, command: tuple[str, ...]
) -> None:
    way_out = "import atexit; atexit.register(print, 'on the way out')"
    environment = sluice.environ(
        SLUICE_GKE__MODE="practice",
        SLUICE_TEMPORAL__ADDRESS="127.0.0.1:9",
        SLUICE_DATABASE__URL=migrated_database_url,
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{way_out}; from cli.main import app; app({[*command]!r})"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert "sluice: Temporal did not answer" in done.stderr


def test_settings_that_are_not_valid_are_named(sluice: Sluice) -> None:
    done = sluice.run("config", "check", SLUICE_GKE__MODE="production")
    assert done.returncode == 2
    assert "gke.mode" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SLUICE_OIDC__ROLES", '{"sre": operator}', "oidc"),
        ("SLUICE_SECRETS_DIR", "/nowhere", "/nowhere"),
        ("SLUICE_DATABASE__URL", "postgres://sluice:hunter2@db/sluice", "SLUICE_DATABASE__URL"),
        ("SLUICE_DATABASE__URL", "postgresql://sluice:hun@ter2:x@db/sluice", "SLUICE_DATABASE__URL"),
    ],
)
def test_settings_that_cannot_be_read_are_told_in_a_line_without_what_they_hold(
    sluice: Sluice, name: str, value: str, told: str
) -> None:
    done = sluice.run("migrate", **{name: value})
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert not any(words in done.stderr for words in ("Traceback", "ter2", "operator"))


def test_a_token_ends_by_the_clock_of_the_database(sluice: Sluice, migrated_database_url: str) -> None:
    asyncio.run(set_clock(migrated_database_url, timedelta(days=1000)))
    issued = sluice.run(
        "tokens", "issue", "ana", "--role", "viewer", "--days", "1", "-o", "json",
        SLUICE_DATABASE__URL=migrated_database_url,
    )  # fmt: skip
    assert issued.returncode == 0, issued.stderr
    end = datetime.fromisoformat(json.loads(issued.stdout)["expires_at"])
    assert timedelta(days=1000) < end - datetime.now(UTC) < timedelta(days=1002)


def test_a_token_is_issued_used_and_revoked(sluice: Sluice, database_url: str) -> None:
    environment = {"SLUICE_DATABASE__URL": database_url}
    assert sluice.run("migrate", **environment).returncode == 0
    issued = sluice.run(
        "tokens", "issue", "ana", "--role", "approver", "--group", "finance", "-o", "json", **environment
    )
    assert issued.returncode == 0, issued.stderr
    token = json.loads(issued.stdout)
    assert token["token"].startswith("slc_")
    assert token["token"] not in issued.stderr
    assert sluice.run("tokens", "revoke", token["id"], **environment).returncode == 0
    again = sluice.run("tokens", "revoke", token["id"], **environment)
    assert (again.returncode, "no such token" in again.stderr) == (1, True)
