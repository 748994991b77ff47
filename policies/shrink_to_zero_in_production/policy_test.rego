package sluice.policies.shrink_to_zero_in_production_test

import data.sluice.policies.shrink_to_zero_in_production as policy

resizing(production, before, after) := {
	"production": production,
	"action": {"kind": "gke.node_pool.resize", "node_pool": "inference"},
	"change": {"nodes_before": before, "nodes_after": after},
}

bounding(minimum) := {
	"production": true,
	"action": {"kind": "gke.node_pool.autoscaling", "node_pool": "batch", "min_node_count": minimum},
	"change": {"nodes_before": 9, "nodes_after": 9},
}

test_evaluated if policy.evaluated

test_the_last_nodes_of_production_stay if {
	some violation in policy.violations with input as resizing(true, 6, 0)
	violation.level == "hard"
	violation.message == "inference would lose all of its 6 nodes in production."
}

test_one_node_left_is_allowed if {
	count(policy.violations) == 0 with input as resizing(true, 6, 1)
}

test_an_empty_pool_may_stay_empty if {
	count(policy.violations) == 0 with input as resizing(true, 0, 0)
}

test_elsewhere_it_is_allowed if {
	count(policy.violations) == 0 with input as resizing(false, 6, 0)
}

test_an_autoscaler_down_to_zero_is_advised_against if {
	some violation in policy.violations with input as bounding(0)
	violation.level == "advisory"
}

test_an_autoscaler_that_keeps_one_is_fine if {
	count(policy.violations) == 0 with input as bounding(1)
}

test_an_upper_bound_is_no_size if {
	lowered := json.patch(bounding(1), [{"op": "replace", "path": "/change/nodes_after", "value": 0}])
	count(policy.violations) == 0 with input as lowered
}

test_elsewhere_an_autoscaler_may_go_down_to_zero if {
	count(policy.violations) == 0 with input as object.union(bounding(0), {"production": false})
}

test_a_resize_has_no_lower_bound if {
	resized := object.union(resizing(true, 6, 1), {"action": {"min_node_count": 0}})
	count(policy.violations) == 0 with input as resized
}
