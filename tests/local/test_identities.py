from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from local.events import StackError
from local.identities import IDENTITIES, ensure_keys, ensure_tokens


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_every_identity_has_a_token_of_its_own_in_a_private_file(tmp_path: Path) -> None:
    file = ensure_tokens(tmp_path)
    tokens = json.loads(file.read_text())
    assert tuple(tokens) == IDENTITIES
    assert len(set(tokens.values())) == len(IDENTITIES)
    assert min(len(token) for token in tokens.values()) > 40
    assert mode(file) == 0o600


def test_tokens_stay_and_a_missing_identity_is_added(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"requester": "known"}')
    tokens = json.loads(ensure_tokens(tmp_path).read_text())
    assert tokens["requester"] == "known"
    assert set(tokens) == set(IDENTITIES)
    assert json.loads(ensure_tokens(tmp_path).read_text()) == tokens


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    first = ensure_keys(tmp_path)
    before = first.decision_private.read_bytes()
    second = ensure_keys(tmp_path)
    assert second == first
    assert second.decision_private.read_bytes() == before
    assert first.audit_private.read_bytes() != before
    files = (first.decision_private, first.decision_public, first.audit_private, first.audit_public)
    assert {mode(file) for file in files} == {0o600}


def test_a_lost_public_key_is_derived_from_its_private_key(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path)
    keys.decision_public.unlink()
    ensure_keys(tmp_path)
    private = load_pem_private_key(keys.decision_private.read_bytes(), password=None)
    assert load_pem_public_key(keys.decision_public.read_bytes()) == private.public_key()


@pytest.mark.parametrize(
    ("file", "ensure"), [("tokens.json", ensure_tokens), ("keys/audit.pem", ensure_keys)]
)
def test_a_damaged_file_is_named_and_not_replaced(
    tmp_path: Path, file: str, ensure: Callable[[Path], object]
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / file).write_text("not what it was")
    with pytest.raises(StackError, match=file):
        ensure(tmp_path)
    assert (tmp_path / file).read_text() == "not what it was"
