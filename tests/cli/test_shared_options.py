"""`--as`, `--url` and `-o` stand before or after a command, also where a group lists by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from typer.testing import CliRunner

from cli.main import app


class _Breakers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"items": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Breakers)
    serving = Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "json", "breakers"),
        ("breakers", "-o", "json"),
        ("breakers", "-o", "json", "list"),
        ("breakers", "list", "-o", "json"),
    ],
    ids=" ".join,
)
def test_breakers_are_json_wherever_the_option_stands(
    url: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_TOKEN", "slc_" + "x" * 43)
    monkeypatch.setenv("SLUICE_URL", url)
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"items": []}
