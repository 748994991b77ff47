"""ID tokens that a hostile or careless party could send, signed with real keys."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from adapters.oidc.id_token import groups_of, key_id_of_token, name_of, roles_of, subject_of, verified_claims
from contracts.errors import SignInRefused
from contracts.principal import Role

AN_HOUR_AGO, IN_AN_HOUR = int(time.time()) - 3_600, int(time.time()) + 3_600

ISSUER, CLIENT, NONCE = "https://login.example", "sluice", "n-1"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
OTHER = RSAKey.generate_key(2048, {"kid": "rsa"}, private=True)
EC = ECKey.generate_key("P-256", {"kid": "ec"}, private=True)
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"}, private=True)
PUBLIC = tuple(
    kind.import_key(key.as_dict(private=False)) for kind, key in ((RSAKey, RSA), (ECKey, EC), (OKPKey, ED))
)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {
        "iss": ISSUER,
        "sub": "ana",
        "aud": CLIENT,
        "exp": now + 300,
        "iat": now,
        "nonce": NONCE,
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def signed(given: dict[str, Any], key: Any = RSA, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": key.kid or ""}, given, key, algorithms=[alg])


def accepted(token: str, now: datetime | None = None) -> dict[str, Any]:
    now = now or datetime.now(UTC)
    return verified_claims(token, PUBLIC, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, now=now)


@pytest.mark.parametrize(
    ("key", "alg"),
    [(RSA, "RS256"), (RSA, "PS256"), (RSA, "RS512"), (EC, "ES256"), (ED, "Ed25519")],
)
def test_a_token_of_the_provider_is_accepted(key: Any, alg: str) -> None:
    assert accepted(signed(claims(), key, alg))["sub"] == "ana"


def test_a_token_for_several_that_was_issued_to_us_is_accepted() -> None:
    assert accepted(signed(claims(aud=[CLIENT, "other"], azp=CLIENT)))["sub"] == "ana"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"iss": ISSUER + "/"},
        {"sub": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": []},
        {"aud": None},
        {"aud": [CLIENT, "other"]},
        {"azp": "other"},
        {"aud": [CLIENT, "other"], "azp": "other"},
        {"exp": AN_HOUR_AGO},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": IN_AN_HOUR},
        {"iat": None},
        {"nbf": IN_AN_HOUR},
        {"nonce": "n-2"},
        {"nonce": None},
        {"nonce": ["n-1"]},
        {"nonce": ""},
    ],
    # No moments: every process that collects must give a test the same name.
    ids=lambda changes: (
        str(changes).replace(str(AN_HOUR_AGO), "an hour ago").replace(str(IN_AN_HOUR), "later")
    ),
)
def test_a_token_for_others_or_of_another_time_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SignInRefused) as refused:
        accepted(signed(claims(**changes)))
    assert refused.value.code == "id_token_invalid"


@pytest.mark.parametrize("by", [timedelta(hours=-1), timedelta(hours=1)], ids=["behind", "ahead"])
def test_a_token_is_of_now_by_the_clock_that_is_given_and_not_by_this_process(by: timedelta) -> None:
    there = datetime.now(UTC) + by
    now = int(there.timestamp())
    assert accepted(signed(claims(iat=now, exp=now + 300)), there)["sub"] == "ana"
    with pytest.raises(SignInRefused):
        accepted(signed(claims()), there)


def _signed_with_the_public_key_as_a_secret() -> str:
    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    text = (
        f"{part(json.dumps({'alg': 'HS256', 'kid': 'rsa'}).encode())}.{part(json.dumps(claims()).encode())}"
    )
    return f"{text}.{part(hmac.digest(RSA.as_pem(private=False), text.encode(), 'sha256'))}"


def _bent() -> str:
    head, body, signature = signed(claims()).split(".")
    return f"{head}.{body[:-2]}AA.{signature}"


@pytest.mark.parametrize(
    "forge",
    [
        _signed_with_the_public_key_as_a_secret,
        _bent,
        lambda: signed(claims(), OTHER),
        lambda: signed(claims()).rsplit(".", 1)[0] + ".",
        lambda: "x.y.z",
        lambda: "",
        lambda: "." * 5_000,
    ],
)
def test_a_token_that_no_key_of_the_provider_signed_is_refused(forge: Callable[[], str]) -> None:
    with pytest.raises(SignInRefused):
        accepted(forge())


def test_an_unsigned_token_is_refused() -> None:
    head, body, _ = signed(claims()).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for token in (f"{none}.{body}.", f"{none}.{body}.{head}"):
        with pytest.raises(SignInRefused):
            accepted(token)


@pytest.mark.parametrize("token", ["", "x", "é.é.é", "W10.x.y", "bnVsbA.x.y", "." * 10])
def test_what_is_no_token_names_no_key(token: str) -> None:
    with pytest.raises(SignInRefused):
        key_id_of_token(token)


def test_a_key_id_is_read_from_the_header_and_has_to_be_text() -> None:
    assert key_id_of_token(signed(claims())) == "rsa"


@pytest.mark.parametrize(
    ("given", "claim", "code"),
    [
        ({"email": "a@b", "email_verified": False}, "email", "email_not_verified"),
        ({"email": "a@b", "email_verified": "true"}, "email", "email_not_verified"),
        ({"email": "a@b"}, "email", "email_not_verified"),
        ({}, "sub", "subject_claim_missing"),
        ({"sub": 7}, "sub", "subject_claim_missing"),
        ({"sub": ""}, "sub", "subject_claim_missing"),
        ({"sub": "x" * 201}, "sub", "subject_claim_missing"),
        ({"sub": "a\u202eb"}, "sub", "subject_claim_missing"),
        ({"sub": "a\x00b"}, "sub", "subject_claim_missing"),
    ],
)
def test_a_name_that_does_not_hold_is_refused(given: dict[str, Any], claim: str, code: str) -> None:
    with pytest.raises(SignInRefused) as refused:
        subject_of(given, claim)
    assert refused.value.code == code


def test_an_address_counts_when_the_provider_verified_it() -> None:
    assert subject_of({"email": "a@b", "email_verified": True}, "email") == "a@b"


def test_what_pages_show_falls_back_to_the_subject_and_is_cut() -> None:
    assert name_of({"name": "Ana"}, "name", "sub-1") == "Ana"
    assert name_of({"name": "  "}, "name", "sub-1") == "sub-1"
    assert name_of({"name": 5}, "name", "sub-1") == "sub-1"
    assert len(name_of({"name": "x" * 900}, "name", "sub-1")) == 200


MAPPING = {"sre": (Role.OPERATOR, Role.VIEWER), "leads": (Role.APPROVER, Role.VIEWER)}


@pytest.mark.parametrize(
    ("given", "claim", "roles"),
    [
        ({"groups": ["sre", "leads"]}, "groups", (Role.VIEWER, Role.APPROVER, Role.OPERATOR)),
        ({"groups": "sre"}, "groups", (Role.VIEWER, Role.OPERATOR)),
        ({"groups": "sre leads"}, "groups", ()),
        ({"groups": ["SRE", "other", 7, None, ["sre"]]}, "groups", ()),
        ({"groups": {"sre": True}}, "groups", ()),
        ({}, "groups", ()),
        ({"realm_access": {"roles": ["sre"]}}, "realm_access.roles", (Role.VIEWER, Role.OPERATOR)),
        ({"https://a.b/roles": ["sre"]}, "https://a.b/roles", (Role.VIEWER, Role.OPERATOR)),
        ({"realm_access": "sre"}, "realm_access.roles", ()),
    ],
)
def test_roles_come_from_the_values_that_the_mapping_names(
    given: dict[str, Any], claim: str, roles: tuple[Role, ...]
) -> None:
    assert roles_of(given, claim, MAPPING) == roles


def test_groups_come_from_the_values_that_the_mapping_names_and_no_others() -> None:
    mapping = {"cost-team": ("finance",), "sre": ("oncall", "platform")}
    claims = {"realm": {"groups": ["sre", "cost-team", "unknown", 7]}}
    assert groups_of(claims, "realm.groups", mapping) == ("finance", "oncall", "platform")
    assert groups_of(claims, "groups", mapping) == ()
    assert groups_of({"groups": "cost-team"}, "groups", mapping) == ("finance",)
