# METADATA
# title: Only what was observed is changed
# description: |
#   Every other policy reads the pool as the provider reported it. Where that is missing, none of them can tell, so
#   this one denies.
# custom:
#   level: hard
#   reads: nothing
#   remedy: Wait until the provider answers, then propose again.
package sluice.policies.pool_observed

evaluated := true

violations contains violation if {
	not observed
	violation := {
		"rule": "pool_observed",
		"level": "hard",
		"message": "The provider did not report the pool: without its size and machine type no policy can judge the change.",
		"remedy": "Wait until the provider answers, then propose again.",
	}
}

observed if {
	input.observation.machine_type != ""
	is_number(input.observation.total_nodes)
	is_number(input.change.nodes_before)
	is_number(input.change.nodes_after)
}
