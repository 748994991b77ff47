# METADATA
# title: Machine families by environment
# description: Pools grow only if their machine family (the part before the first dash) is on the list.
# custom:
#   level: hard
#   reads: limits.machine_family.environments
#   remedy: Grow a pool of an allowed family.
package sluice.policies.machine_family

evaluated := true

violations contains violation if {
	input.change.nodes_after > input.change.nodes_before
	not listed
	violation := {
		"rule": "machine_family",
		"level": "hard",
		"message": sprintf("Machines of the family %s (%s) are not for %s; allowed: %s.", [
			family,
			input.observation.machine_type,
			input.environment,
			concat(", ", allowed),
		]),
		"remedy": "Grow a pool of an allowed machine family.",
	}
}

family := split(input.observation.machine_type, "-")[0]

listed if family in allowed

allowed := data.sluice.limits.machine_family.environments[input.environment]
