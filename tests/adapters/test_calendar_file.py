"""iCalendar files: what is understood, and what is refused with its line."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.calendar_file import CalendarFault, events_of
from adapters.configuration import InvalidFile, load
from contracts.configuration import CalendarEvent

BERLIN = "Europe/Berlin"


def event(*lines: str) -> str:
    body = "\n".join(lines)
    head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//acme//ops//EN\nBEGIN:VEVENT\nUID:1"
    return f"{head}\n{body}\nEND:VEVENT\nEND:VCALENDAR\n"


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def only(text: str) -> CalendarEvent:
    (found,) = events_of(text, BERLIN)
    return found


def test_a_whole_day_is_a_day_by_the_calendar() -> None:
    found = only(event("DTSTART;VALUE=DATE:20261225", "SUMMARY:Christmas"))
    assert (found.start, found.days, found.elapsed) == (local("2026-12-25"), 1, timedelta(0))
    assert (found.time_zone, found.summary) == (BERLIN, "Christmas")
    assert only(event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20270102")).days == 9


def test_times_keep_their_own_zone_and_an_end_counts_by_the_clock() -> None:
    found = only(event("DTSTART;TZID=America/New_York:20261127T180000", "DTEND:20261128T050000Z"))
    assert (found.start, found.time_zone) == (local("2026-11-27T18:00"), "America/New_York")
    assert (found.days, found.elapsed) == (0, timedelta(hours=6))
    floating = only(event("DTSTART:20260328T120000", "DTEND:20260329T120000"))
    assert (floating.time_zone, floating.elapsed) == (BERLIN, timedelta(hours=23))
    assert only(event("DTSTART:20261127T180000Z", "DURATION:PT1H")).time_zone == "UTC"


def test_a_duration_in_days_is_one_by_the_calendar() -> None:
    found = only(event("DTSTART:20260328T120000", "DURATION:P1DT2H"))
    assert (found.days, found.elapsed) == (1, timedelta(hours=2))


def test_until_and_exceptions_are_read_in_the_zone_of_the_start() -> None:
    found = only(
        event(
            "DTSTART;TZID=Europe/Berlin:20260601T090000",
            "DURATION:PT1H",
            "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20260629T070000Z",
            "EXDATE:20260615T070000Z,20260622T070000Z",
            "RDATE;TZID=Europe/Berlin:20260603T090000",
        )
    )
    assert "UNTIL=20260629T090000" in found.rule
    assert found.left_out == (local("2026-06-15T09:00"), local("2026-06-22T09:00"))
    assert found.extra == (local("2026-06-03T09:00"),)


def test_an_exception_that_names_a_day_means_the_start_on_that_day() -> None:
    found = only(
        event("DTSTART:20260601T090000", "DURATION:PT1H", "RRULE:FREQ=DAILY", "EXDATE;VALUE=DATE:20260603")
    )
    assert found.left_out == (local("2026-06-03T09:00"),)


def test_a_moved_occurrence_stands_in_the_place_of_the_one_it_moves() -> None:
    moved = event("DTSTART:20260601T090000", "DURATION:PT1H", "RRULE:FREQ=DAILY").replace(
        "END:VCALENDAR",
        "BEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260603T090000\nDTSTART:20260603T140000\nDURATION:PT2H\nEND:VEVENT\nEND:VCALENDAR",
    )
    rule, once = events_of(moved, BERLIN)
    assert rule.left_out == (local("2026-06-03T09:00"),)
    assert (once.start, once.elapsed, once.rule) == (local("2026-06-03T14:00"), timedelta(hours=2), "")
    cancelled = moved.replace("RECURRENCE-ID", "STATUS:CANCELLED\nRECURRENCE-ID")
    assert [one.left_out for one in events_of(cancelled, BERLIN)] == [rule.left_out]


def test_folded_lines_alarms_and_other_components_are_passed_over() -> None:
    text = event(
        "SUMMARY:a long\n  name",
        "DTSTART:20260601T090000",
        "DURATION:PT1H",
        "BEGIN:VALARM\nTRIGGER:-PT5M\nDURATION:PT9H\nEND:VALARM",
    ).replace("BEGIN:VEVENT", "BEGIN:VTODO\nDTSTART:nonsense\nEND:VTODO\nBEGIN:VEVENT")
    found = only(text)
    assert (found.summary, found.elapsed) == ("a long name", timedelta(hours=1))


START, HOUR = "DTSTART:20260601T090000", "DURATION:PT1H"


@pytest.mark.parametrize(
    ("text", "line", "where"),
    [
        ("", 1, ""),
        ("hello\n", 1, ""),
        ("BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n", 1, ""),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260601T090000\n", 3, ""),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", 3, "END"),
        (event("DTSTART:yesterday", HOUR), 6, "DTSTART"),
        (event(HOUR), 4, "DTSTART"),
        (event(START), 6, "DTSTART"),
        (event(START, "DTEND:20260601T090000"), 7, "DTEND"),
        (event(START, "DTEND:20260601T080000"), 7, "DTEND"),
        (event(START, "DTEND;VALUE=DATE:20260602"), 7, "DTEND"),
        (event(START, HOUR, "DTEND:20260601T100000"), 7, "DURATION"),
        (event(START, "DURATION:-PT1H"), 7, "DURATION"),
        (event(START, HOUR, START), 6, "DTSTART"),
        (event(START, HOUR, "RRULE:FREQ=HOURLY"), 8, "RRULE"),
        (event(START, HOUR, "RRULE:FREQ=SOMETIMES"), 8, "RRULE"),
        (event(START, HOUR, "RRULE:BYDAY=MO"), 8, "RRULE"),
        (event(START, HOUR, "EXRULE:FREQ=DAILY"), 8, "EXRULE"),
        (event(START, HOUR, "RDATE;VALUE=PERIOD:20260602T090000/PT1H"), 8, "RDATE"),
        (event(START, HOUR, "RECURRENCE-ID;RANGE=THISANDFUTURE:20260602T090000"), 8, "RECURRENCE-ID"),
        (event(START, HOUR, "RECURRENCE-ID:20260602T090000"), 8, "RECURRENCE-ID"),
        (event("DTSTART;TZID=Moon/Tranquility:20260601T090000", HOUR), 6, "DTSTART"),
        (event(START, "DTEND;VALUE=DATE-TIME;TZID=Moon/Sea:20260601T090000"), 7, "DTEND"),
        (event(START, HOUR, "no property"), 8, ""),
        (event(START, HOUR, "RRULE:FREQ=DAILY;INTERVAL=0"), 8, "RRULE"),
        (event(START, HOUR, "RRULE:FREQ=DAILY;INTERVAL=-1"), 8, "RRULE"),
        (event(START, HOUR, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), 8, "RRULE"),
        (event(START, HOUR, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;UNTIL=99991231T000000"), 8, "RRULE"),
        (event(START, HOUR, "RRULE:FREQ=YEARLY;BYDAY=99MO"), 8, "RRULE"),
        (event(START, "DTEND:99991231T000000"), 7, "DTEND"),
        (event(START, "DURATION:P999999999D"), 7, "DURATION"),
        (event("DTSTART;TZID=America/New_York:99991231T230000", "DTEND:99991231T233000"), 4, ""),
        (event("DTSTART;TZID=America/New_York:20260601T090000", HOUR, "EXDATE:00010101T000000Z"), 4, ""),
    ],
)
def test_what_cannot_be_read_for_sure_is_refused_with_its_line(text: str, line: int, where: str) -> None:
    with pytest.raises(CalendarFault) as refused:
        events_of(text, BERLIN)
    assert (refused.value.line, refused.value.where) == (line, where), refused.value.reason
    assert refused.value.reason


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;INTERVAL=9;COUNT=3",
        "FREQ=DAILY;UNTIL=20260601T090000",
        "FREQ=DAILY;UNTIL=20200101T000000",
        "FREQ=MONTHLY;BYDAY=-1FR;COUNT=1000",
    ],
)
def test_a_rule_that_comes_seldom_or_for_a_while_is_understood(rule: str) -> None:
    assert set(only(event(START, HOUR, f"RRULE:{rule}")).rule.split(";")) == set(rule.split(";"))


BASE = """\
environments:
  production: {}
