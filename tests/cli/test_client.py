from __future__ import annotations

import ssl

import pytest

from cli.client import ApiClient


@pytest.mark.parametrize(
    ("url", "times"), [("http://127.0.0.1:9", 0), ("HTTP://127.0.0.1:9", 0), ("https://127.0.0.1:9", 1)]
)
def test_certificates_are_read_for_https_alone(monkeypatch: pytest.MonkeyPatch, url: str, times: int) -> None:
    made, make = [], ssl.create_default_context

    def counted(*arguments: object, **named: object) -> ssl.SSLContext:
        made.append(arguments)
        return make(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    ApiClient(url, None)
    assert len(made) == times
