package sluice.policies.machine_family_test

import data.sluice.policies.machine_family as policy

test_evaluated if policy.evaluated

growing(machine_type, after) := {
	"environment": "production",
	"observation": {"machine_type": machine_type},
	"change": {"nodes_before": 6, "nodes_after": after},
}

limits := {"environments": {"production": ["e2", "n2"]}}

test_an_allowed_family_may_grow if {
	count(policy.violations) == 0 with input as growing("n2-standard-4", 7) with data.sluice.limits.machine_family as limits
}

test_a_family_is_more_than_a_prefix if {
	some violation in policy.violations with input as growing("n2d-standard-4", 7)
		with data.sluice.limits.machine_family as limits
	violation.message == "Machines of the family n2d (n2d-standard-4) are not for production; allowed: e2, n2."
}

test_shrinking_is_fine if {
	count(policy.violations) == 0 with input as growing("n2d-standard-4", 5) with data.sluice.limits.machine_family as limits
}

test_an_environment_without_a_list_is_not_judged if {
	elsewhere := object.union(growing("n2d-standard-4", 7), {"environment": "development"})
	count(policy.violations) == 0 with input as elsewhere with data.sluice.limits.machine_family as limits
}

test_the_same_size_is_fine if {
	same := json.patch(growing("n2d-standard-4", 7), [{"op": "replace", "path": "/change/nodes_after", "value": 6}])
	count(policy.violations) == 0 with input as same with data.sluice.limits.machine_family as limits
}

test_nobody_can_lift_it if {
	some violation in policy.violations with input as growing("n2d-standard-4", 7)
		with data.sluice.limits.machine_family as limits
	violation.level == "hard"
}
