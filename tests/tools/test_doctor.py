from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from settings import (
    DatabaseSettings,
    GkeSettings,
    HttpSettings,
    KeySettings,
    OpaSettings,
    ProgramSettings,
    Settings,
    TemporalSettings,
)
from tests.opa_fixtures import running_opa
from tools import doctor
from tools.compose_check import prepare_secrets
from tools.doctor import Check, CheckStatus, examine


async def check(name: str, settings: Settings) -> Check:
    return next(check for check in await examine(settings) if check.name == name)


async def test_a_machine_with_everything_has_no_failed_check(
    tmp_path: Path, temporal_binary: Path, opa_binary: Path, free_port: Callable[[], int]
) -> None:
    settings = Settings(
        state_dir=tmp_path / "state",
        http=HttpSettings(port=free_port()),
        programs=ProgramSettings(temporal=temporal_binary, opa=opa_binary),
    )
    checks = await examine(settings)
    assert [check for check in checks if check.status is CheckStatus.FAIL] == []
    assert {
        "python",
        "state directory",
        "postgresql",
        "temporal",
        "opa",
        "gke",
        "http port",
        "go",
        "node",
    } <= {check.name for check in checks}
    assert not (tmp_path / "state").exists()


async def test_a_missing_program_fails_with_every_place_and_a_hint(
    bare_machine: Path, tmp_path: Path
) -> None:
    found = await check("temporal", Settings(state_dir=tmp_path / "state"))
    assert found.status is CheckStatus.FAIL
    assert "PATH: no `temporal` there" in found.found
    assert "make setup" in found.hint


async def test_a_given_database_is_tried_and_its_password_is_not_shown(
    database_url: str, tmp_path: Path
) -> None:
    with_password = database_url.replace("postgres@", "postgres:hunter2@")
    settings = Settings(state_dir=tmp_path, database=DatabaseSettings(url=with_password))
    found = await check("postgresql", settings)
    assert found.status is CheckStatus.OK
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "postgresql://ana:hunter2@[host/name",
        "postgresql://ana:hunter2@h:p/n",
        "postgresql://ana:a/hunter2@127.0.0.1:1/name",
    ],
)
async def test_a_database_that_cannot_be_had_is_told_without_its_password(url: str, tmp_path: Path) -> None:
    found = await check("postgresql", Settings(state_dir=tmp_path, database=DatabaseSettings(url=url)))
    assert found.status is CheckStatus.FAIL
    assert "SLUICE_DATABASE__URL" in found.hint
    assert "hunter2" not in repr(found)


async def test_addresses_that_nobody_serves_fail_with_the_setting_to_correct(
    free_port: Callable[[], int], tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings = Settings(
        state_dir=tmp_path,
        database=DatabaseSettings(url=f"postgresql://sluice:hunter2@{address}/sluice"),
        temporal=TemporalSettings(address=address),
        opa=OpaSettings(url=f"http://{address}"),
        gke=GkeSettings(endpoint=address),
    )
    checks = {check.name: check for check in await examine(settings)}
    for name, setting in {
        "postgresql": "SLUICE_DATABASE__URL",
        "temporal": "SLUICE_TEMPORAL__ADDRESS",
        "opa": "SLUICE_OPA__URL",
        "gke": "SLUICE_GKE__ENDPOINT",
    }.items():
        assert checks[name].status is CheckStatus.FAIL
        assert setting in checks[name].hint
    assert "hunter2" not in repr(checks)


async def test_an_opa_without_policies_fails(opa_binary: Path, tmp_path: Path) -> None:
    with running_opa(opa_binary) as url:
        serving = await check("opa", Settings(state_dir=tmp_path, opa=OpaSettings(url=url)))
    assert serving.status is CheckStatus.OK
    (tmp_path / "none").mkdir()
    with running_opa(opa_binary, tmp_path / "none") as url:
        found = await check("opa", Settings(state_dir=tmp_path, opa=OpaSettings(url=url)))
    assert found.status is CheckStatus.FAIL
    assert "has no policies" in found.found


async def test_a_taken_port_fails_unless_our_own_stack_took_it(tmp_path: Path) -> None:
    with socket.socket() as taken, (tmp_path / "up.lock").open("w") as lock:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(state_dir=tmp_path, http=HttpSettings(port=taken.getsockname()[1]))
        assert (await check("http port", settings)).status is CheckStatus.FAIL
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert (await check("http port", settings)).status is CheckStatus.OK


@pytest.mark.parametrize(("file", "mode"), [("tokens.json", 0o640), ("keys/decision.pem", 0o604)])
async def test_secrets_that_others_may_read_fail(tmp_path: Path, file: str, mode: int) -> None:
    secret = tmp_path / file
    secret.parent.mkdir(exist_ok=True)
    secret.touch()
    secret.chmod(mode)
    found = await check("secrets", Settings(state_dir=tmp_path))
    assert (found.status, found.hint) == (CheckStatus.FAIL, f"chmod 0600 {secret}")


def holding(keys: Path) -> Settings:
    named = KeySettings(
        decision_private=keys / "decision_private.pem", audit_private=keys / "audit_private.pem"
    )
    return Settings(state_dir=keys.with_name("state"), keys=named)


async def test_doctor_finds_no_fault_in_the_secrets_that_prepare_sh_makes(tmp_path: Path) -> None:
    prepare_secrets(tmp_path / "secrets")
    found = await check("secrets", holding(tmp_path / "secrets"))
    assert (found.status, found.hint) == (CheckStatus.OK, "")


async def test_doctor_finds_no_fault_in_the_same_secrets_where_compose_mounts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_secrets(tmp_path / "secrets")
    (tmp_path / "secrets").chmod(0o755)
    assert (await check("secrets", holding(tmp_path / "secrets"))).status is CheckStatus.FAIL
    monkeypatch.setattr(doctor, "_MOUNTED", tmp_path / "secrets")
    assert (await check("secrets", holding(tmp_path / "secrets"))).status is CheckStatus.OK


async def test_a_state_directory_that_is_read_only_on_purpose_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = os.statvfs

    def read_only(path: Path) -> os.statvfs_result:
        found = [*looked(path)]
        found[8] |= os.ST_RDONLY
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", read_only)
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = await check("state directory", Settings(state_dir=tmp_path))
    assert (found.status, "read-only" in found.found) == (CheckStatus.OK, True)


@pytest.fixture
def open_directory(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


async def test_a_state_directory_of_somebody_else_fails_as_it_does_for_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    found = await check("state directory", Settings(state_dir=tmp_path))
    assert (found.status, found.found) == (CheckStatus.FAIL, f"{tmp_path} belongs to somebody else")


async def test_a_state_directory_open_to_others_is_a_warning(open_directory: Path) -> None:
    found = await check("state directory", Settings(state_dir=open_directory))
    assert (found.status, found.hint) == (CheckStatus.WARN, f"chmod 0700 {open_directory}")
