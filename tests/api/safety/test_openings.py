"""What several change windows come to together: open or closed, and when that changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from api.safety.exception_schemas import Opening
from api.safety.openings import openings
from contracts.configuration import ChangeWindow, Configuration, Environment
from guardrails.change_window.timetable import Timetable
from tests.proposal_stack import REGISTERED

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(hour: int, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def window(name: str, kind: str, start: datetime, end: datetime, **scope: Any) -> ChangeWindow:
    fields = {"name": name, "kind": kind, "starts_at": start, "ends_at": end, "time_zone": "UTC"}
    return ChangeWindow.model_validate(fields | {"scope": scope or {"everything": True}})


def told(*windows: ChangeWindow, **changes: Any) -> tuple[Opening, ...]:
    fields: dict[str, Any] = {"environments": {"production": Environment()}, "targets": (REGISTERED,)}
    configuration = Configuration.model_validate(fields | changes | {"windows": windows})
    return openings(configuration, Timetable(windows), NOON)


@pytest.mark.parametrize(
    ("windows", "is_open", "closed_by", "changes_at"),
    [
        ([("day", "allow", at(9), at(17))], True, (), at(17)),
        ([("day", "allow", at(9), at(17)), ("late", "allow", at(17), at(20))], True, (), at(20)),
        ([("day", "allow", at(9), at(17)), ("sale", "freeze", at(14), at(16))], True, (), at(14)),
        ([("day", "allow", at(9), at(17)), ("sale", "freeze", at(11), at(13))], False, ("sale",), at(13)),
        (
            [("day", "allow", at(9), at(17)), ("sale", "freeze", at(11), at(18))],
            False,
            ("sale",),
            None,
        ),
        (
            [("sale", "freeze", at(11), at(13)), ("more", "freeze", at(12), at(15))],
            False,
            ("sale", "more"),
            at(15),
        ),
        ([("night", "allow", at(20), at(23))], False, ("night",), at(20)),
        (
            [("night", "allow", at(20), at(23)), ("sale", "freeze", at(19), at(21))],
            False,
            ("night",),
            at(21),
        ),
        ([("sale", "freeze", at(1), at(2))], True, (), None),
    ],
    ids=["inside", "into the next", "freeze to come", "frozen", "never", "two", "outside", "late", "over"],
)
def test_windows_are_told_by_what_they_come_to(
    windows: list[tuple[str, str, datetime, datetime]],
    is_open: bool,
    closed_by: tuple[str, ...],
    changes_at: datetime | None,
) -> None:
    (one,) = told(*[window(*each) for each in windows])
    assert (one.environment, one.team) == ("production", None)
    assert (one.is_open, one.closed_by, one.changes_at) == (is_open, closed_by, changes_at)


def test_an_environment_without_windows_is_not_told() -> None:
    environments = {"production": Environment(), "development": Environment()}
    found = told(window("day", "allow", at(9), at(17), environment="production"), environments=environments)
    assert [one.environment for one in found] == ["production"]
    assert told() == ()


def test_a_team_is_told_by_itself_where_a_window_is_for_it_alone() -> None:
    found = told(
        window("day", "allow", at(9), at(17)), window("quiet", "freeze", at(10), at(15), team="inference")
    )
    assert [(one.team, one.is_open, one.changes_at) for one in found] == [
        (None, True, at(17)),
        ("inference", False, at(15)),
    ]


def test_windows_for_one_target_or_kind_of_action_are_named_and_not_counted() -> None:
    (one,) = told(
        window("day", "allow", at(9), at(17)),
        window("db", "freeze", at(10), at(15), target="gke.node_pool/acme-prod/*"),
        window("bounds", "freeze", at(10), at(15), action_kind="gke.node_pool.autoscaling"),
    )
    assert (one.is_open, one.narrower) == (True, ("db", "bounds"))
    (alone,) = told(window("db", "freeze", at(10), at(15), target="gke.node_pool/acme-prod/*"))
    assert (alone.is_open, alone.changes_at, alone.narrower) == (True, None, ("db",))


def test_a_moment_is_told_by_the_one_clock_of_its_windows_or_by_utc() -> None:
    tokyo = window("day", "allow", at(9), at(17)).model_copy(update={"time_zone": "Asia/Tokyo"})
    assert told(tokyo)[0].time_zone == "Asia/Tokyo"
    sale = window("sale", "freeze", at(19), at(20))
    assert told(tokyo, sale)[0].time_zone == "UTC"
    assert told(tokyo, sale.model_copy(update={"time_zone": "Europe/Berlin"}))[0].time_zone == "UTC"
