"""When windows last: clock changes, month ends, all-day events, exceptions; and what holds of all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.configuration import CalendarEvent, ChangeWindow
from guardrails.change_window.timeline import Timeline

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = "UTC", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def window(zone: str = BERLIN, **schedule: Any) -> ChangeWindow:
    return ChangeWindow.model_validate(
        {"name": "w", "kind": "allow", "scope": {"everything": True}, "time_zone": zone} | schedule
    )


def cron(expression: str, duration: str, zone: str = BERLIN) -> Timeline:
    return Timeline(window(zone, cron=expression, duration=duration))


def calendar(*events: dict[str, Any], zone: str = BERLIN) -> Timeline:
    made = [CalendarEvent.model_validate({"time_zone": zone} | event) for event in events]
    return Timeline(window(zone, calendar="c.ics", events=made))


OFFICE = ("0 9 * * mon-fri", "8h")
NIGHT = ("0 22 * * *", "4h")
DAILY = {"start": "2026-01-01T09:00", "elapsed": "PT1H", "rule": "FREQ=DAILY"}
ALL_DAY = {"start": "2026-03-29T00:00", "days": 1}


@pytest.mark.parametrize(
    ("timeline", "moment", "lasts", "until"),
    [
        (cron(*OFFICE), at("2026-11-20T09:00", BERLIN), True, at("2026-11-20T17:00", BERLIN)),
        (cron(*OFFICE), at("2026-11-20T08:59:59.999999", BERLIN), False, at("2026-11-20T09:00", BERLIN)),
        (cron(*OFFICE), at("2026-11-20T16:59:59.999999", BERLIN), True, at("2026-11-20T17:00", BERLIN)),
        (cron(*OFFICE), at("2026-11-20T17:00", BERLIN), False, at("2026-11-23T09:00", BERLIN)),
        (cron(*NIGHT), at("2026-11-21T01:00", BERLIN), True, at("2026-11-21T02:00", BERLIN)),
        (cron("0 0 31 * *", "1d"), at("2026-11-01T12:00", BERLIN), False, at("2026-12-31T00:00", BERLIN)),
        (cron("0 0 29 2 *", "1d"), at("2026-03-01T00:00", BERLIN), False, at("2028-02-29T00:00", BERLIN)),
        (cron("0 0 L * *", "1d"), at("2027-02-10T00:00", BERLIN), False, at("2027-02-28T00:00", BERLIN)),
        (cron("0 0 * * *", "24h", "UTC"), at("2026-11-21T12:00"), True, None),
        (cron("* * * * *", "31d", "UTC"), at("2026-11-21T12:00"), True, None),
    ],
    ids=[
        "starts",
        "before",
        "last moment",
        "over",
        "midnight",
        "month ends",
        "leap",
        "last day",
        "all",
        "dense",
    ],
)
def test_a_cron_window_holds_its_start_and_not_its_end(
    timeline: Timeline, moment: datetime, lasts: bool, until: datetime | None
) -> None:
    phase = timeline.at(moment)
    assert phase.lasts is lasts
    if until is None:
        assert phase.until is not None
        assert phase.until > moment
    else:
        assert phase.until == until


def test_nine_in_the_morning_is_nine_in_the_morning_on_both_sides_of_a_clock_change() -> None:
    timeline = cron("0 9 * * *", "1h")
    assert timeline.at(at("2026-03-28T08:00")).lasts
    assert timeline.at(at("2026-03-29T07:00")).lasts
    assert not timeline.at(at("2026-03-29T08:00")).lasts


def test_a_start_in_the_hour_that_the_clock_skips_comes_when_the_clock_goes_on() -> None:
    timeline = cron("30 2 * * *", "30m")
    assert timeline.at(at("2026-03-29T00:30")).until == at("2026-03-29T01:00")
    assert timeline.at(at("2026-03-29T01:00")).lasts


def test_a_start_in_the_hour_that_comes_twice_comes_once() -> None:
    timeline = cron("30 2 * * *", "10m")
    assert timeline.at(at("2026-10-25T00:30")).lasts
    assert not timeline.at(at("2026-10-25T01:30")).lasts


def test_two_moments_are_local_unless_they_name_an_offset() -> None:
    local = Timeline(window(starts_at="2026-12-18T18:00", ends_at="2027-01-04T08:00"))
    assert local.at(at("2026-12-18T16:59:59")).until == at("2026-12-18T17:00")
    assert local.at(at("2026-12-18T17:00")).lasts
    assert not local.at(at("2027-01-04T07:00")).lasts
    assert local.at(at("2027-01-04T07:00")).until is None
    offset = Timeline(window(starts_at="2026-12-18T18:00+00:00", ends_at="2027-01-04T08:00+00:00"))
    assert offset.at(at("2026-12-18T17:00")).until == at("2026-12-18T18:00")


def test_an_all_day_event_lasts_as_long_as_its_day_is() -> None:
    timeline = calendar(ALL_DAY)
    assert timeline.at(at("2026-03-28T23:00")).lasts
    assert timeline.at(at("2026-03-28T23:00")).until == at("2026-03-29T22:00")  # 23 hours
    assert not timeline.at(at("2026-03-28T22:59:59")).lasts


def test_a_repeated_event_leaves_out_its_exceptions_and_keeps_its_extra_dates() -> None:
    timeline = calendar(DAILY | {"left_out": ["2026-11-21T09:00"], "extra": ["2026-11-21T14:00"]})
    assert timeline.at(at("2026-11-20T09:30", BERLIN)).lasts
    assert not timeline.at(at("2026-11-21T09:30", BERLIN)).lasts
    assert timeline.at(at("2026-11-21T09:30", BERLIN)).until == at("2026-11-21T14:00", BERLIN)
    assert timeline.at(at("2026-11-21T14:59", BERLIN)).lasts


def test_an_event_by_rule_on_the_31st_skips_short_months() -> None:
    event = {"start": "2026-01-31T00:00", "days": 1, "rule": "FREQ=MONTHLY"}
    assert calendar(event).at(at("2026-02-01T00:00", BERLIN)).until == at("2026-03-31T00:00", BERLIN)


def test_a_calendar_that_ends_never_comes_again() -> None:
    timeline = calendar(DAILY | {"rule": "FREQ=DAILY;UNTIL=20260110T090000"})
    assert timeline.at(at("2026-01-10T09:30", BERLIN)).lasts
    over = timeline.at(at("2026-01-10T10:00", BERLIN))
    assert (over.lasts, over.until) == (False, None)


def test_events_that_touch_are_one() -> None:
    later = {"start": "2026-11-21T10:00", "elapsed": "PT2H"}
    timeline = calendar({"start": "2026-11-21T09:00", "elapsed": "PT1H"}, later)
    assert timeline.at(at("2026-11-21T09:30", BERLIN)).until == at("2026-11-21T12:00", BERLIN)


def test_a_start_that_its_own_rule_does_not_name_still_counts() -> None:
    timeline = calendar({"start": "2026-11-21T09:00", "elapsed": "PT1H", "rule": "FREQ=WEEKLY;BYDAY=MO"})
    assert timeline.at(at("2026-11-21T09:30", BERLIN)).lasts


ZONES = st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
MOMENTS = st.datetimes(
    datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2029-01-01"), timezones=st.just(UTC)
)
FIELDS = st.builds(
    "{} {} {} {} {}".format,
    st.sampled_from(["0", "30", "*/20", "59"]),
    st.sampled_from(["2", "0", "*/6", "9-17", "23", "*"]),
    st.sampled_from(["*", "31", "1,15", "L"]),
    st.sampled_from(["*", "3,10", "2"]),
    st.sampled_from(["*", "mon-fri", "sun"]),
)
LENGTHS = st.sampled_from(["1m", "30m", "1h", "8h", "1d", "3d"])
RULES = st.sampled_from(
    [
        "",
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=3",
        "FREQ=WEEKLY;BYDAY=SU",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        "FREQ=YEARLY",
    ]
)


@st.composite
def timelines(draw: st.DrawFn) -> ChangeWindow:
    zone = draw(ZONES)
    if draw(st.booleans()):
        expression = draw(FIELDS)
        if " L * " not in expression and "31 2 " not in expression:
            return window(zone, cron=expression, duration=draw(LENGTHS))
    start = draw(
        st.datetimes(datetime.fromisoformat("2025-06-01"), datetime.fromisoformat("2026-06-01")).map(
            lambda one: one.replace(microsecond=0)
        )
    )
    event = {
        "start": start,
        "time_zone": zone,
        "rule": draw(RULES),
        "elapsed": draw(st.timedeltas(timedelta(minutes=1), timedelta(days=2))),
        "days": draw(st.integers(0, 2)),
    }
    return window(zone, calendar="c.ics", events=[CalendarEvent.model_validate(event)])


@settings(deadline=None)
@given(timelines(), MOMENTS)
def test_the_next_change_is_a_change_indeed_and_nothing_changes_before(
    made: ChangeWindow, moment: datetime
) -> None:
    phase = Timeline(made).at(moment)
    if phase.until is None:
        return
    assert phase.until > moment
    before = [moment + (phase.until - moment) * part / 5 for part in range(5)]
    before.append(phase.until - timedelta(microseconds=1))
    assert {Timeline(made).at(one).lasts for one in before} == {phase.lasts}
    if not phase.lasts:
        assert Timeline(made).at(phase.until).lasts


@settings(deadline=None)
@given(timelines(), MOMENTS)
def test_what_is_remembered_is_what_would_be_found(made: ChangeWindow, moment: datetime) -> None:
    timeline = Timeline(made)
    moments = [moment + timedelta(hours=7) * step for step in (0, 3, 1, 2, 9, 4)]
    assert [timeline.at(one).lasts for one in moments] == [Timeline(made).at(one).lasts for one in moments]


@settings(deadline=None)
@given(timelines(), MOMENTS)
def test_from_change_to_change_time_only_goes_on(made: ChangeWindow, moment: datetime) -> None:
    timeline, seen = Timeline(made), [moment]
    for _ in range(4):
        until = timeline.at(seen[-1]).until
        if until is None:
            break
        seen.append(until)
    assert all(earlier < later for earlier, later in pairwise(seen))
