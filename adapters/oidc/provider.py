"""People of an identity provider sign in: OpenID Connect, authorization code with PKCE (RFC 7636, S256).

Client secrets, codes and tokens stay in this process: nothing of them is logged or stored.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from pydantic import ValidationError

from adapters.oidc.documents import Documents, Metadata, fetch_json, is_private
from adapters.oidc.id_token import (
    groups_of,
    key_id_of_token,
    name_of,
    refused,
    roles_of,
    subject_of,
    verified_claims,
)
from contracts.errors import ConfigurationInvalid, SignInRefused
from contracts.principal import Principal, PrincipalKind
from settings import OidcSettings

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
Clock = Callable[[], Awaitable[datetime]]


@dataclass(frozen=True)
class Identity:
    """Who came back from the provider. `principal.roles` may be empty: then there is nothing they may do here."""

    principal: Principal
    display_name: str


@dataclass(frozen=True)
class Answer:
    """What the provider sent the browser back with. `state` has been matched by then."""

    code: str | None
    error: str | None
    issuer: str | None
    """`iss`, RFC 9207."""


class OidcProvider:
    """One provider, one client registration."""

    def __init__(self, settings: OidcSettings, http: httpx.AsyncClient | None = None) -> None:
        """Nothing is asked of the provider yet.

        Raises:
            ConfigurationInvalid: the issuer is not https, or no client id is set.
        """
        if settings.issuer is None or settings.client_id is None:
            raise ConfigurationInvalid("SLUICE_OIDC__ISSUER and SLUICE_OIDC__CLIENT_ID are needed together")
        if not is_private(settings.issuer):
            raise ConfigurationInvalid(
                f"SLUICE_OIDC__ISSUER is {settings.issuer!r}, and has to be https (http on loopback)"
            )
        if not settings.roles:
            raise ConfigurationInvalid("SLUICE_OIDC__ROLES is empty: nobody who signs in would hold a role")
        self._settings = settings
        self._issuer = settings.issuer
        self._client_id = settings.client_id
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)
        self._documents = Documents(self._http, settings.issuer)

    @property
    def label(self) -> str:
        """What the button says."""
        return self._settings.label

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        """Return where to send the browser.

        Raises:
            IdentityProviderUnavailable: the provider's endpoints cannot be read.
        """
        metadata = await self._documents.metadata()
        return _with_query(
            metadata.authorization_endpoint,
            response_type="code",
            client_id=self._client_id,
            redirect_uri=redirect_uri,
            scope=self._settings.scopes,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(code_verifier),  # type: ignore[no-untyped-call]
            code_challenge_method="S256",
        )

    async def identify(
        self, answer: Answer, *, redirect_uri: str, code_verifier: str, nonce: str, clock: Clock
    ) -> Identity:
        """Return who came back. `clock` is asked once the token is there: its times are judged by that.

        Raises:
            SignInRefused: the provider refused, or what it sent does not hold.
            IdentityProviderUnavailable: it did not answer.
        """
        metadata = await self._documents.metadata()
        if (answer.issuer or metadata.names_itself) and not _is_same(answer.issuer, self._issuer):
            told = "The answer came from another identity provider than the question went to."
            raise SignInRefused(told, reason_code="id_token_invalid")
        if answer.error is not None or not answer.code:
            raise _refused_by_provider(answer.error)
        token = await self._id_token(metadata, answer.code, redirect_uri, code_verifier)
        keys = await self._documents.keys(key_id_of_token(token))
        claims = verified_claims(
            token, keys, issuer=self._issuer, client_id=self._client_id, nonce=nonce, now=await clock()
        )
        return self._identity(claims)

    async def end_session_url(self, return_to: str) -> str | None:
        """Return where a browser signs out of the provider (RP-Initiated Logout 1.0); None where it cannot.

        Raises:
            IdentityProviderUnavailable: the provider's endpoints cannot be read.
        """
        endpoint = (await self._documents.metadata()).end_session_endpoint
        if endpoint is None:
            return None
        return _with_query(endpoint, client_id=self._client_id, post_logout_redirect_uri=return_to)

    async def _id_token(self, metadata: Metadata, code: str, redirect_uri: str, code_verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        proof, headers = self._client_proof(metadata)
        answered = await fetch_json(
            self._http, "POST", metadata.token_endpoint, data=form | proof, headers=headers
        )
        token = answered.get("id_token")
        if not isinstance(token, str):
            error = answered.get("error")
            raise _refused_by_provider(error if isinstance(error, str) else None)
        return token

    def _client_proof(self, metadata: Metadata) -> tuple[dict[str, str], dict[str, str]]:
        """How the client proves itself (RFC 6749, section 2.3.1): form fields and headers."""
        secret = self._settings.client_secret
        if secret is None:
            return {"client_id": self._client_id}, {}
        plain = secret.get_secret_value()
        if (
            "client_secret_basic" not in metadata.auth_methods
            and "client_secret_post" in metadata.auth_methods
        ):
            return {"client_id": self._client_id, "client_secret": plain}, {}
        basic = httpx.BasicAuth(quote_plus(self._client_id), quote_plus(plain))
        request = next(basic.auth_flow(httpx.Request("POST", metadata.token_endpoint)))
        return {}, {"Authorization": request.headers["Authorization"]}

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        subject = subject_of(claims, self._settings.subject_claim)
        try:
            principal = Principal(
                kind=PrincipalKind.HUMAN,
                subject=subject,
                issuer=self._issuer,
                roles=roles_of(claims, self._settings.roles_claim, self._settings.roles),
                groups=groups_of(claims, self._settings.groups_claim, self._settings.groups),
            )
        except ValidationError as error:
            raise refused("the ID token names nobody that our records can carry") from error
        return Identity(principal, name_of(claims, self._settings.name_claim, subject))


def _refused_by_provider(error: str | None) -> SignInRefused:
    if error == "access_denied":
        told = "The identity provider did not let you in, or you changed your mind."
        return SignInRefused(told, reason_code="oidc_access_denied")
    known = error if error and len(error) <= _MOST and error.isascii() and error.isprintable() else "no code"
    return SignInRefused(f"The identity provider refused ({known}).", reason_code="oidc_refused")


_MOST = 60


def _is_same(one: str | None, other: str) -> bool:
    return one is not None and hmac.compare_digest(one.encode(), other.encode())


def _with_query(url: str, **parameters: str) -> str:
    parsed = urlsplit(url)
    query = "&".join(part for part in (parsed.query, urlencode(parameters)) if part)
    return urlunsplit(parsed._replace(query=query))
