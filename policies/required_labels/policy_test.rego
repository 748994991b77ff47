package sluice.policies.required_labels_test

import data.sluice.policies.required_labels as policy

test_evaluated if policy.evaluated

labelled(own, declared) := {
	"environment": "production",
	"action": {"cluster": "serving", "node_pool": "inference"},
	"target": {"labels": declared},
	"observation": {"resource_labels": own},
	"change": {"nodes_before": 6, "nodes_after": 7},
}

limits := {"environments": {"production": ["cost-center", "service"]}}

test_labels_of_pool_and_target_count_together if {
	count(policy.violations) == 0 with input as labelled({"cost-center": "42"}, {"service": "search"})
		with data.sluice.limits.required_labels as limits
}

test_missing_labels_are_named if {
	some violation in policy.violations with input as labelled({}, {}) with data.sluice.limits.required_labels as limits
	violation.message == "serving/inference lacks labels that production requires: cost-center, service."
}

test_a_blank_label_is_none if {
	some violation in policy.violations with input as labelled({"cost-center": " ", "service": "search"}, {})
		with data.sluice.limits.required_labels as limits
	violation.message == "serving/inference lacks labels that production requires: cost-center."
}

test_shrinking_is_fine if {
	smaller := object.union(labelled({}, {}), {"change": {"nodes_after": 5}})
	count(policy.violations) == 0 with input as smaller with data.sluice.limits.required_labels as limits
}

test_other_environments_are_not_judged if {
	elsewhere := object.union(labelled({}, {}), {"environment": "development"})
	count(policy.violations) == 0 with input as elsewhere with data.sluice.limits.required_labels as limits
}

test_the_same_size_is_fine if {
	same := json.patch(labelled({}, {}), [{"op": "replace", "path": "/change/nodes_after", "value": 6}])
	count(policy.violations) == 0 with input as same with data.sluice.limits.required_labels as limits
}

test_nobody_can_lift_it if {
	some violation in policy.violations with input as labelled({}, {}) with data.sluice.limits.required_labels as limits
	violation.level == "hard"
}
