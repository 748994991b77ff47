"""How time passes in the emulator, without its server: what is due happens, and nothing happens for ever."""

from __future__ import annotations

from emulators.gke.cloud import Cloud
from emulators.gke.faults import Fault, FaultKind
from emulators.gke.model import Cluster, Group, Pool, State, Timing

_TIMING = Timing(pending=0.5, operation=1, node_start=4, node_stop=2, stockout=8)


def test_an_operation_that_is_let_go_after_it_should_have_given_up_gives_up_then() -> None:
    now = 1_000.0
    group = Group(zone="europe-west4-a", name="web-a-grp", target=3, running=3, stock=3)
    pool = Pool(name="web", machine_type="n2-standard-4", initial_node_count=3, groups=[group])
    cluster = Cluster(
        project="acme", project_number=1, location="europe-west4", name="prod", version="1.33", pools=[pool]
    )
    cloud = Cloud(State(timing=_TIMING, clusters=[cluster]), clock=lambda: now)
    stuck = cloud.set_size(cluster, pool, 5, Fault(method="SetNodePoolSize", kind=FaultKind.STUCK))
    now += 60
    assert cloud.cluster("acme", "europe-west4", "prod").operations[0].status == "RUNNING"

    stuck.done_at = now

    ended = cloud.cluster("acme", "europe-west4", "prod").operations[0]
    assert (ended.status, ended.ended_at) == ("DONE", now)
    assert ended.error is not None
    assert ended.error.condition == "GCE_STOCKOUT"
    assert group.running == 3
