from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import httpx

from local.environment import foreign_environment
from local.opa import server_command, snapshot_policies
from local.part import Part
from local.probes import answers_http
from local.supervisor import Supervisor

_RULE = "package sluice.scope\n\nrevision := data.sluice.bundle.revision\n"


def policies(directory: Path) -> Path:
    (directory / "scope" / "samples").mkdir(parents=True)
    (directory / "scope" / "policy.rego").write_text(_RULE)
    (directory / "scope" / "policy_test.rego").write_text("this does not even parse")
    (directory / "scope" / "samples" / "allowed.json").write_text("{}")
    return directory


def test_the_snapshot_holds_rules_and_their_revision_but_no_tests_and_samples(tmp_path: Path) -> None:
    revision = snapshot_policies(tmp_path / "copy", policies(tmp_path / "policies"))
    names = {file.relative_to(tmp_path / "copy").as_posix() for file in (tmp_path / "copy").rglob("*.*")}
    assert names == {"scope/policy.rego", "revision.json"}
    stored = json.loads((tmp_path / "copy" / "revision.json").read_text())
    assert stored == {"sluice": {"bundle": {"revision": revision}}}
    assert revision.startswith("sha256:")


def test_the_revision_changes_with_a_rule_and_with_its_name_and_with_nothing_else(tmp_path: Path) -> None:
    source = policies(tmp_path / "policies")
    first = snapshot_policies(tmp_path / "copy", source)
    (source / "scope" / "policy_test.rego").write_text("other")
    assert snapshot_policies(tmp_path / "copy", source) == first
    (source / "scope" / "policy.rego").rename(source / "scope" / "renamed.rego")
    renamed = snapshot_policies(tmp_path / "copy", source)
    (source / "scope" / "renamed.rego").write_text(_RULE + "\n")
    edited = snapshot_policies(tmp_path / "copy", source)
    assert len({first, renamed, edited}) == 3


async def test_the_server_answers_over_its_socket_and_knows_its_revision(
    opa_binary: Path, short_dir: Path
) -> None:
    revision = snapshot_policies(short_dir / "copy", policies(short_dir / "policies"))
    socket = short_dir / "opa.sock"
    server = Part(
        name="opa",
        command=tuple(server_command(opa_binary, policies=short_dir / "copy", socket=socket)),
        environment=foreign_environment(),
        is_ready=partial(answers_http, "http://opa/health", unix_socket=socket),
    )
    supervisor = Supervisor([(server,)], logs=short_dir, report=lambda _: None)
    try:
        await supervisor.start()
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket))) as client:
            answer = await client.get("http://opa/v1/data/sluice/scope/revision")
    finally:
        await supervisor.stop()
    assert answer.json()["result"] == revision
