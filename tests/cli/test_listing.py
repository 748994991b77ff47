"""`sluice proposals list` and `sluice comment` against a server that tells what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from cli.main import app


class _Recording(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, dict[str, list[str]], bytes]]] = []

    def do_GET(self) -> None:
        self._answer(200, {"items": [], "next_cursor": "abc"})

    def do_POST(self) -> None:
        self._answer(201, {"proposal_id": "prp_1", "comment_id": "cmt_1"})

    def _answer(self, status: int, body: object) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        self.asked.append((parts.path, parse_qs(parts.query), sent))
        plain = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(plain)))
        self.end_headers()
        self.wfile.write(plain)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, dict[str, list[str]], bytes]]]:
    _Recording.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), _Recording)
    serving = Thread(target=server.serve_forever)
    serving.start()
    monkeypatch.setenv("SLUICE_TOKEN", "slc_" + "x" * 43)
    monkeypatch.setenv("SLUICE_URL", f"http://127.0.0.1:{server.server_port}")
    yield _Recording.asked
    server.shutdown()
    serving.join()
    server.server_close()


FILTERS = ["--state", "denied", "--risk", "high", "--environment", "production", "--search", "gpu pool"]


def test_filters_reach_the_api_and_the_next_command(
    asked: list[tuple[str, dict[str, list[str]], bytes]],
) -> None:
    result = CliRunner().invoke(app, ["proposals", "list", *FILTERS])
    assert result.exit_code == 0, result.output
    ((path, query, _),) = asked
    assert path == "/v1/proposals"
    assert query == {
        "state": ["denied"],
        "risk": ["high"],
        "environment": ["production"],
        "q": ["gpu pool"],
        "limit": ["20"],
    }
    assert "--risk high --search 'gpu pool' --cursor abc" in result.stderr


def test_a_comment_is_sent_as_it_was_typed(asked: list[tuple[str, dict[str, list[str]], bytes]]) -> None:
    result = CliRunner().invoke(app, ["comment", "prp_1", "who pays? [x](y)"])
    assert result.exit_code == 0, result.output
    ((path, _, body),) = asked
    assert (path, json.loads(body)) == ("/v1/proposals/prp_1/comments", {"text": "who pays? [x](y)"})
    assert "decides nothing" in result.stderr


def test_a_comment_as_json_is_what_the_api_answered(
    asked: list[tuple[str, dict[str, list[str]], bytes]],
) -> None:
    result = CliRunner().invoke(app, ["-o", "json", "comment", "prp_1", "x"])
    assert json.loads(result.stdout)["comment_id"] == "cmt_1"
