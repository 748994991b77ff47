package sluice.policies.gpu_outside_production_test

import data.sluice.policies.gpu_outside_production as policy

growing(machine_type, accelerators) := {
	"production": false,
	"environment": "development",
	"change": {"nodes_before": 1, "nodes_after": 2},
	"observation": {"machine_type": machine_type, "accelerators": accelerators},
}

test_evaluated if policy.evaluated

test_a_pool_without_gpus_may_grow if {
	count(policy.violations) == 0 with input as growing("e2-standard-4", [])
}

test_a100_40gb_may_grow if {
	count(policy.violations) == 0 with input as growing(
		"a2-highgpu-1g",
		[{"type": "nvidia-tesla-a100", "count": 1}],
	)
}

test_a100_80gb_is_denied_and_named if {
	some violation in policy.violations with input as growing(
		"a2-ultragpu-1g",
		[{"type": "nvidia-a100-80gb", "count": 1}],
	)
	violation.level == "hard"
	violation.message == "GPUs larger than A100-40GB are only for production, not for development: a2-ultragpu-1g, nvidia-a100-80gb."
}

test_a_machine_type_that_brings_its_gpu_along_is_denied if {
	count(policy.violations) == 1 with input as growing("a3-highgpu-8g", [])
}

test_an_unknown_gpu_is_denied if {
	count(policy.violations) == 1 with input as growing(
		"n1-standard-8",
		[{"type": "nvidia-of-tomorrow", "count": 1}],
	)
}

test_production_may_have_any if {
	big := growing("a3-highgpu-8g", [{"type": "nvidia-h100-80gb", "count": 8}])
	count(policy.violations) == 0 with input as object.union(big, {"production": true})
}

test_shrinking_is_fine if {
	big := growing("a3-highgpu-8g", [{"type": "nvidia-h100-80gb", "count": 8}])
	smaller := object.union(big, {"change": {"nodes_before": 2, "nodes_after": 0}})
	count(policy.violations) == 0 with input as smaller
}

test_without_a_list_no_gpu_is_allowed if {
	small := growing("g2-standard-8", [{"type": "nvidia-l4", "count": 1}])
	count(policy.violations) == 1 with input as small with data.sluice.limits as {}
}

test_the_same_size_is_fine if {
	big := growing("a3-highgpu-8g", [{"type": "nvidia-h100-80gb", "count": 8}])
	same := object.union(big, {"change": {"nodes_before": 2, "nodes_after": 2}})
	count(policy.violations) == 0 with input as same
}
