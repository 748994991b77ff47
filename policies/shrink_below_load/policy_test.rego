package sluice.policies.shrink_below_load_test

import data.sluice.policies.shrink_below_load as policy

test_evaluated if policy.evaluated

shrinking_to(after, load) := {
	"environment": "production",
	"action": {"node_pool": "inference"},
	"observation": {"total_nodes": 6},
	"change": {"nodes_before": 6, "nodes_after": after},
	"load": load,
}

limits := {"needed_in": ["production"]}

test_what_the_load_needs_may_stay if {
	count(policy.violations) == 0 with input as shrinking_to(4, {"least_nodes": 4}) with data.sluice.limits.shrink_below_load as limits
}

test_one_less_is_denied_with_both_numbers if {
	some violation in policy.violations with input as shrinking_to(3, {"least_nodes": 4})
	violation.level == "hard"
	violation.message == "3 nodes cannot carry what runs on inference: its pods request what 4 nodes have."
	violation.remedy == "Keep at least 4 nodes, or move the load first."
}

test_growing_is_fine if {
	count(policy.violations) == 0 with input as shrinking_to(6, {"least_nodes": 9})
	count(policy.violations) == 0 with input as shrinking_to(7, null) with data.sluice.limits.shrink_below_load as limits
}

test_an_unknown_load_is_denied_where_it_is_needed if {
	count(policy.violations) == 1 with input as shrinking_to(5, null) with data.sluice.limits.shrink_below_load as limits
	count(policy.violations) == 1 with input as shrinking_to(5, {"least_nodes": null})
		with data.sluice.limits.shrink_below_load as limits
}

test_an_unknown_load_is_not_judged_elsewhere if {
	count(policy.violations) == 0 with input as shrinking_to(5, null)
}

test_nobody_can_lift_what_is_unknown if {
	some violation in policy.violations with input as shrinking_to(5, null)
		with data.sluice.limits.shrink_below_load as limits
	violation.level == "hard"
}
