package sluice.policies.data_residency_test

import data.sluice.policies.data_residency as policy

test_evaluated if policy.evaluated

labelled(declared, own, region) := {
	"region": region,
	"target": {"labels": declared},
	"observation": {"resource_labels": own},
	"change": {"nodes_before": 6, "nodes_after": 7},
}

limits := {"label": "data-residency", "classes": {"eu": ["europe-west1", "europe-west4"]}}

test_a_region_of_the_class_is_fine if {
	count(policy.violations) == 0 with input as labelled({"data-residency": "eu"}, {}, "europe-west4")
		with data.sluice.limits.data_residency as limits
}

test_another_region_is_denied if {
	some violation in policy.violations with input as labelled({"data-residency": "eu"}, {}, "us-central1")
		with data.sluice.limits.data_residency as limits
	violation.message == "Data of the class eu may not be in us-central1; allowed: europe-west1, europe-west4."
}

test_the_label_of_the_pool_counts_too if {
	count(policy.violations) == 1 with input as labelled({}, {"data-residency": "eu"}, "us-central1")
		with data.sluice.limits.data_residency as limits
}

test_what_the_target_declares_wins_over_the_pool if {
	count(policy.violations) == 1 with input as labelled({"data-residency": "eu"}, {"data-residency": ""}, "us-central1")
		with data.sluice.limits.data_residency as limits
}

test_a_class_that_nobody_defined_is_allowed_nowhere if {
	some violation in policy.violations with input as labelled({"data-residency": "ch"}, {}, "europe-west4")
		with data.sluice.limits.data_residency as limits
	violation.message == "Data of the class ch may not be in europe-west4; allowed: nowhere, the class is not defined."
}

test_a_target_without_a_class_is_not_judged if {
	count(policy.violations) == 0 with input as labelled({}, {}, "us-central1")
		with data.sluice.limits.data_residency as limits
}

test_an_unregistered_target_is_judged_by_the_pool if {
	bare := json.patch(labelled({}, {"data-residency": "eu"}, "us-central1"), [{"op": "replace", "path": "/target", "value": null}])
	count(policy.violations) == 1 with input as bare with data.sluice.limits.data_residency as limits
}

test_shrinking_is_fine if {
	smaller := object.union(labelled({"data-residency": "eu"}, {}, "us-central1"), {"change": {"nodes_after": 5}})
	count(policy.violations) == 0 with input as smaller with data.sluice.limits.data_residency as limits
}

test_the_same_size_is_fine if {
	same := json.patch(labelled({"data-residency": "eu"}, {}, "us-central1"), [{"op": "replace", "path": "/change/nodes_after", "value": 6}])
	count(policy.violations) == 0 with input as same with data.sluice.limits.data_residency as limits
}

test_nobody_can_lift_it if {
	some violation in policy.violations with input as labelled({"data-residency": "eu"}, {}, "us-central1")
		with data.sluice.limits.data_residency as limits
	violation.level == "hard"
}
