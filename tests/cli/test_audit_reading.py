"""`sluice audit events` against a server that tells what it was asked."""

from __future__ import annotations

import pytest

from tests.cli.canned import serving


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ((), {"order": ["newest"], "limit": ["50"]}),
        (("--before", "0"), {"order": ["newest"], "limit": ["50"], "before": ["0"]}),
        (("--type", "a", "--type", "b", "--limit", "1"), {"order": ["newest"], "limit": ["1"], "type": ["a", "b"]}),
    ],
    ids=["everything", "before-the-first", "types"],
)  # fmt: skip
def test_what_is_asked_for_reaches_the_api_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], asked: dict[str, list[str]]
) -> None:
    with serving(monkeypatch) as canned:
        canned.answers["GET /v1/audit/events"] = (200, {"items": [], "next_before": None})
        done = canned.run("audit", "events", *options)
    assert done.exit_code == 0, done.output
    assert canned.asked[-1].query == asked
