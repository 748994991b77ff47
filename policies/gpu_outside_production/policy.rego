# METADATA
# title: No large GPU outside production
# description: Outside production a pool with GPUs larger than A100-40GB must not grow. Shrinking it is fine.
# custom:
#   level: hard
#   reads: limits.gpu_outside_production.allowed_accelerators, .denied_machine_prefixes
#   remedy: Use GPUs up to A100-40GB, or a production pool.
package sluice.policies.gpu_outside_production

evaluated := true

violations contains violation if {
	not input.production
	input.change.nodes_after > input.change.nodes_before
	count(larger_gpus) > 0
	violation := {
		"rule": "gpu_outside_production",
		"level": "hard",
		"message": sprintf("GPUs larger than A100-40GB are only for production, not for %s: %s.", [
			input.environment,
			concat(", ", sort(larger_gpus)),
		]),
		"remedy": "Grow a pool with GPUs up to A100-40GB, or one of production.",
	}
}

larger_gpus contains accelerator.type if {
	some accelerator in input.observation.accelerators
	not allowed(accelerator.type)
}

larger_gpus contains input.observation.machine_type if {
	some prefix in limits.denied_machine_prefixes
	startswith(input.observation.machine_type, prefix)
}

allowed(type) if type in limits.allowed_accelerators

limits := data.sluice.limits.gpu_outside_production
