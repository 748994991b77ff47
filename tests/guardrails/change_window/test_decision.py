"""What the windows that cover a change come to, and who may override them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.configuration import ChangeWindow, Configuration, Environment, WindowKind
from contracts.evaluation import Outcome
from contracts.override import GateOverride
from contracts.principal import Principal, PrincipalKind, Role
from guardrails.change_window.decision import decide
from guardrails.change_window.timeline import Phase, Timeline
from guardrails.change_window.timetable import Place, Timetable, Timetables
from guardrails.facts import WindowFacts, WindowsFacts
from tests.contracts.samples import ANA, BEN, NOON
from tests.guardrails.samples import draft, facts

ALLOW, FREEZE = WindowKind.ALLOW, WindowKind.FREEZE
OLGA = Principal(kind=PrincipalKind.HUMAN, subject="olga", roles=(Role.OPERATOR,))
SOON, LATE = NOON + timedelta(hours=1), NOON + timedelta(hours=6)
OPERATOR = (Role.OPERATOR,)


def window(
    name: str, kind: WindowKind, *, lasts: bool, roles: tuple[Role, ...] = OPERATOR, changes: bool = True
) -> WindowFacts:
    at = SOON if changes else None
    return WindowFacts(name=name, kind=kind, lasts=lasts, changes_at=at, override_roles=roles)


def given(*windows: WindowFacts, opens_at: datetime | None = SOON) -> WindowsFacts:
    return WindowsFacts(windows=windows, opens_at=opens_at)


def override(*windows: str, actor: Principal = OLGA) -> GateOverride:
    return GateOverride(
        id="ovr_1",
        proposal_id="prp_1",
        revision=1,
        gate="change_window",
        windows=windows,
        actor=actor,
        reason="down",
        at=NOON,
        expires_at=LATE,
    )


OPEN = window("office", ALLOW, lasts=True)
SHUT = window("office", ALLOW, lasts=False)
NIGHT = window("night", ALLOW, lasts=False)
OVER = window("office", ALLOW, lasts=False, changes=False)
FROZEN = window("year-end", FREEZE, lasts=True)
THAWED = window("year-end", FREEZE, lasts=False)


@pytest.mark.parametrize(
    ("windows", "outcome", "code"),
    [
        ((), Outcome.ALLOW, "ok"),
        ((OPEN,), Outcome.ALLOW, "ok"),
        ((SHUT,), Outcome.HOLD, "outside_window"),
        ((OPEN, NIGHT), Outcome.ALLOW, "ok"),
        ((SHUT, NIGHT), Outcome.HOLD, "outside_window"),
        ((FROZEN,), Outcome.HOLD, "frozen"),
        ((THAWED,), Outcome.ALLOW, "ok"),
        ((OPEN, FROZEN), Outcome.HOLD, "frozen"),
        ((SHUT, FROZEN), Outcome.HOLD, "frozen"),
        ((SHUT, THAWED), Outcome.HOLD, "outside_window"),
    ],
)
def test_it_must_lie_inside_one_allow_window_and_outside_every_freeze(
    windows: tuple[WindowFacts, ...], outcome: Outcome, code: str
) -> None:
    verdict = decide(facts(admitting=True, windows=given(*windows)))
    assert (verdict.outcome, verdict.reason_code) == (outcome, code)
    assert (verdict.held_on is not None) == (outcome is Outcome.HOLD)
    if outcome is Outcome.HOLD:
        assert verdict.remedy is not None
        assert verdict.facts["free_at"] == SOON.isoformat()


def test_before_anybody_waits_for_it_a_window_that_opens_in_time_only_says_so() -> None:
    verdict = decide(facts(windows=given(SHUT)))
    assert verdict.outcome is Outcome.ALLOW
    assert "will wait until" in verdict.message


@pytest.mark.parametrize("opens_at", [LATE, draft().execute_by, None])
@pytest.mark.parametrize(
    ("roles", "first", "later"), [(OPERATOR, "require_approval", "hold"), ((), "deny", "deny")]
)
def test_one_that_does_not_open_in_time_needs_an_override(
    opens_at: datetime | None, roles: tuple[Role, ...], first: str, later: str
) -> None:
    closed = given(window("office", ALLOW, lasts=False, roles=roles), opens_at=opens_at)
    verdict = decide(facts(windows=closed))
    assert verdict.outcome.value == first
    if verdict.requirement is not None:
        assert (verdict.requirement.quorum, verdict.requirement.roles) == (1, OPERATOR)
    assert decide(facts(admitting=True, windows=closed)).outcome.value == later


def test_an_allow_window_that_never_comes_again_is_told() -> None:
    verdict = decide(facts(admitting=True, windows=given(OVER, opens_at=None)))
    assert verdict.reason_code == "window_ended"
    assert "No opening is in sight" in verdict.message


def test_windows_that_nobody_read_are_no_day_without_windows() -> None:
    verdict = decide(facts(windows=None))
    assert (verdict.outcome, verdict.reason_code) == (Outcome.DENY, "windows_unknown")


@pytest.mark.parametrize(
    ("overrides", "outcome"),
    [
        ((override("office"),), Outcome.HOLD),
        ((override("office", "year-end"),), Outcome.ALLOW),
        ((override("office"), override("year-end")), Outcome.HOLD),
        ((override("office", "year-end", actor=BEN),), Outcome.HOLD),
    ],
    ids=["one of two", "both", "two halves", "no role"],
)
def test_an_override_counts_for_all_that_closes_or_not_at_all(
    overrides: tuple[GateOverride, ...], outcome: Outcome
) -> None:
    verdict = decide(facts(admitting=True, windows=given(SHUT, FROZEN), overrides=overrides))
    assert verdict.outcome is outcome
    if outcome is Outcome.ALLOW:
        assert (verdict.facts["override"], verdict.facts["overridden_by"]) == ("ovr_1", "local/olga")


@pytest.mark.parametrize(
    "changes",
    [
        {"draft": draft(authors=(ANA, OLGA))},
        {"owners": ("local/olga",)},
        {"owners": ("sre",)},
    ],
    ids=["an author", "the owner of the agent", "a group that owns the agent"],
)
def test_an_override_by_somebody_with_a_hand_in_it_does_not_count(changes: dict[str, Any]) -> None:
    by_olga = override("office", actor=OLGA.model_copy(update={"groups": ("sre",)}))
    known: dict[str, Any] = {"admitting": True, "windows": given(SHUT), "overrides": (by_olga,)}
    assert decide(facts(**known)).outcome is Outcome.ALLOW
    assert decide(facts(**known, **changes)).outcome is Outcome.HOLD


def test_of_windows_that_name_different_people_only_who_may_override_all_is_asked() -> None:
    other = window("year-end", FREEZE, lasts=True, roles=(Role.ADMIN,))
    assert decide(facts(windows=given(SHUT, other, opens_at=None))).outcome is Outcome.DENY


def declared(name: str, kind: str, starts: str, ends: str, **scope: Any) -> ChangeWindow:
    fields = {"starts_at": f"2026-11-{starts}", "ends_at": f"2026-11-{ends}", "time_zone": "UTC"}
    return ChangeWindow.model_validate(
        {"name": name, "kind": kind, "scope": scope or {"everything": True}} | fields
    )


def test_it_opens_when_nothing_closes_any_more() -> None:
    timetable = Timetable(
        [
            declared("monday", "allow", "23T09:00", "23T17:00"),
            declared("tuesday", "allow", "24T09:00", "24T17:00"),
            declared("inventory", "freeze", "23T00:00", "24T12:00"),
        ]
    )
    found = timetable.at(Place.of(draft()), NOON)
    assert found.opens_at == NOON.replace(day=24, hour=12)
    assert timetable.at(Place.of(draft()), found.opens_at).opens_at == found.opens_at
    assert timetable.at(Place.of(draft()), NOON.replace(day=24, hour=17)).opens_at is None


def test_of_allow_windows_the_one_that_comes_first_opens() -> None:
    tuesday, monday = (declared(f"day-{day}", "allow", f"{day}T09:00", f"{day}T17:00") for day in (24, 23))
    assert Timetable([tuesday, monday]).at(Place.of(draft()), NOON).opens_at == NOON.replace(day=23, hour=9)


def test_a_freeze_without_gaps_is_looked_through_once_and_not_in_every_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked, at = list[datetime](), Timeline.at

    def counted(timeline: Timeline, moment: datetime) -> Phase:
        looked.append(moment)
        return at(timeline, moment)

    monkeypatch.setattr(Timeline, "at", counted)
    always = {"name": "always", "kind": "freeze", "scope": {"everything": True}, "time_zone": "UTC"}
    freeze = ChangeWindow.model_validate(always | {"cron": "0 * * * *", "duration": "1h"})
    timetable = Timetable([freeze])
    assert timetable.at(Place.of(draft()), NOON).opens_at is None
    assert len(looked) < 1_000
    looked.clear()
    for minute in range(60):
        assert timetable.at(Place.of(draft()), NOON + timedelta(minutes=minute)).opens_at is None
    assert len(looked) == 60


def test_what_keeps_one_place_shut_keeps_no_other_shut() -> None:
    freeze = declared("freeze", "freeze", "01T00:00", "30T00:00", team="research", environment="production")
    timetable, here = Timetable([freeze]), Place.of(draft())
    assert timetable.at(replace(here, team="research"), NOON).opens_at == NOON.replace(day=30, hour=0)
    assert timetable.at(replace(here, team="inference"), NOON).opens_at == NOON


def test_another_configuration_has_another_timetable() -> None:
    kept = Timetables()
    for name in ("one", "other"):
        freeze = declared(name, "freeze", "01T00:00", "30T00:00")
        configuration = Configuration(windows=(freeze,), environments={"production": Environment()})
        for _ in range(2):
            found = kept.of(configuration).at(Place.of(draft()), NOON)
            assert [one.name for one in found.windows] == [name]


@pytest.mark.parametrize(
    ("scope", "covers"),
    [
        ({"everything": True}, True),
        ({"environment": "production"}, True),
        ({"environment": "development"}, False),
        ({"team": "inference", "environment": "production"}, True),
        ({"team": "research", "environment": "production"}, False),
        ({"target": "gke.node_pool/acme-prod/*/serving/*"}, True),
        ({"target": "gke.node_pool/acme-prod"}, False),
        ({"action_kind": "gke.node_pool.resize"}, True),
        ({"action_kind": "gke.node_pool.autoscaling"}, False),
    ],
    ids=str,
)
def test_only_windows_that_cover_the_change_count(scope: dict[str, Any], covers: bool) -> None:
    freeze = declared("freeze", "freeze", "01T00:00", "30T00:00", **scope)
    found = Timetable([freeze]).at(Place.of(draft()), NOON)
    assert [one.name for one in found.windows] == (["freeze"] if covers else [])
    assert (found.opens_at == NOON) is not covers
