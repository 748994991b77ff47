"""The script that makes the secrets: they work, nobody else reaches them, and a second run replaces nothing."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from adapters.keys import load_private_key, load_public_keys
from contracts.signature import key_id_of
from local.identities import IDENTITIES
from tools.compose_check import prepare_secrets


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    directory = tmp_path / "secrets"
    prepare_secrets(directory)
    return directory


def contents(directory: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in directory.iterdir()}


def test_only_their_owner_reaches_the_secrets(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    # The containers' users read the files through their own mounts, without passing the directory.
    assert {stat.S_IMODE(file.stat().st_mode) for file in secrets.iterdir()} == {0o444}


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
