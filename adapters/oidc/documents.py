"""What an identity provider publishes: its endpoints (OpenID Connect Discovery 1.0) and its keys (RFC 7517).

Both are kept for an hour. A key that is not known is looked for at once, but not more often than every ten seconds, so
that made-up key ids cause no traffic.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from adapters.store.database import forbid_in_transaction
from contracts.errors import IdentityProviderUnavailable

Key = RSAKey | ECKey | OKPKey
WELL_KNOWN = "/.well-known/openid-configuration"
KEPT_FOR = 3_600.0
"""Seconds."""
LOOKED_FOR_EVERY = 10.0
"""Seconds between two looks for a key that is not known."""
MOST_BYTES = 256 * 1024
ANSWERED_WITHIN = 15.0
"""Seconds for a whole answer. The client's own time-outs begin anew with every byte."""
_OK = 200
_REFUSALS = (400, 401, 403)
"""How a token endpoint answers whom it refuses (RFC 6749, section 5.2). Whoever is out of order spells that alike."""


@dataclass(frozen=True)
class Metadata:
    """The endpoints of a provider."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None
    auth_methods: tuple[str, ...]
    """How a client may prove itself at the token endpoint."""
    names_itself: bool
    """Whether each answer carries `iss` (RFC 9207)."""


class Documents:
    """Reads and keeps what the provider publishes."""

    def __init__(
        self, http: httpx.AsyncClient, issuer: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._issuer = issuer
        self._clock = clock
        self._lock = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._keys: tuple[Key, ...] = ()
        self._metadata_at = self._keys_at = -KEPT_FOR

    async def metadata(self) -> Metadata:
        """Return the provider's endpoints.

        Raises:
            IdentityProviderUnavailable: they cannot be read, or are another issuer's.
        """
        async with self._lock:
            return await self._read_metadata()

    async def keys(self, key_id: str | None) -> tuple[Key, ...]:
        """Return the keys that may have signed: the one of this id, or all where the token names none.

        Raises:
            IdentityProviderUnavailable: they cannot be read.
        """
        async with self._lock:
            age = self._clock() - self._keys_at
            is_known = any(_matches(key, key_id) for key in self._keys)
            if age > KEPT_FOR or (not is_known and age > LOOKED_FOR_EVERY):
                metadata = await self._read_metadata()
                self._keys = _usable(await fetch_json(self._http, "GET", metadata.jwks_uri))
                self._keys_at = self._clock()
            return tuple(key for key in self._keys if _matches(key, key_id))

    async def _read_metadata(self) -> Metadata:
        if self._metadata is None or self._clock() - self._metadata_at > KEPT_FOR:
            document = await fetch_json(self._http, "GET", self._issuer.rstrip("/") + WELL_KNOWN)
            self._metadata, self._metadata_at = _metadata(document, self._issuer), self._clock()
        return self._metadata


async def fetch_json(http: httpx.AsyncClient, method: str, url: str, **options: Any) -> dict[str, Any]:
    """Return the JSON object that the provider answers with, or to a POST its refusal as RFC 6749 spells it.

    Raises:
        IdentityProviderUnavailable: no answer, or none that is a JSON object of a sensible size.
    """
    forbid_in_transaction()
    try:
        async with asyncio.timeout(ANSWERED_WITHIN), http.stream(method, url, **options) as answer:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise IdentityProviderUnavailable("the identity provider's answer is too large")
            found = httpx.Response(answer.status_code, content=bytes(body)).json()
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
        raise IdentityProviderUnavailable("the identity provider did not answer as it should") from error
    may_refuse = method == "POST" and answer.status_code in _REFUSALS
    if not isinstance(found, dict) or (answer.status_code != _OK and not (may_refuse and "error" in found)):
        raise IdentityProviderUnavailable(f"the identity provider answered {answer.status_code}")
    return found


def is_private(url: object) -> bool:
    """Tell whether an address may carry codes and tokens: https, or http to this machine."""
    if not isinstance(url, str):
        return False
    try:
        parsed = urlsplit(url)
    except ValueError:
        return False
    is_here = parsed.hostname in ("127.0.0.1", "::1", "localhost")
    return bool(parsed.hostname) and (parsed.scheme == "https" or (parsed.scheme == "http" and is_here))


def _metadata(document: Mapping[str, Any], issuer: str) -> Metadata:
    if document.get("issuer") != issuer:
        raise IdentityProviderUnavailable("the provider's configuration names another issuer than ours does")
    needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    ends = document.get("end_session_endpoint")
    if not all(is_private(document.get(name)) for name in needed) or not (ends is None or is_private(ends)):
        raise IdentityProviderUnavailable("the provider's configuration lacks an endpoint over https")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Metadata(
        authorization_endpoint=document["authorization_endpoint"],
        token_endpoint=document["token_endpoint"],
        jwks_uri=document["jwks_uri"],
        end_session_endpoint=ends,
        auth_methods=tuple(one for one in methods if isinstance(one, str))
        if isinstance(methods, list)
        else (),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _usable(document: Mapping[str, Any]) -> tuple[Key, ...]:
    """The public keys that verify. What we do not know, and every symmetric key, is left out (RFC 7517, section 5)."""
    found = []
    listed = document.get("keys")
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict) or one.get("kty") == "oct" or one.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(one)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            found.append(key)
    return tuple(found)


def _matches(key: Key, key_id: str | None) -> bool:
    return key_id is None or key.kid == key_id
