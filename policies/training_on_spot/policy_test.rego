package sluice.policies.training_on_spot_test

import data.sluice.policies.training_on_spot as policy

test_evaluated if policy.evaluated

growing(purpose, spot, after) := {
	"environment": "development",
	"action": {"node_pool": "trainers"},
	"target": {"purpose": purpose},
	"observation": {"spot": spot, "machine_type": "a2-highgpu-1g"},
	"change": {"nodes_before": 1, "nodes_after": after},
}

test_training_on_spot_is_fine if {
	count(policy.violations) == 0 with input as growing("training", true, 2)
}

test_training_on_other_machines_is_denied if {
	some violation in policy.violations with input as growing("training", false, 2)
	violation.level == "hard"
	violation.message == "trainers is for training, which runs on spot machines only; its a2-highgpu-1g machines are not."
}

test_an_unknown_kind_of_machine_is_denied if {
	count(policy.violations) == 1 with input as growing("training", null, 2)
}

test_serving_and_what_has_no_purpose_are_not_judged if {
	count(policy.violations) == 0 with input as growing("serving", false, 2)
	count(policy.violations) == 0 with input as growing(null, false, 2)
}

test_shrinking_is_fine if {
	count(policy.violations) == 0 with input as growing("training", false, 0)
}

test_an_excepted_environment_is_fine if {
	count(policy.violations) == 0 with input as growing("training", false, 2)
		with data.sluice.limits.training_on_spot as {"except_in": ["development"]}
}

test_without_limits_nothing_is_excepted if {
	count(policy.violations) == 1 with input as growing("training", false, 2) with data.sluice.limits as {}
}

test_the_same_size_is_fine if {
	count(policy.violations) == 0 with input as growing("training", false, 1)
}
