package sluice.policies.agent_limits_test

import data.sluice.policies.agent_limits as policy

test_evaluated if policy.evaluated

bounding(kind, maximum, autoscaling) := {
	"action": {"kind": "gke.node_pool.autoscaling", "max_node_count": maximum},
	"target": {"max_nodes_per_zone": 12},
	"observation": {"autoscaling": autoscaling},
	"proposal": {"authors": [{"kind": "human"}, {"kind": kind}]},
}

per_zone(maximum) := {"max_node_count": maximum, "total_max_node_count": 0}

test_an_agent_may_keep_or_lower_the_bound if {
	count(policy.violations) == 0 with input as bounding("agent", 5, per_zone(5))
	count(policy.violations) == 0 with input as bounding("agent", 4, per_zone(5))
}

test_a_raise_by_an_agent_needs_an_approver if {
	some violation in policy.violations with input as bounding("agent", 6, per_zone(5))
	violation.level == "soft"
	violation.roles == ["approver"]
	violation.message == "An agent would raise its own room: up to 6 nodes per zone, before 5."
}

test_switching_an_autoscaler_on_is_a_raise if {
	some violation in policy.violations with input as bounding("agent", 1, null)
	violation.message == "An agent would raise its own room: up to 1 nodes per zone, before no upper bound for a zone."
}

test_bounds_of_the_whole_pool_count_as_raised if {
	whole := {"max_node_count": 5, "total_max_node_count": 9}
	count(policy.violations) == 1 with input as bounding("agent", 1, whole)
}

test_above_what_is_registered_nobody_can_approve_it if {
	found := policy.violations with input as bounding("agent", 13, per_zone(5))
	[violation.level | some violation in found] == ["hard"]
}

test_an_unregistered_target_registers_nothing if {
	bare := json.patch(bounding("agent", 6, per_zone(5)), [{"op": "replace", "path": "/target", "value": null}])
	some violation in policy.violations with input as bare
	violation.level == "hard"
}

test_people_may_raise if {
	count(policy.violations) == 0 with input as bounding("human", 6, per_zone(5))
}

test_a_resize_is_no_limit if {
	resize := json.patch(bounding("agent", 6, null), [{"op": "replace", "path": "/action/kind", "value": "gke.node_pool.resize"}])
	count(policy.violations) == 0 with input as resize
}

test_below_what_is_registered_and_above_it_only_one_of_both_is_said if {
	at_the_registered := policy.violations with input as bounding("agent", 12, per_zone(5))
	[violation.level | some violation in at_the_registered] == ["soft"]
}

test_what_people_raise_or_an_agent_keeps_is_not_judged_above_it_either if {
	count(policy.violations) == 0 with input as bounding("human", 13, per_zone(5))
	count(policy.violations) == 0 with input as bounding("agent", 13, per_zone(13))
}

test_a_bound_of_zero_is_none if {
	some violation in policy.violations with input as bounding("agent", 1, per_zone(0))
	endswith(violation.message, "before no upper bound for a zone.")
}
