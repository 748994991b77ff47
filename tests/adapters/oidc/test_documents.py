"""What a provider publishes, served by a small provider of our own that can misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.oidc import documents
from adapters.oidc.documents import MOST_BYTES, Documents, fetch_json
from adapters.oidc.provider import OidcProvider
from contracts.errors import ConfigurationInvalid, IdentityProviderUnavailable
from settings import OidcSettings

ISSUER = "https://login.example"


def _key(key_id: str) -> dict[str, Any]:
    key = RSAKey.generate_key(2048, {"kid": key_id, "use": "sig"}, private=True)
    return dict(key.as_dict(private=False))


@dataclass
class Published:
    """What the provider says now, how often it was asked, and the clock of who asks."""

    http: httpx.AsyncClient
    document: dict[str, Any]
    keys: list[Any]
    asked: list[str] = field(default_factory=list)
    now: float = 0.0
    answer: Response | None = None

    def documents(self) -> Documents:
        return Documents(self.http, ISSUER, clock=lambda: self.now)

    def asked_for(self, path: str) -> int:
        return self.asked.count(path)


@pytest.fixture
async def published() -> AsyncIterator[Published]:
    async def serve(request: Request) -> Response:
        told.asked.append(request.url.path)
        if told.answer is not None:
            return told.answer
        return JSONResponse({"keys": told.keys} if request.url.path == "/jwks" else told.document)

    app = Starlette(routes=[Route("/{path:path}", serve, methods=["GET", "POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        told = Published(
            http,
            {
                "issuer": ISSUER,
                "authorization_endpoint": f"{ISSUER}/auth",
                "token_endpoint": f"{ISSUER}/token",
                "jwks_uri": f"{ISSUER}/jwks",
            },
            [_key("one")],
        )
        yield told


async def test_documents_are_kept_for_an_hour(published: Published) -> None:
    documents = published.documents()
    for _ in range(3):
        assert (await documents.metadata()).end_session_endpoint is None
        assert len(await documents.keys("one")) == 1
    assert published.asked_for("/jwks") == 1
    assert published.asked_for("/.well-known/openid-configuration") == 1
    published.now += 3_601
    await documents.keys("one")
    assert published.asked_for("/jwks") == 2


async def test_a_new_key_is_found_at_once(published: Published) -> None:
    documents = published.documents()
    await documents.keys("one")
    published.now += 11
    published.keys = [_key("two")]
    assert [key.kid for key in await documents.keys("two")] == ["two"]
    assert await documents.keys("one") == ()


async def test_made_up_key_ids_cause_no_traffic(published: Published) -> None:
    documents = published.documents()
    for number in range(50):
        assert await documents.keys(f"made-up-{number}") == ()
    assert published.asked_for("/jwks") == 1


async def test_keys_that_verify_nothing_are_left_out(published: Published) -> None:
    secret = OctKey.generate_key(256).as_dict(private=True)
    published.keys = [
        *(secret, {"kty": "RSA"}, {"kty": "new"}, "text", None, 7, {}),
        _key("enc") | {"use": "enc"},
        _key("one"),
    ]
    assert [key.kid for key in await published.documents().keys(None)] == ["one"]


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://login.example/"},
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://login.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"jwks_uri": ["https://login.example/jwks"]},
        {"end_session_endpoint": "http://login.example/end"},
    ],
    ids=str,
)
async def test_a_document_that_could_lead_elsewhere_is_not_used(
    published: Published, changes: dict[str, Any]
) -> None:
    published.document |= changes
    with pytest.raises(IdentityProviderUnavailable):
        await published.documents().metadata()


@pytest.mark.parametrize(
    "answer",
    [
        Response("not JSON"),
        Response("[]", media_type="application/json"),
        Response('"text"'),
        Response("x" * (MOST_BYTES + 1)),
        Response("[" * 100_000),
        JSONResponse({"issuer": ISSUER}, 500),
        JSONResponse({"error": "temporarily_unavailable"}, 503),
        Response(status_code=302, headers={"Location": "https://evil.example/"}),
        Response(b"\xff\xfe"),
    ],
    ids=["text", "list", "string", "large", "deep", "500", "503", "redirect", "bytes"],
)
async def test_an_answer_that_is_none_is_unavailable(published: Published, answer: Response) -> None:
    published.answer = answer
    with pytest.raises(IdentityProviderUnavailable):
        await published.documents().metadata()


async def test_keys_that_cannot_be_read_now_replace_none_that_are_known(published: Published) -> None:
    read = published.documents()
    await read.keys("one")
    published.now += 11
    published.answer = JSONResponse({"error": "temporarily_unavailable"}, 503)
    with pytest.raises(IdentityProviderUnavailable):
        await read.keys("two")
    assert [key.kid for key in await read.keys("one")] == ["one"]


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refusal_is_told_as_the_provider_spells_it(published: Published, status: int) -> None:
    published.answer = JSONResponse({"error": "invalid_grant"}, status)
    assert await fetch_json(published.http, "POST", f"{ISSUER}/token") == {"error": "invalid_grant"}


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_outage_that_is_spelled_like_a_refusal_is_none(published: Published, status: int) -> None:
    published.answer = JSONResponse({"error": "server_error"}, status)
    with pytest.raises(IdentityProviderUnavailable):
        await fetch_json(published.http, "POST", f"{ISSUER}/token")


async def test_a_provider_that_drips_its_answer_is_left_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    monkeypatch.setattr(documents, "ANSWERED_WITHIN", 0.2)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))
    async with asyncio.timeout(60), httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(IdentityProviderUnavailable):
            await Documents(http, ISSUER).metadata()


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://login.example"},
        {"issuer": "login.example"},
        {"client_id": None},
        {"roles": {}},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_at_the_start(changes: dict[str, Any]) -> None:
    plain = {"issuer": ISSUER, "client_id": "sluice", "roles": {"sre": ["operator"]}}
    with pytest.raises(ConfigurationInvalid, match="SLUICE_OIDC__"):
        OidcProvider(OidcSettings.model_validate(plain | changes))
