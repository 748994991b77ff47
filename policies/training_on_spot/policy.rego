# METADATA
# title: Training runs on spot machines
# description: |
#   A target that declares the purpose `training` grows on spot machines only, except in environments listed in
#   `except_in`. A target without a purpose is not judged.
# custom:
#   level: hard
#   reads: limits.training_on_spot.except_in
#   remedy: Grow a spot pool.
package sluice.policies.training_on_spot

evaluated := true

violations contains violation if {
	input.target.purpose == "training"
	input.change.nodes_after > input.change.nodes_before
	not on_spot
	not excepted
	violation := {
		"rule": "training_on_spot",
		"level": "hard",
		"message": sprintf("%s is for training, which runs on spot machines only; its %s machines are not.", [
			input.action.node_pool,
			input.observation.machine_type,
		]),
		"remedy": "Grow a pool of spot machines.",
	}
}

on_spot if input.observation.spot == true

excepted if input.environment in limits.except_in

limits := data.sluice.limits.training_on_spot
