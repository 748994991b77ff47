"""What a workflow cost, counted from its real history: events, and actions as Temporal Cloud bills them.

Source: docs.temporal.io/evaluate/cloud/actions. Heartbeats and retries leave no events and are not counted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

_BILLED = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    }
)


@dataclass(frozen=True)
class Cost:
    events: int
    actions: int


async def cost_of(handle: WorkflowHandle[object, object]) -> Cost:
    """Count one run."""
    return cost_in((await handle.fetch_history()).events)


def cost_in(events: Sequence[HistoryEvent]) -> Cost:
    """Count the events of one run. The local activities of one workflow task are billed as one action."""
    billed = sum(event.event_type in _BILLED for event in events)
    with_markers = {
        event.marker_recorded_event_attributes.workflow_task_completed_event_id
        for event in events
        if _is_marker(event)
    }
    return Cost(events=len(events), actions=billed + len(with_markers))


def _is_marker(event: HistoryEvent) -> bool:
    return event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
