package sluice.policies.pool_observed_test

import data.sluice.policies.pool_observed as policy

test_evaluated if policy.evaluated

seen := {
	"observation": {"machine_type": "e2-medium", "total_nodes": 0},
	"change": {"nodes_before": 0, "nodes_after": 3},
}

test_an_observed_pool_is_fine if {
	count(policy.violations) == 0 with input as seen
}

test_without_an_observation_nothing_is_allowed if {
	some violation in policy.violations with input as {"observation": null, "change": null}
	violation.level == "hard"
}

test_an_empty_input_is_denied if {
	count(policy.violations) == 1 with input as {}
}

test_a_blank_machine_type_is_none if {
	blank := object.union(seen, {"observation": {"machine_type": ""}})
	count(policy.violations) == 1 with input as blank
}

test_each_number_must_be_there if {
	every path in ["/observation/total_nodes", "/change/nodes_before", "/change/nodes_after"] {
		broken := json.patch(seen, [{"op": "replace", "path": path, "value": null}])
		count(policy.violations) == 1 with input as broken
	}
}
