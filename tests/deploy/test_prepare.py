"""The script that makes the secrets: they work, nobody else reaches them, and a second run replaces nothing."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from adapters.keys import load_private_key, load_public_keys
from contracts.signature import key_id_of
from local.identities import IDENTITIES
from tools.compose_check import PREPARE, ROOT, prepare_secrets


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    directory = tmp_path / "secrets"
    prepare_secrets(directory)
    return directory


def contents(directory: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in directory.iterdir() if file.is_file()}


def test_only_their_owner_reaches_the_secrets(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    # The containers' users read the files through their own mounts, without passing the directory.
    assert {stat.S_IMODE((secrets / name).stat().st_mode) for name in contents(secrets)} == {0o444}
    assert stat.S_IMODE((secrets / "webhooks").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["decision", "audit"])
def test_the_key_pairs_are_ones_that_the_adapters_load(secrets: Path, name: str) -> None:
    private = load_private_key(secrets / f"{name}_private.pem")
    assert set(load_public_keys(secrets / f"{name}_public.pem")) == {key_id_of(private.public_key())}


def test_the_database_url_carries_the_password_that_the_database_gets(secrets: Path) -> None:
    password = (secrets / "database_password").read_text().strip()
    assert len(password) == 64
    url = (secrets / "database_url").read_text().strip()
    assert url == f"postgresql://sluice:{password}@postgres:5432/sluice"


def test_every_local_identity_gets_a_token_of_its_own(secrets: Path) -> None:
    tokens = json.loads((secrets / "tokens.json").read_text())
    assert tuple(tokens) == IDENTITIES
    assert len(set(tokens.values())) == len(IDENTITIES)


def test_a_second_run_replaces_nothing(secrets: Path) -> None:
    before = contents(secrets)
    prepare_secrets(secrets)
    assert contents(secrets) == before


def test_a_lost_public_key_is_derived_from_the_private_one(secrets: Path) -> None:
    before = contents(secrets)
    (secrets / "decision_public.pem").unlink()
    prepare_secrets(secrets)
    assert contents(secrets) == before


def test_two_runs_in_two_places_share_no_secret(secrets: Path, tmp_path: Path) -> None:
    prepare_secrets(tmp_path / "other")
    ours, theirs = contents(secrets), contents(tmp_path / "other")
    assert not [name for name in ours if ours[name] and ours[name] == theirs[name]]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with the script and the secrets that it made, as the page about containers has it."""
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    shutil.copy2(PREPARE, deploy)
    prepare_secrets(deploy / "secrets")
    return tmp_path


def steps(of: str) -> list[str]:
    """Return the lines that the page tells to type, for one secret."""
    page = (ROOT / "deploy" / "README.md").read_text()
    shown = page.partition(f"The **{of}**")[2].partition("```sh\n")[2].partition("```")[0]
    return shown.splitlines()


def typed(host: Path, lines: list[str]) -> None:
    subprocess.run(["sh", "-eu", "-c", "\n".join(lines)], cwd=host, check=True, capture_output=True)


def key_ids(host: Path, pair: str) -> tuple[str, set[str]]:
    """Return the key that signs, and those that are believed."""
    secrets = host / "deploy" / "secrets"
    signing = key_id_of(load_private_key(secrets / f"{pair}_private.pem").public_key())
    return signing, set(load_public_keys(secrets / f"{pair}_public.pem"))


def test_the_decision_keys_are_replaced_in_the_steps_that_the_page_shows(host: Path) -> None:
    old, _ = key_ids(host, "decision")
    lines = steps("decision keys")
    ends = [at + 1 for at, line in enumerate(lines) for step in "123" if f"# {step}:" in line]

    typed(host, lines[: ends[0]])
    signing, believed = key_ids(host, "decision")
    assert signing == old
    assert old in believed
    (new,) = believed - {old}

    typed(host, ["cd deploy/secrets", *lines[ends[0] : ends[1]]])
    assert key_ids(host, "decision") == (new, {old, new})

    typed(host, ["cd deploy/secrets", *lines[ends[1] : ends[2]]])
    assert key_ids(host, "decision") == (new, {new})
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (host / "deploy" / "secrets").glob("decision_*")}
    assert modes == {0o444}


def test_the_audit_key_is_replaced_and_the_old_one_still_believed(host: Path) -> None:
    old, _ = key_ids(host, "audit")
    typed(host, steps("audit key"))
    new, believed = key_ids(host, "audit")
    assert new != old
    assert believed == {old, new}


def test_a_new_password_of_the_database_comes_with_its_url(host: Path) -> None:
    secrets = host / "deploy" / "secrets"
    before = contents(secrets)
    typed(host, steps("database's password")[:1])
    after = contents(secrets)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"database_password", "database_url"}
    assert after["database_password"].strip() in after["database_url"]
