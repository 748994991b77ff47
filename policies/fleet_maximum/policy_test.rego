package sluice.policies.fleet_maximum_test

import data.sluice.policies.fleet_maximum as policy

test_evaluated if policy.evaluated

growing_to(after, fleet) := {
	"fleet": {"nodes": fleet},
	"observation": {"total_nodes": 6},
	"change": {"nodes_before": 6, "nodes_after": after},
}

limits := {"nodes": 100}

test_the_maximum_itself_is_allowed if {
	count(policy.violations) == 0 with input as growing_to(16, 90) with data.sluice.limits.fleet_maximum as limits
}

test_one_more_is_denied_with_both_numbers if {
	some violation in policy.violations with input as growing_to(17, 90) with data.sluice.limits.fleet_maximum as limits
	violation.level == "hard"
	violation.message == "The fleet would have 101 nodes; it may have at most 100."
}

test_an_unknown_total_needs_an_operator if {
	found := policy.violations with input as growing_to(7, null) with data.sluice.limits.fleet_maximum as limits
	[violation.level | some violation in found] == ["soft"]
}

test_shrinking_is_fine_whatever_the_total if {
	count(policy.violations) == 0 with input as growing_to(5, 900) with data.sluice.limits.fleet_maximum as limits
	count(policy.violations) == 0 with input as growing_to(5, null) with data.sluice.limits.fleet_maximum as limits
}

test_without_a_number_it_says_nothing if {
	count(policy.violations) == 0 with input as growing_to(7, null)
}

test_the_same_size_is_fine if {
	count(policy.violations) == 0 with input as growing_to(6, 900) with data.sluice.limits.fleet_maximum as limits
}
