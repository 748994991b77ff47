from __future__ import annotations

from api.audit.schemas import NumberedEvent
from api.web.activity.view import minutes_of
from tests.api.audit.story import S, Story


def items(story: Story) -> list[NumberedEvent]:
    numbered = [
        NumberedEvent(number=one.number or 0, leaf_hash="", summary="", event=one.event)
        for one in story.events
    ]
    return numbered[::-1]


def test_lines_are_grouped_by_minute_and_keep_their_order() -> None:
    story = Story().waiting()
    found = minutes_of(items(story))
    assert [line.number for minute in found for line in minute.lines] == [43, 42, 41, 40]
    assert len(found) == 4
    assert all(minute.at.second == 0 for minute in found)


def test_what_needs_a_person_stands_out() -> None:
    story = Story().waiting().approved().started().called().looked(running=3, code="nodes_not_running")
    story.move(S.DIRTY, "nodes_not_running")
    alarming = {
        line.event.type.value
        for minute in minutes_of(items(story))
        for line in minute.lines
        if line.is_alarming
    }
    assert alarming == {"verification.recorded", "proposal.moved"}
