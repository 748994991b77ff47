from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from adapters.opa.bundle import revision_in
from contracts.errors import ConfigurationInvalid
from local.environment import foreign_environment
from local.events import StackEvent
from local.opa import POLICIES, follow_policies, pack_policies, server_command
from local.part import Part
from local.probes import answers_http
from local.supervisor import Supervisor


@pytest.fixture
def source(tmp_path: Path) -> Path:
    shutil.copytree(POLICIES, tmp_path / "policies")
    return tmp_path / "policies"


@asynccontextmanager
async def served(opa: Path, bundle: Path, folder: Path) -> AsyncIterator[Callable[[], asyncio.Future[str]]]:
    """An OPA over the bundle; yields what asks it for the revision in force."""
    socket = folder / "opa.sock"
    server = Part(
        name="opa",
        command=tuple(server_command(opa, policies=bundle, socket=socket)),
        environment=foreign_environment(),
        is_ready=partial(answers_http, "http://opa/health", unix_socket=socket),
    )
    supervisor = Supervisor([(server,)], logs=folder, report=lambda _: None)

    async def revision() -> str:
        answer = await client.get("http://opa/v1/data/sluice/verdict")
        return str(answer.json()["result"]["revision"])

    try:
        await supervisor.start()
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket))) as client:
            yield lambda: asyncio.ensure_future(revision())
    finally:
        await supervisor.stop()


def change(source: Path, old: str = "No team owns", new: str = "Nobody owns") -> None:
    rule = source / "owning_team" / "policy.rego"
    rule.write_text(rule.read_text().replace(old, new))


async def test_the_server_answers_over_its_socket_and_knows_its_revision(
    opa_binary: Path, short_dir: Path, source: Path
) -> None:
    bundle = short_dir / "bundle.tar.gz"
    told = pack_policies(opa_binary, bundle, source)
    async with served(opa_binary, bundle, short_dir) as revision:
        assert await revision() == revision_in(bundle)
    assert "22 policies at sha256:" in told.message


async def test_a_changed_policy_is_in_force_without_a_restart_and_a_broken_one_never_is(
    opa_binary: Path, short_dir: Path, source: Path
) -> None:
    bundle, heard = short_dir / "bundle.tar.gz", asyncio.Queue[StackEvent]()
    pack_policies(opa_binary, bundle, source)
    async with served(opa_binary, bundle, short_dir) as revision:
        following = asyncio.create_task(
            follow_policies(opa_binary, bundle, heard.put_nowait, source, every=0.05)
        )
        try:
            first = await revision()
            change(source)
            assert "22 policies at" in (await heard.get()).message
            second = revision_in(bundle)
            assert second != first
            async with asyncio.timeout(60):
                while await revision() != second:
                    continue
            change(source, "evaluated := true", "evaluated := ")
            assert "the last good policies stay in force" in (await heard.get()).message
            assert await revision() == second == revision_in(bundle)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def test_limits_that_hold_nothing_under_the_configuration_are_told_and_are_no_flaw(
    opa_binary: Path, tmp_path: Path, source: Path
) -> None:
    bundle, configuration = tmp_path / "bundle.tar.gz", tmp_path / "sluice.yaml"
    configuration.write_text("environments: {production: {}}\n")
    told = pack_policies(opa_binary, bundle, source, configuration).message
    assert "22 policies at sha256:" in told
    assert "pool_maximum.environments.development: 'development' is not one of the environments" in told
    assert bundle.exists()
    configuration.write_text("environments: {production: {}, development: {}}\n")
    assert "hold nothing" not in pack_policies(opa_binary, bundle, source, configuration).message


@pytest.mark.parametrize("flaw", ["rule", "limits"])
def test_flaws_are_told_with_their_place_and_an_older_bundle_stays(
    opa_binary: Path, tmp_path: Path, source: Path, flaw: str
) -> None:
    bundle = tmp_path / "bundle.tar.gz"
    pack_policies(opa_binary, bundle, source)
    good = bundle.read_bytes()
    if flaw == "rule":
        change(source, "evaluated := true", "evaluated := ")
    else:
        (source / "data.yaml").write_text("sluice:\n  limits:\n    pool_maximum: {}\n")
    told = pack_policies(opa_binary, bundle, source).message
    assert {"rule": "owning_team/policy.rego:", "limits": "data.yaml:3:"}[flaw] in told
    assert bundle.read_bytes() == good
    bundle.unlink()
    with pytest.raises(ConfigurationInvalid):
        pack_policies(opa_binary, bundle, source)
    assert not bundle.exists()
