"""The checks of an ID token (OpenID Connect Core 1.0, section 3.1.3.7), and who it says somebody is."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from adapters.oidc.documents import Key
from contracts.errors import SignInRefused
from contracts.principal import Role

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519"),
)
"""Signatures with a public key only: `none` and shared secrets would let others sign."""
LEEWAY = 60
"""Seconds that two clocks may differ."""
_MOST_CHARACTERS = 200


def key_id_of_token(token: str) -> str | None:
    """Return the key id that the token's header names, if it names one.

    Raises:
        SignInRefused: it is not a signed token.
    """
    try:
        head = token.split(".", 1)[0]
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
        key_id = header.get("kid")
    except (ValueError, binascii.Error, AttributeError, RecursionError) as error:
        raise refused("the ID token is not a signed token") from error
    return key_id if isinstance(key_id, str) else None


def verified_claims(
    token: str, keys: Sequence[Key], *, issuer: str, client_id: str, nonce: str, now: datetime
) -> dict[str, Any]:
    """Return the claims of a token that one of the keys signed, for us, in answer to this attempt, valid at `now`.

    Raises:
        SignInRefused: any check failed.
    """
    claims = _signed(token, keys)
    registry = jwt.JWTClaimsRegistry(
        int(now.timestamp()),
        LEEWAY,
        iss={"essential": True, "value": issuer},
        sub={"essential": True},
        aud={"essential": True, "value": client_id},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(claims)
    except (JoseError, TypeError, ValueError) as error:
        raise refused("the ID token is not for us, or not of now") from error
    audience, party = claims["aud"], claims.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise refused("the ID token is for several and names no authorized party")
    if party is not None and party != client_id:
        raise refused("the ID token was issued to another client")
    answered = claims.get("nonce")
    if not isinstance(answered, str) or not hmac.compare_digest(answered.encode(), nonce.encode()):
        raise refused("the ID token answers another attempt")
    return claims


def _signed(token: str, keys: Sequence[Key]) -> dict[str, Any]:
    for key in keys:
        try:
            decoded = jwt.decode(token, key, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError):
            continue
        return dict(decoded.claims)
    raise refused("no key of the provider signed the ID token in a way we accept")


def subject_of(claims: Mapping[str, Any], claim: str) -> str:
    """Return who it is. An e-mail address counts only when the provider says that it was verified.

    Raises:
        SignInRefused: the claim is missing, unverified or not a name.
    """
    if claim == "email" and claims.get("email_verified") is not True:
        told = "Your e-mail address is not verified at the identity provider."
        raise SignInRefused(told, reason_code="email_not_verified")
    value = claims.get(claim)
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARACTERS or not value.isprintable():
        told = f"The identity provider did not say who you are: the claim {claim} is missing."
        raise SignInRefused(told, reason_code="subject_claim_missing")
    return value


def name_of(claims: Mapping[str, Any], claim: str, default: str) -> str:
    """Return how the provider names the person, or the default."""
    value = claims.get(claim)
    return value[:_MOST_CHARACTERS] if isinstance(value, str) and value.strip() else default


def roles_of(
    claims: Mapping[str, Any], claim: str, mapping: Mapping[str, tuple[Role, ...]]
) -> tuple[Role, ...]:
    """Return the roles that the claim's values stand for, in the order of `Role`. Values not in the mapping give none.

    `claim` is a name, or a path into objects with dots (`realm_access.roles`); a name with dots of its own wins.
    """
    given = {role for one in _values(claims, claim) for role in mapping.get(one, ())}
    return tuple(role for role in Role if role in given)


def groups_of(
    claims: Mapping[str, Any], claim: str, mapping: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return our groups that the claim's values stand for, sorted. `claim` and the mapping are read as for roles."""
    return tuple(sorted({group for one in _values(claims, claim) for group in mapping.get(one, ())}))


_MISSING = object()


def _values(claims: Mapping[str, Any], claim: str) -> list[str]:
    value = claims.get(claim, _MISSING)
    if value is _MISSING:
        value = _at(claims, claim.split("."))
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [one for one in values if isinstance(one, str)]


def _at(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def refused(message: str) -> SignInRefused:
    """Return the refusal of a token that failed a check."""
    return SignInRefused(message, reason_code="id_token_invalid")
