"""The judge of what was set finds what was not approved, what was not taken back, and what stands otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from contracts.action import SetNodePoolAutoscaling
from contracts.audit import AuditEvent, AuditType
from contracts.observation import AutoscalingBounds, BoundsPrecondition
from contracts.principal import SYSTEM
from emulators.gke.log import Calls, ServedCall
from proofs.judgement import changes
from proofs.judgement.changes import Followed, size
from proofs.judgement.records import Records
from tests.contracts.samples import proposal, resize
from tests.e2e.practice_ground import DEVELOPMENT, Ground

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TARGET = "acme-prod/europe-west4/serving/inference"
BOUNDS = {"min_node_count": 1, "max_node_count": 3}


class Story:
    """Rows, events and calls of proposals that change one pool, from two nodes in a zone to four."""

    def __init__(self) -> None:
        self.proposals: list[Any] = []
        self.intents: list[Any] = []
        self.events: list[AuditEvent] = []
        self.calls = Calls()

    def ended(self, state: str, *, revision: int = 1, **changed: Any) -> str:
        """A proposal that came to this end; `changed` are fields of what was approved."""
        name = f"prp_{len(self.proposals) + 1}"
        document = proposal(id=name, **changed).model_dump(mode="json")
        target_key = f"gke.node_pool/{TARGET}"
        self.proposals.append(
            SimpleNamespace(id=name, state=state, revision=revision, document=document, target_key=target_key)
        )
        moved = {"id": name, "type": AuditType.PROPOSAL_MOVED, "tenant": "default", "subject": name}
        self.events.append(
            AuditEvent.model_validate(moved | {"actor": SYSTEM, "payload": {"to": state}, "at": NOW})
        )
        return name

    def set(self, name: str, request: dict[str, Any], step: str = "forward", target: str = TARGET) -> None:
        """The provider takes a call for a step of a proposal."""
        project, location, cluster, pool = target.split("/")
        number = len(self.calls) + 1
        method = "SetNodePoolSize" if "node_count" in request else "SetNodePoolAutoscaling"
        self.calls.append(
            ServedCall(
                seq=number,
                ts=NOW,
                surface="container",
                method=method,
                project=project,
                location=location,
                cluster=cluster,
                node_pool=pool,
                request=request,
                operation=f"op-{number}",
                accepted=True,
            )
        )
        self._intent(name, step, operation=f"op-{number}")

    def found_as_wanted(self, name: str, step: str = "forward") -> None:
        """A step found everything as it wanted it, by its own account."""
        self._intent(name, step, receipt={"outcome": "no_op"})

    def _intent(
        self, name: str, step: str, operation: str | None = None, receipt: dict[str, str] | None = None
    ) -> None:
        self.intents.append(
            SimpleNamespace(
                key=f"{name}/1/{step}", proposal_id=name, step=step, operation=operation, receipt=receipt
            )
        )

    def followed(self, first: changes.Settings | None = None) -> Followed:
        """What the judge makes of it, from two nodes on."""
        told = {"proposals": self.proposals, "intents": self.intents, "events": self.events}
        records = Records(**(dict.fromkeys(Records.__dataclass_fields__, ()) | told))
        return changes.follow(records, self.calls, {TARGET: first or size(2)})


def test_a_change_that_was_approved_is_as_it_must_be_and_leaves_its_size() -> None:
    story = Story()
    story.set(story.ended("succeeded"), size_of(4))
    assert story.followed() == Followed({TARGET: size(4)})


def test_an_effect_of_another_size_than_was_approved_is_found() -> None:
    story = Story()
    story.set(story.ended("succeeded"), size_of(5))
    assert story.followed().faults == ["prp_1 set 5, and 4 was approved"]


def test_an_effect_on_another_pool_than_was_approved_is_found() -> None:
    story = Story()
    story.set(story.ended("succeeded"), size_of(4), target=f"{TARGET}-2")
    assert story.followed().faults == [f"prp_1 (forward) changed {TARGET}-2 instead of {TARGET}"]


def test_an_effect_of_an_older_revision_is_found() -> None:
    story = Story()
    story.set(story.ended("succeeded", revision=2), size_of(4))
    assert story.followed().faults == ["prp_1 (forward) made revision 1, and 2 is the newest"]


def test_an_effect_on_a_pool_that_was_not_as_it_was_approved_for_is_found() -> None:
    story = Story()
    story.set(story.ended("succeeded", action=resize(3)), size_of(3))
    story.set(story.ended("succeeded"), size_of(4))
    assert story.followed().faults == ["prp_2 was approved for 2 | 2 | 2 and changed 3"]


def test_a_success_without_a_call_on_a_pool_that_was_not_there_is_found() -> None:
    story = Story()
    story.found_as_wanted(story.ended("succeeded"))
    assert story.followed(size(4)).faults == []
    assert story.followed(size(2)).faults == ["prp_1 set nothing: wanted 4, found 2"]


def test_a_way_back_leaves_what_was_there_before() -> None:
    story = Story()
    name = story.ended("rolled_back")
    story.set(name, size_of(4))
    story.set(name, size_of(2), "compensation")
    assert story.followed() == Followed({TARGET: size(2)})


def test_a_way_back_that_leads_elsewhere_is_found() -> None:
    story = Story()
    name = story.ended("rolled_back")
    story.set(name, size_of(4))
    story.set(name, size_of(3), "compensation")
    assert story.followed().faults == ["prp_1 was taken back to 3, and was 2 before"]


def test_a_way_back_that_nobody_made_is_found() -> None:
    story = Story()
    name = story.ended("rolled_back")
    story.set(name, size_of(4))
    assert story.followed().faults == ["prp_1 was rolled back without a way back"]
    story.found_as_wanted(name, "compensation")
    pretended = story.followed()
    assert pretended.faults == []
    assert pretended.misplaced({TARGET: [size(4)] * 3}) == [
        f"{TARGET} stands at 4 | 4 | 4 and was to be left at 2"
    ]


def test_a_zone_that_stands_otherwise_than_all_proposals_left_it_is_found() -> None:
    story = Story()
    story.set(story.ended("succeeded"), size_of(4))
    followed = story.followed()
    assert followed.misplaced({TARGET: [size(4), size(4)]}) == []
    assert followed.misplaced({TARGET: [size(4), size(3)]}) == [
        f"{TARGET} stands at 4 | 3 and was to be left at 4"
    ]


def test_nobody_knows_what_a_dirty_proposal_leaves_until_the_pool_is_given_up() -> None:
    story = Story()
    story.set(story.ended("dirty"), size_of(4))
    story.set(story.ended("succeeded", action=resize(7)), size_of(7))
    assert story.followed() == Followed({})


def test_bounds_are_followed_as_sizes_are() -> None:
    story = Story()
    where = resize().model_dump(include={"project", "location", "cluster", "node_pool"})
    wanted = SetNodePoolAutoscaling(**where, min_node_count=1, max_node_count=6)
    approved = BoundsPrecondition(machine_type="g2-standard-8", bounds=AutoscalingBounds(**BOUNDS))
    name = story.ended("rolled_back", action=wanted, precondition=approved)
    story.set(name, {"autoscaling": {"enabled": True, "min_node_count": 1, "max_node_count": 6}})
    story.set(name, {"autoscaling": {"enabled": True, **BOUNDS}}, "compensation")
    assert story.followed(BOUNDS) == Followed({TARGET: BOUNDS})
    assert story.followed({**BOUNDS, "max_node_count": 2}).faults == [
        "prp_1 was approved for 1/3 and changed 1/2",
        "prp_1 was taken back to 1/3, and was 1/2 before",
    ]


def test_pools_begin_as_the_fleet_file_sets_them_unless_their_zones_differ() -> None:
    ground = Ground(1)
    begins, [place] = changes.first(ground.fleet()), ground.places(DEVELOPMENT)
    assert begins[place.pool("web")] == size(1)
    assert begins[place.pool("auto")] == BOUNDS
    assert place.pool("uneven") not in begins


def size_of(node_count: int) -> dict[str, Any]:
    """The provider's request."""
    return {"name": "ignored", **size(node_count)}
