from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from api.bodies import MAX_BODY, MAX_FIELDS, InvalidForm, InvalidJson, parse_form, parse_strict
from tests.api.serving import Api

REFUSED = {
    "duplicate key": b'{"text": "a", "text": "b"}',
    "nested duplicate key": b'{"text": {"a": 1, "a": 2}}',
    "NaN": b'{"text": NaN}',
    "Infinity": b'{"text": -Infinity}',
    "overflow": b'{"text": 1e999}',
    "surrogate": b'{"text": "\\ud800"}',
    "surrogate key": b'{"\\udfff": 1}',
    "NUL": b'{"text": "a\\u0000b"}',
    "deep": b"[" * 200 + b"]" * 200,
    "very deep": b"[" * 30_000 + b"]" * 30_000,
    "huge integer": b'{"text": ' + b"9" * 10_000 + b"}",
    "not JSON": b"{text: 1}",
    "not UTF-8": b'{"text": "\xff"}',
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "trailing": b'{"text": "a"} {}',
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_what_two_readers_could_understand_differently_is_not_json(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        parse_strict(body)


def test_ordinary_json_is_parsed_unchanged() -> None:
    value: dict[str, object] = {"text": "naïve 🙂", "n": [1, 2.5, None, True, {"a": {}}]}
    assert parse_strict(json.dumps(value).encode()) == value
    assert parse_strict(b'{"text": "\\ud83d\\ude42"}') == {"text": "🙂"}


async def _send(api: Api, body: bytes, **headers: str) -> tuple[int, str]:
    sent = api.headers("ana") | {"Content-Type": "application/json"} | headers
    answer = await api.http.post("/v1/requests", content=body, headers=sent)
    return answer.status_code, answer.json().get("reason_code", "")


async def test_a_body_that_is_not_strict_json_reaches_no_endpoint(api: Api) -> None:
    for body in REFUSED.values():
        assert await _send(api, body) == (400, "json_invalid")
    assert await api.count("requests") == 0


async def test_a_body_that_drips_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.bodies.READ_WITHIN", 0.2)

    async def drips() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    sent = api.headers("ana") | {"Content-Type": "application/json"}
    async with asyncio.timeout(60):
        answer = await api.http.post("/v1/requests", content=drips(), headers=sent)
    assert (answer.status_code, answer.json()["reason_code"]) == (408, "body_too_slow")
    assert answer.headers["connection"] == "close"


async def test_a_body_above_the_limit_is_refused_whether_announced_or_not(api: Api) -> None:
    body = json.dumps({"text": "x" * MAX_BODY}).encode()
    assert await _send(api, body) == (413, "body_too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 8_192):
            yield body[start : start + 8_192]

    headers = api.headers("ana") | {"Content-Type": "application/json"}
    answer = await api.http.post("/v1/requests", content=chunks(), headers=headers)
    assert answer.status_code == 413


async def test_other_media_types_charsets_and_encodings_are_refused(api: Api) -> None:
    body = b'{"text": "a"}'
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Encoding": "gzip"},
    ):
        assert await _send(api, body, **headers) == (415, "media_type_not_supported")
    assert (await _send(api, body, **{"Content-Type": "application/json; charset=UTF-8"}))[0] == 202


@pytest.mark.parametrize(
    "address", ["/v1/proposals/a%00b", "/v1/requests/%00", "/v1/audit/events?subject=a%00", "/v1/halts/%00"]
)
async def test_a_nul_in_the_address_is_refused_and_never_reaches_the_database(api: Api, address: str) -> None:
    method = "DELETE" if "halts" in address else "GET"
    answer = await api.http.request(method, address, headers=api.headers("olga"))
    assert (answer.status_code, answer.json()["reason_code"]) == (400, "address_invalid")


REFUSED_FORMS = {
    "a field twice": b"a=1&a=2",
    "no equals sign": b"a",
    "NUL": b"a=%00",
    "NUL in a name": b"a%00=1",
    "raw bytes": "a=é".encode(),
    "not UTF-8": b"a=%FF",
    "half a surrogate pair": b"a=%ED%A0%80",
    "overlong": b"a=%C0%AF",
    "broken escape": b"a=%zz",
    "cut escape": b"a=%",
    "too many fields": b"&".join(b"f%d=1" % number for number in range(MAX_FIELDS + 1)),
    "JSON": b'{"a": 1}',
}


@pytest.mark.parametrize("body", REFUSED_FORMS.values(), ids=REFUSED_FORMS.keys())
def test_what_two_readers_could_understand_differently_is_not_a_form(body: bytes) -> None:
    with pytest.raises(InvalidForm):
        parse_form(body)


def test_an_ordinary_form_is_parsed_and_only_marked_fields_repeat() -> None:
    body = b"reason=na%C3%AFve+%F0%9F%99%82%0D%0Ayes&empty=&id%5B%5D=1&id%5B%5D=2"
    assert parse_form(body) == [
        ("reason", "naïve 🙂\r\nyes"),
        ("empty", ""),
        ("id[]", "1"),
        ("id[]", "2"),
    ]


async def _send_form(api: Api, path: str, body: bytes, media_type: str) -> tuple[int, str]:
    async with api.browser("vera") as browser:
        answer = await browser.post(path, content=body, headers={"Content-Type": media_type})
    code = answer.json().get("reason_code", "") if "json" in answer.headers["content-type"] else ""
    return answer.status_code, code


async def test_pages_take_forms_and_the_api_takes_json(api: Api) -> None:
    form = "application/x-www-form-urlencoded"
    assert await _send_form(api, "/login", b"a=%FF", form) == (400, "form_invalid")
    for media_type in (
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        f"{form}; charset=latin1",
    ):
        assert await _send_form(api, "/login", b"link=x", media_type) == (415, "media_type_not_supported")
    assert await _send_form(api, "/v1/halts", b"a=1", form) == (415, "media_type_not_supported")
    assert await _send_form(api, "/login", b"link=" + b"x" * MAX_BODY, form) == (413, "body_too_large")
    assert (await _send_form(api, "/login", b"link=x", f"{form};charset=UTF-8"))[0] == 410
