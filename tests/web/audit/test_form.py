from __future__ import annotations

from datetime import UTC, datetime

import pytest
from starlette.datastructures import QueryParams

from api.web.audit.form import FilterForm, form_of
from api.web.audit.topics import TOPIC_OF, TOPICS
from contracts.audit import AuditType


def form(query: str) -> FilterForm:
    return form_of(QueryParams(query))


def test_empty_fields_narrow_nothing() -> None:
    found = form("type=&subject=&actor=+&since=&until=&before=")
    assert not found.is_set
    assert not found.errors
    assert found.query() == ""


def test_times_without_an_offset_are_utc_and_with_one_are_brought_to_it() -> None:
    found = form("since=2026-11-21T12:00&until=2026-11-21T14:00%2B01:00").wanted
    assert found.since == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert found.until == datetime(2026, 11, 21, 13, tzinfo=UTC)


def test_a_name_alone_is_a_local_one() -> None:
    assert form("actor=ana").wanted.actor == "local/ana"
    assert form("actor=https://id.test/ana").wanted.actor == "https://id.test/ana"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("type=proposal.guessed", "type"),
        ("since=yesterday", "since"),
        ("until=0001-01-01T00:00%2B14:00", "until"),
        ("since=2026-11-21T12:00&until=2026-11-21T12:00", "until"),
        ("subject=" + "x" * 501, "subject"),
    ],
)
def test_what_cannot_be_used_is_told_beside_its_field_and_kept(query: str, field: str) -> None:
    found = form(query)
    assert list(found.errors) == [field]
    assert field in found.values


@pytest.mark.parametrize("before", ["", "-1", "x", "9" * 30, "9" * 5_000, "٣"])
def test_a_place_in_the_log_that_is_no_number_is_the_newest(before: str) -> None:
    assert form(f"before={before}").before in (None, 3)


def test_the_filters_come_back_as_an_address_with_repeated_types() -> None:
    found = form("type=halt.created&type=halt.ended&actor=ana&other=1")
    assert found.query(before=7) == "?type=halt.created&type=halt.ended&actor=ana&before=7"
    assert found.types == {"halt.created", "halt.ended"}


def test_every_type_of_event_has_one_topic() -> None:
    assert set(TOPIC_OF) == set(AuditType)
    assert sum(len(types) for types in TOPICS.values()) == len(AuditType)
