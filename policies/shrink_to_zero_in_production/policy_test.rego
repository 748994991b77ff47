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