windows:
  - name: holidays
    kind: freeze
    scope: {everything: true}
    time_zone: Europe/Berlin
    calendar: holidays.ics
"""


def test_a_calendar_stands_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "sluice.yaml").write_text(BASE, encoding="utf-8")
    (tmp_path / "holidays.ics").write_text(event("DTSTART;VALUE=DATE:20261225"), encoding="utf-8")
    (window,) = load(tmp_path / "sluice.yaml").windows
    assert [one.start for one in window.events] == [local("2026-12-25")]


def test_a_faulty_calendar_is_named_with_its_own_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "sluice.yaml").write_text(BASE, encoding="utf-8")
    (tmp_path / "holidays.ics").write_text(event("DTSTART:never"), encoding="utf-8")
    with pytest.raises(InvalidFile, match=r"holidays\.ics:6: DTSTART: "):
        load(tmp_path / "sluice.yaml")


@pytest.mark.parametrize(
    ("change", "line", "where"),
    [
        (("calendar: holidays.ics", "calendar: missing.ics"), 8, "windows[0].calendar"),
        (("calendar: holidays.ics", "calendar: holidays.ics\n    events: []"), 9, "windows[0].events"),
        (("time_zone: Europe/Berlin", "time_zone: Berlin"), 7, "windows[0].time_zone"),
        (("scope: {everything: true}", "scope: {}"), 6, "windows[0].scope"),
        (("scope: {everything: true}", "scope: {environment: nowhere}"), 6, "windows[0].scope.environment"),
        (("calendar: holidays.ics", "cron: 0 9 * * *"), 4, "windows[0]"),
        (("calendar: holidays.ics", "cron: 0 9 * * *\n    duration: 0s"), 9, "windows[0].duration"),
        (("calendar: holidays.ics", "cron: 0 25 * * *\n    duration: 1h"), 8, "windows[0].cron"),
        (("calendar: holidays.ics", "cron: 0 0 30 2 *\n    duration: 1h"), 8, "windows[0].cron"),
        (("calendar: holidays.ics", "starts_at: 2026-12-02\n    ends_at: 2026-12-01"), 4, "windows[0]"),
        (("calendar: holidays.ics", "calendar: holidays.ics\n    duration: 1h"), 4, "windows[0]"),
        (("calendar: holidays.ics", "calendar: ''"), 8, "windows[0].calendar"),
        (("kind: freeze", "kind: closed"), 5, "windows[0].kind"),
        (("time_zone", "override_roles: [viewer]\n    time_zone"), 7, "windows[0].override_roles"),
    ],
)
def test_a_faulty_window_is_refused_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, where: str
) -> None:
    (tmp_path / "sluice.yaml").write_text(BASE.replace(*change), encoding="utf-8")
    (tmp_path / "holidays.ics").write_text(event("DTSTART;VALUE=DATE:20261225"), encoding="utf-8")
    with pytest.raises(InvalidFile) as refused:
        load(tmp_path / "sluice.yaml")
    assert (line, where) in [(fault.line, fault.where) for fault in refused.value.faults]
